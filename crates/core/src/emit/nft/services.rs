//! Services, sorted by the way they are looked up.

use std::sync::Arc;

use segwall_packetset::{Family, PortRange, proto};

use super::model::Key;
use super::shape::Svc;
use crate::policy::{Ports, Service};

/// Keys of services that are looked up in one way.
#[derive(Debug, Default)]
pub(super) struct Services {
    free: bool,
    proto: Vec<[Key; 1]>,
    port: Vec<[Key; 2]>,
    icmp_type: [Vec<[Key; 1]>; 2],
    icmp_code: [Vec<[Key; 2]>; 2],
}

fn family_index(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

impl Services {
    pub(super) fn of(services: Option<&Arc<[Service]>>) -> Self {
        let mut sorted = Self::default();
        let Some(services) = services else { return Self { free: true, ..sorted } };
        for service in services.iter() {
            let family = match service.proto {
                proto::ICMP => Some(Family::V4),
                proto::ICMPV6 => Some(Family::V6),
                _ => None,
            };
            match (service.ports, family) {
                (Ports::All, _) | (Ports::Range(PortRange::ALL), _) => sorted.proto.push([Key::Byte(service.proto)]),
                (Ports::Range(range), _) => sorted.port.push([Key::Byte(service.proto), Key::ports(range)]),
                (Ports::Icmp { kind, code: None }, Some(family)) => {
                    sorted.icmp_type[family_index(family)].push([Key::Byte(kind)]);
                }
                (Ports::Icmp { kind, code: Some(code) }, Some(family)) => {
                    sorted.icmp_code[family_index(family)].push([Key::Byte(kind), Key::Byte(code)]);
                }
                // Only ICMP has types; the oracle covers nothing here either.
                (Ports::Icmp { .. }, None) => {}
            }
        }
        sorted
    }

    /// Ways of lookup with their keys, of those that hold for both families (`None`) or only one.
    pub(super) fn groups(&self, family: Option<Family>) -> Vec<(Svc, Vec<&[Key]>)> {
        let mut groups = Vec::new();
        match family {
            None => {
                if self.free {
                    groups.push((Svc::Free, vec![&[][..]]));
                }
                groups.push((Svc::Proto, self.proto.iter().map(|key| &key[..]).collect()));
                groups.push((Svc::Port, self.port.iter().map(|key| &key[..]).collect()));
            }
            Some(family) => {
                let at = family_index(family);
                groups.push((Svc::IcmpType, self.icmp_type[at].iter().map(|key| &key[..]).collect()));
                groups.push((Svc::IcmpCode, self.icmp_code[at].iter().map(|key| &key[..]).collect()));
            }
        }
        groups.retain(|(_, keys)| !keys.is_empty());
        groups
    }
}
