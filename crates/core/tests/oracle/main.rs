//! `lower` and `judge` against a brute-force reading of the policy, on random small policies and packets at their edges.
//!
//! `SEGWALL_FULL=1` runs ten times as many cases. A failing case is shrunk and printed as the text of a policy.

mod claims;
mod differences;
mod explained;
mod lints;
mod packets;
mod reading;
mod replay;
mod sets;

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::{Timestamp, ToSpan};
use packets::{Edges, Maker};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use reading::{Answer, By, Reading};
use segwall_core::policy::{Policy, Verdict};
use segwall_core::ruleset::{At, Decision, Origin, Reason, Ruleset, lower};
use segwall_core::testing::{Seeded, random_policy, source_of, to_toml};
use segwall_packetset::{Header, Sent};

const SEED: u64 = 0x5e6_0a11;
const CASES: u32 = 20_000;
const PACKETS_PER_POLICY: usize = 80;
/// More choices than any policy asks for.
const CHOICES_MAX: usize = 400;

fn runner(cases: u32) -> TestRunner {
    let full = std::env::var_os("SEGWALL_FULL").is_some();
    TestRunner::new(Config {
        cases: if full { cases * 10 } else { cases },
        rng_seed: RngSeed::Fixed(SEED),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    })
}

/// A list of choices; the plainest one when it is used up, so that a shorter list is a smaller case.
struct Tape<'a>(std::slice::Iter<'a, u32>);

impl Tape<'_> {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.next().map_or(0, |choice| u64::from(*choice) % bound)
    }
}

