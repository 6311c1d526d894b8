//! What is kept for a view beside the state and the sums: the newest refused packets, alerts that ended, what goes on.

use std::collections::{BTreeMap, VecDeque};

use segwall_host::rtnl_dump::{LinkCounts, LinkFacts};
use segwall_packetset::{Header, proto};

use super::going::{Going, GoingOn};
use super::{
    AlertRow, DROPS_MAX, ENDED_MAX, Fill, Flow, Interface, LeftOut, Loss, PAIRS_MAX, Pair, Refused, SHAPE, Sum, Talker,
    View, ZoneRow,
};
use crate::alert::{Alert, Phase};
use crate::event::{At, Event, Iface, Packet, Source, Verdict, Volume};
use crate::journal::flag_names;
use crate::network::{Network, Zone};
use crate::state::State;
use crate::totals::Totals;
use crate::traffic::Traffic;

/// Where the other values of a view stand.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The present.
    pub at: At,
    /// What is known.
    pub state: &'a State,
    /// What was counted.
    pub totals: &'a Totals,
    /// What connections carried.
    pub traffic: &'a Traffic,
    /// Interfaces as they are now.
    pub links: &'a [(LinkFacts, LinkCounts)],
    /// The policy's name.
    pub policy: &'a str,
}

/// What is kept for a view.
#[derive(Debug, Default)]
pub struct Board {
    since: Option<At>,
    drops: VecDeque<(u64, At, Packet)>,
    number: u64,
    ended: VecDeque<AlertRow>,
    /// Only while somebody looks on.
    going: Option<Going>,
}

