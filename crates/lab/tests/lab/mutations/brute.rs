//! Whether a fault changes what a program means: every packet that any condition of oracle or program can tell apart.
//!
//! Addresses and ports are cut wherever the ruleset, the oracle or the program as emitted or as changed has an edge; of
//! each piece one stands for all. The lab's probes play no part in this. Left out is what the gateway's kernel decides
//! on its own before any hook (martians, groups that nobody joined), what comes by interfaces that the policy does not
//! name, and connections that helpers expect.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::Timestamp;
use segwall_core::emit::nft::{Action, Base, Program};
use segwall_core::policy::{Ports, Verdict};
use segwall_core::ruleset::{At, Dst, Ruleset, private_ipv4};
use segwall_lab::Topology;
use segwall_packetset::{
    AddrRange, CtState, Family, Flow, Header, InterfaceId, Packet, Place, PortRange, Sent, TcpFlags, proto,
};

use super::cuts::{Cuts, Item, STATE_PORTS};
use super::machine::Machine;

/// Packets between two looks at whether another core has found something.
const CHECK_EVERY: u64 = 1024;

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Nobody learns of it.
    Dropped,
    /// Its sender is told.
    Refused,
    /// It is delivered here, to this address and port.
    Delivered { place: Place, dst: IpAddr, header: Header, masqueraded: bool, limited: bool },
}

/// A packet as it is put on a wire, or as the box sends it.
#[derive(Debug, Clone, Copy)]
struct Sending {
    input: Place,
    src: IpAddr,
    dst: IpAddr,
    item: Item,
}

/// Where a program and its ruleset are compared.
pub struct Brute<'a> {
    pub topology: &'a Topology,
    /// With the addresses that the lab gives the uplink.
    pub ruleset: &'a Ruleset,
    pub now: Timestamp,
}

