//! A rule set and one with a rule less, a policy and what was rendered from it, a file and itself.

use jiff::Timestamp;
use segwall_core::analysis::diff::{Outcome, Party, What, diff};
use segwall_core::analysis::sets::{box_words, own_names};
use segwall_core::emit::iptables;
use segwall_core::netfilter::{Hook, TableFamily, read_iptables_save};
use segwall_core::ruleset::{At, lower};
use segwall_core::source::Source;
use segwall_core::testing::{Seeded, iptables_save, random_policy, source_of, to_toml};
use segwall_packetset::Space;

use crate::full;
use crate::naive::{Fate, fate};
use crate::packets::{MACS, edges, opening, read, with_mac};

const SEED: u64 = 0x5e6_d1ff;
const PROGRAMS: u64 = 20;
const PACKETS: usize = 300;
const POLICIES: u64 = 12;

fn now() -> At {
    At::Instant("2026-11-22T12:00:00Z".parse::<Timestamp>().expect("an instant"))
}

#[test]
fn a_rule_less_opens_and_closes_what_each_packet_shows() {
    let (mut changed, mut same) = (0, 0);
    for seed in SEED..SEED + full(PROGRAMS) {
        let mut choices = Seeded(seed);
        let text = iptables_save(&mut |bound| choices.below(bound), 60, 6);
        let is_rule = |line: &&str| line.starts_with("-A") && !line.contains("-p udp") && !line.contains("-p icmp");
        let rules: Vec<&str> = text.lines().filter(is_rule).collect();
        let gone = rules[usize::try_from(choices.below(rules.len() as u64)).unwrap()];
        let less = text.replacen(&format!("{gone}\n"), "", 1);
        let (before, after) = (read(&text), read(&less));
        let mut space = Space::default();
        let found = diff(&mut space, Party::Rules(&[&before]), Party::Rules(&[&after]), now());
        // Half of the packets are those that the rule asks for.
        let edges = [edges(&text), edges(gone)];
        for number in 0..PACKETS {
            let hook = [Hook::Forward, Hook::Input, Hook::Output][number % 3];
            let port = [22, 80, 443][number / 3 % 3];
            let point = opening(&mut choices, hook, &edges[number % 2], port);
            let point = with_mac(&point, choices.below(MACS));
            let fates = [fate(&before, hook, &point), fate(&after, hook, &point)];
            let sure = |fate: Fate| match fate {
                Fate { accept: true, drop: false } => Some(Outcome::Accept),
                Fate { accept: false, drop: true } => Some(Outcome::Drop),
                _ => None,
            };
            let told: Vec<&What> = found
                .changes
                .iter()
                .filter(|change| change.hook == hook && matches!(change.what, What::Verdict(..)))
                .filter(|change| space.contains(change.set, &point))
                .map(|change| &change.what)
                .collect();
            let text = || format!("{hook:?} {point:?} without {gone}\nseed {seed:#x}\n{text}");
            match (sure(fates[0]), sure(fates[1])) {
                (Some(from), Some(to)) if from == to => {
                    assert_eq!(told, Vec::<&What>::new(), "{}", text());
                    same += 1;
                }
                (Some(from), Some(to)) => {
                    assert_eq!(told, [&What::Verdict(from, to)], "{}", text());
                    changed += 1;
                }
                (from, to) => {
                    // Where a side is not decided it is never claimed to be.
                    for what in told {
                        let What::Verdict(before, after) = what else { unreachable!("verdicts only") };
                        assert!(from.is_none_or(|from| from == *before), "{}", text());
                        assert!(to.is_none_or(|to| to == *after), "{}", text());
                        assert!(from.is_some() || matches!(before, Outcome::May | Outcome::Limited), "{}", text());
                        assert!(to.is_some() || matches!(after, Outcome::May | Outcome::Limited), "{}", text());
                    }
                }
            }
        }
    }
    assert!(changed >= 5 && same >= 500, "{changed} packets changed, {same} did not");
}

#[test]
fn a_file_and_itself_are_equal_whatever_is_not_decided() {
    let mut choices = Seeded(SEED);
    let text = iptables_save(&mut |bound| choices.below(bound), 200, 8);
    let commented = format!("# by hand\n\n{text}");
    let (before, after) = (read(&text), read(&commented));
    let found = diff(&mut Space::default(), Party::Rules(&[&before]), Party::Rules(&[&after]), now());
    assert!(found.changes.is_empty() && found.doubts.is_empty(), "{:?}", found.doubts);
}

#[test]
fn a_policy_and_what_is_rendered_from_it_open_the_same() {
    for seed in SEED..SEED + full(POLICIES) {
        let mut choices = Seeded(seed);
        let policy = random_policy(&mut |bound| choices.below(bound));
        let ruleset = lower(&policy, &source_of(&policy), &jiff::tz::TimeZone::UTC);
        let read = |text: String, family| read_iptables_save(&Source::new("rendered", text), family);
        let programs = [
            read(iptables::v4(&ruleset, now()), TableFamily::Ip),
            read(iptables::v6(&ruleset, now()), TableFamily::Ip6),
        ];
        let mut space = Space::default();
        let rules = [&programs[0], &programs[1]];
        let found = diff(&mut space, Party::Policy(&ruleset), Party::Rules(&rules), now());
        let verdicts: Vec<String> = found
            .changes
            .iter()
            // What is rendered is good until a rule expires.
            .filter(|change| change.from.is_none())
            .map(|change| {
                let boxes: Vec<String> = change.shown.boxes.iter().map(|cube| box_words(cube, &own_names)).collect();
                format!("{:?} {:?} {} {boxes:#?}", change.hook, change.what, change.samples[0].packet)
            })
            .collect();
        assert!(verdicts.is_empty(), "seed {seed:#x}: {verdicts:#?}\n{}", to_toml(&policy));
    }
}

/// What a diff of two INPUT chains comes to: how many changes, and whether there are doubts.
fn of_input(before: &str, after: &str) -> (usize, bool) {
    let file = |rules: &str| read(&format!("*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n{rules}COMMIT\n"));
    let (before, after) = (file(before), file(after));
    let found = diff(&mut Space::default(), Party::Rules(&[&before]), Party::Rules(&[&after]), now());
    (found.changes.len(), !found.doubts.is_empty())
}

#[test]
fn what_both_files_share_decides_alike_unless_something_is_left_behind_for_it() {
    let knock = "-A INPUT -p tcp -m tcp --dport 22 -m recent --rcheck --seconds 60 --name knock --rsource -j ACCEPT\n";
    let web = "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n";
    // A rule said twice is no difference, whatever else is not decided.
    assert_eq!(of_input(&format!("{knock}{web}{web}"), &format!("{knock}{web}")), (0, false));
    assert_eq!(of_input(&format!("{knock}{web}"), knock), (1, false));
    // Without the rule that learns, the one that asks never holds: that is not seen, and not called equal.
    let learns = "-A INPUT -p tcp -m tcp --dport 1111 -m recent --set --name knock --rsource -j DROP\n";
    assert_eq!(of_input(&format!("{learns}{knock}"), knock), (0, true));
    // Where the sides depend on it in different ways, nothing is claimed.
    let drops = knock.replace("ACCEPT", "DROP");
    let ssh = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n";
    assert_eq!(of_input(knock, &format!("{drops}{ssh}")), (0, true));
}
