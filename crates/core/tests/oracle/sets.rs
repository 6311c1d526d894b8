//! The policy as sets of packets against the oracle, packet by packet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_core::analysis::proof::{Intent, destinations, intent, masquerade, witness};
use segwall_core::netfilter::Hook;
use segwall_core::policy::Verdict;
use segwall_core::ruleset::{At, Ruleset};
use segwall_core::testing::{Seeded, random_policy, to_toml};
use segwall_packetset::{CtState, Family, Field, Flow, Header, Packet, Place, Point, Sent, Space, interface, proto};

use crate::packets::{Edges, Maker};
use crate::reading::Reading;
use crate::{PACKETS_PER_POLICY, instant, lowered, uplink_addresses};

const SEED: u64 = 0x5e6_5e75;
const POLICIES: u64 = 300;
const LOCAL: u128 = 2;
const UNICAST: u128 = 1;

fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(addr) => u128::from(u32::from(addr)),
        IpAddr::V6(addr) => u128::from(addr),
    }
}

/// Where a packet is looked at.
pub fn hook_of(packet: &Packet) -> Hook {
    match (packet.flow.input, packet.flow.output) {
        (Place::Gateway, _) => Hook::Output,
        (_, Place::Gateway) => Hook::Input,
        _ => Hook::Forward,
    }
}

/// The point of a packet, with the hop limit that its protocol demands.
pub fn point_of(ruleset: &Ruleset, packet: &Packet, hook: Hook, now: Option<Timestamp>) -> Point {
    let flow = &packet.flow;
    let name = |place| match place {
        Place::Gateway => 0,
        Place::Elsewhere => interface("elsewhere0").expect("a name"),
        Place::Interface(id) => interface(&ruleset.interface(id).name).expect("a name"),
    };
    let own = |addr: IpAddr, here: bool| {
        let local = ruleset.interface_ids().any(|(id, interface)| {
            (!here || flow.input == Place::Interface(id)) && interface.addresses.contains(&addr)
        });
        if local { LOCAL } else { UNICAST }
    };
    let loops = flow.input == Place::Gateway && flow.output == Place::Gateway;
    let mut point = Point::default()
        .with(Field::Family, u128::from(flow.family() == Family::V6))
        .with(
            Field::State,
            match packet.state {
                CtState::New => 0,
                CtState::Established => 1,
                CtState::Related => 2,
                CtState::Invalid => 3,
                CtState::Untracked => 4,
            },
        )
        .with(Field::Proto, u128::from(flow.proto))
        .with(Field::In, if hook == Hook::Output { 0 } else { name(flow.input) })
        .with(Field::Out, if loops { interface("lo").expect("a name") } else { name(flow.output) })
        .with(Field::Src, number(flow.src))
        .with(Field::Dst, number(flow.dst))
        .with(Field::SrcType, own(flow.src, false))
        .with(Field::DstType, own(flow.dst, false))
        .with(Field::SrcTypeHere, own(flow.src, true))
        .with(Field::DstTypeHere, own(flow.dst, true));
    if flow.proto == proto::TCP {
        point = point.with(Field::Flags, u128::from(packet.flags.0));
    }
    match flow.header {
        Header::Ports { sport, dport } => {
            point = point.with(Field::Sport, u128::from(sport)).with(Field::Dport, u128::from(dport));
        }
        Header::Icmp { kind, code } => {
            point = point.with(Field::IcmpType, u128::from(kind)).with(Field::IcmpCode, u128::from(code));
            let hops = if matches!(kind, 130..=132 | 143) { 1 } else { 255 };
            point = point.with(Field::Hops, hops);
        }
        Header::Other => {}
    }
    if let Some(sent) = flow.sent {
        point = point
            .with(Field::Translated, 1)
            .with(Field::SentDst, number(sent.dst))
            .with(Field::SentDport, u128::from(sent.dport));
    }
    if let Some(now) = now {
        let civil = now.to_zoned(TimeZone::UTC);
        let second = i64::from(civil.hour()) * 3600 + i64::from(civil.minute()) * 60 + i64::from(civil.second());
        point = point
            .with(Field::Time, now.as_nanosecond() as u128)
            .with(Field::Day, civil.weekday().to_sunday_zero_offset() as u128)
            .with(Field::Second, second as u128);
    }
    point
}