impl Brute<'_> {
    /// A packet that the program treats otherwise than the oracle, if there is one; and how many were compared.
    pub fn difference(&self, program: &Program, original: &Program) -> (Option<String>, u64) {
        let mut compared = 0;
        for family in Family::BOTH {
            let space = self.space(family, &[program, original]);
            let total = space.len();
            if total == 0 {
                continue;
            }
            let (difference, packets) = self.search(&space, total, program);
            compared += packets;
            if difference.is_some() {
                return (difference, compared);
            }
        }
        (None, compared)
    }

    /// Goes through all of a space on every core, but not in order: what differs is found soon.
    fn search(&self, space: &Space, total: u64, program: &Program) -> (Option<String>, u64) {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
        let stride = stride(total);
        let found: Mutex<Option<String>> = Mutex::new(None);
        let (stop, compared) = (AtomicBool::new(false), AtomicU64::new(0));
        let part = |core: u64| {
            let mut packets = 0;
            for step in (core..total).step_by(cores as usize) {
                if step % CHECK_EVERY < cores && stop.load(Ordering::Relaxed) {
                    break;
                }
                let at = (u128::from(total / 3) + u128::from(step) * u128::from(stride)) % u128::from(total);
                let sending = space.nth(at as u64);
                if !self.reaches_a_hook(&sending) {
                    continue;
                }
                packets += 1;
                let (said, done) = (self.oracle(&sending), self.machine(program, &sending));
                if said != done {
                    stop.store(true, Ordering::Relaxed);
                    let text = format!("{sending:?}: {said:?} as declared, {done:?} as emitted");
                    found.lock().expect("nobody panics holding it").get_or_insert(text);
                    break;
                }
            }
            compared.fetch_add(packets, Ordering::Relaxed);
        };
        std::thread::scope(|scope| {
            for core in 0..cores {
                let part = &part;
                scope.spawn(move || part(core));
            }
        });
        (found.into_inner().expect("nobody panics holding it"), compared.into_inner())
    }

    /// Combinations that [`Brute::difference`] goes through.
    pub fn size(&self, program: &Program) -> u64 {
        let size = |family| self.space(family, &[program]).len();
        Family::BOTH.into_iter().map(size).sum()
    }

    fn oracle(&self, sending: &Sending) -> Outcome {
        let translated = self.translated_from(sending).and_then(|sent| {
            let to = self.ruleset.translate(sending.input, sending.src, sent, sending.item.proto)?;
            Some((sent, to))
        });
        let flow = self.flow(sending, translated);
        let packet = Packet { flow, state: sending.item.state, flags: TcpFlags(sending.item.flags) };
        let decision = self.ruleset.judge(&packet, At::Instant(self.now));
        self.outcome(&packet, decision.verdict, decision.limited, || self.ruleset.masquerade(&flow).is_some())
    }

    fn machine(&self, program: &Program, sending: &Sending) -> Outcome {
        let run = |packet: &Packet, base| Machine::new(program, self.ruleset, packet, Some(self.now)).nat(base);
        let plain =
            Packet { flow: self.flow(sending, None), state: sending.item.state, flags: TcpFlags(sending.item.flags) };
        let translated = self.translated_from(sending).and_then(|sent| match run(&plain, Base::Prerouting) {
            Some(Action::Dnat(to, port)) => Some((sent, (to, port.unwrap_or(sent.dport)))),
            _ => None,
        });
        let packet = Packet { flow: self.flow(sending, translated), ..plain };
        let trace = Machine::new(program, self.ruleset, &packet, Some(self.now)).filter();
        let verdict = match trace.end {
            Some(Action::Accept) => Verdict::Accept,
            Some(Action::RejectReset | Action::RejectProhibited) => Verdict::Reject,
            _ => Verdict::Drop,
        };
        self.outcome(&packet, verdict, trace.limited, || run(&packet, Base::Postrouting) == Some(Action::Masquerade))
    }

    /// What port forwards look at: new connections from outside, as sent.
    fn translated_from(&self, sending: &Sending) -> Option<Sent> {
        match sending.item.header {
            Header::Ports { dport, .. } if sending.item.state == CtState::New && sending.input != Place::Gateway => {
                Some(Sent { dst: sending.dst, dport })
            }
            _ => None,
        }
    }

    fn flow(&self, sending: &Sending, translated: Option<(Sent, (IpAddr, u16))>) -> Flow {
        let (dst, header, sent) = match (translated, sending.item.header) {
            (Some((sent, (to, dport))), Header::Ports { sport, .. }) => {
                (to, Header::Ports { sport, dport }, Some(sent))
            }
            (_, header) => (sending.dst, header, None),
        };
        let Sending { input, src, item, .. } = *sending;
        Flow { input, output: self.topology.route(self.ruleset, dst), proto: item.proto, src, dst, header, sent }
    }

    fn outcome(&self, packet: &Packet, verdict: Verdict, limited: bool, masquerade: impl Fn() -> bool) -> Outcome {
        let flow = &packet.flow;
        match verdict {
            Verdict::Drop => Outcome::Dropped,
            // Nobody is told about a broadcast or about an untracked packet.
            Verdict::Reject if packet.state == CtState::Untracked || self.ruleset.is_broadcast(flow.dst) => {
                Outcome::Dropped
            }
            Verdict::Reject => Outcome::Refused,
            Verdict::Accept => Outcome::Delivered {
                place: flow.output,
                dst: flow.dst,
                header: flow.header,
                masqueraded: packet.state == CtState::New && flow.input != Place::Gateway && masquerade(),
                limited,
            },
        }
    }

    /// What the gateway's kernel does not decide alone.
    fn reaches_a_hook(&self, sending: &Sending) -> bool {
        let Sending { input, src, dst, item } = *sending;
        if src == dst {
            return false;
        }
        let output = self.topology.route(self.ruleset, dst);
        match (input, output) {
            (_, Place::Elsewhere) | (Place::Elsewhere, _) | (Place::Gateway, Place::Gateway) => false,
            // The box's own packets have its own source.
            (Place::Gateway, Place::Interface(_)) => {
                let broken = item.state == CtState::Invalid && self.first_state(sending) != CtState::Invalid;
                !broken && self.own().any(|(_, own)| own == src) && !is_link_local(src)
            }
            (Place::Interface(_), Place::Interface(_)) => {
                !is_unspecified(src) && !is_link_local(src) && !is_link_local(dst)
            }
            (Place::Interface(id), Place::Gateway) => {
                let group = self.ruleset.is_broadcast(dst);
                let near = !is_link_local(dst) || self.topology.host(id).link_local() == Some(dst);
                // Who has no address yet speaks to everybody.
                near && (!is_unspecified(src) || group && (src.is_ipv6() || dst == IpAddr::V4(Ipv4Addr::BROADCAST)))
            }
        }
    }

    fn first_state(&self, sending: &Sending) -> CtState {
        self.flow(sending, None).first_state()
    }

    fn own(&self) -> impl Iterator<Item = (InterfaceId, IpAddr)> {
        let hosts = self.topology.ids().zip(&self.topology.hosts);
        hosts.flat_map(|(id, host)| host.gateway_addresses.iter().map(move |(addr, _)| (id, *addr)))
    }

    fn space(&self, family: Family, programs: &[&Program]) -> Space {
        let mut cuts = Cuts::default();
        for program in programs {
            cuts.program(program);
        }
        self.ruleset_cuts(&mut cuts);
        let edges: Vec<IpAddr> = self
            .topology
            .hosts
            .iter()
            .flat_map(|host| &host.gateway_addresses)
            .flat_map(|(addr, len)| {
                let network = AddrRange::prefix(*addr, *len);
                [network.first(), network.last()]
            })
            .collect();
        // They stand for nobody but themselves.
        cuts.ranges.extend(edges.iter().copied().map(AddrRange::single));
        let (addresses, others) = cuts.addresses(family);
        let is_own = |addr: IpAddr| self.own().any(|(_, own)| own == addr);
        let source = |addr: &IpAddr| {
            is_unspecified(*addr)
                || is_own(*addr)
                || (is_link_local(*addr) && addr.is_ipv6())
                || (is_unicast(*addr) && !edges.contains(addr))
        };
        let groups: Vec<IpAddr> = match family {
            Family::V4 => vec![IpAddr::V4(Ipv4Addr::BROADCAST), IpAddr::V4(Ipv4Addr::new(224, 0, 0, 1))],
            Family::V6 => [1, 2].map(|group| IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, group))).to_vec(),
        };
        // Broadcast addresses of our wires; network addresses mean different things to different kernels.
        let broadcasts = edges.iter().copied().filter(|edge| edge.is_ipv4() && self.ruleset.is_broadcast(*edge));
        let plain = others.iter().copied().filter(|addr| is_own(*addr) || (is_unicast(*addr) && !edges.contains(addr)));
        let destinations: BTreeSet<IpAddr> =
            plain.chain(groups).chain(broadcasts).filter(|a| Family::of(*a) == family).collect();
        Space {
            inputs: self.topology.ids().map(Place::Interface).chain([Place::Gateway]).collect(),
            sources: addresses.iter().copied().filter(source).collect(),
            destinations: destinations.into_iter().collect(),
            items: cuts.items(family),
        }
    }

    fn ruleset_cuts(&self, cuts: &mut Cuts) {
        let ruleset = self.ruleset;
        cuts.ranges.extend(ruleset.inside.iter().copied());
        for interface in &ruleset.interfaces {
            cuts.ranges.extend(interface.sources.iter().chain(&interface.networks).copied());
        }
        cuts.ranges.extend(self.own().map(|(_, addr)| AddrRange::single(addr)));
        cuts.ranges.extend(private_ipv4());
        for flow_box in ruleset.rules.iter().flat_map(|rule| &rule.boxes) {
            cuts.ranges.extend(flow_box.src.iter().flat_map(|ranges| ranges.iter().copied()));
            if let Dst::Addresses(ranges) = &flow_box.dst {
                cuts.ranges.extend(ranges.iter().copied());
            }
            for service in flow_box.services.iter().flat_map(|services| services.iter()) {
                cuts.protocols.insert(service.proto);
                match service.ports {
                    Ports::Range(range) => drop(cuts.ports.insert((range.first, range.last))),
                    Ports::Icmp { kind, code } => {
                        cuts.kinds.insert(kind);
                        cuts.codes.extend(code);
                    }
                    Ports::All => {}
                }
            }
        }
        for one in &ruleset.translations {
            cuts.ranges.extend(one.from.iter().flat_map(|ranges| ranges.iter().copied()));
            cuts.ranges.insert(AddrRange::single(one.to));
            let (sent, delivered): (PortRange, PortRange) = (one.ports, one.delivered_ports());
            cuts.ports.extend([(sent.first, sent.last), (delivered.first, delivered.last)]);
        }
        // What the kernel treats apart.
        let v4 = |a, len| AddrRange::prefix(IpAddr::V4(Ipv4Addr::new(a, 0, 0, 0)), len);
        let v6 = |a, len| AddrRange::prefix(IpAddr::V6(Ipv6Addr::new(a, 0, 0, 0, 0, 0, 0, 0)), len);
        cuts.ranges.extend([v4(0, 8), v4(0, 32), v4(127, 8), v4(224, 3)]);
        cuts.ranges.insert(AddrRange::prefix(IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16));
        cuts.ranges.extend([v6(0, 8), v6(0, 128), v6(0xfe80, 10), v6(0xfec0, 10), v6(0xff00, 8)]);
        cuts.kinds.extend([0, 3, 8, 11, 13, 1, 128, 129, 139]);
        cuts.kinds.extend((130..=137).chain([143]));
        cuts.protocols.extend([proto::TCP, proto::UDP, 253]);
        cuts.ports.extend(STATE_PORTS.map(|port| (port, port)));
    }
}

