//! Any bytes give a program and notes, never a panic, in time that grows with their number.

use std::time::Instant;

use proptest::prelude::*;
use segwall_core::netfilter::{
    Program, TableFamily, read_ipset_save, read_iptables_save, read_iptables_save_with, read_iptables_script,
};
use segwall_core::source::Source;
use segwall_core::testing::{Seeded, iptables_save};

/// Texts to break: a save file, a script, a file of sets.
fn good() -> [String; 4] {
    let mut choices = Seeded(3);
    let mut script = String::from(include_str!("../netfilter/tutorial/rules.sh"));
    script.push_str(
        "A=${B:-x}; for i in 1 2; do iptables -A INPUT -s \"$i\" -j DROP; done\nf() { exit; }\ncat <<E\nx\nE\n",
    );
    let examples: String = include_str!("examples.txt")
        .lines()
        .filter_map(|line| line.split_once(" | "))
        .map(|(_, rule)| format!("iptables {rule}\n"))
        .collect();
    let sets = "create a hash:ip,port\nadd a 10.0.0.1,udp:53\ndel a 10.0.0.1,udp:53\nflush a\nswap a b\n";
    [iptables_save(&mut |bound| choices.below(bound), 100, 5), script, examples, sets.to_owned()]
}

/// Reads a text in every way, and holds what holds for every program.
fn read(text: &str) {
    let source = Source::new("x", text);
    let sets = read_ipset_save(&source);
    let programs = [
        read_iptables_save_with(&source, TableFamily::Ip, &sets),
        read_iptables_save(&source, TableFamily::Ip6),
        read_iptables_script(&source),
    ];
    for program in &programs {
        check(&source, program);
    }
}

fn check(source: &Source, program: &Program) {
    let size = source.text().len();
    let rules = program.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
    let spans = rules.filter_map(|rule| rule.span).chain(program.notes.iter().map(|note| note.span));
    for span in spans {
        assert!(span.start <= span.end && span.end as usize <= size, "{span:?} of {size}");
        assert!(source.text().get(span.range()).is_some(), "{span:?} cuts a character");
    }
}

proptest! {
    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn random_words(words in proptest::collection::vec(prop_oneof![
        Just("iptables"), Just("-A"), Just("INPUT"), Just("-m"), Just("tcp"), Just("-p"), Just("!"), Just("--dport"),
        Just("\n"), Just(";"), Just("&&"), Just("||"), Just("|"), Just("("), Just(")"), Just("{"), Just("}"), Just("if"),
        Just("then"), Just("fi"), Just("do"), Just("done"), Just("case"), Just("esac"), Just(";;"), Just("$A"), Just("A=\"$A\""),
        Just("${A:-"), Just("$("), Just("`"), Just("'"), Just("\""), Just("\\"), Just("<<E"), Just("E"), Just(">"), Just("#"),
        Just("*filter"), Just(":X"), Just("-"), Just("COMMIT"), Just("[1:2]"), Just("-I"), Just("-R"), Just("1"), Just("-j"),
        Just("X"), Just("-N"), Just("-X"), Just("-E"), Just("-F"), Just("--state"), Just("NEW,"), Just("create"), Just("add"),
        Just("hash:ip"), Just("é"), Just("10.0.0.0/8"), Just("-s"), Just(","), Just("exec"), Just("sudo"), Just("set"),
    ], 0..120), spaced in any::<bool>()) {
        read(&words.join(if spaced { " " } else { "" }));
    }

    #[test]
    fn broken_files(which in 0..4usize, faults in proptest::collection::vec((any::<u16>(), any::<u8>(), 0..4u8), 1..12)) {
        let mut bytes = good()[which].clone().into_bytes();
        for (at, byte, kind) in faults {
            let at = usize::from(at) % bytes.len();
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => { bytes.remove(at); }
                _ => {
                    let end = (at + usize::from(byte)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        read(&String::from_utf8_lossy(&bytes));
    }
}

/// Texts that could cost more than they should, each of about `size` bytes.
fn hostile(size: usize) -> Vec<(&'static str, String)> {
    let flood = |head: &str, line: &str| format!("{head}{}", line.repeat(size / line.len()));
    vec![
        ("insertions", flood("*filter\n", "-I INPUT -j DROP\n")),
        ("insertions in the middle", flood(&flood("*filter\n", "-A INPUT\n"), "-I INPUT 1000\n")),
        ("deletions", flood(&flood("*filter\n", "-A INPUT\n"), "-D INPUT -j DROP\n")),
        ("chains taken away", flood("", "iptables -N a;iptables -X\n")),
        ("chains", (0..size / 12).map(|at| format!("iptables -N c{at}\n")).collect()),
        ("renamed chains", flood("iptables -N a\n", "iptables -E a b;iptables -E b a\n")),
        ("open substitutions", flood("", "$(")),
        ("open braces", flood("", "${a:-")),
        ("open quotes", flood("", "\"'`")),
        ("nested commands", flood("", "{ ( ")),
        ("documents", flood("", "cat <<a <<b\n")),
        ("big values", flood(&format!("A='{}'\n", "x".repeat(60_000)), ": $A\n")),
        ("addresses", flood("*filter\n", &format!("-A INPUT -s {}1\n", "1,".repeat(50)))),
        (
            "pairs of addresses",
            flood("*filter\n", &format!("-A INPUT -s {}1 -d {}1\n", "1,".repeat(60), "1,".repeat(60))),
        ),
        ("connections", flood("*filter\n-A INPUT", " -m conntrack --ctproto tcp")),
        ("sets", flood("create a hash:ip\n", "add a 10.0.0.1\nflush\n")),
        ("options", flood("iptables -A INPUT", " -m set --match-set a src")),
        ("letters", flood("iptables -A INPUT -", "v")),
    ]
}

#[test]
fn time_grows_with_the_size() {
    const SIZE: usize = 100_000;
    for (what, text) in hostile(4 * SIZE) {
        let start = Instant::now();
        read(&text);
        let seconds = start.elapsed().as_secs_f64();
        assert!(seconds < 20.0, "{what}: {seconds} s for {} bytes", text.len());
    }
}

/// 5,000 rules in 60 chains: 0.1 s is what a release build may take.
#[test]
fn a_large_file_is_read_at_once() {
    let mut choices = Seeded(60);
    let source = Source::new("x", iptables_save(&mut |bound| choices.below(bound), 5000, 60));
    let start = Instant::now();
    let program = read_iptables_save(&source, TableFamily::Ip);
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(program.notes, []);
    let rules: usize = program.tables.iter().flat_map(|table| &table.chains).map(|chain| chain.rules.len()).sum();
    assert_eq!((rules, program.tables[0].chains.len()), (5000, 60));
    println!("5000 rules, {} bytes, in {seconds:.3} s", source.text().len());
    assert!(seconds < if cfg!(debug_assertions) { 5.0 } else { 0.5 }, "{seconds} s");
}

#[test]
fn good_files_are_good() {
    let [save, ..] = good();
    let program = read_iptables_save(&Source::new("x", save), TableFamily::Ip);
    assert_eq!(program.notes, []);
}
