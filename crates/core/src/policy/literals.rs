//! Texts that stand for values: addresses, networks, durations, limits, days, hours, hardware addresses.

use std::net::IpAddr;

use segwall_packetset::{AddrRange, Family, ParseAddrError};

use super::codes;
use super::faults::{Faults, shorten};
use super::model::{Limit, TimeUnit};
use super::reader::Text;

const DAY_MINUTES: u16 = 24 * 60;

/// nft's own burst where a limit names none.
const BURST_DEFAULT: u32 = 5;

/// An address, a network or a range.
pub(super) fn range(text: Text<'_>, faults: &mut Faults<'_>) -> Option<AddrRange> {
    match text.text.parse::<AddrRange>() {
        Ok(range) => usable(text, range, faults).then_some(range),
        Err(error) => {
            bad_address(text, &error, faults);
            None
        }
    }
}

/// One address.
pub(super) fn address(text: Text<'_>, faults: &mut Faults<'_>) -> Option<IpAddr> {
    let found = range(text, faults)?;
    if !found.is_single() || text.text.contains(['/', '-']) {
        let message = format!("`{}` is not one address", text.text);
        faults.error(
            codes::BAD_ADDRESS,
            text.span,
            message,
            "",
            "write a single address, such as 192.0.2.1 or 2001:db8::1",
        );
        return None;
    }
    Some(found.first())
}

/// A whole network. One with bits behind its prefix is reported and taken as it was probably meant, so that what else
/// is said of it still makes sense.
pub(super) fn network(text: Text<'_>, faults: &mut Faults<'_>) -> Option<AddrRange> {
    if let Err(error @ ParseAddrError::HostBits(meant)) = text.text.parse::<AddrRange>() {
        bad_address(text, &error, faults);
        return Some(meant);
    }
    let found = range(text, faults)?;
    if !text.text.contains('/') {
        let message = format!("`{}` is not a network", text.text);
        faults.error(
            codes::BAD_ADDRESS,
            text.span,
            message,
            "no prefix length",
            "write the prefix length, such as 192.0.2.0/24 or 2001:db8::/64",
        );
        return None;
    }
    Some(found)
}

/// An address with the prefix length of the network around it.
pub(super) fn interface_address(text: Text<'_>, faults: &mut Faults<'_>) -> Option<(IpAddr, u8)> {
    let parts = text.text.split_once('/');
    let Some((addr, len_text)) = parts else {
        // Says what is wrong with it if it is no address at all.
        address(text, faults)?;
        let message = format!("`{}` has no prefix length", text.text);
        faults.error(codes::BAD_ADDRESS, text.span, message, "", "write it as 192.0.2.2/24 or 2001:db8::2/64");
        return None;
    };
    match text.text.parse::<AddrRange>() {
        Ok(_) | Err(ParseAddrError::HostBits(_)) => {
            let addr = addr.parse().expect("AddrRange read it as an address");
            let len = len_text.parse().expect("AddrRange read it as a prefix length");
            usable(text, AddrRange::prefix(addr, len), faults).then_some((addr, len))
        }
        Err(error) => {
            bad_address(text, &error, faults);
            None
        }
    }
}

/// IPv4 in IPv6's clothes never comes by on a wire (RFC 4291 2.5.5.2, RFC 6890).
fn usable(text: Text<'_>, range: AddrRange, faults: &mut Faults<'_>) -> bool {
    let IpAddr::V6(first) = range.first() else { return true };
    let Some(v4) = first.to_ipv4_mapped() else { return true };
    let message = format!("`{}` is an IPv4 address written as IPv6", shorten(text.text));
    faults.error(codes::BAD_ADDRESS, text.span, message, "", format!("write {v4}"));
    false
}

