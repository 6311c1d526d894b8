//! Single faults put into the emitted rules. Every one that changes what the rules mean must be seen by the probes.
//!
//! Whether a fault changes the meaning is found out by brute force, without the kernel: the rules with and without it
//! run on some thousand packets in a machine of our own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use jiff::Timestamp;
use segwall_core::emit::nft::{self, Action, Base, Field, Key, Part, Program, Type};
use segwall_core::policy::Policy;
use segwall_core::ruleset::{At, Ruleset};
use segwall_core::testing::Seeded;
use segwall_lab::{LabError, Options, Topology};
use segwall_packetset::{AddrRange, CtState, Family, Flow, Header, Packet, Place, PortRange, Sent, TcpFlags, proto};

use crate::machine::Machine;
use crate::packets::{Edges, Maker};
use crate::reading::Reading;

/// Faults of each kind that are tried; ten times as many with `SEGWALL_FULL`.
const PER_KIND: usize = 6;
const PACKETS: usize = 20_000;
const SEED: u64 = 0x5e9;

/// A fault: its kind, where it is, and how it is made.
struct Mutation {
    kind: &'static str,
    place: String,
    make: Box<dyn Fn(&mut Program)>,
}

/// Every fault of every kind that can be put into a program.
fn mutations(program: &Program) -> Vec<Mutation> {
    let mut list = Vec::new();
    for (at, chain) in program.chains.iter().enumerate() {
        for (row, rule) in chain.rules.iter().enumerate() {
            in_rule(&mut list, at, row, &chain.name, chain.base, &rule.parts);
            let swappable = chain.base.is_some() && row + 1 < chain.rules.len();
            if swappable {
                list.push(Mutation {
                    kind: "order of rules",
                    place: format!("{} rules {row} and {}", chain.name, row + 1),
                    make: Box::new(move |program| program.chains[at].rules.swap(row, row + 1)),
                });
            }
        }
    }
    for (at, set) in program.sets.iter().enumerate() {
        let width = set.types.len();
        for (row, element) in set.elements().enumerate() {
            let place = format!("{} {element:?}", set.name);
            let removed = if set.name.contains("drop") || set.name.contains("reject") {
                "drop removed"
            } else {
                "element removed"
            };
            list.push(Mutation {
                kind: removed,
                place: place.clone(),
                make: Box::new(move |program| {
                    let set = &mut program.sets[at];
                    set.keys.drain(row * width..(row + 1) * width);
                    if !set.rules.is_empty() {
                        set.rules.remove(row);
                    }
                }),
            });
            for (column, key) in element.iter().enumerate() {
                for (kind, changed) in changed_keys(*key, set.types[column], program.names.len()) {
                    let cell = row * width + column;
                    list.push(Mutation {
                        kind,
                        place: format!("{place} becomes {changed:?}"),
                        make: Box::new(move |program| program.sets[at].keys[cell] = changed),
                    });
                }
            }
        }
    }
    list
}

