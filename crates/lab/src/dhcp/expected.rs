//! What the policy says a client is given, read from the policy itself and not from what was emitted.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use segwall_core::policy::{Policy, ServerRef, dhcp_option};
use segwall_packetset::AddrRange;

use super::client::{Asked, Given};

/// What a client in a segment is to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pool: AddrRange,
    server: Ipv4Addr,
    lease_s: u32,
    /// By number, as they travel.
    options: BTreeMap<u8, Vec<u8>>,
}

const MASK: u8 = 1;
const ROUTERS: u8 = 3;
const NAME_SERVERS: u8 = 6;
const DOMAIN_NAME: u8 = 15;
const TIME_SERVERS: u8 = 42;

/// Of a segment by name; `None` where it has no pool.
pub(super) fn of(policy: &Policy, name: &str) -> Option<Expected> {
    let segment = policy.segments.iter().find(|segment| segment.name == name)?;
    let dhcp = segment.dhcp.as_ref()?;
    let pool = dhcp.pool?;
    let subnet = segment.subnets.iter().find(|subnet| subnet.network.covers(&pool))?;
    let IpAddr::V4(gateway) = subnet.gateway else { return None };
    let len = u32::from(subnet.network.prefix_len()?);
    let mask = u32::MAX.checked_shl(32 - len).unwrap_or(0);
    let servers = |list: &[ServerRef]| -> Vec<u8> {
        let addresses = list.iter().flat_map(|server| match server {
            ServerRef::Gateway => vec![IpAddr::V4(gateway)],
            ServerRef::Addresses(list) => list.clone(),
        });
        let octets = addresses.filter_map(|addr| match addr {
            IpAddr::V4(v4) => Some(v4.octets()),
            IpAddr::V6(_) => None,
        });
        octets.flatten().collect()
    };
    let mut options: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    for (number, text) in &dhcp.options {
        options.insert(*number, dhcp_option::encode(*number, text).ok()?);
    }
    options.insert(MASK, mask.to_be_bytes().to_vec());
    options.insert(ROUTERS, gateway.octets().to_vec());
    options.insert(NAME_SERVERS, servers(&dhcp.dns));
    options.insert(TIME_SERVERS, servers(&dhcp.ntp));
    let domain = dhcp.domain.as_deref().map(|name| name.trim_end_matches('.').as_bytes().to_vec());
    options.insert(DOMAIN_NAME, domain.unwrap_or_default());
    options.retain(|number, bytes| !bytes.is_empty() || dhcp.options.contains_key(number));
    Some(Expected { pool, server: gateway, lease_s: dhcp.lease_s.unwrap_or(policy.dhcp.lease_s), options })
}

impl Expected {
    /// Options that a client has to ask for, or does not get.
    pub fn wishes(&self) -> Vec<u8> {
        self.options.keys().copied().collect()
    }

    /// In what the answers differ: sentences.
    pub fn compare(&self, asked: &Asked) -> Vec<String> {
        let Some(given) = &asked.given else {
            let what = if asked.servers.is_empty() {
                "no server answered"
            } else {
                "the server made an offer and did not keep it"
            };
            return vec![what.to_owned()];
        };
        let mut found = self.compare_lease(given);
        let others: Vec<String> =
            asked.servers.iter().filter(|server| **server != self.server).map(ToString::to_string).collect();
        if !others.is_empty() {
            found.push(format!("somebody else answers too: {}", others.join(", ")));
        }
        found
    }

    fn compare_lease(&self, given: &Given) -> Vec<String> {
        let mut found = Vec::new();
        if !self.pool.contains(IpAddr::V4(given.addr)) {
            found.push(format!("{} was given, which is not in the pool {}", given.addr, self.pool));
        }
        if given.server != Some(self.server) {
            let server = given.server.map_or_else(|| "nobody".to_owned(), |addr| addr.to_string());
            found.push(format!("{server} gave the lease, not {}", self.server));
        }
        if given.lease_s != Some(self.lease_s) {
            let lease = given.lease_s.map_or_else(|| "no time".to_owned(), |seconds| format!("{seconds} s"));
            found.push(format!("the lease is for {lease}, not {} s", self.lease_s));
        }
        for (number, bytes) in &self.options {
            match given.options.get(number) {
                None => found.push(format!("option {number} is missing")),
                Some(seen) if seen != bytes => {
                    found.push(format!("option {number} is {}, not {}", hexadecimal(seen), hexadecimal(bytes)));
                }
                Some(_) => {}
            }
        }
        found
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn expected() -> Expected {
        Expected {
            pool: "192.168.20.100-192.168.20.200".parse().expect("a pool"),
            server: Ipv4Addr::new(192, 168, 20, 1),
            lease_s: 3600,
            options: BTreeMap::from([(MASK, vec![255, 255, 255, 0]), (ROUTERS, vec![192, 168, 20, 1])]),
        }
    }

    fn asked() -> Asked {
        let expected = expected();
        let given = Given {
            addr: Ipv4Addr::new(192, 168, 20, 150),
            server: Some(expected.server),
            lease_s: Some(3600),
            options: expected.options.clone(),
        };
        Asked { servers: BTreeSet::from([expected.server]), given: Some(given) }
    }

    fn options(it: &mut Asked) -> &mut BTreeMap<u8, Vec<u8>> {
        &mut it.given.as_mut().expect("a lease").options
    }

    /// What is changed about a good answer, and what must be said of it.
    type Fault = (fn(&mut Asked), &'static str);

    #[test]
    fn each_difference_is_told() {
        assert_eq!(expected().compare(&asked()), [""; 0]);
        let faults: [Fault; 8] = [
            (|it| *it = Asked::default(), "no server answered"),
            (|it| it.given = None, "did not keep it"),
            (|it| it.given.as_mut().expect("a lease").addr = Ipv4Addr::new(192, 168, 20, 99), "not in the pool"),
            (|it| it.given.as_mut().expect("a lease").lease_s = Some(60), "60 s, not 3600 s"),
            (|it| it.given.as_mut().expect("a lease").server = None, "nobody gave the lease"),
            (|it| it.servers.extend([Ipv4Addr::new(192, 168, 20, 66)]), "somebody else answers too: 192.168.20.66"),
            (|it| options(it).retain(|number, _| *number != ROUTERS), "option 3 is missing"),
            (|it| options(it).extend([(MASK, vec![0])]), "option 1 is 00"),
        ];
        for (plant, words) in faults {
            let mut asked = asked();
            plant(&mut asked);
            let found = expected().compare(&asked);
            assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
        }
    }
}