pub(super) fn bad_address(text: Text<'_>, error: &ParseAddrError, faults: &mut Faults<'_>) {
    let (span, help) = match error {
        ParseAddrError::HostBits(meant) => (text.span, format!("write {meant}")),
        ParseAddrError::BadLength(len) => {
            let at = text.text.len() - len.len();
            let help = "0 to 32 for IPv4, 0 to 128 for IPv6".to_owned();
            (text.part(at..text.text.len()), help)
        }
        ParseAddrError::Backwards => {
            let (first, last) = text.text.split_once('-').unwrap_or_default();
            (text.span, format!("write {last}-{first}"))
        }
        ParseAddrError::MixedFamilies => (text.span, "write one range for each family".to_owned()),
        ParseAddrError::NotAnAddress(_) => {
            (text.span, "such as 192.0.2.1, 192.0.2.0/24, 192.0.2.5-192.0.2.9 or 2001:db8::/64".to_owned())
        }
    };
    let message = match error {
        ParseAddrError::NotAnAddress(part) => format!("`{}` is not an IPv4 or IPv6 address", shorten(part)),
        ParseAddrError::BadLength(part) => format!("`{}` is not a prefix length for this address", shorten(part)),
        ParseAddrError::HostBits(_) | ParseAddrError::MixedFamilies | ParseAddrError::Backwards => error.to_string(),
    };
    faults.error(codes::BAD_ADDRESS, span, message, "", help);
}

/// Why no host on a wire can have such addresses, if that is so of any of them (RFC 6890, RFC 1112, RFC 4291).
pub(super) fn special(range: &AddrRange) -> Option<&'static str> {
    const V4: &[(&str, &str)] = &[
        ("0.0.0.0/8", "addresses of \"this network\""),
        ("127.0.0.0/8", "loopback addresses"),
        ("224.0.0.0/4", "multicast addresses"),
        ("240.0.0.0/4", "reserved addresses"),
    ];
    const V6: &[(&str, &str)] = &[
        ("::/127", "the unspecified and the loopback address"),
        ("fe80::/10", "link-local addresses"),
        ("ff00::/8", "multicast addresses"),
    ];
    let list = match range.family() {
        Family::V4 => V4,
        Family::V6 => V6,
    };
    list.iter()
        .find(|(network, _)| range.overlaps(&network.parse().expect("the networks above are well formed")))
        .map(|(_, why)| *why)
}

/// `90s`, `10m`, `1h30m`, `7d`: seconds.
pub(super) fn duration_s(
    text: Text<'_>,
    key: &str,
    range_s: std::ops::RangeInclusive<u64>,
    faults: &mut Faults<'_>,
) -> Option<u32> {
    let Some(seconds) = parse_duration(text.text) else {
        let message = format!("`{key}` is not a duration");
        faults.error(
            codes::BAD_DURATION,
            text.span,
            message,
            "",
            "such as \"90s\", \"10m\", \"12h\", \"1h30m\" or \"7d\"",
        );
        return None;
    };
    match u32::try_from(seconds) {
        Ok(fits) if range_s.contains(&seconds) => Some(fits),
        _ => {
            let help = format!("{} to {} seconds", range_s.start(), range_s.end());
            faults.error(codes::BAD_DURATION, text.span, format!("`{key}` is too short or too long"), "", help);
            None
        }
    }
}

fn parse_duration(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum = 0u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let number: u64 = rest[..digits].parse().ok()?;
        let factor = match rest.as_bytes()[digits] {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(factor)?)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(sum)
}