fn in_rule(list: &mut Vec<Mutation>, at: usize, row: usize, chain: &str, base: Option<Base>, parts: &[Part]) {
    let speaks_of = |word: &str| parts.iter().any(|part| format!("{part:?}").contains(word));
    let removed = match base {
        Some(Base::Prerouting | Base::Postrouting) => "nat removed",
        _ if speaks_of("spoof") => "anti-spoofing removed",
        _ if speaks_of("drop_rule") || speaks_of("reject_rule") => "drop removed",
        _ => "rule removed",
    };
    let place = format!("{chain} rule {row} {parts:?}");
    list.push(Mutation {
        kind: removed,
        place: place.clone(),
        make: Box::new(move |program| {
            program.chains[at].rules.remove(row);
        }),
    });
    for (column, part) in parts.iter().enumerate() {
        let mut push = |kind: &'static str, changed: Part| {
            list.push(Mutation {
                kind,
                place: format!("{place}: {changed:?}"),
                make: Box::new(move |program| program.chains[at].rules[row].parts[column] = changed.clone()),
            });
        };
        match part {
            Part::Family(Family::V4) => push("family", Part::Family(Family::V6)),
            Part::Family(Family::V6) => push("family", Part::Family(Family::V4)),
            Part::Lookup { fields, not, set } => {
                push("negation", Part::Lookup { fields: fields.clone(), not: !not, set: set.clone() });
                for (field_at, field) in fields.iter().enumerate() {
                    let changed = match field {
                        Field::SrcMasked(family, len) => Field::SrcMasked(*family, len - 1),
                        Field::In => Field::Out,
                        Field::Out => Field::In,
                        _ => continue,
                    };
                    let mut fields = fields.clone();
                    fields[field_at] = changed;
                    let kind = if matches!(field, Field::SrcMasked(..)) { "prefix length" } else { "interface" };
                    push(kind, Part::Lookup { fields, not: *not, set: set.clone() });
                }
            }
            Part::Among { field, not, keys } => {
                push("negation", Part::Among { field: *field, not: !not, keys: keys.clone() });
            }
            Part::States(states) => {
                for (state_at, (_, action)) in states.iter().enumerate() {
                    let mut states = states.clone();
                    states[state_at].1 = if *action == Action::Accept { Action::Drop } else { Action::Accept };
                    push("connection state", Part::States(states));
                }
            }
            Part::SentPort(protocol, range) => {
                let wider = PortRange { first: range.first, last: range.last.saturating_add(1) };
                push("port edge", Part::SentPort(*protocol, wider));
            }
            Part::Do(action) => match action {
                Action::Accept => push("verdict", Part::Do(Action::Drop)),
                Action::Drop | Action::RejectReset | Action::RejectProhibited => {
                    push("verdict", Part::Do(Action::Accept))
                }
                Action::Goto(to) | Action::Jump(to) if to.contains("drop") || to.contains("reject") => {
                    push("verdict", Part::Do(Action::Accept));
                }
                Action::Dnat(to, port) => {
                    push("nat", Part::Do(Action::Dnat(*to, Some(port.unwrap_or(79).wrapping_add(1)))));
                    let next = AddrRange::single(*to).after().unwrap_or(*to);
                    push("nat", Part::Do(Action::Dnat(next, *port)));
                }
                Action::Masquerade => push("nat", Part::Do(Action::Accept)),
                Action::Return | Action::Goto(_) | Action::Jump(_) => {}
            },
            _ => {}
        }
    }
}

fn changed_keys(key: Key, kind: Type, names: usize) -> Vec<(&'static str, Key)> {
    let range = |first: IpAddr, last: IpAddr| AddrRange::new(first, last).map(Key::addresses);
    match (key, kind) {
        (Key::Name(at), _) => vec![("interface", Key::Name((at + 1) % u32::try_from(names).unwrap()))],
        (Key::V4(first, last), _) => addresses(IpAddr::V4(first), IpAddr::V4(last), range),
        (Key::V6(first, last), _) => addresses(IpAddr::V6(first), IpAddr::V6(last), range),
        (Key::Ports(first, last), _) => {
            let mut changed = vec![("port edge", Key::Ports(first, last.saturating_add(1)))];
            if first < last {
                changed.push(("port edge", Key::Ports(first + 1, last)));
            }
            changed
        }
        (Key::Byte(byte), Type::Proto) => {
            vec![("protocol", Key::Byte(if byte == proto::TCP { proto::UDP } else { proto::TCP }))]
        }
        (Key::Byte(byte), _) => vec![("icmp type", Key::Byte(byte.wrapping_add(1)))],
    }
}

fn addresses(first: IpAddr, last: IpAddr, range: impl Fn(IpAddr, IpAddr) -> Option<Key>) -> Vec<(&'static str, Key)> {
    let whole = AddrRange::new(first, last).unwrap();
    let mut changed = Vec::new();
    changed.extend(whole.after().and_then(|after| range(first, after)).map(|key| ("address edge", key)));
    if first != last {
        let middle = whole.nth(whole.len() / 2 - 1).unwrap_or(first);
        changed.extend(range(first, middle).map(|key| ("prefix length", key)));
    } else {
        changed.extend(whole.after().and_then(|after| range(after, after)).map(|key| ("address edge", key)));
    }
    changed
}

/// What becomes of a packet: verdict, where it is delivered, whether its source is replaced.
type Outcome = (Action, Option<(IpAddr, Option<u16>)>, bool);

