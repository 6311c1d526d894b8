//! Boxes of packets in one line.

use segwall_packetset::{CtState, Cube, Family, Field, Point, proto};

use super::Naming;
use super::ranges::{address_words, cut, interface_words, number_words, others, port_words};
use super::shown::Shown;
use crate::analysis::proof::terms::family_number;

/// A packet in one line: protocol, ends, interfaces, and what is unusual about it.
#[must_use]
pub fn point_words(point: &Point, naming: Naming<'_>) -> String {
    Shown::of(point).named(naming).to_string()
}

/// The word of a connection state.
pub(super) fn state(state: CtState) -> &'static str {
    match state {
        CtState::New => "new",
        CtState::Established => "established",
        CtState::Related => "related",
        CtState::Invalid => "invalid",
        CtState::Untracked => "untracked",
    }
}

/// A box in one line: `tcp 192.168.20.0/24 → 192.168.30.0/24 port 22, in eth0.20`. What is not limited is not said,
/// nor that a destination was not translated.
#[must_use]
pub fn box_words(cube: &Cube, naming: Naming<'_>) -> String {
    let families = families(cube);
    let mut text = protocol(cube, &families);
    let (src, dst) = (addresses(cube, Field::Src, &families), addresses(cube, Field::Dst, &families));
    if src.is_some() || dst.is_some() {
        let any = || "any".to_owned();
        text.push_str(&format!(" {} → {}", src.unwrap_or_else(any), dst.unwrap_or_else(any)));
    }
    if let Some(ports) = cube.get(Field::Dport).and_then(port_words) {
        text.push_str(&format!(" port {ports}"));
    }
    for field in Field::ALL {
        if let Some(ranges) = cube.get(field)
            && let Some(words) = extra(field, ranges, cube, &families, naming)
        {
            text.push_str(", ");
            text.push_str(&words);
        }
    }
    text
}

/// Families that a box has packets of.
fn families(cube: &Cube) -> Vec<Family> {
    let has = |family: &Family| {
        let number = family_number(*family);
        let ranges = cube.get(Field::Family).unwrap_or(&[(0, 1)]);
        ranges.iter().any(|(first, last)| (*first..=*last).contains(&number))
    };
    Family::BOTH.into_iter().filter(has).collect()
}

/// The protocol in front, with the family where nothing else says it.
fn protocol(cube: &Cube, families: &[Family]) -> String {
    let names = cube.get(Field::Proto).and_then(|ranges| {
        let word = |number: u128| {
            let known = u8::try_from(number).ok().and_then(proto::name);
            known.map_or_else(|| format!("protocol {number}"), str::to_owned)
        };
        let few = |ranges: &[(u128, u128)]| -> Option<Vec<String>> {
            const FEW: u128 = 6;
            let count: u128 = ranges.iter().map(|(first, last)| last - first + 1).sum();
            (count <= FEW).then(|| ranges.iter().flat_map(|(first, last)| *first..=*last).map(word).collect())
        };
        let left = others(ranges, Field::Proto.max());
        match (few(ranges), few(&left)) {
            (Some(names), _) => Some(names.join(", ")),
            (None, Some(left)) if left.is_empty() => None,
            (None, Some(left)) => Some(format!("every protocol but {}", left.join(", "))),
            (None, None) => number_words(Field::Proto, ranges).map(|words| format!("protocol {words}")),
        }
    });
    let named = names.unwrap_or_else(|| "any protocol".to_owned());
    let said = [Field::Src, Field::Dst].iter().any(|field| addresses(cube, *field, families).is_some());
    match families {
        [family] if !said => format!("{family} {named}"),
        _ => named,
    }
}