impl Board {
    /// Somebody looks on, or nobody does.
    pub fn seen(&mut self, is_seen: bool) {
        match (is_seen, &self.going) {
            (true, None) => self.going = Some(Going::default()),
            (false, Some(_)) => self.going = None,
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// Another policy: zones are others, and rates begin anew.
    pub fn renamed(&mut self) {
        self.going = self.going.as_ref().map(|_| Going::default());
    }

    /// Something happened; the sums know of it already.
    pub fn event(&mut self, at: At, event: &Event, traffic: &Traffic) {
        self.since.get_or_insert(at);
        match event {
            Event::Packet(packet) if matches!(packet.verdict, Verdict::Refused(_)) => {
                self.number += 1;
                if self.drops.len() >= DROPS_MAX {
                    self.drops.pop_front();
                }
                self.drops.push_back((self.number, at, *packet));
            }
            Event::Standing(connection) | Event::Going(connection) => {
                if let Some(going) = &mut self.going {
                    going.connection(connection);
                }
            }
            Event::Listed => {
                if let Some(going) = &mut self.going {
                    let bytes = |carried: crate::traffic::Carried| (carried.sent.bytes, carried.received.bytes);
                    going.listed(at, traffic.talkers().map(|(zone, addr, carried)| (zone, addr, bytes(carried))));
                }
            }
            Event::Packet(_)
            | Event::Began(_)
            | Event::Ended(_)
            | Event::Counters(_)
            | Event::Neighbour { .. }
            | Event::Lease { .. }
            | Event::Link { .. }
            | Event::OwnAddress { .. }
            | Event::Conntrack { .. }
            | Event::Table { .. }
            | Event::Drift { .. }
            | Event::Lost { .. }
            | Event::DhcpServer { .. }
            | Event::Tick => {}
        }
    }

    /// Something was told.
    pub fn told(&mut self, alert: &Alert) {
        if alert.phase == Phase::Closed {
            self.ended.truncate(ENDED_MAX - 1);
            self.ended.push_front(row(alert));
        }
    }

    /// A view of now.
    #[must_use]
    pub fn view(&self, seen: Seen<'_>) -> View {
        let network = seen.state.network();
        let mut zones = Zones::of(network);
        let (pairs, pairs_left_out) = pairs(&mut zones, seen);
        let nothing = Going::default();
        let going = self.going.as_ref().unwrap_or(&nothing).last();
        let sums: BTreeMap<_, _> = match going.hosts.is_empty() {
            true => BTreeMap::new(),
            false => seen.traffic.talkers().map(|(zone, addr, carried)| ((zone, addr), carried)).collect(),
        };
        let talkers: Vec<Talker> = going
            .hosts
            .iter()
            .filter_map(|host| {
                let carried = sums.get(&(host.zone, host.addr))?;
                Some(Talker {
                    zone: zones.place(host.zone),
                    addr: host.addr,
                    name: network.host(host.addr).map(str::to_owned),
                    sent: sum(carried.sent),
                    received: sum(carried.received),
                    sent_s: host.rate.0,
                    received_s: host.rate.1,
                })
            })
            .collect();
        let flows: Vec<Flow> = going.flows.iter().map(|one| flow(&mut zones, one)).collect();
        let mut interfaces: Vec<Interface> =
            seen.links.iter().map(|(link, counts)| interface(&mut zones, link, counts)).collect();
        interfaces.sort_by(|a, b| a.name.cmp(&b.name));
        for (zone, count) in &going.known {
            let place = zones.place(*zone);
            zones.rows[place as usize].hosts = *count;
        }
        let known: u64 = going.known.values().sum();
        let mut alerts: Vec<AlertRow> = seen.state.standing().iter().map(row).collect();
        alerts.sort_by_key(|alert| (std::cmp::Reverse(alert.last_ms), alert.id));
        alerts.iter_mut().for_each(|alert| alert.open = true);
        alerts.extend(self.ended.iter().cloned());
        View {
            shape: SHAPE,
            segwall: env!("CARGO_PKG_VERSION").to_owned(),
            at_ms: ms(seen.at),
            since_ms: ms(self.since.unwrap_or(seen.at)),
            listed_ms: going.at.map(ms),
            policy: seen.policy.to_owned(),
            left_out: LeftOut {
                pairs: pairs_left_out + seen.totals.pairs_lost,
                talkers: known.saturating_sub(talkers.len() as u64) + seen.traffic.lost(),
                flows: going.count.saturating_sub(flows.len() as u64),
            },
            flows_open: going.count,
            pairs,
            interfaces,
            talkers,
            flows,
            drops: self.drops.iter().map(|(number, at, packet)| refused(network, *number, *at, packet)).collect(),
            alerts,
            conntrack: seen.totals.conntrack.map(|(count, max)| Fill { count, max }),
            table: seen.totals.table,
            lost: seen.totals.lost.iter().map(|(source, count)| loss(*source, *count)).collect(),
            zones: zones.rows,
        }
    }
}

/// Zones by their place in a view.
struct Zones<'a> {
    network: &'a Network,
    places: BTreeMap<Zone, u32>,
    rows: Vec<ZoneRow>,
}

impl<'a> Zones<'a> {
    fn of(network: &'a Network) -> Self {
        let mut zones = Self { network, places: BTreeMap::new(), rows: Vec::new() };
        for zone in network.segments() {
            zones.place(zone);
        }
        if network.has_policy() {
            zones.place(Zone::Internet);
        }
        zones.place(Zone::Gateway);
        zones
    }

    fn place(&mut self, zone: Zone) -> u32 {
        if let Some(place) = self.places.get(&zone) {
            return *place;
        }
        let place = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.places.insert(zone, place);
        self.rows.push(ZoneRow { name: self.network.name(zone), hosts: 0 });
        place
    }
}

fn ms(at: At) -> i64 {
    at.0.div_euclid(1_000)
}

fn sum(volume: Volume) -> Sum {
    Sum { packets: volume.packets, bytes: volume.bytes }
}

/// Pairs in order, and how many there was no place for.
fn pairs(zones: &mut Zones<'_>, seen: Seen<'_>) -> (Vec<Pair>, u64) {
    let network = seen.state.network();
    let mut pairs: BTreeMap<(u32, u32), Pair> = BTreeMap::new();
    let mut left_out = 0;
    let mut add = |zones: &mut Zones<'_>, from: Zone, to: Zone, put: &dyn Fn(&mut Pair)| {
        let (from, to) = (zones.place(from), zones.place(to));
        if pairs.len() >= PAIRS_MAX && !pairs.contains_key(&(from, to)) {
            left_out += 1;
            return;
        }
        put(pairs.entry((from, to)).or_insert_with(|| Pair { from, to, ..Pair::default() }));
    };
    for ((from, to), carried) in seen.traffic.pairs() {
        add(zones, *from, *to, &|pair| {
            (pair.sent, pair.received) = (sum(carried.sent), sum(carried.received));
        });
    }
    for ((from, to), connections) in &seen.totals.connections {
        add(zones, *from, *to, &|pair| pair.connections = connections.began);
    }
    for ((input, output), packets) in &seen.totals.refused_pairs {
        // Two uplinks are one zone.
        add(zones, network.behind(*input), network.behind(*output), &|pair| pair.refused += packets);
    }
    (pairs.into_values().collect(), left_out)
}

