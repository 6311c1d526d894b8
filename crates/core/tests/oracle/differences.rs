//! Two policies that differ by a rule, and the service matrix of one, against the oracle, packet by packet.

use std::collections::BTreeMap;

use segwall_core::analysis::diff::{Outcome, Party, What, diff};
use segwall_core::analysis::service_matrix::{Reach, asked, service_matrices_of_policy};
use segwall_core::analysis::sets::own_names;
use segwall_core::netfilter::Hook;
use segwall_core::policy::{Limit, Policy, TimeUnit, Verdict};
use segwall_core::ruleset::{At, Ruleset};
use segwall_core::testing::{Seeded, random_policy, to_toml};
use segwall_packetset::{CtState, Field, Header, Packet, Place, Point, Sent, Space, interface, proto};

use crate::packets::{Edges, Maker};
use crate::reading::Reading;
use crate::sets::{hook_of, point_of};
use crate::{instant, lowered, uplink_addresses};

const SEED: u64 = 0x5e6_2d1f;
const LOCAL: u128 = 2;
const PAIRS: u64 = 120;
const PACKETS: usize = 120;

fn full(count: u64) -> u64 {
    if std::env::var_os("SEGWALL_FULL").is_some() { count * 10 } else { count }
}

/// Changes one rule, or takes it away.
fn mutated(policy: &Policy, choose: &mut dyn FnMut(u64) -> u64) -> Policy {
    let mut other = policy.clone();
    if other.rules.is_empty() {
        other.forwards.pop();
        return other;
    }
    let at = usize::try_from(choose(other.rules.len() as u64)).expect("small");
    let rule = &mut other.rules[at];
    match choose(5) {
        0 => drop(other.rules.remove(at)),
        1 if rule.verdict == Verdict::Accept => {
            rule.verdict = Verdict::Drop;
            rule.limit = None;
        }
        1 => rule.verdict = Verdict::Accept,
        2 => rule.services = None,
        3 if rule.verdict == Verdict::Accept => {
            rule.limit = match rule.limit {
                Some(_) => None,
                None => Some(Limit { rate: 7, per: TimeUnit::Minute, burst: 3, by_source: false }),
            };
        }
        _ => rule.schedule = None,
    }
    other
}

/// What the oracle says of a new connection; one that cannot come to be is dropped.
fn outcome(ruleset: &Ruleset, packet: &Packet, at: At) -> Outcome {
    let flow = &packet.flow;
    if let Header::Ports { dport, .. } = flow.header {
        let made = match flow.sent {
            Some(sent) => ruleset.translate(flow.input, flow.src, sent, flow.proto) == Some((flow.dst, dport)),
            None => ruleset.translate(flow.input, flow.src, Sent { dst: flow.dst, dport }, flow.proto).is_none(),
        };
        if !made {
            return Outcome::Drop;
        }
    } else if flow.sent.is_some() {
        return Outcome::Drop;
    }
    let decision = ruleset.judge(packet, at);
    match (decision.verdict, decision.limited) {
        (Verdict::Accept, true) => Outcome::Limited,
        (Verdict::Accept, false) => Outcome::Accept,
        (Verdict::Drop | Verdict::Reject, _) => Outcome::Drop,
    }
}

/// Whether the kernel's routing hands it to the hook at all.
fn is_routed(hook: Hook, point: &Point) -> bool {
    let local = |fields: [Field; 2]| fields.iter().any(|field| point.get(*field) == LOCAL);
    let to_box = hook == Hook::Forward && local([Field::DstType, Field::DstTypeHere]);
    let from_box = hook != Hook::Output
        && point.get(Field::Family) == 0
        && point.get(Field::In) != interface("lo").expect("a name")
        && local([Field::SrcType, Field::SrcTypeHere]);
    !to_box && !from_box
}