/// A packet as it is sent: its destination is not translated yet.
fn outcome(program: &Program, ruleset: &Ruleset, topology: &Topology, packet: &Packet, now: Timestamp) -> Outcome {
    let flow = packet.flow;
    fn machine<'a>(program: &'a Program, ruleset: &'a Ruleset, packet: &'a Packet, now: Timestamp) -> Machine<'a> {
        Machine::new(program, ruleset, packet, Some(now))
    }
    let mut delivered = *packet;
    if let (Header::Ports { sport, dport }, CtState::New, Place::Interface(_)) = (flow.header, packet.state, flow.input)
        && let Some(Action::Dnat(to, port)) = machine(program, ruleset, packet, now).nat(Base::Prerouting)
    {
        delivered.flow = Flow {
            dst: to,
            header: Header::Ports { sport, dport: port.unwrap_or(dport) },
            sent: Some(Sent { dst: flow.dst, dport }),
            ..flow
        };
    }
    delivered.flow.output = topology.route(ruleset, delivered.flow.dst);
    let end = machine(program, ruleset, &delivered, now).filter().end.unwrap_or(Action::Drop);
    let end = if end == Action::RejectReset { Action::RejectProhibited } else { end };
    if end != Action::Accept {
        return (end, None, false);
    }
    let masqueraded = packet.state == CtState::New
        && matches!(delivered.flow.output, Place::Interface(_))
        && machine(program, ruleset, &delivered, now).nat(Base::Postrouting) == Some(Action::Masquerade);
    (end, Some((delivered.flow.dst, delivered.flow.dport())), masqueraded)
}

/// Whether a lab can send it: the kernel itself lets it come as far as our rules.
fn can_be_sent(ruleset: &Ruleset, topology: &Topology, packet: &Packet) -> bool {
    let flow = packet.flow;
    let special = |addr: IpAddr| match addr {
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.octets()[0] >= 224 || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] == 0 || v6.segments()[0] >= 0xfe80,
    };
    let own = topology.hosts.iter().flat_map(|host| &host.gateway_addresses);
    let ends_of_networks = own.clone().any(|(addr, len)| {
        let network = AddrRange::prefix(*addr, *len);
        [flow.src, flow.dst].iter().any(|end| *end == network.first() || *end == network.last())
    });
    let outside = topology.internet().map(Place::Interface);
    let from_itself = !matches!(flow.input, Place::Gateway)
        && Some(flow.input) != outside
        && own.clone().any(|(addr, _)| *addr == flow.src);
    let route = topology.route(ruleset, flow.dst);
    let source_fits = match (flow.input, route) {
        (Place::Gateway, Place::Interface(id)) => topology.host(id).gateway_address(flow.family()) == Some(flow.src),
        (Place::Gateway, _) | (Place::Elsewhere, _) => false,
        (Place::Interface(_), _) => route != Place::Elsewhere,
    };
    let extension = flow.family() == Family::V6 && matches!(flow.proto, 0 | 43 | 44 | 51 | 59 | 60 | 135);
    source_fits && !special(flow.src) && !special(flow.dst) && !ends_of_networks && !from_itself && !extension
}

/// Packets for brute force: first packets of flows, strays, and packets of known connections.
fn packets(policy: &Policy, ruleset: &Ruleset, topology: &Topology) -> Vec<Packet> {
    let uplink_addresses = policy.uplinks.iter().flat_map(|uplink| uplink.addresses.iter().map(|a| a.addr)).collect();
    let reading = Reading { policy, uplink_addresses };
    let edges = Edges::of(&reading);
    let mut choices = Seeded(SEED);
    let mut choose = |bound| choices.below(bound);
    let mut packets = Vec::new();
    while packets.len() < PACKETS {
        let mut packet = Maker { reading: &reading, edges: &edges, choose: &mut choose }.packet();
        if let Some(sent) = packet.flow.sent.take() {
            packet.flow.dst = sent.dst;
            if let Header::Ports { dport, .. } = &mut packet.flow.header {
                *dport = sent.dport;
            }
        }
        packet.flow.output = topology.route(ruleset, packet.flow.dst);
        if packet.flow.input == Place::Gateway
            && let Place::Interface(id) = packet.flow.output
            && let Some(src) = topology.host(id).gateway_address(packet.flow.family())
        {
            packet.flow.src = src;
        }
        let established = packet.state == CtState::Established;
        packet.state = if established { CtState::Established } else { packet.flow.first_state() };
        if packet.flow.proto == proto::TCP && packet.state == CtState::New && choices_flags(&packet) {
            packet.flags = TcpFlags(TcpFlags::SYN);
        }
        if can_be_sent(ruleset, topology, &packet) {
            packets.push(packet);
        }
    }
    packets
}

