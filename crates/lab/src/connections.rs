//! Probes that need a connection, or pretend to have one: replies and errors of accepted flows pass, strays and spoofed
//! sources do not.

use segwall_packetset::{CtState, Family, Header, InterfaceId, Place, TcpFlags, proto};

use crate::beyond;
use crate::error::LabError;
use crate::frame::{Packet, SEQUENCE, Tag, Transport, unreachable};
use crate::hijack;
use crate::probe::{Expected, Kind, Probe};
use crate::prober::{Arrival, Content, Seen, Shot};
use crate::report::Compared;
use crate::session::{Session, packet};

/// Interfaces from which each accepted flow is tried with a false source.
const FALSE_INPUTS: usize = 3;
/// Accepted flows for which replies, errors and hijacks are tried at once.
const GROUP_MAX: usize = 2048;
/// How often replies are tried when packets were lost on the way.
const ATTEMPTS: usize = 4;
const ECHO_REPLY: (u8, u8) = (0, 129);

/// All groups of this kind.
///
/// # Errors
/// When the lab itself fails.
pub fn run(session: &mut Session<'_>, seed: u64) -> Result<(), LabError> {
    let accepted: Vec<Probe> = session.accepted.values().flatten().copied().collect();
    let mut plain = strays(session, &accepted);
    plain.extend(session.refused.values().map(|probe| Probe {
        kind: Kind::Stray,
        flags: TcpFlags(TcpFlags::ACK),
        ..*probe
    }));
    plain.extend(spoofed(session, &accepted, seed));
    plain.extend(beyond::sources(session, &accepted));
    plain.sort_by_key(|probe| probe.input);
    session.run(&plain)?;
    for group in accepted.chunks(GROUP_MAX) {
        replies(session, group)?;
        hijack::run(session, group, seed)?;
    }
    hijack::in_the_name_of_the_box(session)
}

/// Packets of no known connection, to services that are accepted: an acknowledgement, an answer, an end, a reset, no
/// flag at all; and a first packet with a checksum that is wrong.
fn strays(session: &Session<'_>, accepted: &[Probe]) -> Vec<Probe> {
    let flags = [
        TcpFlags::ACK,
        TcpFlags::SYN | TcpFlags::ACK,
        TcpFlags::FIN,
        TcpFlags::FIN | TcpFlags::ACK,
        TcpFlags::RST,
        TcpFlags::RST | TcpFlags::ACK,
        TcpFlags::SYN | TcpFlags::FIN,
        0,
    ];
    let mut strays = Vec::new();
    for probe in accepted {
        if probe.proto == proto::TCP {
            strays.extend(flags.map(|flags| Probe { kind: Kind::Stray, flags: TcpFlags(flags), ..*probe }));
        }
        // Checksums are looked at where a packet enters; the box's own do not enter.
        let checked = matches!(probe.proto, proto::TCP | proto::UDP | proto::ICMP | proto::ICMPV6);
        let tracked = session.expected(probe).flow.first_state() != CtState::Untracked;
        if checked && tracked && probe.input != Place::Gateway {
            strays.push(Probe { kind: Kind::Stray, broken: true, ..*probe });
        }
    }
    strays
}

/// Accepted flows with their true source, by other interfaces; and with an address of the box.
fn spoofed(session: &Session<'_>, accepted: &[Probe], seed: u64) -> Vec<Probe> {
    let count = session.topology.hosts.len();
    let mut probes = Vec::new();
    let internet = session.topology.internet();
    for (number, probe) in accepted.iter().enumerate() {
        let Place::Interface(home) = probe.input else { continue };
        let mut inputs: Vec<InterfaceId> = others(home, count, seed.wrapping_add(number as u64)).collect();
        inputs.extend(internet.filter(|id| *id != home));
        inputs.sort_unstable();
        inputs.dedup();
        for input in inputs {
            probes.push(Probe { kind: Kind::Spoofed, input: Place::Interface(input), ..*probe });
        }
        // The box's address on another wire, and on the uplink, which is a lie on the uplink too.
        let family = Family::of(probe.src);
        let elsewhere = others(home, count, seed.wrapping_add(number as u64)).take(1);
        let boxes = elsewhere.chain(internet);
        for id in boxes {
            if let Some(src) = session.topology.host(id).gateway_address(family).filter(|src| *src != probe.dst) {
                probes.push(Probe { kind: Kind::Spoofed, src, ..*probe });
            }
        }
    }
    // Only what the oracle calls a drop: a source that is right for its interface is no lie.
    probes.retain(|probe| !session.expected(probe).is_accepted());
    probes
}

/// A few other interfaces, the same for the same seed.
pub fn others(home: InterfaceId, count: usize, seed: u64) -> impl Iterator<Item = InterfaceId> {
    let start = usize::try_from(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33).unwrap_or(0);
    (0..count)
        .map(move |offset| {
            InterfaceId(u32::try_from((start + offset) % count).expect("interfaces are counted in 32 bits"))
        })
        .filter(move |id| *id != home)
        .take(FALSE_INPUTS)
}

