//! Emitted texts in the real parser and kernel, in namespaces of their own.

use std::io::Write;
use std::process::{Command, Stdio};

use segwall_core::emit::{iptables, nft};
use segwall_core::policy::{Context, load};
use segwall_core::ruleset::{At, lower};
use segwall_core::source::Source;
use segwall_core::testing::{Seeded, random_policy, source_of, to_toml};

use super::{full, instant};

const SEED: u64 = 0x5e6_0ff7;
const POLICIES: usize = 30;

/// Runs a shell script in new user and network namespaces, with UTC as time zone.
/// Root needs no user namespace; in one, a transaction is as long as a socket's buffer, which nobody there may raise.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").expect("there is a /proc").uid() == 0
}

fn in_namespace(script: &str, input: &str) -> Result<String, String> {
    let mut child = Command::new("unshare")
        .args([
            if is_root() { "-n" } else { "-Urn" },
            "sh",
            "-ec",
            &format!("PATH=$PATH:/usr/sbin:/sbin TZ=UTC; export PATH TZ\n{script}"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut stdin = child.stdin.take().expect("piped");
    let text = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    let _ = writer.join();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).chars().take(4000).collect())
    }
}

/// Whether nft works in a namespace here. `SEGWALL_NO_SKIP` turns a skip into a failure.
fn can_run(program: &str) -> bool {
    let works = in_namespace(program, "");
    if let Err(why) = &works {
        assert!(std::env::var_os("SEGWALL_NO_SKIP").is_none(), "`{program}` does not run in a namespace: {why}");
        eprintln!("SKIPPED: `{program}` does not run in a namespace: {why}");
    }
    works.is_ok()
}

fn example(name: &str) -> segwall_core::ruleset::Ruleset {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/").to_owned() + name;
    lowered(name, &std::fs::read_to_string(&path).expect("the examples are there"))
}

fn lowered(name: &str, text: &str) -> segwall_core::ruleset::Ruleset {
    let source = Source::new(name, text);
    let context = Context { today: "2026-11-22".parse().expect("a date"), timezone: jiff::tz::TimeZone::UTC };
    let loaded = load(&source, &context);
    let policy = loaded.policy.unwrap_or_else(|| panic!("{name}: {:?}", loaded.diagnostics));
    lower(&policy, &source, &jiff::tz::TimeZone::UTC)
}

/// Limits of which xtables takes some less than they say.
pub fn limited() -> segwall_core::ruleset::Ruleset {
    let segment = |name: &str, number: u8| {
        format!("[segments.{name}]\ninterface = \"eth{number}\"\nsubnets = [\"10.0.{number}.0/24\"]\n")
    };
    let rule = |limit: &str| format!("[[accept]]\nfrom = \"lan\"\nto = \"dmz\"\nlimit = \"{limit}\"\n");
    let limits = [
        "10/second burst 4294967295",
        "10/second burst 864000",
        "1/day",
        "2000000/second",
        "20/day burst 20",
        "100/second burst 4294967295",
    ];
    let text = format!("{}{}{}", segment("lan", 1), segment("dmz", 2), limits.map(rule).concat());
    lowered("limits.toml", &text)
}

const EXAMPLES: [&str; 4] = ["tutorial.toml", "branch.toml", "home.toml", "office.toml"];

fn now() -> At {
    At::Instant("2026-11-22T19:00:00Z".parse().expect("an instant"))
}

#[test]
fn the_kernel_takes_every_example_and_gives_it_back() {
    if !can_run("nft list ruleset") {
        return;
    }
    for name in EXAMPLES {
        let program = nft::compile(&example(name), now());
        let text = program.script();
        let back = in_namespace(
            "d=$(mktemp -d); trap 'rm -r $d' EXIT; cat > $d/a; nft -f $d/a; nft -f $d/a; nft list ruleset > $d/b; \
             nft flush ruleset; nft -f $d/b; nft list ruleset > $d/c; cmp $d/b $d/c; cat $d/c",
            &text,
        )
        .unwrap_or_else(|why| panic!("{name}: {why}\n{text}"));
        for chain in &program.chains {
            assert!(back.contains(&format!("chain {} {{", chain.name)), "{name}: no chain {}\n{back}", chain.name);
        }
    }
}

