//! Services of a box, and what a policy calls them.

use std::collections::BTreeSet;

use segwall_packetset::{Cube, Family, Field, PortRange, Set, proto};
use segwall_packetset::{GaveUp, Space};

use super::terms::of_family;
use crate::policy::{Ports, Service, built_in_service, built_in_service_names, write_service};

/// Protocols that are named one by one; more are "everything" with what is left out of it dropped.
const PROTOCOLS_MAX: usize = 16;
/// ICMP messages that open a connection, as [`crate::analysis::sets::opening_icmp`] has them.
const OPENING: [(Family, u8, &[u8]); 2] =
    [(Family::V4, proto::ICMP, &[8, 13, 15, 17]), (Family::V6, proto::ICMPV6, &[128, 139])];

/// What a box says of protocols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Everything.
    Every,
    /// These.
    These(Vec<Service>),
    /// So many protocols that no list is readable.
    Many(Vec<Service>),
}

fn values(cube: &Cube, field: Field) -> Option<Vec<u8>> {
    let ranges = cube.get(field)?;
    let all = ranges.iter().flat_map(|(first, last)| *first..=*last);
    Some(all.filter_map(|value| u8::try_from(value).ok()).collect())
}

/// The services of a box.
pub(super) fn of_box(cube: &Cube, families: &[Family]) -> Wanted {
    let ports = ports(cube);
    let Some(protocols) = values(cube, Field::Proto) else {
        let narrowed = [Field::Dport, Field::IcmpType, Field::IcmpCode].iter().any(|field| cube.get(*field).is_some());
        return if narrowed { Wanted::Many(listed(cube, families, &every_protocol(), &ports)) } else { Wanted::Every };
    };
    let list = listed(cube, families, &protocols, &ports);
    if protocols.len() > PROTOCOLS_MAX { Wanted::Many(list) } else { Wanted::These(list) }
}

fn every_protocol() -> Vec<u8> {
    (0..=u8::MAX).collect()
}

/// Port ranges without port 0; `None`: every port.
fn ports(cube: &Cube) -> Option<Vec<PortRange>> {
    let ranges = cube.get(Field::Dport)?;
    let ranges: Vec<PortRange> = ranges
        .iter()
        .filter_map(|(first, last)| {
            let (first, last) = (u16::try_from(*first).ok()?.max(1), u16::try_from(*last).ok()?);
            (first <= last).then_some(PortRange { first, last })
        })
        .collect();
    let whole = ranges.iter().any(|range| range.first == 1 && range.last == u16::MAX);
    (!whole).then_some(ranges)
}

fn listed(cube: &Cube, families: &[Family], protocols: &[u8], ports: &Option<Vec<PortRange>>) -> Vec<Service> {
    let mut list = Vec::new();
    for protocol in protocols {
        let all = Service { proto: *protocol, ports: Ports::All };
        if proto::has_ports(*protocol) {
            match ports {
                None => list.push(all),
                Some(ports) => {
                    list.extend(ports.iter().map(|range| Service { proto: *protocol, ports: Ports::Range(*range) }));
                }
            }
            continue;
        }
        match OPENING.iter().find(|(_, own, _)| own == protocol) {
            Some((family, _, kinds)) if families.contains(family) => list.extend(icmp(cube, *protocol, kinds)),
            Some(_) => {}
            None => list.push(all),
        }
    }
    list
}

fn icmp(cube: &Cube, protocol: u8, opening: &[u8]) -> Vec<Service> {
    let codes = values(cube, Field::IcmpCode);
    let kinds: Vec<u8> = match values(cube, Field::IcmpType) {
        None => opening.to_vec(),
        Some(kinds) => opening.iter().copied().filter(|kind| kinds.contains(kind)).collect(),
    };
    if kinds.len() == opening.len() && codes.is_none() {
        return vec![Service { proto: protocol, ports: Ports::All }];
    }
    let service = |kind, code| Service { proto: protocol, ports: Ports::Icmp { kind, code } };
    kinds
        .into_iter()
        .flat_map(|kind| match &codes {
            None => vec![service(kind, None)],
            Some(codes) => codes.iter().map(|code| service(kind, Some(*code))).collect(),
        })
        .collect()
}

/// Packets of these services; `None`: every packet.
pub(super) fn set(space: &mut Space, services: Option<&[Service]>) -> Result<Set, GaveUp> {
    let Some(services) = services else { return Ok(Set::ALL) };
    let mut cubes = Vec::new();
    for Service { proto: protocol, ports } in services {
        let of = Cube::all().with_only(Field::Proto, u128::from(*protocol));
        match ports {
            Ports::All => cubes.push(of),
            Ports::Range(range) => cubes.push(of.with(Field::Dport, u128::from(range.first), u128::from(range.last))),
            Ports::Icmp { kind, code } => {
                let own = OPENING.iter().find(|(_, own, _)| own == protocol);
                let Some((family, _, _)) = own else { continue };
                let cube = of_family(*family).with_only(Field::Proto, u128::from(*protocol));
                let cube = cube.with_only(Field::IcmpType, u128::from(*kind));
                cubes.push(match code {
                    Some(code) => cube.with_only(Field::IcmpCode, u128::from(*code)),
                    None => cube,
                });
            }
        }
    }
    space.cubes(&cubes)
}