/// Accepted flows are opened, then answered from where they arrived; and an error is sent about them.
fn replies(session: &mut Session<'_>, group: &[Probe]) -> Result<(), LabError> {
    let answered: Vec<(&Probe, Expected)> = group
        .iter()
        .map(|probe| (probe, session.expected(probe)))
        // What ends at the box is seen and dropped behind the ruleset: its connection is never confirmed.
        .filter(|(probe, expected)| matches!(expected.flow.output, Place::Interface(_)) && may_be_answered(probe))
        .filter(|(_, expected)| expected.flow.output != expected.flow.input)
        .collect();
    if answered.is_empty() {
        return Ok(());
    }
    let opening: Vec<Shot> = answered
        .iter()
        .map(|(probe, expected)| Shot {
            from: probe.input,
            via: expected.flow.output,
            content: Content::Crafted(packet(probe)),
        })
        .collect();
    let mut outcome = None;
    for _ in 0..ATTEMPTS {
        let opened = session.prober.shoot(session.topology, &opening, &[])?;
        let replies: Vec<(usize, Shot)> = opened
            .iter()
            .enumerate()
            .filter_map(|(at, seen)| Some((at, reply_shot(answered[at].0, seen.arrived.as_ref()?)?)))
            .collect();
        let shots: Vec<Shot> = replies.iter().map(|(_, shot)| shot.clone()).collect();
        let Some(replied) = session.prober.follow(session.topology, &shots)? else { continue };
        let errors: Vec<(usize, Shot)> = opened
            .iter()
            .enumerate()
            .filter_map(|(at, seen)| Some((at, error_shot(answered[at].0, seen.arrived.as_ref()?))))
            .collect();
        let shots: Vec<Shot> = errors.iter().map(|(_, shot)| shot.clone()).collect();
        let Some(told) = session.prober.follow(session.topology, &shots)? else { continue };
        let replied: Vec<(usize, Seen)> = replies.into_iter().map(|(at, _)| at).zip(replied).collect();
        let told: Vec<(usize, Seen)> = errors.into_iter().map(|(at, _)| at).zip(told).collect();
        let all_there = replied.iter().all(|(at, seen)| reply_difference(answered[*at].0, seen).is_none())
            && told.iter().all(|(_, seen)| error_difference(seen).is_none());
        outcome = Some((replied, told));
        if all_there {
            break;
        }
    }
    let Some((replied, told)) = outcome else {
        let from = "several zones".to_owned();
        return Err(LabError::Sentinel { from, missing: opening.len(), sent: opening.len(), attempts: ATTEMPTS });
    };
    for (kind, list) in [(Kind::Reply, replied), (Kind::Related, told)] {
        for (at, seen) in list {
            let (probe, expected) = &answered[at];
            let difference = if kind == Kind::Reply { reply_difference(probe, &seen) } else { error_difference(&seen) };
            let probe = Probe { kind, ..**probe };
            let context = session.context();
            session.tally.note(&context, Compared { probe: &probe, expected, seen: &seen, difference });
        }
    }
    Ok(())
}

/// Of ICMP only an echo has an answer here.
fn may_be_answered(probe: &Probe) -> bool {
    match probe.header {
        Header::Ports { .. } => true,
        Header::Icmp { kind, .. } => matches!((probe.proto, kind), (proto::ICMP, 8) | (proto::ICMPV6, 128)),
        // Two flows of one group could be one connection.
        Header::Other => false,
    }
}

fn reply_shot(probe: &Probe, arrival: &Arrival) -> Option<Shot> {
    let headers = arrival.headers;
    let transport = match probe.header {
        Header::Ports { .. } => Transport::Ports {
            sport: headers.words.1,
            dport: headers.words.0,
            flags: TcpFlags(TcpFlags::SYN | TcpFlags::ACK),
            acknowledges: SEQUENCE,
        },
        Header::Icmp { .. } => {
            let kind = if probe.src.is_ipv4() { ECHO_REPLY.0 } else { ECHO_REPLY.1 };
            Transport::Icmp { kind, code: 0, id: headers.words.1 }
        }
        Header::Other => return None,
    };
    let packet = Packet {
        src: headers.dst,
        dst: headers.src,
        proto: probe.proto,
        transport,
        tag: Tag { run: 0, number: 0 },
        broken: false,
    };
    Some(Shot { from: arrival.place, via: probe.input, content: Content::Fixed(packet) })
}

fn error_shot(probe: &Probe, arrival: &Arrival) -> Shot {
    let ip = unreachable(arrival.headers.dst, arrival.headers.src, &arrival.ip);
    let tag = Tag::find(&arrival.ip).unwrap_or(Tag { run: 0, number: 0 });
    Shot { from: arrival.place, via: probe.input, content: Content::Ready(ip, tag) }
}

fn reply_difference(probe: &Probe, seen: &Seen) -> Option<String> {
    match &seen.arrived {
        None => Some("its answer was dropped".to_owned()),
        Some(arrival) if arrival.place != probe.input => Some("its answer went elsewhere".to_owned()),
        Some(arrival) if arrival.headers.dst != probe.src => {
            Some(format!("its answer came to {}", arrival.headers.dst))
        }
        Some(arrival) if arrival.headers.src != probe.dst => {
            Some(format!("its answer came from {}", arrival.headers.src))
        }
        Some(_) => None,
    }
}

fn error_difference(seen: &Seen) -> Option<String> {
    seen.refused.is_none().then(|| "an ICMP error about it was dropped".to_owned())
}
