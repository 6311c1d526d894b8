//! Which interface leads to the provider, and what it has.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use segwall_packetset::{AddrRange, Family};

use super::{Link, Uplink, vlan};
use crate::import::Given;
use crate::policy::InterfaceAddress;

/// The uplink's name in a policy.
const NAME: &str = "wan";

/// What somebody says of the uplink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UplinkGiven {
    /// The interface.
    pub device: String,
    /// Static addresses.
    pub addresses: Vec<InterfaceAddress>,
    /// IPv4 by DHCP.
    pub dhcp: bool,
    /// IPv6 by router advertisements.
    pub ra: bool,
    /// Next hops.
    pub gateways: Vec<IpAddr>,
}

/// Reads `eth1`, `eth1=dhcp,ra` or `eth1=203.0.113.2/24,203.0.113.1`: the interface, then its addresses with lengths and
/// its next hops without.
///
/// # Errors
/// What is wrong, in a few words.
pub fn read_uplink(text: &str) -> Result<UplinkGiven, String> {
    let (device, rest) = text.split_once('=').unwrap_or((text, ""));
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let name_fits = !device.is_empty() && device.len() <= 15 && device.chars().all(good) && device != "lo";
    if !name_fits {
        return Err(format!("`{device}` cannot be an interface's name"));
    }
    let mut given =
        UplinkGiven { device: device.to_owned(), addresses: Vec::new(), dhcp: false, ra: false, gateways: Vec::new() };
    for part in rest.split(',').filter(|part| !part.is_empty()) {
        match part {
            "dhcp" => given.dhcp = true,
            "ra" => given.ra = true,
            _ => match part.split_once('/') {
                None => given.gateways.push(part.parse().map_err(|_| format!("`{part}` is no address"))?),
                Some((addr, length)) => {
                    let addr: IpAddr = addr.parse().map_err(|_| format!("`{addr}` is no address"))?;
                    let bits = Family::of(addr).bits();
                    let prefix_len = length.parse().ok().filter(|length| *length <= bits);
                    let prefix_len = prefix_len.ok_or_else(|| format!("`{length}` is no prefix length"))?;
                    given.addresses.push(InterfaceAddress { addr, prefix_len });
                }
            },
        }
    }
    Ok(given)
}

/// The uplink: as said, else the interface with a default route or a lease of its own, else the one that the rules
/// translate sources for.
pub(super) fn choose(
    given: &Given<'_>,
    outward: &BTreeSet<String>,
    order: &[String],
    links: &BTreeMap<String, Link>,
    notes: &mut Vec<String>,
) -> Option<Uplink> {
    let (device, why) = match &given.uplink {
        Some(said) => (said.device.clone(), "as you said".to_owned()),
        None => guess(outward, order, links, notes)?,
    };
    let none = Link::default();
    let link = links.get(&device).unwrap_or(&none);
    let mut uplink = Uplink {
        name: NAME.to_owned(),
        vlan: vlan(&device, link),
        addresses: link.addresses.iter().copied().filter(|one| !super::is_link_local(one.addr)).collect(),
        dhcp: link.dhcp,
        ra: link.ra,
        gateways: link.gateways.clone(),
        device,
        why,
    };
    if let Some(said) = &given.uplink {
        if !said.addresses.is_empty() || said.dhcp || said.ra {
            uplink.addresses.clone_from(&said.addresses);
            (uplink.dhcp, uplink.ra) = (said.dhcp, said.ra);
            uplink.gateways.clear();
        }
        uplink.gateways.extend(&said.gateways);
    }
    if uplink.addresses.is_empty() && !uplink.dhcp && !uplink.ra {
        uplink.dhcp = true;
        notes.push(format!("nothing says which address {} has: DHCP is assumed", uplink.device));
    }
    next_hops(&mut uplink, notes);
    Some(uplink)
}

/// A next hop that lies in none of the uplink's networks belongs to another interface.
fn next_hops(uplink: &mut Uplink, notes: &mut Vec<String>) {
    let near = |hop: &IpAddr| {
        super::is_link_local(*hop)
            || uplink
                .addresses
                .iter()
                .any(|one| AddrRange::prefix(one.addr, one.prefix_len).contains(*hop) && one.addr != *hop)
    };
    let (kept, far): (Vec<IpAddr>, Vec<IpAddr>) = uplink.gateways.iter().partition(|hop| near(hop));
    for hop in far {
        notes.push(format!("the next hop {hop} is in no network of {}: it is left out", uplink.device));
    }
    uplink.gateways = kept;
    uplink.gateways.dedup();
}

fn guess(
    outward: &BTreeSet<String>,
    order: &[String],
    links: &BTreeMap<String, Link>,
    notes: &mut Vec<String>,
) -> Option<(String, String)> {
    let mut chosen: Vec<(&String, &str)> = Vec::new();
    chosen.extend(
        order.iter().filter(|device| !links[*device].gateways.is_empty()).map(|device| (device, "it has a next hop")),
    );
    if chosen.is_empty() {
        let leased = order.iter().filter(|device| links[*device].dhcp || links[*device].ra);
        chosen.extend(leased.map(|device| (device, "it gets its address from somebody else")));
    }
    if chosen.is_empty() {
        chosen.extend(outward.iter().map(|device| (device, "the rules translate sources for it")));
    }
    match chosen.as_slice() {
        [] => {
            notes.push("no interface leads to a provider: name it with --uplink if there is one".to_owned());
            None
        }
        [(device, why), others @ ..] => {
            for (other, _) in others {
                notes.push(format!("{other} could be the uplink as well as {device}: say so with --uplink"));
            }
            notes.push(format!("{device} is taken for the uplink: {why}"));
            Some(((*device).clone(), (*why).to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uplink_is_said_in_one_word() {
        let plain = read_uplink("eth1").unwrap();
        assert_eq!((plain.device.as_str(), plain.addresses.len(), plain.dhcp), ("eth1", 0, false));
        let full = read_uplink("eth1=203.0.113.2/24,203.0.113.1,ra").unwrap();
        assert_eq!((full.addresses.len(), full.gateways.len(), full.ra), (1, 1, true));
        for bad in ["", "lo", "eth1=x", "eth1=203.0.113.2/40", "a b", "sixteen_bytes_xx"] {
            assert!(read_uplink(bad).is_err(), "{bad}");
        }
    }
}