/// Fails with the case, when there is one.
fn report<T: std::fmt::Debug>(outcome: Result<(), TestError<T>>) {
    match outcome {
        Ok(()) => {}
        // The shrunken list of choices says nothing to people; the policy's text, in the reason, does.
        Err(TestError::Fail(why, _)) => panic!("{why}\nseed {SEED}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

fn lowered(policy: &Policy, uplink_addresses: &[IpAddr]) -> Ruleset {
    let mut ruleset = lower(policy, &source_of(policy), &jiff::tz::TimeZone::UTC);
    if let Some(uplink) = ruleset.uplink() {
        ruleset.interfaces[uplink.index()].addresses = uplink_addresses.to_vec();
    }
    ruleset
}

/// The uplink's addresses: the static ones, and for dynamic ones what the provider gives today.
fn uplink_addresses(policy: &Policy) -> Vec<IpAddr> {
    policy
        .uplinks
        .iter()
        .flat_map(|uplink| {
            let dynamic = [(uplink.dhcp, "198.18.0.2"), (uplink.ra, "2001:db8:eeee::2")];
            let given = dynamic.into_iter().filter(|(on, _)| *on).map(|(_, addr)| addr.parse().expect("a constant"));
            uplink.addresses.iter().map(|address| address.addr).chain(given)
        })
        .collect()
}

/// Instants at the edges: midnights, window ends, summer time, the last valid day, and before the clock is right.
fn instant(choose: &mut dyn FnMut(u64) -> u64) -> At {
    const BASES: [&str; 7] = [
        "2026-11-23T08:00:00Z",
        "2026-12-31T23:00:00Z",
        "2027-01-01T00:00:00Z",
        "2027-03-28T01:00:00Z",
        "2027-03-27T23:00:00Z",
        "2026-11-22T17:00:00Z",
        "2026-11-25T12:30:30Z",
    ];
    if choose(6) == 5 {
        return At::ClockUnknown;
    }
    let base: Timestamp = BASES[choose(7) as usize].parse().expect("a constant");
    let minutes = [0, -1, 1, 345, -345, 60, -60, 300, 600, 30][choose(10) as usize];
    let days = choose(7) as i64;
    At::Instant(base + (minutes + days * 1440).minutes() + (choose(2) as i64).seconds())
}

/// The oracle's answer in the words of the reading.
fn in_its_words(ruleset: &Ruleset, decision: Decision) -> Answer {
    let by = match decision.reason {
        Reason::Rule(at) => match ruleset.rules[at].origin {
            Origin::Written(id) => By::Rule(id.0 as usize),
            Origin::Forward(id) => By::Forward(id.0 as usize),
            Origin::Need(_) => By::Need,
        },
        other => By::Word(other.word()),
    };
    Answer { verdict: decision.verdict, by, limited: decision.limited, log: decision.log }
}

#[test]
fn the_oracle_says_what_the_policy_says() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let tapes = proptest::collection::vec(any::<u32>(), 0..CHOICES_MAX);
    let outcome = runner(CASES).run(&(tapes, any::<u64>()), |(tape, seed)| {
        let mut tape = Tape(tape.iter());
        let policy = random_policy(&mut |bound| tape.below(bound));
        let addresses = uplink_addresses(&policy);
        let ruleset = lowered(&policy, &addresses);
        let reading = Reading { policy: &policy, uplink_addresses: addresses };
        let edges = Edges::of(&reading);
        let mut choices = Seeded(seed);
        for _ in 0..PACKETS_PER_POLICY {
            let mut choose = |bound| choices.below(bound);
            let at = instant(&mut choose);
            let packet = Maker { reading: &reading, edges: &edges, choose: &mut choose }.packet();
            let flow = packet.flow;
            prop_assert!(flow.is_well_formed(), "{flow:?}");
            let said = in_its_words(&ruleset, ruleset.judge(&packet, at));
            let meant = reading.decide(&packet, at);
            prop_assert_eq!(said, meant, "{:?}\nat {:?} in\n{}", packet, at, to_toml(&policy));
            prop_assert_eq!(ruleset.masquerade(&flow).is_some(), reading.masquerades(&flow), "{:?}", flow);
            if let Header::Ports { dport, .. } = flow.header {
                let sent = flow.sent.unwrap_or(Sent { dst: flow.dst, dport });
                prop_assert_eq!(
                    ruleset.translate(flow.input, flow.src, sent, flow.proto),
                    reading.translate(flow.input, flow.src, sent, flow.proto),
                    "{:?} in\n{}",
                    flow,
                    to_toml(&policy)
                );
            }
        }
        Ok(())
    });
    report(outcome);
    // The comparison says nothing about answers it has never seen.
    let mut choices = Seeded(SEED);
    for _ in 0..400 {
        let mut choose = |bound| choices.below(bound);
        let policy = random_policy(&mut choose);
        let reading = Reading { policy: &policy, uplink_addresses: uplink_addresses(&policy) };
        let edges = Edges::of(&reading);
        for _ in 0..PACKETS_PER_POLICY {
            let at = instant(&mut choose);
            let packet = Maker { reading: &reading, edges: &edges, choose: &mut choose }.packet();
            let answer = reading.decide(&packet, at);
            let who = match answer.by {
                By::Rule(_) => format!("{} rule", answer.verdict.word()),
                By::Forward(_) => "forward".to_owned(),
                By::Need => "need".to_owned(),
                By::Word(word) => word.to_owned(),
            };
            *seen.entry(who).or_default() += 1;
            *seen.entry(format!("limited {}", answer.limited)).or_default() += 1;
            *seen.entry(format!("log {}", answer.log)).or_default() += 1;
        }
    }
    for wanted in [
        "accept rule",
        "drop rule",
        "reject rule",
        "forward",
        "need",
        "spoofed",
        "unknown-interface",
        "established",
        "invalid",
        "untracked",
        "not-syn",
        "family",
        "broadcast",
        "unnamed",
        "limited true",
        "log true",
    ] {
        assert!(seen.get(wanted).is_some_and(|count| *count >= 20), "too few packets were {wanted}: {seen:#?}");
    }
}

#[test]
fn the_reading_can_tell_a_wrong_verdict() {
    // Turning any one deciding rule round must be seen: otherwise the comparison above proves nothing.
    let mut choices = Seeded(SEED);
    let mut caught = 0;
    for _ in 0..200 {
        let mut choose = |bound| choices.below(bound);
        let policy = random_policy(&mut choose);
        let addresses = uplink_addresses(&policy);
        let mut wrong = lowered(&policy, &addresses);
        for rule in wrong.rules.iter_mut().filter(|rule| matches!(rule.origin, Origin::Written(_))) {
            rule.verdict = match rule.verdict {
                Verdict::Accept => Verdict::Drop,
                Verdict::Drop | Verdict::Reject => Verdict::Accept,
            };
        }
        let reading = Reading { policy: &policy, uplink_addresses: addresses };
        let edges = Edges::of(&reading);
        caught += usize::from((0..PACKETS_PER_POLICY).any(|_| {
            let at = instant(&mut choose);
            let packet = Maker { reading: &reading, edges: &edges, choose: &mut choose }.packet();
            wrong.judge(&packet, at).verdict != reading.decide(&packet, at).verdict
        }));
    }
    assert!(caught > 180, "only {caught} of 200 rulesets with turned rules were told from the policy");
}
