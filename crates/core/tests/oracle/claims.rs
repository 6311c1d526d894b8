//! The matrix says nothing that the oracle does not.

use proptest::prelude::*;
use std::collections::BTreeMap;

use segwall_core::analysis::{check, codes, explain, matrix};
use segwall_core::diag::Witness;
use segwall_core::policy::{End, Expect, Rule, Verdict, Zone};
use segwall_core::ruleset::{At, Origin, Reason, Ruleset};
use segwall_core::testing::{Seeded, random_policy, to_toml};
use segwall_packetset::{CtState, Packet, Place};

use crate::packets::{Edges, Maker};
use crate::reading::Reading;
use crate::{Tape, instant, lowered, runner, uplink_addresses};

fn zone(ruleset: &Ruleset, place: Place) -> Option<&str> {
    match place {
        Place::Gateway => Some("gateway"),
        Place::Elsewhere => None,
        Place::Interface(id) if Some(id) == ruleset.uplink() => Some("internet"),
        Place::Interface(id) => Some(&ruleset.interface(id).zone),
    }
}

#[test]
fn the_matrix_says_what_the_oracle_says() {
    let tapes = proptest::collection::vec(any::<u32>(), 0..400);
    let everything = std::cell::Cell::new(0);
    let outcome = runner(2_000).run(&(tapes, any::<u64>()), |(tape, seed)| {
        let mut tape = Tape(tape.iter());
        let policy = random_policy(&mut |bound| tape.below(bound));
        let addresses = uplink_addresses(&policy);
        let ruleset = lowered(&policy, &addresses);
        let reading = Reading { policy: &policy, uplink_addresses: addresses };
        let edges = Edges::of(&reading);
        let mut choices = Seeded(seed);
        let at = instant(&mut |bound| choices.below(bound));
        let table = matrix(&policy, &ruleset, at);
        for _ in 0..80 {
            let mut choose = |bound| choices.below(bound);
            let flow = Maker { reading: &reading, edges: &edges, choose: &mut choose }.packet().flow;
            let packet = Packet::first_of(flow);
            let (Some(from), Some(to)) = (zone(&ruleset, flow.input), zone(&ruleset, flow.output)) else { continue };
            // The matrix speaks of flows that can be: destinations that lie where the packet leaves.
            let carried = match flow.output {
                Place::Interface(id) => ruleset.interface(id).carries(flow.family()),
                Place::Gateway | Place::Elsewhere => true,
            };
            if !carried || (flow.output != Place::Gateway && ruleset.route(flow.dst) != flow.output) {
                continue;
            }
            let cell = table.cell(from, to);
            let decision = ruleset.judge(&packet, at);
            let shown = || format!("{flow:?}\nat {at:?}: {decision:?}, but {cell:#?} in\n{}", to_toml(&policy));
            let by_rule = match decision.reason {
                Reason::Rule(at) => matches!(ruleset.rules[at].origin, Origin::Written(_) | Origin::Forward(_)),
                _ => false,
            };
            if by_rule && decision.verdict == Verdict::Accept {
                let granted = cell.is_some_and(|cell| cell.grants.iter().any(|grant| grant.active));
                prop_assert!(granted, "accepted, and no cell says so: {}", shown());
            }
            // What a cell that says "everything" is silent about: what cannot be a new connection between the two.
            let own = match flow.input {
                Place::Interface(id) => ruleset.interface(id).addresses.contains(&flow.dst),
                Place::Gateway | Place::Elsewhere => true,
            };
            let possible = by_rule || decision.reason == Reason::Unnamed;
            let meant = packet.state == CtState::New && possible && (flow.output != Place::Gateway || own);
            if meant && cell.is_some_and(|cell| cell.everything) {
                everything.set(everything.get() + 1);
                prop_assert_eq!(decision.verdict, Verdict::Accept, "not everything: {}", shown());
                prop_assert!(!decision.limited, "limited: {}", shown());
                let later = instant(&mut |bound| choices.below(bound));
                let later = if at == At::ClockUnknown { at } else { later };
                if let (At::Instant(first), At::Instant(second)) = (at, later) {
                    let verdict = ruleset.judge(&packet, later).verdict;
                    prop_assert!(second < first || verdict == Verdict::Accept, "not later: {later:?} {}", shown());
                }
            }
        }
        Ok(())
    });
    crate::report(outcome);
    assert!(everything.get() > 1_000, "only {} flows were of cells that say everything", everything.get());
}

