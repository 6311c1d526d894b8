//! Kea's lease files: CSV with a heading; what stands later in a file counts.

use std::net::IpAddr;

use super::{Lease, Leases, dnsmasq, mac};

/// A lease that never ends.
const FOREVER: u64 = u32::MAX as u64;
/// States: only these leases are somebody's.
const IN_USE: &str = "0";

/// Reads files in the order in which they count, the newest last.
#[must_use]
pub fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Leases {
    let mut leases = Leases::default();
    for text in texts {
        let mut lines = text.lines();
        let Some(heading) = lines.next() else { continue };
        let columns: Vec<&str> = heading.split(',').map(str::trim).collect();
        for line in lines.filter(|line| !line.trim().is_empty()) {
            match row(&columns, line) {
                Some((lease, true)) => leases.put(lease),
                Some((lease, false)) => {
                    leases.list.remove(&lease.addr);
                }
                None => leases.skipped += 1,
            }
        }
    }
    leases
}

/// A lease, and whether somebody has it.
fn row(columns: &[&str], line: &str) -> Option<(Lease, bool)> {
    let values: Vec<&str> = line.split(',').collect();
    let value = |name: &str| {
        let at = columns.iter().position(|column| *column == name)?;
        values.get(at).map(|value| value.trim())
    };
    let addr: IpAddr = value("address")?.parse().ok()?;
    let valid: u64 = value("valid_lifetime")?.parse().ok()?;
    let end: i64 = value("expire")?.parse().ok().filter(|end| *end >= 0)?;
    let mac = value("hwaddr").and_then(mac).or_else(|| dnsmasq::of_duid(value("duid")?));
    let name = value("hostname").map(unescaped).filter(|name| !name.is_empty());
    let expires_s = (valid < FOREVER).then_some(end);
    let renewed_s = expires_s.zip(i64::try_from(valid).ok()).map(|(end, valid)| end.saturating_sub(valid));
    let in_use = value("state").is_none_or(|state| state == IN_USE) && valid > 0;
    Some((Lease { addr, mac, name, expires_s, renewed_s }, in_use))
}

/// Kea writes what would part columns as `&#x2c`.
fn unescaped(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("&#x") {
        text.push_str(before);
        let code = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii);
        match code {
            Some(code) => {
                text.push(char::from(code));
                rest = &after[2..];
            }
            None => {
                text.push_str("&#x");
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}
