//! Keys, parts and rules as nft reads them.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_packetset::{AddrRange, Family, PortRange, mask_address};

use super::super::comment;
use super::model::{Action, Field, Key, Part, Rule, State, Type};
use super::{LOG_BATCH, LOG_BYTES};
use crate::policy::Limit;

/// Writing to a string cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {
        std::fmt::Write::write_fmt($out, format_args!($($arg)*)).expect("a string takes everything")
    };
}
pub(super) use put;

fn decimal(out: &mut String, mut value: u32) {
    let mut digits = [0u8; 10];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(value % 10).expect("a digit");
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[at..]).expect("digits"));
}

/// An address or range. Addresses are most of a big file: no formatting machinery for IPv4.
fn addresses(out: &mut String, first: IpAddr, last: IpAddr) {
    let single = |out: &mut String, addr: IpAddr| match addr {
        IpAddr::V4(addr) => {
            for (at, octet) in addr.octets().into_iter().enumerate() {
                if at > 0 {
                    out.push('.');
                }
                decimal(out, u32::from(octet));
            }
        }
        IpAddr::V6(addr) => put!(out, "{addr}"),
    };
    single(out, first);
    if first == last {
        return;
    }
    let range = AddrRange::new(first, last).expect("keys are in order");
    if let Some(len) = range.prefix_len() {
        out.push('/');
        decimal(out, u32::from(len));
    } else {
        out.push('-');
        single(out, last);
    }
}

pub(super) fn key(out: &mut String, names: &[String], key: &Key) {
    match key {
        Key::Name(id) => {
            out.push('"');
            out.push_str(&names[*id as usize]);
            out.push('"');
        }
        Key::V4(first, last) => addresses(out, (*first).into(), (*last).into()),
        Key::V6(first, last) => addresses(out, (*first).into(), (*last).into()),
        Key::Ports(first, last) => {
            decimal(out, u32::from(*first));
            if first != last {
                out.push('-');
                decimal(out, u32::from(*last));
            }
        }
        Key::Byte(value) => decimal(out, u32::from(*value)),
    }
}

pub(super) fn element(out: &mut String, names: &[String], keys: &[Key]) {
    for (at, one) in keys.iter().enumerate() {
        if at > 0 {
            out.push_str(" . ");
        }
        key(out, names, one);
    }
}

pub(super) fn type_word(key_type: Type) -> &'static str {
    match key_type {
        Type::Name => "ifname",
        Type::Addr(Family::V4) => "ipv4_addr",
        Type::Addr(Family::V6) => "ipv6_addr",
        Type::Proto => "inet_proto",
        Type::Port => "inet_service",
        Type::IcmpType(Family::V4) => "icmp_type",
        Type::IcmpType(Family::V6) => "icmpv6_type",
        Type::IcmpCode(Family::V4) => "icmp_code",
        Type::IcmpCode(Family::V6) => "icmpv6_code",
    }
}

fn ip(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

fn icmp(family: Family) -> &'static str {
    match family {
        Family::V4 => "icmp",
        Family::V6 => "icmpv6",
    }
}

/// The netmask of a prefix length.
pub(super) fn netmask(family: Family, len: u8) -> IpAddr {
    mask_address(AddrRange::all(family).last(), len)
}

fn field(out: &mut String, field: Field) {
    match field {
        Field::In => out.push_str("iifname"),
        Field::Out => out.push_str("oifname"),
        Field::Src(family) => put!(out, "{} saddr", ip(family)),
        Field::SrcMasked(family, len) => put!(out, "{} saddr & {}", ip(family), netmask(family, len)),
        Field::Dst(family) => put!(out, "{} daddr", ip(family)),
        Field::Proto => out.push_str("meta l4proto"),
        Field::Dport => out.push_str("th dport"),
        Field::IcmpType(family) => put!(out, "{} type", icmp(family)),
        Field::IcmpCode(family) => put!(out, "{} code", icmp(family)),
    }
}

fn fields(out: &mut String, list: &[Field]) {
    for (at, one) in list.iter().enumerate() {
        if at > 0 {
            out.push_str(" . ");
        }
        field(out, *one);
    }
}

fn among<T>(out: &mut String, values: &[T], mut one: impl FnMut(&mut String, &T)) {
    if let [value] = values {
        one(out, value);
        return;
    }
    out.push_str("{ ");
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        one(out, value);
    }
    out.push_str(" }");
}

/// `HH:MM:SS`.
fn clock(out: &mut String, second: u32) {
    put!(out, "\"{:02}:{:02}:{:02}\"", second / 3600, second / 60 % 60, second % 60);
}