fn is_unspecified(addr: IpAddr) -> bool {
    addr.is_unspecified()
}

fn is_link_local(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// What a host may have for its address.
fn is_unicast(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(v4) => {
            let first = v4.octets()[0];
            first != 0 && first != 127 && first < 224 && !v4.is_link_local()
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            (0x100..0xfe80).contains(&first)
        }
    }
}

fn stride(total: u64) -> u64 {
    let gcd = |mut a: u64, mut b: u64| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    (total * 618 / 1000..).find(|stride| gcd((*stride).max(1), total) == 1).map_or(1, |stride| stride.max(1))
}

struct Space {
    inputs: Vec<Place>,
    sources: Vec<IpAddr>,
    destinations: Vec<IpAddr>,
    items: Vec<Item>,
}

impl Space {
    fn len(&self) -> u64 {
        let sizes = [self.inputs.len(), self.sources.len(), self.destinations.len(), self.items.len()];
        sizes.iter().map(|size| *size as u64).product()
    }

    fn nth(&self, at: u64) -> Sending {
        let mut rest = usize::try_from(at).expect("counted in a usize");
        let mut next = |size: usize| {
            let index = rest % size;
            rest /= size;
            index
        };
        Sending {
            input: self.inputs[next(self.inputs.len())],
            src: self.sources[next(self.sources.len())],
            dst: self.destinations[next(self.destinations.len())],
            item: self.items[next(self.items.len())],
        }
    }
}