fn proto_word(number: u8) -> String {
    proto::name(number).map_or_else(|| number.to_string(), str::to_owned)
}

fn flow(zones: &mut Zones<'_>, one: &GoingOn) -> Flow {
    let connection = &one.connection;
    let ends = zones.network.ends_of(connection);
    let ports = |header: Header| match header {
        Header::Ports { sport, .. } => Some(sport),
        Header::Icmp { .. } | Header::Other => None,
    };
    Flow {
        from: zones.place(ends.from),
        to: zones.place(ends.to),
        proto: proto_word(connection.original.proto),
        src: connection.original.src,
        dst: connection.reply.src,
        sport: ports(connection.original.header),
        dport: ports(connection.reply.header),
        sent: sum(connection.sent),
        received: sum(connection.received),
        sent_s: one.rate.0,
        received_s: one.rate.1,
    }
}

fn interface(zones: &mut Zones<'_>, link: &LinkFacts, counts: &LinkCounts) -> Interface {
    let name = Iface::new(link.name.as_bytes());
    let zone = zones.network.names_iface(name).then(|| zones.network.behind(name));
    Interface {
        name: name.as_str().to_owned(),
        zone: zone.map(|zone| zones.place(zone)),
        up: link.up && link.carrier,
        received: Sum { packets: counts.rx_packets, bytes: counts.rx_bytes },
        sent: Sum { packets: counts.tx_packets, bytes: counts.tx_bytes },
        errors: counts.rx_errors.saturating_add(counts.tx_errors),
        dropped: counts.rx_dropped.saturating_add(counts.tx_dropped),
    }
}

fn refused(network: &Network, number: u64, at: At, packet: &Packet) -> Refused {
    let ends = network.ends(packet);
    let (sport, dport, kind, code) = match packet.header {
        Header::Ports { sport, dport } => (Some(sport), Some(dport), None, None),
        Header::Icmp { kind, code } => (None, None, Some(kind), Some(code)),
        Header::Other => (None, None, None, None),
    };
    Refused {
        number,
        at_ms: ms(at),
        reason: match packet.verdict {
            Verdict::Refused(reason) => reason.word().to_owned(),
            Verdict::Accepted | Verdict::Noted => String::new(),
        },
        from: network.name(ends.from),
        to: network.name(ends.to),
        input: packet.input.as_str().to_owned(),
        output: packet.output.as_str().to_owned(),
        proto: proto_word(packet.proto),
        src: packet.src,
        dst: packet.dst,
        sport,
        dport,
        kind,
        code,
        flags: if packet.proto == proto::TCP { flag_names(packet.flags).join(" ") } else { String::new() },
    }
}

fn row(alert: &Alert) -> AlertRow {
    AlertRow {
        id: alert.id,
        kind: alert.kind.word().to_owned(),
        severity: alert.severity.word().to_owned(),
        open: false,
        source: alert.source.clone(),
        summary: alert.summary.clone(),
        count: alert.count,
        first_ms: ms(alert.first),
        last_ms: ms(alert.last),
        targets: alert.targets.iter().map(ToString::to_string).collect(),
        ports: alert.ports.clone(),
        policy: alert.causes.iter().map(|cause| cause.words.clone()).collect(),
    }
}

fn loss(source: Source, count: u64) -> Loss {
    let source = match source {
        Source::Packets => "packets",
        Source::Connections => "connections",
        Source::Links => "links",
        Source::Log => "log",
    };
    Loss { source: source.to_owned(), count }
}