fn instant(out: &mut String, instant: Timestamp) {
    put!(out, "\"{}\"", instant.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S"));
}

pub(super) fn rate(out: &mut String, limit: &Limit) {
    put!(out, "rate {}/{} burst {} packets", limit.rate, limit.per.word(), limit.burst);
}

fn action(out: &mut String, action: &Action) {
    match action {
        Action::Accept => out.push_str("accept"),
        Action::Drop => out.push_str("drop"),
        Action::Return => out.push_str("return"),
        Action::Jump(chain) => put!(out, "jump {chain}"),
        Action::Goto(chain) => put!(out, "goto {chain}"),
        Action::RejectReset => out.push_str("reject with tcp reset"),
        Action::RejectProhibited => out.push_str("reject with icmpx admin-prohibited"),
        Action::Masquerade => out.push_str("masquerade"),
        Action::Dnat(IpAddr::V4(to), None) => put!(out, "dnat ip to {to}"),
        Action::Dnat(IpAddr::V4(to), Some(port)) => put!(out, "dnat ip to {to}:{port}"),
        Action::Dnat(IpAddr::V6(to), None) => put!(out, "dnat ip6 to {to}"),
        Action::Dnat(IpAddr::V6(to), Some(port)) => put!(out, "dnat ip6 to [{to}]:{port}"),
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Established => "established",
        State::Related => "related",
        State::Invalid => "invalid",
        State::Untracked => "untracked",
    }
}

fn ports(range: PortRange) -> Key {
    Key::ports(range)
}

fn part(out: &mut String, names: &[String], part: &Part) {
    match part {
        Part::Family(Family::V4) => out.push_str("meta nfproto ipv4"),
        Part::Family(Family::V6) => out.push_str("meta nfproto ipv6"),
        Part::Lookup { fields: list, not, set } => {
            fields(out, list);
            out.push_str(if *not { " != @" } else { " @" });
            out.push_str(set);
        }
        Part::Among { field: one, not, keys } => {
            field(out, *one);
            out.push_str(if *not { " != " } else { " " });
            among(out, keys, |out, value| key(out, names, value));
        }
        // Numbers: nft looks names up in /etc/protocols, which a small system need not have.
        Part::Icmp => out.push_str("meta nfproto . meta l4proto { ipv4 . 1, ipv6 . 58 }"),
        Part::NotBareSyn => out.push_str("tcp flags & (fin | syn | rst | ack) != syn"),
        Part::Translated => out.push_str("ct status dnat"),
        Part::SentTo(list) => {
            let family = list.first().map_or(Family::V4, |addr| Family::of(*addr));
            put!(out, "ct original {} daddr ", ip(family));
            among(out, list, |out, addr| addresses(out, *addr, *addr));
        }
        Part::SentPort(proto, range) => {
            put!(out, "meta l4proto {proto} ct original proto-dst ");
            key(out, names, &ports(*range));
        }
        Part::Local { here: true } => out.push_str("fib daddr . iif type local"),
        Part::Local { here: false } => out.push_str("fib daddr type local"),
        Part::LocalSource => out.push_str("fib saddr . iif type local"),
        Part::Broadcast => out.push_str("fib daddr type { broadcast, multicast }"),
        Part::HopLimit(limit) => put!(out, "ip6 hoplimit {limit}"),
        Part::Days(days) => {
            // nft counts from Sunday.
            let list: Vec<u32> = (0u32..).zip(days).filter(|(_, on)| **on).map(|(day, _)| (day + 1) % 7).collect();
            out.push_str("meta day ");
            among(out, &list, |out, day| decimal(out, *day));
        }
        Part::Seconds(first, last) => {
            out.push_str("meta hour ");
            clock(out, *first);
            out.push('-');
            clock(out, *last);
        }
        Part::Before(until) => {
            out.push_str("meta time < ");
            instant(out, *until);
        }
        Part::States(list) => {
            out.push_str("ct state vmap { ");
            for (at, (one, done)) in list.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                put!(out, "{} : ", state(*one));
                action(out, done);
            }
            out.push_str(" }");
        }
        Part::Rate(limit) => {
            out.push_str("limit ");
            rate(out, limit);
        }
        Part::NamedRate(name) => put!(out, "limit name \"{name}\""),
        Part::SourceRate { set, family, limit } => {
            put!(out, "update @{set} {{ {} saddr limit ", ip(*family));
            rate(out, limit);
            out.push_str(" }");
        }
        Part::Count(name) => put!(out, "counter name \"{name}\""),
        Part::Learn { set, fields: list, refresh } => {
            put!(out, "{} @{set} {{ ", if *refresh { "update" } else { "add" });
            fields(out, list);
            out.push_str(" counter }");
        }
        Part::Log { prefix, group } => {
            put!(out, "log prefix \"{prefix}\" group {group} snaplen {LOG_BYTES} queue-threshold {LOG_BATCH}")
        }
        Part::Do(done) => action(out, done),
    }
}

/// A rule's matches, statements and comment.
pub(super) fn rule(out: &mut String, names: &[String], file: &str, rule: &Rule) {
    for (at, one) in rule.parts.iter().enumerate() {
        if at > 0 {
            out.push(' ');
        }
        part(out, names, one);
    }
    if !rule.lines.is_empty() || !rule.note.is_empty() {
        out.push_str(" comment \"");
        comment::text(out, file, &rule.lines, rule.note);
        out.push('"');
    }
}