/// Flags that connection tracking calls new: a bare SYN, or an ACK picked up in the middle.
fn choices_flags(packet: &Packet) -> bool {
    packet.flags.0 & (TcpFlags::SYN | TcpFlags::ACK | TcpFlags::FIN | TcpFlags::RST) != TcpFlags::ACK
}

struct Tried {
    kind: &'static str,
    place: String,
    changes: bool,
    seen: Option<u64>,
}

pub fn every_fault_that_changes_the_meaning_is_seen() {
    let (policy, ruleset) = crate::cases::load("branch.toml", include_str!("../../../../examples/branch.toml"));
    let (topology, known) = Topology::of(&policy, &ruleset);
    let now = Timestamp::now();
    let packets = packets(&policy, &known, &topology);
    let program = nft::compile(&ruleset, At::Instant(now));
    let per_kind = if std::env::var_os("SEGWALL_FULL").is_some() { PER_KIND * 10 } else { PER_KIND };
    let mut kinds: BTreeMap<&'static str, Vec<Mutation>> = BTreeMap::new();
    for mutation in mutations(&program) {
        kinds.entry(mutation.kind).or_default().push(mutation);
    }
    let mut choices = Seeded(SEED);
    let mut tried = Vec::new();
    for list in kinds.values_mut() {
        for _ in 0..per_kind.min(list.len()) {
            let at = usize::try_from(choices.below(list.len() as u64)).unwrap();
            tried.extend(attempt(&policy, &ruleset, &known, &topology, &packets, now, &list.swap_remove(at)));
        }
    }
    report(&tried);
}

/// Loads the rules with the fault; `None` when nft itself refuses them.
fn attempt(
    policy: &Policy,
    ruleset: &Ruleset,
    known: &Ruleset,
    topology: &Topology,
    packets: &[Packet],
    now: Timestamp,
    mutation: &Mutation,
) -> Option<Tried> {
    let pairs: Rc<RefCell<Vec<(Program, Program)>>> = Rc::default();
    let loaded = pairs.clone();
    let emit = |ruleset: &Ruleset, at: At| {
        let sound = nft::compile(ruleset, at);
        let mut faulty = sound.clone();
        (mutation.make)(&mut faulty);
        let mut texts = vec![faulty.closed_base()];
        texts.extend(faulty.pieces(4000));
        loaded.borrow_mut().push((sound, faulty));
        texts
    };
    let options = Options { now, run: 0x5e9, seed: 7 };
    let seen = match segwall_lab::run(policy, ruleset, &emit, &options, &mut |_| {}) {
        Ok(report) => report.differences_total,
        // Not even what must arrive does.
        Err(LabError::Sentinel { .. }) => u64::MAX,
        Err(LabError::Nft(_)) => return None,
        Err(error) => panic!("{}: {error}", mutation.place),
    };
    // What the kernel shows needs no further proof.
    let changes = seen > 0
        || pairs.borrow().iter().any(|(sound, faulty)| {
            packets.iter().any(|packet| {
                outcome(sound, known, topology, packet, now) != outcome(faulty, known, topology, packet, now)
            })
        });
    Some(Tried { kind: mutation.kind, place: mutation.place.clone(), changes, seen: (seen > 0).then_some(seen) })
}

fn report(tried: &[Tried]) {
    let mut kinds: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
    let mut missed = Vec::new();
    for fault in tried {
        let counts = kinds.entry(fault.kind).or_default();
        match (fault.changes, fault.seen) {
            (true, Some(_)) => counts.0 += 1,
            (true, None) => {
                counts.1 += 1;
                missed.push(fault);
            }
            (false, _) => {
                counts.2 += 1;
                println!("changes nothing: {}: {}", fault.kind, fault.place);
            }
        }
    }
    for (kind, (caught, missed, same)) in &kinds {
        println!("{kind}: {caught} caught, {missed} missed, {same} change nothing");
    }
    for fault in &missed {
        println!("MISSED: {}: {}", fault.kind, fault.place);
    }
    let caught: usize = kinds.values().map(|counts| counts.0).sum();
    let kinds_caught = kinds.values().filter(|counts| counts.0 > 0).count();
    println!("{caught} faults of {kinds_caught} kinds caught, {} missed", missed.len());
    assert!(missed.is_empty());
    assert!(caught >= 50 && kinds_caught >= 10);
}