#[test]
fn the_kernel_takes_every_random_policy_in_pieces_and_at_once() {
    if !can_run("nft list ruleset") {
        return;
    }
    let mut choices = Seeded(SEED);
    for case in 0..full(POLICIES) {
        let policy = random_policy(&mut |bound| choices.below(bound));
        let ruleset = lower(&policy, &source_of(&policy), &jiff::tz::TimeZone::UTC);
        let program = nft::compile(&ruleset, instant(&mut |bound| choices.below(bound)));
        let mut input = program.closed_base();
        for piece in program.pieces(7) {
            input.push_str("\n%%\n");
            input.push_str(&piece);
        }
        input.push_str("\n%%%\n");
        input.push_str(&program.script());
        // One transaction each; then the whole over it must give the same.
        let script = "d=$(mktemp -d); trap 'rm -r $d' EXIT; cd $d; \
            awk -v n=0 '/^%%%$/ {n=\"whole\"; next} /^%%$/ {n++; next} {print > (\"part\" n)}'; \
            i=0; while [ -e part$i ]; do nft -f part$i || { cat part$i >&2; exit 1; }; i=$((i+1)); done; nft list ruleset > a; \
            nft -f partwhole; nft list ruleset > b; cmp a b";
        in_namespace(script, &input)
            .unwrap_or_else(|why| panic!("case {case}: {why}\n{}\n{}", program.script(), to_toml(&policy)));
    }
}

#[test]
fn updates_lead_where_a_fresh_load_leads() {
    if !can_run("nft list ruleset") {
        return;
    }
    let mut choices = Seeded(SEED + 2);
    for case in 0..full(POLICIES) {
        let mut program = || {
            let mut policy = random_policy(&mut |bound| choices.below(bound));
            // Interfaces come and go and change places too.
            if choices.below(3) == 0 {
                policy.segments.iter_mut().for_each(|segment| segment.device = segment.device.replace("eth0", "lan"));
            }
            let ruleset = lower(&policy, &source_of(&policy), &jiff::tz::TimeZone::UTC);
            nft::compile(&ruleset, instant(&mut |bound| choices.below(bound)))
        };
        let programs = [program(), program(), program()];
        let mut input = String::new();
        for (at, new) in programs.iter().enumerate() {
            let update = match at {
                0 => new.script(),
                _ => new.update_from(&programs[at - 1]),
            };
            assert_eq!(new.update_from(new), "");
            for (name, text) in [("update", &update), ("whole", &new.script())] {
                input.push_str(&format!("%%{name}{at}\n{text}"));
            }
        }
        let script = "d=$(mktemp -d); trap 'rm -r $d' EXIT; cd $d; awk '/^%%/ {f=substr($0, 3); next} {print > f}'; \
            for i in 0 1 2; do [ -e update$i ] && { nft -f update$i || { cat update$i >&2; exit 1; }; }; \
                nft -nn list table inet segwall; echo %%; done; \
            for i in 0 1 2; do nft flush ruleset; nft -f whole$i; nft -nn list table inet segwall; echo %%; done; \
            for i in 0 1 2; do nft -f whole$i; nft -nn list table inet segwall; echo %%; done";
        let listed = in_namespace(script, &input).unwrap_or_else(|why| panic!("case {case}: {why}\n{input}"));
        let listed: Vec<Vec<String>> = listed.split("%%\n").map(blocks).collect();
        for at in 0..programs.len() {
            let (got, wanted) = (&listed[at], &listed[at + programs.len()]);
            let differs: Vec<&String> =
                got.iter().filter(|b| !wanted.contains(b)).chain(wanted.iter().filter(|b| !got.contains(b))).collect();
            assert!(differs.is_empty(), "case {case}, update {at}: {differs:#?}\n{input}");
            // Over an older generation that nobody remembers, sets and chains may stay behind, but no hook.
            let over = &listed[at + 2 * programs.len()];
            let missing: Vec<&String> = wanted.iter().filter(|block| !over.contains(block)).collect();
            assert!(missing.is_empty(), "case {case}, whole text {at} over another: {missing:#?}\n{input}");
            let hooks = |blocks: &[String]| blocks.iter().filter(|block| block.contains(" hook ")).count();
            assert_eq!(hooks(over), hooks(wanted), "case {case}, whole text {at} over another\n{input}");
        }
    }
}

/// What a listed table is made of, without the order in which it was made.
fn blocks(listing: &str) -> Vec<String> {
    let lines: Vec<&str> = listing.lines().collect();
    let inside = lines.get(1..lines.len().saturating_sub(1)).unwrap_or_default().join("\n");
    let mut blocks: Vec<String> = inside
        .split("\n\n")
        .map(|block| match block.split_once("elements = {") {
            None => block.to_owned(),
            Some((head, elements)) => {
                let mut elements: Vec<&str> = elements.split([',', '}']).map(str::trim).collect();
                elements.sort_unstable();
                format!("{head}{elements:?}")
            }
        })
        .collect();
    blocks.sort();
    blocks
}