/// Addresses of each family that the box has; `None` where every one is in it.
fn addresses(cube: &Cube, field: Field, families: &[Family]) -> Option<String> {
    let ranges = cube.get(field)?;
    let mut words = Vec::new();
    for family in families {
        let max = if *family == Family::V4 { u128::from(u32::MAX) } else { u128::MAX };
        if cut(ranges, (0, max)).is_empty() {
            continue;
        }
        match address_words(*family, ranges) {
            Some(text) => words.push(text),
            None if families.len() > 1 => words.push(format!("any {family}")),
            None => {}
        }
    }
    (!words.is_empty()).then(|| words.join(", "))
}

/// What else a box limits.
fn extra(
    field: Field,
    ranges: &[(u128, u128)],
    cube: &Cube,
    families: &[Family],
    naming: Naming<'_>,
) -> Option<String> {
    let numbers = |what: &str| number_words(field, ranges).map(|words| format!("{what} {words}"));
    let none = ranges == [(0, 0)];
    match field {
        // In front, or said with something else.
        Field::Family | Field::Proto | Field::Src | Field::Dst | Field::Dport => None,
        Field::State => Some(listed(ranges, &["new", "established", "related", "invalid", "untracked"])),
        Field::Translated if none => None, // as most are
        Field::Translated => {
            let dst = addresses(cube, Field::SentDst, families);
            let port = cube.get(Field::SentDport).and_then(port_words);
            match (dst, port) {
                (None, None) => Some("translated".to_owned()),
                (Some(dst), None) => Some(format!("sent to {dst}")),
                (dst, Some(port)) => Some(format!("sent to {} port {port}", dst.as_deref().unwrap_or("any"))),
            }
        }
        Field::SentDst | Field::SentDport => None,
        Field::Flags => flags(ranges),
        Field::IcmpType => numbers("type"),
        Field::IcmpCode => numbers("code"),
        Field::In if none => Some("from the box".to_owned()),
        Field::Out if none => Some("to the box".to_owned()),
        Field::In => interface_words(ranges, naming).map(|words| format!("in {words}")),
        Field::Out => interface_words(ranges, naming).map(|words| format!("out {words}")),
        Field::Sport => port_words(ranges).map(|words| format!("source port {words}")),
        Field::SrcType => Some(format!("source {}", types(ranges))),
        Field::DstType => Some(format!("destination {}", types(ranges))),
        Field::SrcTypeHere => Some(format!("source {} on its interface", types(ranges))),
        Field::DstTypeHere => Some(format!("destination {} on its interface", types(ranges))),
        Field::Hops => numbers("hop limit"),
        Field::PktType => numbers("frame type"),
        Field::Mac => match ranges {
            [(first, last)] if first == last => Some(format!("source MAC {}", mac(*first))),
            _ => Some("certain source MACs".to_owned()),
        },
        Field::Mark => numbers("mark"),
        Field::Day => Some(format!("{} UTC", listed(ranges, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]))),
        Field::Second => Some(format!("{} UTC", clock(ranges))),
        Field::Time => Some(until(ranges)),
    }
}

/// Small numbers by their words.
fn listed(ranges: &[(u128, u128)], words: &[&str]) -> String {
    let inside = |at: &u128| ranges.iter().any(|(first, last)| (*first..=*last).contains(at));
    let chosen: Vec<&str> = (0_u128..).zip(words).filter(|(at, _)| inside(at)).map(|(_, word)| *word).collect();
    chosen.join(", ")
}

/// Flags but for those of an opening packet, which are not worth a word.
fn flags(ranges: &[(u128, u128)]) -> Option<String> {
    const SYN: u128 = 0x02;
    let inside = |value: u128| ranges.iter().any(|(first, last)| (*first..=*last).contains(&value));
    let bare = |value: u128| u8::try_from(value).is_ok_and(|flags| segwall_packetset::TcpFlags(flags).is_bare_syn());
    match ranges {
        [(first, last)] if first == last && *first == SYN => None,
        [(first, last)] if first == last => Some(format!("flags {first:#04x}")),
        _ if (0..=0xff).all(|value| inside(value) == bare(value)) => None,
        _ if (0..=0xff).all(|value| inside(value) != bare(value)) => Some("no bare SYN".to_owned()),
        _ => Some("certain TCP flags".to_owned()),
    }
}

