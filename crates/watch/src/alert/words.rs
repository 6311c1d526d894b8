//! An alert in words. Everything in them is a number, an address, a policy's name, or an interface's or a maker's name made
//! safe.

use segwall_packetset::proto;

use super::draft::{Draft, Port};
use super::{Kind, PORTS_MAX, Subject, TARGETS_MAX, Technique, mac_text};
use crate::network::Network;

/// `tcp/22`, `icmp/8` (its type), `proto/47`.
pub fn port((number, port): Port) -> String {
    match proto::name(number) {
        Some(name) if proto::has_ports(number) || number == proto::ICMP || number == proto::ICMPV6 => {
            format!("{name}/{port}")
        }
        _ => format!("proto/{number}"),
    }
}

/// Who or what it is about.
pub fn source(network: &Network, subject: Subject) -> String {
    match subject {
        Subject::Addr(addr) => addr.to_string(),
        Subject::Many(_) => "many".to_owned(),
        Subject::Card(_, mac) => mac_text(mac),
        Subject::Pair(from, to) => format!("{} > {}", network.name(from), network.name(to)),
        Subject::Zone(zone) => network.name(zone),
        Subject::Iface(iface) => iface.as_str().to_owned(),
        Subject::Box => "gateway".to_owned(),
    }
}

fn how_many(known: usize, max: usize, more: bool, word: &str) -> String {
    match (known, more) {
        (1, false) => format!("1 {word}"),
        (_, false) => format!("{known} {word}s"),
        (_, true) => format!("more than {max} {word}s"),
    }
}

/// One sentence.
pub fn summary(network: &Network, draft: &Draft) -> String {
    let name = match draft.subject {
        Subject::Addr(addr) => network.host(addr).map_or_else(|| addr.to_string(), |host| format!("{addr} ({host})")),
        subject => source(network, subject),
    };
    let place = draft.zone.map(|zone| format!(" in {}", network.name(zone))).unwrap_or_default();
    let (count, figure) = (draft.count, draft.figure);
    let hosts = || match (draft.targets.first(), draft.targets.len(), draft.more.0) {
        (Some(one), 1, false) => one.to_string(),
        _ => how_many(draft.targets.len(), TARGETS_MAX, draft.more.0, "host"),
    };
    let ports = || match (draft.ports.first(), draft.ports.len(), draft.more.1) {
        (Some(one), 1, false) => port(*one),
        _ => how_many(draft.ports.len(), PORTS_MAX, draft.more.1, "port"),
    };
    let how = draft.technique.map_or("", Technique::word);
    match draft.kind {
        Kind::ScanVertical | Kind::ScanBlock | Kind::ScanHorizontal => {
            format!("{name}{place} scans {} on {}: {how}, {count} probes", hosts(), ports())
        }
        Kind::ScanSlow => {
            format!("{name}{place} scans {} on {}, slowly: {how}, {count} probes", hosts(), ports())
        }
        Kind::ScanDistributed => format!("{figure} sources together scan {} on {}: {how}", hosts(), ports()),
        Kind::DropsSource => format!("{name}{place} was refused {count} times, usual is {figure}"),
        Kind::DropsPair => format!("{count} packets from {name} were refused, usual is {figure}"),
        Kind::DropsZone => format!("{count} packets that came from {name} were refused, usual is {figure}"),
        Kind::NewPair => format!("first connection ever from {name}"),
        Kind::ManagementDenied => {
            format!("{name}{place} may not manage {}, and tried {count} times on {}", hosts(), ports())
        }
        Kind::UnknownDevice => {
            let maker = match draft.subject {
                Subject::Card(_, mac) => network.maker(mac),
                _ => None,
            };
            let maker = maker.map(|maker| format!(" ({maker})")).unwrap_or_default();
            format!("a card that nobody knows is{place}: {name}{maker}")
        }
        Kind::RogueDhcp => format!("{name}{place} answers DHCP requests, and is not this box"),
        Kind::UplinkSpoof => format!("{count} packets came by {name} with a source that is inside or the box's own"),
        Kind::ConntrackFull => {
            format!("connection tracking holds {count} of {figure} connections: new ones will be lost")
        }
        Kind::LinkDown => format!("{name} is down"),
        Kind::TableGone => "the table inet segwall is not in the kernel any more".to_owned(),
        Kind::Drift => {
            format!("the box differs from the generation that holds in {figure} places: see `segwall drift`")
        }
        Kind::RecordsLost => format!("{count} records were lost before they were looked at: what is seen is not all"),
    }
}