#[test]
fn the_sets_say_what_the_oracle_says() {
    let policies = if std::env::var_os("SEGWALL_FULL").is_some() { POLICIES * 10 } else { POLICIES };
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in SEED..SEED + policies {
        let mut choices = Seeded(seed);
        let mut choose = |bound| choices.below(bound);
        let policy = random_policy(&mut choose);
        let addresses = uplink_addresses(&policy);
        let ruleset = lowered(&policy, &addresses);
        let reading = Reading { policy: &policy, uplink_addresses: addresses };
        let edges = Edges::of(&reading);
        let at = instant(&mut choose);
        let now = match at {
            At::Instant(now) => Some(now),
            At::ClockUnknown => None,
        };
        let mut space = Space::default();
        let hooks = [Hook::Input, Hook::Forward, Hook::Output];
        let intents: Vec<Intent> =
            hooks.iter().map(|hook| intent(&mut space, &ruleset, *hook, at).expect("small policies fit")).collect();
        let targets = destinations(&mut space, &ruleset).expect("small policies fit");
        let masqueraded = masquerade(&mut space, &ruleset).expect("small policies fit");
        for _ in 0..PACKETS_PER_POLICY {
            let packet = Maker { reading: &reading, edges: &edges, choose: &mut choose }.packet();
            let flow = packet.flow;
            // The text cannot name addresses that come and go: every translation is taken for one of theirs.
            let dynamic = ruleset.interfaces.iter().any(|interface| interface.dynamic);
            let own = |addr: &IpAddr| ruleset.interfaces.iter().any(|one| one.dynamic && one.addresses.contains(addr));
            if flow.sent.is_some_and(|sent| dynamic && !own(&sent.dst)) {
                continue;
            }
            let hook = hook_of(&packet);
            let of = &intents[hooks.iter().position(|known| *known == hook).unwrap()];
            let point = point_of(&ruleset, &packet, hook, now);
            let text = || format!("{packet:?}\nat {at:?}, seed {seed:#x}\n{}", to_toml(&policy));
            if !space.contains(of.possible, &point) {
                *seen.entry("impossible").or_default() += 1;
                continue;
            }
            let decision = ruleset.judge(&packet, at);
            let accepted = space.contains(of.accept, &point);
            let limited = of.limited.iter().any(|(_, _, set)| space.contains(*set, &point));
            let rejected = space.contains(of.reject, &point);
            let said = match (accepted, limited, rejected) {
                (true, false, false) => (Verdict::Accept, false),
                (false, true, false) => (Verdict::Accept, true),
                (false, false, true) => (Verdict::Reject, false),
                (false, false, false) => (Verdict::Drop, false),
                several => panic!("{several:?}: {}", text()),
            };
            assert_eq!(said, (decision.verdict, decision.limited), "{}", text());
            if said == (Verdict::Accept, false) {
                assert_eq!(space.contains(of.logged, &point), decision.log, "{}", text());
            }
            *seen.entry(said.0.word()).or_default() += 1;
            *seen.entry(if limited { "limited" } else { "unlimited" }).or_default() += 1;

            // There and back again.
            let back = witness(&ruleset, hook, &point);
            assert_eq!(back.packet.flow, flow, "{}", text());
            assert_eq!(back.packet.state, packet.state);

            if hook == Hook::Forward && packet.state == CtState::New && said.0 == Verdict::Accept {
                let leaves = space.contains(masqueraded, &point);
                assert_eq!(leaves, ruleset.masquerade(&flow).is_some(), "{}", text());
            }
        }
        // Packets to what port forwards listen on, and beside it.
        for translation in &ruleset.translations {
            for _ in 0..PACKETS_PER_POLICY / 4 {
                let base = Maker { reading: &reading, edges: &edges, choose: &mut choose }.packet();
                let own = &ruleset.interface(translation.uplink).addresses;
                let of_family: Vec<IpAddr> =
                    own.iter().copied().filter(|addr| addr.is_ipv4() == translation.to.is_ipv4()).collect();
                let (Place::Interface(_), false) = (base.flow.input, of_family.is_empty()) else { continue };
                let dst = of_family[choose(of_family.len() as u64) as usize];
                let dport = [
                    translation.ports.first,
                    translation.ports.last,
                    translation.ports.first.saturating_sub(1).max(1),
                    translation.ports.last.saturating_add(1),
                ][choose(4) as usize];
                let src = if base.flow.src.is_ipv4() == dst.is_ipv4() { base.flow.src } else { continue };
                let header = Header::Ports { sport: 40_000, dport };
                let flow = Flow {
                    output: Place::Gateway,
                    proto: translation.proto,
                    src,
                    dst,
                    header,
                    sent: None,
                    ..base.flow
                };
                let packet = Packet { flow, state: CtState::New, flags: base.flags };
                let point = point_of(&ruleset, &packet, Hook::Input, now);
                let meant = ruleset.translate(flow.input, src, Sent { dst, dport }, flow.proto);
                let to = targets.iter().find(|(_, set)| space.contains(**set, &point));
                let done = to.map(|((to, port), _)| (*to, port.unwrap_or(dport)));
                assert_eq!(done, meant, "{flow:?}, seed {seed:#x}\n{}", to_toml(&policy));
                *seen.entry(if meant.is_some() { "translated" } else { "untranslated" }).or_default() += 1;
            }
        }
    }
    for wanted in ["accept", "drop", "reject", "limited", "translated", "untranslated"] {
        assert!(seen.get(wanted).is_some_and(|count| *count >= 20), "too few packets were {wanted}: {seen:#?}");
    }
}