#[test]
fn an_update_keeps_counters_and_what_was_learned() {
    if !can_run("nft list ruleset") {
        return;
    }
    let policy = |service: &str| {
        let text = format!(
            "[segments.a]\ninterface = \"e1\"\nsubnets = [\"10.0.1.0/24\"]\n\
             [segments.b]\ninterface = \"e2\"\nsubnets = [\"10.0.2.0/24\"]\n\
             [[accept]]\nfrom = \"a\"\nto = \"b\"\nservice = [{service}]\n"
        );
        let source = Source::new("segwall.toml", text);
        let context = Context { today: "2026-11-22".parse().expect("a date"), timezone: jiff::tz::TimeZone::UTC };
        let loaded = load(&source, &context);
        let policy = loaded.policy.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        nft::compile(&lower(&policy, &source, &jiff::tz::TimeZone::UTC), now())
    };
    let (old, new) = (policy("\"tcp/80\", \"tcp/90\""), policy("\"tcp/443\", \"tcp/80\""));
    let script = "d=$(mktemp -d); trap 'rm -r $d' EXIT; cd $d; awk '/^%%/ {f=substr($0, 3); next} {print > f}'; \
        nft -f old; s='inet segwall accept_forward_in_out_port'; e='\"e1\" . \"e2\" . 6 . 80'; \
        nft \"delete element $s { $e }; add element $s { $e counter packets 7 bytes 420 }; \
             add element inet segwall pairs_dropped { \\\"e1\\\" . \\\"e2\\\" }\"; \
        nft -f new; nft -nn list table inet segwall";
    let listed = in_namespace(script, &format!("%%old\n{}%%new\n{}", old.script(), new.update_from(&old)))
        .unwrap_or_else(|why| panic!("{why}"));
    assert!(listed.contains(r#""e1" . "e2" . 6 . 80 counter packets 7 bytes 420"#), "{listed}");
    assert!(listed.contains(r#""e1" . "e2" . 6 . 443 counter packets 0 bytes 0"#), "{listed}");
    assert!(!listed.contains(". 6 . 90"), "{listed}");
    let learned = listed.split("set pairs_dropped").nth(1).expect("listed");
    assert!(learned[..200].contains(r#""e1" . "e2""#), "{listed}");
    // The whole text keeps what was learned as well.
    let whole = in_namespace(script, &format!("%%old\n{}%%new\n{}", old.script(), new.script()))
        .unwrap_or_else(|why| panic!("{why}"));
    let learned = whole.split("set pairs_dropped").nth(1).expect("listed");
    assert!(learned[..200].contains(r#""e1" . "e2""#), "{whole}");
}

/// Loads both families' texts in both variants of the programs that are there.
const RESTORE: &str = "d=$(mktemp -d); trap 'rm -r $d' EXIT; cd $d; \
    awk -v f=four '/^%%$/ {f=\"six\"; next} {print > f}'; \
    for kind in '' -legacy; do \
        command -v iptables$kind-restore >/dev/null || continue; \
        iptables$kind-restore --test four; iptables$kind-restore four; iptables$kind-restore four; \
        ip6tables$kind-restore --test six; ip6tables$kind-restore six; ip6tables$kind-restore six; \
        iptables$kind-save >/dev/null; ip6tables$kind-save > /dev/null; \
    done";

#[test]
fn iptables_restore_takes_examples_and_random_policies() {
    if !can_run("iptables -L && ip6tables -L") {
        return;
    }
    let mut choices = Seeded(SEED + 1);
    let mut rulesets: Vec<_> = EXAMPLES.iter().map(|name| (example(name), now(), (*name).to_owned())).collect();
    rulesets.push((limited(), now(), "limits".to_owned()));
    for _ in 0..full(POLICIES / 3) {
        let policy = random_policy(&mut |bound| choices.below(bound));
        let at = instant(&mut |bound| choices.below(bound));
        rulesets.push((lower(&policy, &source_of(&policy), &jiff::tz::TimeZone::UTC), at, to_toml(&policy)));
    }
    let (count, mut taken) = (rulesets.len(), 0);
    for (ruleset, at, shown) in rulesets {
        let (four, six) = (iptables::v4(&ruleset, at), iptables::v6(&ruleset, at));
        match in_namespace(RESTORE, &format!("{four}%%\n{six}")) {
            Ok(_) => taken += 1,
            Err(why) if !is_root() && why.contains("Message too long") => {
                eprintln!("too long for a user namespace: {} lines", four.lines().count() + six.lines().count());
            }
            Err(why) => panic!("{why}\n{four}\n{six}\n{shown}"),
        }
    }
    // Some may be too long; that most are would say that nothing was tried.
    assert!(taken * 2 > count, "{taken} of {count} could be tried");
}