#[test]
fn what_opens_and_closes_is_what_the_oracle_says() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for seed in SEED..SEED + full(PAIRS) {
        let mut choices = Seeded(seed);
        let mut choose = |bound| choices.below(bound);
        let policy = random_policy(&mut choose);
        let other = mutated(&policy, &mut choose);
        let addresses = uplink_addresses(&policy);
        let (before, after) = (lowered(&policy, &addresses), lowered(&other, &addresses));
        let reading = Reading { policy: &policy, uplink_addresses: addresses };
        let edges = Edges::of(&reading);
        let at = instant(&mut choose);
        let now = match at {
            At::Instant(now) => Some(now),
            At::ClockUnknown => None,
        };
        let mut space = Space::default();
        let same = diff(&mut space, Party::Policy(&before), Party::Policy(&before), at);
        assert!(same.changes.is_empty() && same.doubts.is_empty(), "{:?}", same.doubts);
        let found = diff(&mut space, Party::Policy(&before), Party::Policy(&after), at);
        assert_eq!(found.doubts, Vec::<String>::new());
        for change in &found.changes {
            assert!(!change.samples.is_empty());
            for sample in &change.samples {
                assert!(space.contains(change.set, &sample.packet.point), "{}", sample.packet);
            }
        }
        for _ in 0..PACKETS {
            let made = Maker { reading: &reading, edges: &edges, choose: &mut choose }.packet();
            let packet = Packet::first_of(made.flow);
            let dynamic = before.interfaces.iter().any(|interface| interface.dynamic);
            if packet.state != CtState::New || (packet.flow.sent.is_some() && dynamic) {
                continue;
            }
            let hook = hook_of(&packet);
            let point = point_of(&before, &packet, hook, now);
            if !is_routed(hook, &point) {
                continue;
            }
            let told: Vec<&What> = found
                .changes
                .iter()
                .filter(|change| change.hook == hook && matches!(change.what, What::Verdict(..)))
                .filter(|change| change.from.is_none() && space.contains(change.set, &point))
                .map(|change| &change.what)
                .collect();
            let (from, to) = (outcome(&before, &packet, at), outcome(&after, &packet, at));
            let wanted: Vec<What> = if from == to { Vec::new() } else { vec![What::Verdict(from, to)] };
            let text = || format!("{packet:?}\nat {at:?}, seed {seed:#x}\n{}\n{}", to_toml(&policy), to_toml(&other));
            assert_eq!(told, wanted.iter().collect::<Vec<_>>(), "{}", text());
            *seen.entry(format!("{} {}", from.word(), to.word())).or_default() += 1;
        }
    }
    for wanted in ["accept accept", "accept drop", "drop accept", "drop drop", "accept limited"] {
        assert!(seen.get(wanted).is_some_and(|count| *count >= 5), "too few packets were {wanted}: {seen:#?}");
    }
}

#[test]
fn a_service_matrix_says_what_the_oracle_says() {
    let mut seen: BTreeMap<Reach, u32> = BTreeMap::new();
    for seed in SEED..SEED + full(PAIRS) {
        let mut choices = Seeded(seed);
        let mut choose = |bound| choices.below(bound);
        let policy = random_policy(&mut choose);
        let addresses = uplink_addresses(&policy);
        let ruleset = lowered(&policy, &addresses);
        let reading = Reading { policy: &policy, uplink_addresses: addresses };
        let edges = Edges::of(&reading);
        let at = instant(&mut choose);
        let asked = asked("tcp/22,tcp/443", &[]).expect("services");
        let mut space = Space::default();
        let list = service_matrices_of_policy(&mut space, &ruleset, at, &asked, &own_names).expect("small");
        for number in 0..PACKETS {
            let mut flow = Maker { reading: &reading, edges: &edges, choose: &mut choose }.packet().flow;
            let dport = [22, 443][number % 2];
            (flow.proto, flow.header, flow.sent) = (proto::TCP, Header::Ports { sport: 40_000, dport }, None);
            let packet = Packet::first_of(flow);
            let taken = ruleset.translate(flow.input, flow.src, Sent { dst: flow.dst, dport }, flow.proto).is_some();
            let loops = flow.input == Place::Gateway;
            if taken || loops {
                continue;
            }
            let hook = hook_of(&packet);
            let point = point_of(&ruleset, &packet, hook, None);
            if !is_routed(hook, &point) {
                continue;
            }
            let (service, family) = (format!("tcp/{dport}"), flow.family().to_string());
            let matrix =
                list.iter().find(|one| one.hook == hook.word() && one.service == service && one.family == family);
            let at_field = |field| point.get(field);
            let (input, output) = (at_field(Field::In), at_field(Field::Out));
            let said =
                matrix.map_or(Reach::Drop, |one| one.reach(input, at_field(Field::Src), output, at_field(Field::Dst)));
            let decided = outcome(&ruleset, &packet, at);
            let fits = match said {
                Reach::Accept => decided == Outcome::Accept,
                Reach::Limited => decided == Outcome::Limited,
                Reach::Drop => decided == Outcome::Drop,
                // It depends on which addresses are the box's own today.
                Reach::Partly => ruleset.interfaces.iter().any(|interface| interface.dynamic),
                Reach::May => false,
            };
            assert!(fits, "{said:?} {decided:?} {packet:?} at {at:?}, seed {seed:#x}\n{}", to_toml(&policy));
            *seen.entry(said).or_default() += 1;
        }
    }
    for reach in [Reach::Accept, Reach::Limited, Reach::Drop] {
        assert!(seen.get(&reach).is_some_and(|count| *count >= 20), "too few packets were {reach:?}: {seen:?}");
    }
}
