//! Values of one field in words: prefixes instead of ranges, `not` where that is shorter, never more than a few.

use segwall_packetset::{AddrRange, Family, Field, interface_text, interfaces_starting_with};

use super::Naming;
use crate::analysis::proof::terms::{address, family_number};

/// Values of one field that are written out; what is left is counted.
const SHOWN_MAX: usize = 4;

/// What lies between the ranges of a field.
pub(super) fn others(ranges: &[(u128, u128)], max: u128) -> Vec<(u128, u128)> {
    let mut list = Vec::new();
    let mut next = Some(0);
    for (first, last) in ranges {
        if let Some(from) = next.filter(|from| from < first) {
            list.push((from, first - 1));
        }
        next = last.checked_add(1);
    }
    list.extend(next.filter(|from| *from <= max).map(|from| (from, max)));
    list
}

/// The part of the ranges within another.
pub(in crate::analysis) fn cut(ranges: &[(u128, u128)], (low, high): (u128, u128)) -> Vec<(u128, u128)> {
    let meets = |(first, last): &(u128, u128)| {
        let range = ((*first).max(low), (*last).min(high));
        (range.0 <= range.1).then_some(range)
    };
    ranges.iter().filter_map(meets).collect()
}

/// A list in words, the rest counted.
fn join(words: &[String], what: &str) -> String {
    if words.len() <= SHOWN_MAX {
        return words.join(", ");
    }
    let left = words.len() - (SHOWN_MAX - 1);
    format!("{} and {left} more {what}", words[..SHOWN_MAX - 1].join(", "))
}

/// Whichever is shorter: the values, or `not` those that are left out. `None`: every value.
fn shorter(inside: Vec<String>, outside: Vec<String>, what: &str) -> Option<String> {
    if outside.is_empty() {
        None
    } else if !inside.is_empty() && inside.len() <= outside.len() {
        Some(join(&inside, what))
    } else {
        Some(format!("not {}", join(&outside, what)))
    }
}

/// Addresses of one family: `192.168.20.0/24, 192.168.30.10`; `None`: all of them. Not for no ranges at all.
#[must_use]
pub fn address_words(family: Family, ranges: &[(u128, u128)]) -> Option<String> {
    let max = if family == Family::V4 { u128::from(u32::MAX) } else { u128::MAX };
    let inside = cut(ranges, (0, max));
    let outside = others(&inside, max);
    let words = |ranges: Vec<(u128, u128)>| -> Vec<String> {
        let at = |value| address(family_number(family), value);
        let ranges = ranges.into_iter().filter_map(|(first, last)| AddrRange::new(at(first), at(last)));
        ranges.flat_map(|range| short(range).into_iter().map(|part| part.to_string())).collect()
    };
    shorter(words(inside), words(outside), "networks")
}

/// A range as prefixes where these are few, else as it is.
fn short(range: AddrRange) -> Vec<AddrRange> {
    const PREFIXES_MAX: usize = 2;
    let prefixes = range.to_prefixes();
    if prefixes.len() <= PREFIXES_MAX { prefixes } else { vec![range] }
}

/// Ports: `22, 8000-8100`; `None`: all of them.
#[must_use]
pub fn port_words(ranges: &[(u128, u128)]) -> Option<String> {
    number_words(Field::Dport, ranges)
}

/// Numbers as they are: `1, 5-9`; `None`: all that the field can have.
#[must_use]
pub fn number_words(field: Field, ranges: &[(u128, u128)]) -> Option<String> {
    let words = |ranges: &[(u128, u128)]| -> Vec<String> {
        let range = |(first, last): &(u128, u128)| {
            if first == last { first.to_string() } else { format!("{first}-{last}") }
        };
        ranges.iter().map(range).collect()
    };
    shorter(words(ranges), words(&others(ranges, field.max())), "values")
}

/// The name of an interface by its number, as the caller calls it; `None` for 0 and for what is no name.
#[must_use]
pub fn interface_name(value: u128, naming: Naming<'_>) -> Option<String> {
    interface_text(value).map(|name| naming(&name).unwrap_or(name))
}

/// Names of interfaces: `eth0.20`, `eth*`, `not eth1`; `None`: every one. No interface at all is left out of account.
#[must_use]
pub fn interface_words(ranges: &[(u128, u128)], naming: Naming<'_>) -> Option<String> {
    let inside = cut(ranges, (1, u128::MAX));
    let outside = cut(&others(ranges, u128::MAX), (1, u128::MAX));
    let words = |ranges: Vec<(u128, u128)>| -> Vec<String> {
        let mut words: Vec<String> = ranges.into_iter().map(|range| names(range, naming)).collect();
        words.dedup();
        words
    };
    shorter(words(inside), words(outside), "interfaces")
}

fn names((first, last): (u128, u128), naming: Naming<'_>) -> String {
    let Some(name) = interface_text(first) else { return format!("{first:#x}-{last:#x}") };
    if first == last {
        return naming(&name).unwrap_or(name);
    }
    if interfaces_starting_with(&name) == Some((first, last)) {
        return format!("{name}*");
    }
    match interface_text(last) {
        Some(to) => format!("{name}…{to}"),
        None => format!("{name}…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use segwall_packetset::interface;

    #[test]
    fn addresses_are_prefixes_or_what_they_are_not() {
        let net = |text: &str| {
            let range: AddrRange = text.parse().unwrap();
            let number = |addr| crate::analysis::proof::terms::number(addr);
            (number(range.first()), number(range.last()))
        };
        let v4 = |list: &[&str]| address_words(Family::V4, &list.iter().map(|text| net(text)).collect::<Vec<_>>());
        assert_eq!(v4(&["192.168.20.0/24", "192.168.30.10"]).as_deref(), Some("192.168.20.0/24, 192.168.30.10"));
        assert_eq!(v4(&["0.0.0.0/0"]), None);
        assert_eq!(v4(&["10.0.0.5-10.0.0.99"]).as_deref(), Some("10.0.0.5-10.0.0.99"));
        let all_but = others(&[net("10.0.0.0/8")], u128::from(u32::MAX));
        assert_eq!(address_words(Family::V4, &all_but).as_deref(), Some("not 10.0.0.0/8"));
        let many: Vec<(u128, u128)> = (0..9).map(|at| (at * 2, at * 2)).collect();
        assert_eq!(address_words(Family::V4, &many).as_deref(), Some("0.0.0.0, 0.0.0.2, 0.0.0.4 and 6 more networks"),);
    }

    #[test]
    fn interfaces_have_their_names() {
        let of = |ranges: &[(u128, u128)]| interface_words(ranges, &|name| (name == "eth1").then(|| "wan".to_owned()));
        let number = |name| interface(name).unwrap();
        let one = |name| (number(name), number(name));
        assert_eq!(of(&[one("eth0.20"), one("eth1")]).as_deref(), Some("eth0.20, wan"));
        assert_eq!(of(&[interfaces_starting_with("eth").unwrap()]).as_deref(), Some("eth*"));
        assert_eq!(of(&[(1, u128::MAX)]), None);
        let not = [(1, number("eth1") - 1), (number("eth1") + 1, u128::MAX)];
        assert_eq!(of(&not).as_deref(), Some("not wan"));
    }

    #[test]
    fn ports_are_numbers() {
        assert_eq!(port_words(&[(22, 22), (8000, 8100)]).as_deref(), Some("22, 8000-8100"));
        assert_eq!(port_words(&[(0, 65_535)]), None);
        assert_eq!(port_words(&[(0, 24), (26, 65_535)]).as_deref(), Some("not 25"));
    }
}
