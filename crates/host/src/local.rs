//! Whether the kernel takes addresses for its own yet.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};

/// The route leads to the host itself (`linux/route.h`, `RTF_LOCAL`).
const RTF_LOCAL: u32 = 0x8000_0000;

/// Those of the addresses that the current namespace does not receive yet.
///
/// An IPv6 address is answered for only when the kernel's worker has made its local route, a moment after it was given.
#[must_use]
pub fn not_yet(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let text = fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap_or_default();
    let local: HashSet<Ipv6Addr> = text.lines().filter_map(local_route).collect();
    addresses.iter().copied().filter(|addr| matches!(addr, IpAddr::V6(v6) if !local.contains(v6))).collect()
}

/// `DESTINATION LENGTH SOURCE LENGTH NEXT-HOP METRIC REFERENCES USES FLAGS DEVICE`, all in hexadecimal.
fn local_route(line: &str) -> Option<Ipv6Addr> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (destination, len, flags) = (fields.first()?, fields.get(1)?, fields.get(8)?);
    let is_local = u32::from_str_radix(flags, 16).ok()? & RTF_LOCAL != 0;
    let destination = u128::from_str_radix(destination, 16).ok()?;
    (is_local && *len == "80").then(|| Ipv6Addr::from(destination))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_routes_are_told_apart() {
        let own = "fd000001000000000000000000000001 80 00000000000000000000000000000000 00 \
                   00000000000000000000000000000000 00000000 00000001 00000000 80200001       lo";
        assert_eq!(local_route(own), "fd00:1::1".parse().ok());
        assert_eq!(local_route(&own.replace("80200001", "00000001")), None);
        assert_eq!(local_route("nonsense"), None);
    }
}
