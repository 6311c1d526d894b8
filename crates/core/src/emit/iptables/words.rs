//! Matches as iptables writes them.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_packetset::{AddrRange, Family, PortRange, proto};

use super::super::comment;
use super::super::ends::{Addrs, addrs_of};
use crate::policy::{Limit, Ports, Service, TimeUnit};
use crate::ruleset::slots::Slot;

/// A table of hashlimit forgets and holds at most this many sources; further ones are not accepted while it is full.
const LIMIT_SOURCES_MAX: u32 = 65_536;
/// The latest instant xtables' time match takes, in seconds since 1970.
const LATEST_S: i64 = 2_145_916_799;

/// `-s` or `-d` for one range.
pub(super) fn address(flag: &str, range: &AddrRange) -> String {
    if range.prefix_len().is_some() {
        return format!("-{flag} {range}");
    }
    let side = if flag == "s" { "--src-range" } else { "--dst-range" };
    format!("-m iprange {side} {}-{}", range.first(), range.last())
}

/// Alternatives for an end's addresses: none at all means every one; `None` means it has none of this family.
pub(super) fn addresses(flag: &str, ranges: Option<&Arc<[AddrRange]>>, family: Family) -> Option<Vec<String>> {
    Some(match addrs_of(ranges, family)? {
        Addrs::Free | Addrs::Family => Vec::new(),
        Addrs::Ranges(ranges) => ranges.iter().map(|range| address(flag, range)).collect(),
    })
}

/// Destination ports of a protocol that has them.
pub(super) fn ports(protocol: u8, range: PortRange) -> String {
    let range = if range.is_single() { range.first.to_string() } else { format!("{}:{}", range.first, range.last) };
    match protocol {
        proto::TCP => format!("-p tcp --dport {range}"),
        proto::UDP => format!("-p udp --dport {range}"),
        _ => format!("-p {protocol} -m multiport --dports {range}"),
    }
}

/// Alternatives for services: no services means every protocol; `None` means that there are none in this family.
pub(super) fn services(list: Option<&Arc<[Service]>>, family: Family) -> Option<Vec<String>> {
    let Some(list) = list else { return Some(Vec::new()) };
    let words: Vec<String> = list
        .iter()
        .filter_map(|service| match (service.ports, service.proto, family) {
            // `-p 0` would mean every protocol; nobody sends this one over IPv4, and over IPv6 it is no protocol.
            (_, 0, _) => None,
            (Ports::All | Ports::Range(PortRange::ALL), number, _) => Some(format!("-p {number}")),
            (Ports::Range(range), number, _) => Some(ports(number, range)),
            (Ports::Icmp { kind, code }, proto::ICMP, Family::V4) => {
                Some(format!("-p icmp --icmp-type {}", type_code(kind, code)))
            }
            (Ports::Icmp { kind, code }, proto::ICMPV6, Family::V6) => {
                Some(format!("-p ipv6-icmp --icmpv6-type {}", type_code(kind, code)))
            }
            (Ports::Icmp { .. }, _, _) => None,
        })
        .collect();
    (!words.is_empty()).then_some(words)
}

fn type_code(kind: u8, code: Option<u8>) -> String {
    code.map_or_else(|| kind.to_string(), |code| format!("{kind}/{code}"))
}

/// A part of a schedule; xtables' time match reads UTC unless told otherwise.
pub(super) fn within(slot: &Slot) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let mut words = String::from("-m time");
    if !slot.daily() {
        let days: Vec<&str> = DAYS.into_iter().zip(slot.days).filter(|(_, on)| *on).map(|(day, _)| day).collect();
        words.push_str(" --weekdays ");
        words.push_str(&days.join(","));
    }
    let clock = |second: u32| format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    if !slot.whole_day() {
        words.push_str(&format!(" --timestart {} --timestop {}", clock(slot.first_s), clock(slot.last_s)));
    }
    if let Some(until) = slot.until {
        // The last second is part of it.
        let last = Timestamp::from_second((until.as_second() - 1).clamp(0, LATEST_S)).expect("this century");
        words.push_str(&format!(" --datestop {}", last.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S")));
    }
    words
}

const DAY_S: u64 = 24 * 60 * 60;

fn unit_s(limit: &Limit) -> u64 {
    match limit.per {
        TimeUnit::Second => 1,
        TimeUnit::Minute => 60,
        TimeUnit::Hour => 60 * 60,
        TimeUnit::Day => DAY_S,
    }
}

/// A limit as it is written: never more than it says, and no more than xtables takes (`XT_HASHLIMIT_BURST_MAX` and
/// `XT_HASHLIMIT_SCALE_v2`).
pub(super) fn written(limit: &Limit) -> Limit {
    const RATE_MAX: u32 = 1_000_000;
    const BURST_MAX: u64 = 1_000_000;
    let rate = limit.rate.clamp(1, RATE_MAX);
    // The kernel counts credits of at most a day.
    let of_a_day = DAY_S * u64::from(rate) / unit_s(limit);
    let burst_max = u32::try_from(of_a_day.clamp(1, BURST_MAX)).unwrap_or(u32::MAX);
    Limit { rate, burst: limit.burst.clamp(1, burst_max), ..*limit }
}

/// A bucket by this name, for each source if the limit says so. Equal names are one bucket.
pub(super) fn rate(name: &str, limit: &Limit) -> String {
    let limit = written(limit);
    let (rate, burst, unit_s) = (u64::from(limit.rate), u64::from(limit.burst), unit_s(&limit));
    let unit = limit.per.word();
    // Its table outlives the rules: another rate needs another name.
    let mut words = format!(
        "-m hashlimit --hashlimit-upto {rate}/{unit} --hashlimit-burst {burst} --hashlimit-name {name}_{rate}_{unit}_{burst}"
    );
    if limit.by_source {
        words.push_str(&format!(" --hashlimit-mode srcip --hashlimit-htable-max {LIMIT_SOURCES_MAX}"));
    }
    // What is not used for one unit of the rate is forgotten unless said otherwise: too soon for a larger burst.
    if limit.by_source || burst > rate {
        let refill_s = (burst + 1) * unit_s / rate + unit_s;
        words.push_str(&format!(" --hashlimit-htable-expire {}", refill_s.max(60) * 1000));
    }
    words
}

/// The comment with the policy's line.
pub(super) fn comment(file: &str, line: u32) -> String {
    if line == 0 {
        return String::new();
    }
    let mut words = String::from("-m comment --comment \"");
    comment::text(&mut words, file, &[line], "");
    words.push('"');
    words
}
