//! dnsmasq's lease file: a line for each lease. Behind the line `duid …` those of DHCPv6.

use std::net::IpAddr;

use super::{Lease, Leases, mac};

/// DUIDs that end in a hardware address: with a time, and without.
const DUID_LLT: [u8; 2] = [0, 1];
const DUID_LL: [u8; 2] = [0, 3];
/// Hardware type of Ethernet.
const ETHERNET: [u8; 2] = [0, 1];

/// Reads it. `lease_s` gives the lease time of an address, which the file does not hold.
#[must_use]
pub fn read(text: &str, lease_s: impl Fn(IpAddr) -> Option<u32>) -> Leases {
    let mut leases = Leases::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with("duid ") {
            continue;
        }
        match lease(line, &lease_s) {
            Some(lease) => leases.put(lease),
            None => leases.skipped += 1,
        }
    }
    leases
}

/// `END MAC ADDRESS NAME CLIENT-ID`, for IPv6 `END IAID ADDRESS NAME DUID`. The end is 0 where there is none.
fn lease(line: &str, lease_s: &impl Fn(IpAddr) -> Option<u32>) -> Option<Lease> {
    let mut words = line.split(' ');
    let end: i64 = words.next()?.parse().ok().filter(|end| *end >= 0)?;
    let hardware = words.next()?;
    let addr: IpAddr = words.next()?.parse().ok()?;
    let name = words.next()?;
    let client = words.next()?;
    let mac = match addr {
        // Other hardware than Ethernet has its type before it: `06-`.
        IpAddr::V4(_) => mac(hardware),
        IpAddr::V6(_) => of_duid(client),
    };
    let expires_s = (end != 0).then_some(end);
    let renewed_s = expires_s.zip(lease_s(addr)).map(|(end, lease)| end.saturating_sub(i64::from(lease)));
    let name = (name != "*" && !name.is_empty()).then(|| name.to_owned());
    Some(Lease { addr, mac, name, expires_s, renewed_s })
}

/// The hardware address in a DUID, where it has one.
pub(super) fn of_duid(text: &str) -> Option<[u8; 6]> {
    let bytes: Vec<u8> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect::<Option<_>>()?;
    let (kind, rest) = bytes.split_first_chunk::<2>()?;
    let (hardware, rest) = rest.split_first_chunk::<2>()?;
    let address = match *kind {
        DUID_LLT => rest.get(4..)?,
        DUID_LL => rest,
        _ => return None,
    };
    (*hardware == ETHERNET).then(|| address.try_into().ok()).flatten()
}
