//! DHCP, router advertisements and the resolver.

pub(super) mod dhcpd;
pub(super) mod dnsmasq;
pub(super) mod kea;
mod scope;

use std::net::Ipv4Addr;

use segwall_packetset::AddrRange;

pub(super) use scope::{Mode6, resolves_for, scopes4, scopes6};

/// Where the servers keep their leases.
pub(super) const STATE_DIR: &str = "/var/lib/segwall";

/// As every server writes hardware addresses.
fn mac(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Bytes as dnsmasq and dhcpd write them.
fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn netmask(network: &AddrRange) -> Ipv4Addr {
    let len = u32::from(network.prefix_len().expect("a segment's network is a prefix"));
    Ipv4Addr::from(u32::MAX.checked_shl(32 - len).unwrap_or(0))
}
