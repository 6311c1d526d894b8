//! Our own rendering for iptables, read back from its text, is proved to be what the policy says.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_core::analysis::proof::{Answer, prove};
use segwall_core::emit::iptables;
use segwall_core::netfilter::{Program, TableFamily, read_iptables_save};
use segwall_core::policy::{self, Context};
use segwall_core::ruleset::{At, Ruleset, lower};
use segwall_core::source::Source;
use segwall_core::testing::{Seeded, random_policy, source_of, to_toml};
use segwall_packetset::Space;

use crate::show;

const SEED: u64 = 0x5e6_1b7a;
const POLICIES: u64 = 20;

fn full(count: u64) -> u64 {
    if std::env::var_os("SEGWALL_FULL").is_some() { count * 5 } else { count }
}

fn now() -> At {
    At::Instant("2026-11-22T12:00:00Z".parse::<Timestamp>().expect("an instant"))
}

fn read(text: String, family: TableFamily) -> Program {
    let source = Source::new("rendered", text);
    let program = read_iptables_save(&source, family);
    assert_eq!(show::notes(&source, &program), Vec::<String>::new(), "{}", source.text());
    program
}

/// What is not proved, in words.
fn fault(ruleset: &Ruleset) -> Option<String> {
    let programs =
        [read(iptables::v4(ruleset, now()), TableFamily::Ip), read(iptables::v6(ruleset, now()), TableFamily::Ip6)];
    match prove(&mut Space::default(), ruleset, &[&programs[0], &programs[1]], now()).answer {
        Answer::Proved => None,
        Answer::Undetermined(why) => Some(format!("undetermined: {why:#?}")),
        Answer::Refuted(list) => {
            let lines = list.iter().map(|one| {
                let rules: Vec<String> = one
                    .rules
                    .iter()
                    .take(3)
                    .map(|at| {
                        let chain = &programs[at.program].tables[at.table].chains[at.chain];
                        format!("{}: {}", chain.name, chain.rules.get(at.rule).map_or("policy".into(), show::of_rule))
                    })
                    .collect();
                format!("{}: {}: wanted {}, found {} {rules:?}", one.hook.word(), one.witness, one.wanted, one.found)
            });
            Some(lines.collect::<Vec<_>>().join("\n"))
        }
    }
}

#[test]
fn examples_are_proved() {
    let folder = format!("{}/../../examples", env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("committed") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let source = Source::new("x", std::fs::read_to_string(&path).expect("readable"));
        let context = Context { today: jiff::civil::date(2026, 11, 22), timezone: TimeZone::UTC };
        let policy = policy::load(&source, &context).policy.expect("sound");
        let ruleset = lower(&policy, &source, &TimeZone::UTC);
        assert_eq!(fault(&ruleset), None, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} examples found");
}

#[test]
fn random_policies_are_proved() {
    for number in 0..full(POLICIES) {
        let seed = SEED + number;
        let mut choices = Seeded(seed);
        let policy = random_policy(&mut |bound| choices.below(bound));
        let source = source_of(&policy);
        let ruleset = lower(&policy, &source, &TimeZone::UTC);
        if let Some(fault) = fault(&ruleset) {
            panic!("seed {seed:#x}: {fault}\n{}", to_toml(&policy));
        }
    }
}