/// `200/second burst 400`.
pub(super) fn limit(text: Text<'_>, by_source: bool, faults: &mut Faults<'_>) -> Option<Limit> {
    const UNITS: [TimeUnit; 4] = [TimeUnit::Second, TimeUnit::Minute, TimeUnit::Hour, TimeUnit::Day];
    let mut bad = |span, message: String, help: String| {
        faults.error(codes::BAD_LIMIT, span, message, "", help);
        None
    };
    let form = "such as \"200/second\" or \"200/second burst 400\"";
    let words: Vec<&str> = text.text.split_whitespace().collect();
    let (rate_text, burst_text) = match words.as_slice() {
        [rate] => (*rate, None),
        [rate, "burst", burst] => (*rate, Some(*burst)),
        _ => return bad(text.span, format!("`{}` is not a limit", shorten(text.text)), form.to_owned()),
    };
    let Some((count, unit)) = rate_text.split_once('/') else {
        return bad(text.span, format!("`{}` is not a limit", shorten(text.text)), form.to_owned());
    };
    let Some(rate) = count.parse::<u32>().ok().filter(|rate| *rate > 0) else {
        return bad(text.span, format!("`{}` is not a number of connections", shorten(count)), "1 or more".to_owned());
    };
    let Some(per) = UNITS.into_iter().find(|known| known.word() == unit) else {
        let meant =
            unit.chars().next().and_then(|letter| UNITS.into_iter().find(|known| known.word().starts_with(letter)));
        let help = match meant {
            Some(known) => format!("did you mean `{}`?", known.word()),
            None => "second, minute, hour or day".to_owned(),
        };
        return bad(text.span, format!("`{}` is not a unit of time", shorten(unit)), help);
    };
    let burst = match burst_text {
        None => BURST_DEFAULT,
        Some(burst) => match burst.parse::<u32>().ok().filter(|burst| *burst > 0) {
            Some(burst) => burst,
            None => return bad(text.span, format!("`{}` is not a burst", shorten(burst)), "1 or more".to_owned()),
        },
    };
    Some(Limit { rate, per, burst, by_source })
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `mon-fri`, `sat,sun`, `daily`: Monday first.
pub(super) fn days(text: Text<'_>, faults: &mut Faults<'_>) -> Option<[bool; 7]> {
    const HELP: &str = "such as \"mon-fri\", \"sat,sun\" or \"daily\"";
    if text.text == "daily" {
        return Some([true; 7]);
    }
    let mut days = [false; 7];
    for part in text.text.split(',') {
        let part = part.trim();
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let mut day = |name: &str| {
            let found = DAYS.iter().position(|day| *day == name);
            if found.is_none() {
                let lower = name.to_ascii_lowercase();
                let begins = |day: &&&str| lower.starts_with(**day) || (lower.len() > 1 && day.starts_with(&lower));
                let meant = DAYS.iter().find(begins);
                let help = meant.map_or(HELP.to_owned(), |day| format!("did you mean `{day}`?"));
                faults.error(codes::BAD_SCHEDULE, text.span, format!("`{}` is not a day", shorten(name)), "", help);
            }
            found
        };
        let (first, last) = (day(first)?, day(last)?);
        // "sat-mon" goes on over the end of the week.
        let count = (last + 7 - first) % 7;
        (0..=count).for_each(|offset| days[(first + offset) % 7] = true);
    }
    Some(days)
}

/// `08:00-18:00`: minutes of the day.
pub(super) fn hours(text: Text<'_>, faults: &mut Faults<'_>) -> Option<(u16, u16)> {
    let mut bad = |message: String, help: &str| {
        faults.error(codes::BAD_SCHEDULE, text.span, message, "", help);
        None
    };
    const HELP: &str = "such as \"08:00-18:00\", \"22:00-06:00\" (until the next day) or \"00:00-24:00\"";
    let Some((first, last)) = text.text.split_once('-') else {
        return bad(format!("`{}` is not a span of hours", shorten(text.text)), HELP);
    };
    let (from, to) = match (minute_of_day(first.trim()), minute_of_day(last.trim())) {
        (None, _) => return bad(format!("`{}` is not a time of day", shorten(first)), HELP),
        (_, None) => return bad(format!("`{}` is not a time of day", shorten(last)), HELP),
        (Some(from), Some(to)) => (from, to),
    };
    if from == DAY_MINUTES {
        return bad("a window cannot begin at 24:00".to_owned(), "write 00:00");
    }
    if from == to {
        return bad("the window ends when it begins".to_owned(), "a whole day is 00:00-24:00");
    }
    // An end at 00:00 is the end of the day it began on.
    Some((from, if to == 0 { DAY_MINUTES } else { to }))
}

fn minute_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |part: &str| {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit())).then(|| part.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let sum = hours * 60 + minutes;
    (minutes < 60 && sum <= DAY_MINUTES).then_some(sum)
}

/// `02:00:00:00:30:0a`, also with dashes.
pub(super) fn mac(text: Text<'_>, faults: &mut Faults<'_>) -> Option<[u8; 6]> {
    let mut bad = |message: String, help: &str| {
        faults.error(codes::BAD_MAC, text.span, message, "", help);
        None
    };
    let parts: Vec<_> = text
        .text
        .split([':', '-'])
        .map(|part| {
            (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok().filter(|_| !part.starts_with('+'))).flatten()
        })
        .collect();
    let bytes: Option<Vec<u8>> = parts.into_iter().collect();
    let Some(mac) = bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok()) else {
        return bad(
            format!("`{}` is not a hardware address", shorten(text.text)),
            "six bytes, such as 02:00:00:00:30:0a",
        );
    };
    if mac[0] & 1 == 1 {
        return bad("this hardware address is a multicast or broadcast address".to_owned(), "take the host's own");
    }
    if mac == [0; 6] {
        return bad("this hardware address is all zeros".to_owned(), "take the host's own");
    }
    Some(mac)
}

/// A domain or host name (RFC 1123).
pub(super) fn is_domain(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}
