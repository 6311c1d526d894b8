//! "Never matches" and "no packet would fare otherwise" are true: without the rule nothing changes, on any hook, of
//! random rule sets.

use segwall_core::analysis::foreign::{Rules, audit, codes};
use segwall_core::netfilter::meaning::{Options, path};
use segwall_core::netfilter::{Hook, Program, TableFamily, read_iptables_save};
use segwall_core::source::{Source, Span};
use segwall_core::testing::{Seeded, iptables_save};
use segwall_packetset::{Set, Space};

const PROGRAMS: u64 = 300;
const SEED: u64 = 0xdead;

/// What may be accepted and what may be dropped, at every hook.
fn fates(space: &mut Space, program: &Program) -> Vec<(Set, Set)> {
    let mut fate = |hook| {
        let entering = segwall_core::analysis::sets::possible(space, hook).expect("fits");
        let options = Options { entering, ..Options::default() };
        let hooked = path(space, &[program], hook, &options).expect("fits");
        (hooked.may_accept, hooked.may_drop)
    };
    vec![fate(Hook::Input), fate(Hook::Forward), fate(Hook::Output)]
}

/// The program without what stands at a place.
fn without(program: &Program, span: Span) -> Program {
    let mut program = program.clone();
    let mut gone = 0;
    for chain in program.tables.iter_mut().flat_map(|table| &mut table.chains) {
        let before = chain.rules.len();
        chain.rules.retain(|rule| rule.span != Some(span));
        gone += before - chain.rules.len();
    }
    assert_eq!(gone, 1, "one line, one rule");
    program
}

#[test]
fn without_a_dead_rule_nothing_changes() {
    let (mut dead, mut redundant, mut rules) = (0, 0, 0);
    for number in 0..PROGRAMS {
        let mut choices = Seeded(SEED + number);
        let size = 12 + usize::try_from(choices.below(30)).expect("small");
        let chains = 3 + usize::try_from(choices.below(5)).expect("small");
        let text = narrowed(&iptables_save(&mut |bound| choices.below(bound), size, chains));
        let source = Source::new("rules", text.as_str());
        let program = read_iptables_save(&source, TableFamily::Ip);
        let mut space = Space::default();
        let found = audit(&mut space, &[Rules { source: &source, program: &program }], None);
        assert_eq!(found.undecided, [], "seed {number}");
        let before = fates(&mut space, &program);
        rules += size;
        for one in found.findings {
            let code = one.diagnostic.code;
            if code != codes::NEVER_MATCHED && code != codes::REDUNDANT {
                continue;
            }
            let after = fates(&mut space, &without(&program, one.diagnostic.span));
            let line = source.slice(one.diagnostic.span);
            assert_eq!(before, after, "seed {number}: {}: {line}\n{text}", one.diagnostic.message);
            if code == codes::NEVER_MATCHED { dead += 1 } else { redundant += 1 }
        }
    }
    println!("{rules} rules: {dead} dead, {redundant} redundant");
    assert!(dead >= 300, "only {dead} dead rules: the programs show too little");
    assert!(redundant >= 100, "only {redundant} redundant rules: the programs show too little");
}

/// Fewer networks, so that rules meet each other.
fn narrowed(text: &str) -> String {
    let narrow = |word: &str| match word.strip_prefix("10.") {
        Some(rest) => {
            let (address, length) = rest.split_once('/').unwrap_or((rest, "32"));
            let first: u32 = address.split('.').next().and_then(|part| part.parse().ok()).unwrap_or(0);
            match length {
                "32" => format!("10.{}.0.{}/32", first % 2, first % 3),
                "24" => format!("10.{}.0.0/24", first % 2),
                _ => format!("10.{}.0.0/16", first % 2),
            }
        }
        None => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(narrow).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn what_is_not_known_makes_no_rule_dead() {
    let text = |first: &str| {
        format!(
            "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n-A FORWARD -p tcp {first} -j DROP\n\
             -A FORWARD -p tcp --dport 22 -j ACCEPT\nCOMMIT\n"
        )
    };
    let is_dead = |text: &str| {
        let audit = super::audited("iptables-save", text, None);
        audit.findings.iter().any(|found| found.diagnostic.code == codes::NEVER_MATCHED)
    };
    assert!(is_dead(&text("")));
    for unsure in [
        "-m recent --name x --rcheck",
        "-m statistic --mode nth --every 2",
        "-m limit --limit 5/minute",
        "-m string --string x --algo bm",
    ] {
        assert!(!is_dead(&text(unsure)), "{unsure}");
    }
}