#[test]
fn an_explanation_holds_for_every_flow_of_its_question() {
    let tapes = proptest::collection::vec(any::<u32>(), 0..400);
    let told = std::cell::RefCell::new(BTreeMap::<&str, u32>::new());
    let outcome = runner(1_000).run(&(tapes, any::<u64>()), |(tape, seed)| {
        let mut tape = Tape(tape.iter());
        let policy = random_policy(&mut |bound| tape.below(bound));
        let addresses = uplink_addresses(&policy);
        let ruleset = lowered(&policy, &addresses);
        let reading = Reading { policy: &policy, uplink_addresses: addresses };
        let edges = Edges::of(&reading);
        let mut choices = Seeded(seed);
        let at = instant(&mut |bound| choices.below(bound));
        for _ in 0..30 {
            let mut choose = |bound| choices.below(bound);
            let flow = Maker { reading: &reading, edges: &edges, choose: &mut choose }.packet().flow;
            let packet = Packet::first_of(flow);
            let (Some(from), Some(to)) = (zone(&ruleset, flow.input), zone(&ruleset, flow.output)) else { continue };
            let decision = ruleset.judge(&packet, at);
            let named = match decision.reason {
                Reason::Rule(_) | Reason::Unnamed => packet.state == CtState::New,
                _ => false,
            };
            // The address itself, as a person would ask about it.
            let (from, to) = match (from, to) {
                ("internet", to) => (from.to_owned(), format!("{to}/{}", flow.dst)),
                (from, to) => (format!("{from}/{}", flow.src), format!("{to}/{}", flow.dst)),
            };
            let inside = flow.output == Place::Gateway || ruleset.route(flow.dst) == flow.output;
            if !named || !inside || flow.sent.is_some() {
                continue;
            }
            let service = match (flow.dport(), segwall_packetset::proto::name(flow.proto)) {
                (Some(port), Some(name)) => format!("{name}/{port}"),
                _ => continue,
            };
            let Ok(said) = explain(&policy, &ruleset, &from, &to, Some(&service), at) else { continue };
            *told.borrow_mut().entry(said.outcome).or_default() += 1;
            prop_assert!(
                said.parts.iter().any(|part| part.verdict == decision.verdict.word()),
                "{flow:?} at {at:?}: {decision:?}, but {said:#?} in\n{}",
                to_toml(&policy)
            );
            // Where the whole question has one answer, this flow has it.
            if said.outcome != "depends" {
                prop_assert_eq!(said.outcome, decision.verdict.word(), "{:?}: {:#?}", flow, said);
            }
        }
        Ok(())
    });
    crate::report(outcome);
    let told = told.into_inner();
    assert!(["accept", "drop", "reject"].iter().all(|word| told.get(word) > Some(&500)), "{told:?}");
}

