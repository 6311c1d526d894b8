//! What is read of iptables, against iptables and the kernel.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use segwall_core::netfilter::meaning::{Options, path};
use segwall_core::netfilter::{Hook, NoteKind, Program, Rule, TableFamily, read_iptables_save};
use segwall_core::source::Source;
use segwall_core::testing::Seeded;
use segwall_host::exec;
use segwall_host::netns::Netns;
use segwall_host::nft::Nft;
use segwall_packetset::Space;

use crate::draw::{Drawer, possible};
use crate::harness::Case;
use crate::nft::{NODES_MAX, SHOWN_MAX, Tally, is_sound, judge, shots};
use crate::packet::Shot;
use crate::random_iptables;
use crate::wire::Wire;

pub const ALL: &[Case] = &[
    ("every_example_is_taken_by_iptables", every_example_is_taken_by_iptables),
    ("random_iptables_programs_mean_what_the_kernel_does", random_iptables_programs_mean_what_the_kernel_does),
];

const SEED: u64 = 0x1b7a_0000;
const PROGRAMS: u64 = 50;
const PROGRAMS_FULL: u64 = 500;
const VARIANTS: [&str; 2] = ["nft", "legacy"];
const EMPTY: &str = "*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n\
    *mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT\n\
    *filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n";

/// One of iptables' programs in a namespace; what it wrote, or its complaint.
fn tool(netns: &Netns, name: &str, args: &[&str], input: &str) -> Result<String, String> {
    let program = exec::find(name).ok_or_else(|| format!("{name} is not installed"))?;
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // The lock of the machine's own rules is not ours to take.
    command.env("XTABLES_LOCKFILE", std::env::temp_dir().join(format!("segwall-xtables-{}.lock", std::process::id())));
    let mut child = exec::spawn(netns, &mut command).map_err(|error| error.to_string())?;
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(String::from_utf8_lossy(&output.stdout).into_owned()) } else { Err(complaint) }
}

fn program_of(is_v4: bool) -> &'static str {
    if is_v4 { "iptables" } else { "ip6tables" }
}

/// What is not there on this machine, or would have to be made before: no word about the rule.
const ELSEWHERE: &[&str] = &["doesn't exist", "missing kernel module", "failed to get bpf object"];

/// Examples that iptables refuses, as we do; the test of the table in the docs names them, too.
const REFUSED: &[&str] = &["target SYNPROXY both --timestamps"];

fn every_example_is_taken_by_iptables() {
    let netns = Netns::create().unwrap();
    let examples = include_str!("../../../core/tests/iptables/examples.txt");
    let (mut taken, mut elsewhere, mut wrong) = (0, 0, Vec::new());
    for line in examples.lines().filter(|line| !line.starts_with('#')) {
        let (option, rule) = line.split_once(" | ").unwrap();
        let is_v4 = option.split(' ').nth(2) != Some("6");
        let (table, rule) = match rule.strip_prefix("-t ").and_then(|rest| rest.split_once(' ')) {
            Some((table, rule)) => (table, rule),
            None => ("filter", rule),
        };
        let text = format!("*{table}\n{rule}\nCOMMIT\n");
        let source = Source::new("example", text.as_str());
        let read = read_iptables_save(&source, if is_v4 { TableFamily::Ip } else { TableFamily::Ip6 });
        let ours = !read.notes.iter().any(|note| note.kind == NoteKind::Refused);
        for variant in VARIANTS {
            let name = format!("{}-{variant}-restore", program_of(is_v4));
            match tool(&netns, &name, &["--test"], &text) {
                Ok(_) => taken += 1,
                Err(complaint) if ELSEWHERE.iter().any(|words| complaint.contains(words)) => {
                    elsewhere += 1;
                    continue;
                }
                Err(_) if !ours && REFUSED.contains(&option) => continue,
                Err(complaint) => wrong.push(format!("{name}: {option}: {complaint}")),
            }
            if !ours {
                wrong.push(format!("{option}: we refuse what {name} takes: {:?}", read.notes));
            }
        }
    }
    println!("{taken} taken, {elsewhere} that this machine cannot say");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(taken > 500, "only {taken} examples tried");
}

fn read(text: &str, is_v4: bool, replay: &dyn Fn(&str) -> String) -> Program {
    let source = Source::new("program", text);
    let program = read_iptables_save(&source, if is_v4 { TableFamily::Ip } else { TableFamily::Ip6 });
    let notes: Vec<&str> = program.notes.iter().map(|note| note.text.as_str()).collect();
    assert!(notes.iter().all(|note| note.contains("legacy")), "{}", replay(&format!("{notes:?}\n{text}")));
    program
}

/// A rule whose conditions have no order: iptables writes them down in its own.
fn normal(rule: &Rule) -> Vec<String> {
    let mut steps: Vec<String> = rule.steps.iter().map(|step| format!("{step:?}")).collect();
    steps.sort();
    steps.extend(rule.comment.clone());
    steps
}

