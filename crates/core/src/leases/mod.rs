//! Leases of DHCP servers, as their files tell of them. Hosts choose their own names: nothing in these files is trusted.

mod changes;
mod dnsmasq;
mod kea;
mod vendors;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::policy::Policy;

pub use changes::{Change, changes};
pub use dnsmasq::read as read_dnsmasq;
pub use kea::read as read_kea;
pub use vendors::{Vendors, is_random};

/// dnsmasq's file.
pub const DNSMASQ_FILE: &str = "/var/lib/segwall/dnsmasq.leases";
/// Kea's files: the one that is written, and what its clean-up has not merged yet, in the order in which they count.
pub const KEA_FILES: [&str; 6] = [
    "/var/lib/segwall/kea/kea-leases4.csv.2",
    "/var/lib/segwall/kea/kea-leases4.csv.1",
    "/var/lib/segwall/kea/kea-leases4.csv",
    "/var/lib/segwall/kea/kea-leases6.csv.2",
    "/var/lib/segwall/kea/kea-leases6.csv.1",
    "/var/lib/segwall/kea/kea-leases6.csv",
];

/// Leases of one file that are kept; an attacker may make as many as there are addresses.
pub const LEASES_MAX: usize = 200_000;

/// An address that somebody has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address.
    pub addr: IpAddr,
    /// The hardware address, where it is known.
    pub mac: Option<[u8; 6]>,
    /// The host's own name for itself, as it lies in the file.
    pub name: Option<String>,
    /// When it ends, seconds since 1970; `None`: never.
    pub expires_s: Option<i64>,
    /// When it was last asked for, where the file tells.
    pub renewed_s: Option<i64>,
}

impl Lease {
    /// Whether its time is over, at an instant in seconds since 1970.
    #[must_use]
    pub fn is_over(&self, at_s: i64) -> bool {
        self.expires_s.is_some_and(|end_s| end_s <= at_s)
    }
}

/// Leases of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leases {
    /// By address, each once.
    pub list: BTreeMap<IpAddr, Lease>,
    /// Lines that make no sense, or were beyond [`LEASES_MAX`].
    pub skipped: usize,
}

impl Leases {
    fn put(&mut self, lease: Lease) {
        if self.list.len() >= LEASES_MAX && !self.list.contains_key(&lease.addr) {
            self.skipped += 1;
        } else {
            self.list.insert(lease.addr, lease);
        }
    }
}

/// Where a lease belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Belongs<'a> {
    /// The segment's name; `None`: no segment has such an address any more.
    pub segment: Option<&'a str>,
    /// The address is kept for this host.
    pub reserved: bool,
    /// It is one of the pool.
    pub pool: bool,
}

/// Where an address belongs in a policy.
#[must_use]
pub fn belongs<'a>(policy: &'a Policy, addr: IpAddr) -> Belongs<'a> {
    let is_in = |segment: &&crate::policy::Segment| segment.subnets.iter().any(|subnet| subnet.network.contains(addr));
    let segment = policy.segments.iter().find(is_in);
    let pool = segment.and_then(|segment| segment.dhcp.as_ref()?.pool);
    Belongs {
        segment: segment.map(|segment| segment.name.as_str()),
        reserved: policy.hosts.iter().any(|host| host.mac.is_some() && host.addresses.contains(&addr)),
        pool: pool.is_some_and(|pool| pool.contains(addr)),
    }
}

/// Addresses of each segment's pool that somebody has at an instant.
#[must_use]
pub fn taken(policy: &Policy, leases: &Leases, now_s: i64) -> BTreeMap<String, u128> {
    let mut taken: BTreeMap<String, u128> = BTreeMap::new();
    for lease in leases.list.values().filter(|lease| lease.expires_s.is_none_or(|end| end > now_s)) {
        let Belongs { segment: Some(segment), pool: true, .. } = belongs(policy, lease.addr) else { continue };
        *taken.entry(segment.to_owned()).or_default() += 1;
    }
    taken
}

/// Six bytes with colons or dashes between them.
fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split([':', '-']);
    for byte in &mut bytes {
        let part = parts.next().filter(|part| (1..=2).contains(&part.len()))?;
        *byte = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}