/// Ports of a box; a box without a protocol of its own has none.
pub(super) fn ports_of(cube: &Cube) -> Vec<Service> {
    let protocols: Vec<u8> = match cube.get(Field::Proto) {
        None => (0..=u8::MAX).filter(|number| proto::has_ports(*number)).collect(),
        Some(list) => list
            .iter()
            .flat_map(|(first, last)| *first..=*last)
            .filter_map(|number| u8::try_from(number).ok())
            .filter(|number| proto::has_ports(*number))
            .collect(),
    };
    let whole = [(0, u128::from(u16::MAX))];
    let ports = cube.get(Field::Dport).unwrap_or(&whole);
    let ports: Vec<PortRange> = ports
        .iter()
        .filter_map(|(first, last)| {
            let (first, last) = (u16::try_from(*first).ok()?.max(1), u16::try_from(*last).ok()?);
            (first <= last).then_some(PortRange { first, last })
        })
        .collect();
    protocols
        .into_iter()
        .flat_map(|proto| ports.iter().map(move |range| Service { proto, ports: Ports::Range(*range) }))
        .collect()
}

/// The same services with the other IP version's ICMP beside each, as `ping` and `icmp` mean both.
pub(super) fn with_both_icmp(services: &[Service]) -> Option<Vec<Service>> {
    let mut list = services.to_vec();
    for service in services {
        let twin = match service {
            Service { proto: proto::ICMP, ports: Ports::All } => Service { proto: proto::ICMPV6, ports: Ports::All },
            Service { proto: proto::ICMPV6, ports: Ports::All } => Service { proto: proto::ICMP, ports: Ports::All },
            Service { proto: proto::ICMP, ports: Ports::Icmp { kind: 8, code: None } } => {
                Service { proto: proto::ICMPV6, ports: Ports::Icmp { kind: 128, code: None } }
            }
            Service { proto: proto::ICMPV6, ports: Ports::Icmp { kind: 128, code: None } } => {
                Service { proto: proto::ICMP, ports: Ports::Icmp { kind: 8, code: None } }
            }
            _ => continue,
        };
        if !list.contains(&twin) {
            list.push(twin);
        }
    }
    (list.len() > services.len()).then_some(list)
}

/// Two lists as one: port ranges that touch are joined, what is in all of a protocol is left out.
pub(super) fn joined(a: &[Service], b: &[Service]) -> Vec<Service> {
    let all: BTreeSet<Service> = a.iter().chain(b).copied().collect();
    let whole: BTreeSet<u8> =
        all.iter().filter(|service| service.ports == Ports::All).map(|service| service.proto).collect();
    let mut list: Vec<Service> = Vec::new();
    for service in all {
        if whole.contains(&service.proto) && service.ports != Ports::All {
            continue;
        }
        if let (Ports::Range(range), Some(Service { proto: last_proto, ports: Ports::Range(last) })) =
            (service.ports, list.last_mut())
            && *last_proto == service.proto
            && range.first <= last.last.saturating_add(1)
        {
            last.last = last.last.max(range.last);
            continue;
        }
        list.push(service);
    }
    list
}

/// The words of a policy for a list of services, names before numbers.
pub(super) fn words(services: &[Service]) -> Vec<String> {
    let mut left: BTreeSet<Service> = services.iter().copied().collect();
    let mut words = Vec::new();
    // Wider names first; `icmp` is not among the names.
    let mut names: Vec<(&str, Vec<Service>)> = built_in_service_names()
        .map(|(name, _)| name)
        .chain(["icmp"])
        .filter_map(|name| Some((name, built_in_service(name)?)))
        .collect();
    let ambiguous = |list: &[Service]| names.iter().filter(|(_, other)| other.as_slice() == list).count() > 1;
    let ambiguous: BTreeSet<&str> = names.iter().filter(|(_, list)| ambiguous(list)).map(|(name, _)| *name).collect();
    names.retain(|(name, _)| !ambiguous.contains(name));
    names.sort_by_key(|(name, list)| (std::cmp::Reverse(list.len()), *name));
    for (name, list) in names {
        if list.iter().all(|service| left.contains(service)) {
            list.iter().for_each(|service| {
                left.remove(service);
            });
            words.push(name.to_owned());
        }
    }
    words.sort();
    words.extend(left.iter().map(|service| match (service.proto, service.ports) {
        // The word `icmp` alone is both IP versions'.
        (proto::ICMP, Ports::All) => format!("proto/{}", proto::ICMP),
        _ => write_service(service),
    }));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(proto: u8, first: u16, last: u16) -> Service {
        Service { proto, ports: Ports::Range(PortRange { first, last }) }
    }

    #[test]
    fn services_have_their_names() {
        let dns = [ports(proto::UDP, 53, 53), ports(proto::TCP, 53, 53), ports(proto::TCP, 9000, 9010)];
        assert_eq!(words(&dns), ["dns", "tcp/9000-9010"]);
        assert_eq!(words(&[ports(proto::TCP, 9100, 9100)]), ["tcp/9100"]);
        assert_eq!(words(&[Service { proto: proto::ICMP, ports: Ports::All }]), ["proto/1"]);
        let ping = Service { proto: proto::ICMP, ports: Ports::Icmp { kind: 8, code: None } };
        assert_eq!(words(&with_both_icmp(&[ping]).unwrap()), ["ping"]);
    }

    #[test]
    fn lists_are_joined() {
        let list = joined(&[ports(proto::TCP, 80, 80)], &[ports(proto::TCP, 81, 90), ports(proto::TCP, 100, 100)]);
        assert_eq!(list, [ports(proto::TCP, 80, 90), ports(proto::TCP, 100, 100)]);
        let all = Service { proto: proto::TCP, ports: Ports::All };
        assert_eq!(joined(&list, &[all]), [all]);
    }
}