/// Whether it accepts at its end, and its rules.
type NormalChain = (Option<bool>, Vec<Vec<String>>);
type Normal = BTreeMap<(String, String), NormalChain>;

/// The first rule that was read back otherwise than it was written.
fn difference(written: &NormalChain, back: &NormalChain) -> Option<String> {
    let mut pairs = written.1.iter().zip(&back.1);
    match pairs.find(|(written, back)| written != back) {
        Some((written, back)) => Some(format!("written {written:#?}\nread back {back:#?}")),
        None if written == back => None,
        None => Some("another policy, or another number of rules".to_owned()),
    }
}

/// Chains by table and name: whether they accept at their end, and their rules. Tables without any rule are left out.
fn normal_program(program: &Program) -> Normal {
    let tables = program.tables.iter().filter(|table| table.chains.iter().any(|chain| !chain.rules.is_empty()));
    tables
        .flat_map(|table| table.chains.iter().map(move |chain| (table, chain)))
        .map(|(table, chain)| {
            let rules = chain.rules.iter().map(normal).collect();
            ((table.name.clone(), chain.name.clone()), (chain.base.map(|base| base.accepts), rules))
        })
        .collect()
}

/// Nothing of an earlier program is left.
fn clear(wire: &Wire, nft: &Nft) {
    nft.load(&wire.gateway, "flush ruleset\n").unwrap();
    for is_v4 in [true, false] {
        tool(&wire.gateway, &format!("{}-legacy-restore", program_of(is_v4)), &[], EMPTY).unwrap();
    }
}

fn random_iptables_programs_mean_what_the_kernel_does() {
    let full = std::env::var_os("SEGWALL_FULL").is_some_and(|value| value == "1");
    let count = if full { PROGRAMS_FULL } else { PROGRAMS };
    let one = std::env::var("PROGRAM_SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    let seeds = one.map_or(SEED..SEED + count, |seed| seed..seed + 1);
    let nft = Nft::find().unwrap();
    let mut wire = Wire::new();
    let mut space = Space::new(NODES_MAX);
    let possible = possible(&mut space);
    let everything = Drawer::new(&space, possible);
    let mut tally = Tally::default();
    for seed in seeds {
        let mut choices = Seeded(seed);
        let variant = VARIANTS[usize::from(choices.below(2) == 0)];
        let texts = [true, false].map(|is_v4| random_iptables::text(&mut choices, is_v4));
        let replay = |what: &str| format!("PROGRAM_SEED={seed} ({variant}): {what}\n{}\n{}", texts[0], texts[1]);
        clear(&wire, &nft);
        let mut programs = Vec::new();
        for (text, is_v4) in texts.iter().zip([true, false]) {
            let name = program_of(is_v4);
            let loaded = tool(&wire.gateway, &format!("{name}-{variant}-restore"), &[], text);
            loaded.unwrap_or_else(|complaint| panic!("{}", replay(&complaint)));
            let saved = tool(&wire.gateway, &format!("{name}-{variant}-save"), &[], "").unwrap();
            let (written, back) = (read(text, is_v4, &replay), read(&saved, is_v4, &replay));
            let (ours, theirs) = (normal_program(&written), normal_program(&back));
            for (place, chain) in &ours {
                if let Some(what) =
                    theirs.get(place).map_or(Some("not saved".to_owned()), |back| difference(chain, back))
                {
                    tally.wrong.push(replay(&format!("{place:?}: {what}")));
                }
            }
            if ours.len() != theirs.len() {
                tally.wrong.push(replay(&format!("other chains are saved than were written:\n{saved}")));
            }
            programs.push(written);
        }
        wire.conntrack.flush().unwrap();
        let hooked = path(&mut space, &[&programs[0], &programs[1]], Hook::Forward, &Options::default()).unwrap();
        if let Err(what) = is_sound(&mut space, &hooked) {
            tally.wrong.push(replay(&what));
        }
        tally.certain_programs += usize::from(hooked.unknown.is_empty());
        let shots = shots(&mut space, &hooked, possible, &everything, &mut choices);
        let known: Vec<_> = shots.iter().filter(|shot| shot.is_established()).map(Shot::tuple).collect();
        wire.conntrack.establish(&known).unwrap();
        let arrived = wire.send(&shots);
        judge(&space, &hooked, &shots, &arrived, &mut tally, &replay);
        print!(".");
        let _ = std::io::stdout().flush();
    }
    println!(
        "\n{count} programs, {} of them certain throughout; packets: {} accepted, {} dropped, {} undecided",
        tally.certain_programs, tally.accepted, tally.dropped, tally.undecided
    );
    let shown: Vec<&str> = tally.wrong.iter().take(SHOWN_MAX).map(String::as_str).collect();
    assert!(shown.is_empty(), "{} programs differ:\n{}", tally.wrong.len(), shown.join("\n"));
    if one.is_none() {
        // A test that sees one outcome only, or certainty nowhere, shows nothing.
        let packets = tally.accepted + tally.dropped;
        assert!(tally.accepted * 10 > packets && tally.dropped * 10 > packets && tally.undecided * 4 < packets);
    }
}