/// Kinds of an address (`RTN_*` of the kernel's `rtnetlink.h`).
fn types(ranges: &[(u128, u128)]) -> String {
    const NAMES: [&str; 12] = [
        "of no kind",
        "unicast",
        "local",
        "broadcast",
        "anycast",
        "multicast",
        "blackhole",
        "unreachable",
        "prohibited",
        "throw",
        "nat",
        "xresolve",
    ];
    match others(ranges, Field::DstType.max()).as_slice() {
        [(first, last)] if first == last => format!("not {}", listed(&[(*first, *last)], &NAMES)),
        _ => listed(ranges, &NAMES),
    }
}

fn mac(value: u128) -> String {
    let bytes = value.to_be_bytes();
    bytes[10..].iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// Seconds of a day.
fn clock(ranges: &[(u128, u128)]) -> String {
    let at = |second: u128| match (second / 3600, second / 60 % 60, second % 60) {
        (hour, minute, 0) => format!("{hour:02}:{minute:02}"),
        (hour, minute, second) => format!("{hour:02}:{minute:02}:{second:02}"),
    };
    let range = |(first, last): &(u128, u128)| format!("{}-{}", at(*first), at(last + 1));
    ranges.iter().map(range).collect::<Vec<_>>().join(", ")
}

/// Instants.
fn until(ranges: &[(u128, u128)]) -> String {
    let at = |nanoseconds: u128| {
        let instant = i128::try_from(nanoseconds).ok().and_then(|at| jiff::Timestamp::from_nanosecond(at).ok());
        instant.map_or_else(|| "the end of time".to_owned(), |instant| instant.to_string())
    };
    let range = |(first, last): &(u128, u128)| match (*first, *last == Field::Time.max()) {
        (0, _) => format!("before {}", at(last.saturating_add(1))),
        (first, true) => format!("from {}", at(first)),
        (first, false) => format!("from {} to {}", at(first), at(*last)),
    };
    ranges.iter().map(range).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::sets::own_names;
    use segwall_packetset::interface;

    #[test]
    fn a_box_is_one_line() {
        let number = |text: &str| u128::from(u32::from(text.parse::<std::net::Ipv4Addr>().unwrap()));
        let eth = interface("eth0.20").unwrap();
        let cube = Cube::all()
            .with_only(Field::Family, 0)
            .with_only(Field::Proto, 6)
            .with(Field::Src, number("192.168.20.0"), number("192.168.20.255"))
            .with(Field::Dst, number("192.168.30.0"), number("192.168.30.255"))
            .with_only(Field::Dport, 22)
            .with_only(Field::In, eth);
        assert_eq!(box_words(&cube, &own_names), "tcp 192.168.20.0/24 → 192.168.30.0/24 port 22, in eth0.20");
        assert_eq!(box_words(&Cube::all(), &own_names), "any protocol");
        assert_eq!(box_words(&Cube::all().with_only(Field::Family, 1), &own_names), "IPv6 any protocol");
        let rest = Cube::all().with(Field::Proto, 0, 5).with(Field::Proto, 7, 255).with_only(Field::State, 3);
        assert_eq!(box_words(&rest, &own_names), "every protocol but tcp, invalid");
        let sent = Cube::all().with_only(Field::Translated, 1).with_only(Field::SentDport, 8080);
        assert_eq!(box_words(&sent, &own_names), "any protocol, sent to any port 8080");
        let times = Cube::all().with(Field::Day, 1, 5).with(Field::Second, 28_800, 64_799);
        assert_eq!(box_words(&times, &own_names), "any protocol, mon, tue, wed, thu, fri UTC, 08:00-18:00 UTC");
    }
}