#[test]
fn a_claim_that_holds_is_broken_by_no_packet() {
    let tapes = proptest::collection::vec(any::<u32>(), 0..400);
    let (held, failed, shown) = (std::cell::Cell::new(0), std::cell::Cell::new(0), std::cell::Cell::new(0));
    let outcome = runner(1_500).run(&(tapes, any::<u64>()), |(tape, seed)| {
        let mut tape = Tape(tape.iter());
        let mut policy = random_policy(&mut |bound| tape.below(bound));
        let addresses = uplink_addresses(&policy);
        let mut choices = Seeded(seed);
        let At::Instant(now) = instant(&mut |bound| choices.below(bound)) else { return Ok(()) };
        // Claims taken from the rules' own ends are the ones that nearly hold.
        for rule in policy.rules.clone() {
            let verdict = if rule.verdict == Verdict::Accept { Verdict::Accept } else { Verdict::Drop };
            let Rule { from, to, services, span, .. } = rule;
            policy.expects.push(Expect { from, to, services, verdict, span });
        }
        let ruleset = lowered(&policy, &addresses);
        let findings = check(&policy, &ruleset, At::Instant(now));
        let broken =
            |expect: &Expect| findings.iter().find(|f| f.code == codes::EXPECT_FAILED && f.span == expect.span);
        for finding in findings.iter().filter(|finding| finding.code == codes::EXPECT_FAILED) {
            let Some(Witness::Flow(flow)) = finding.witness else { continue };
            let claim = policy.expects.iter().find(|expect| expect.span == finding.span).expect("a claim's");
            let wanted = claim.verdict == Verdict::Accept;
            let breaks = |at: &At| (ruleset.eval(&flow, *at).verdict == Verdict::Accept) != wanted;
            prop_assert!(
                instants_after(&ruleset, now).any(|at| breaks(&at)),
                "{flow:?} is said to break {claim:#?} and never does: {} in\n{}",
                finding.message,
                to_toml(&policy)
            );
            shown.set(shown.get() + 1);
        }
        let reading = Reading { policy: &policy, uplink_addresses: addresses };
        let edges = Edges::of(&reading);
        for _ in 0..60 {
            let mut choose = |bound| choices.below(bound);
            let later = match instant(&mut choose) {
                At::Instant(later) if later < now => now,
                At::Instant(later) => later,
                At::ClockUnknown => now,
            };
            let flow = Maker { reading: &reading, edges: &edges, choose: &mut choose }.packet().flow;
            let packet = Packet::first_of(flow);
            let decision = ruleset.judge(&packet, At::Instant(later));
            let carried = match flow.output {
                Place::Interface(id) => ruleset.interface(id).carries(flow.family()),
                Place::Gateway | Place::Elsewhere => true,
            };
            let there = flow.output == Place::Gateway || ruleset.route(flow.dst) == flow.output;
            if matches!(decision.reason, Reason::Spoofed | Reason::Family)
                || packet.state != CtState::New
                || !carried
                || !there
            {
                continue;
            }
            for expect in &policy.expects {
                // Random packets decide claims about zones and addresses that are not the box's.
                let meant = flow.input != flow.output
                    && flow.sent.is_none()
                    && flow.output != Place::Gateway
                    && speaks_of(&ruleset, &expect.from, flow.input, flow.src)
                    && speaks_of(&ruleset, &expect.to, flow.output, flow.dst)
                    && expect.services.as_ref().is_none_or(|list| list.iter().any(|s| crate::reading::names(s, &flow)));
                if !meant {
                    continue;
                }
                let accepted = decision.verdict == Verdict::Accept;
                let ok = accepted == (expect.verdict == Verdict::Accept);
                match broken(expect) {
                    Some(_) => failed.set(failed.get() + 1),
                    None => {
                        held.set(held.get() + 1);
                        prop_assert!(
                            ok || forwarded_there(&ruleset, &flow),
                            "{flow:?} at {later} breaks {expect:#?}: {decision:?} in\n{}",
                            to_toml(&policy)
                        );
                    }
                }
            }
        }
        Ok(())
    });
    crate::report(outcome);
    assert!(
        held.get() > 2_000 && failed.get() > 2_000,
        "{} flows of claims that hold, {} of others",
        held.get(),
        failed.get()
    );
    assert!(shown.get() > 1_000, "{} witnesses", shown.get());
}

/// Now, every quarter of an hour of a week from now and from each rule's end on, and before the clock is right.
fn instants_after(ruleset: &Ruleset, now: jiff::Timestamp) -> impl Iterator<Item = At> {
    const MINUTES: i64 = 8 * 24 * 60;
    let ends = ruleset.rules.iter().filter_map(|rule| rule.when.until).filter(|until| *until > now);
    let starts: std::collections::BTreeSet<jiff::Timestamp> = ends.chain([now]).collect();
    // A window may be a minute long.
    let minutes = |start: jiff::Timestamp| {
        (0..MINUTES).map(move |minute| At::Instant(start + jiff::SignedDuration::from_mins(minute)))
    };
    [At::Instant(now), At::ClockUnknown].into_iter().chain(starts.into_iter().flat_map(minutes))
}

fn speaks_of(ruleset: &Ruleset, ends: &[End], place: Place, addr: std::net::IpAddr) -> bool {
    ends.iter().any(|end| {
        let zone = match (end.zone, place) {
            (Zone::Segment(id), Place::Interface(at)) => id.0 == at.0,
            (Zone::Segments, Place::Interface(at)) => ruleset.is_segment(at),
            (Zone::Internet, Place::Interface(at)) => Some(at) == ruleset.uplink(),
            (Zone::Gateway, Place::Gateway) => true,
            _ => false,
        };
        zone && end.addresses.as_ref().is_none_or(|list| list.iter().any(|range| range.contains(addr)))
    })
}

/// Whether a port forward delivers the same flow: then a claim of an accept holds by it.
fn forwarded_there(ruleset: &Ruleset, flow: &segwall_packetset::Flow) -> bool {
    Some(flow.input) == ruleset.uplink().map(Place::Interface)
        && ruleset.translations.iter().any(|t| t.to == flow.dst && t.proto == flow.proto)
}
