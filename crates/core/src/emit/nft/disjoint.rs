//! Elements in order, each once, and none over another: the kernel refuses ranges that overlap in one set.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::model::Key;

/// Sorts elements and removes what is there twice, overlaps of ranges too. Each element keeps the first rule it came from.
pub(super) fn normal(keys: Vec<Key>, rules: Vec<u32>, stride: usize, interval: bool) -> (Vec<Key>, Vec<u32>) {
    let (keys, rules) = if interval { apart(&keys, &rules, stride) } else { (keys, rules) };
    sorted(keys, rules, stride)
}

fn sorted(keys: Vec<Key>, rules: Vec<u32>, stride: usize) -> (Vec<Key>, Vec<u32>) {
    let element = |at: u32| &keys[at as usize * stride..(at as usize + 1) * stride];
    let count = u32::try_from(rules.len()).expect("fewer elements than 2^32");
    if (1..count).all(|at| element(at - 1) < element(at)) {
        return (keys, rules);
    }
    let mut order: Vec<u32> = (0..count).collect();
    order.sort_unstable_by(|a, b| element(*a).cmp(element(*b)).then(rules[*a as usize].cmp(&rules[*b as usize])));
    order.dedup_by(|b, a| element(*a) == element(*b));
    let mut out = (Vec::with_capacity(order.len() * stride), Vec::with_capacity(order.len()));
    for at in order {
        out.0.extend_from_slice(element(at));
        out.1.push(rules[at as usize]);
    }
    out
}

fn bounds(key: &Key) -> (u128, u128) {
    match key {
        Key::Name(id) => (u128::from(*id), u128::from(*id)),
        Key::V4(first, last) => (u128::from(u32::from(*first)), u128::from(u32::from(*last))),
        Key::V6(first, last) => (u128::from(*first), u128::from(*last)),
        Key::Ports(first, last) => (u128::from(*first), u128::from(*last)),
        Key::Byte(value) => (u128::from(*value), u128::from(*value)),
    }
}

fn with_bounds(like: &Key, first: u128, last: u128) -> Key {
    let v4 = |value| Ipv4Addr::from(u32::try_from(value).expect("within IPv4"));
    let port = |value| u16::try_from(value).expect("within ports");
    match like {
        Key::Name(_) | Key::Byte(_) => *like,
        Key::V4(..) => Key::V4(v4(first), v4(last)),
        Key::V6(..) => Key::V6(Ipv6Addr::from(first), Ipv6Addr::from(last)),
        Key::Ports(..) => Key::Ports(port(first), port(last)),
    }
}

/// Splits elements until none overlaps another.
fn apart(keys: &[Key], rules: &[u32], stride: usize) -> (Vec<Key>, Vec<u32>) {
    // Only elements with equal names and bytes can overlap.
    let mut groups: BTreeMap<Vec<Key>, Vec<(&[Key], u32)>> = BTreeMap::new();
    for (element, rule) in keys.chunks_exact(stride).zip(rules) {
        let exact: Vec<Key> =
            element.iter().filter(|key| matches!(key, Key::Name(_) | Key::Byte(_))).copied().collect();
        groups.entry(exact).or_default().push((element, *rule));
    }
    let mut out = (Vec::with_capacity(keys.len()), Vec::with_capacity(rules.len()));
    for mut group in groups.into_values() {
        let Some(axis) = group[0].0.iter().position(|key| !matches!(key, Key::Name(_) | Key::Byte(_))) else {
            continue;
        };
        // By beginning, so that what ends before the next begins needs no comparison any more; wide before narrow.
        group.sort_by_key(|(element, rule)| {
            let (first, last) = bounds(&element[axis]);
            (first, std::cmp::Reverse(last), *rule)
        });
        let mut active: Vec<Vec<Key>> = Vec::new();
        for (element, rule) in group {
            let (first, _) = bounds(&element[axis]);
            active.retain(|other| bounds(&other[axis]).1 >= first);
            let mut pieces = vec![element.to_vec()];
            for other in &active {
                pieces = pieces.iter().flat_map(|piece| without(piece, other)).collect();
            }
            for piece in &pieces {
                out.0.extend_from_slice(piece);
                out.1.push(rule);
            }
            active.append(&mut pieces);
        }
    }
    out
}

/// What of `piece` lies outside `other`.
fn without(piece: &[Key], other: &[Key]) -> Vec<Vec<Key>> {
    let overlap = piece.iter().zip(other).all(|(a, b)| {
        let ((a_first, a_last), (b_first, b_last)) = (bounds(a), bounds(b));
        a_first <= b_last && b_first <= a_last
    });
    if !overlap {
        return vec![piece.to_vec()];
    }
    let mut rest = piece.to_vec();
    let mut out = Vec::new();
    for at in 0..rest.len() {
        let ((first, last), (cut_first, cut_last)) = (bounds(&rest[at]), bounds(&other[at]));
        if first < cut_first {
            let mut below = rest.clone();
            below[at] = with_bounds(&rest[at], first, cut_first - 1);
            out.push(below);
        }
        if cut_last < last {
            let mut above = rest.clone();
            above[at] = with_bounds(&rest[at], cut_last + 1, last);
            out.push(above);
        }
        rest[at] = with_bounds(&rest[at], first.max(cut_first), last.min(cut_last));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_keep_the_first_rule() {
        let keys = vec![Key::Byte(2), Key::Byte(1), Key::Byte(2)];
        assert_eq!(normal(keys, vec![5, 4, 3], 1, false), (vec![Key::Byte(1), Key::Byte(2)], vec![4, 3]));
    }

    proptest! {
        #[test]
        fn pieces_cover_the_same_and_never_twice(
            boxes in prop::collection::vec((0u8..2, 0u16..12, 0u16..6, 0u32..12, 0u32..6), 1..12),
        ) {
            let keys: Vec<Key> = boxes.iter().flat_map(|(name, port, ports, addr, addrs)| [
                Key::Byte(*name),
                Key::Ports(*port, port + ports),
                Key::V4(Ipv4Addr::from(*addr), Ipv4Addr::from(addr + addrs)),
            ]).collect();
            let (out, rules) = normal(keys.clone(), vec![0; boxes.len()], 3, true);
            prop_assert_eq!(out.len(), rules.len() * 3);
            let hits = |keys: &[Key], point: [u128; 3]| keys.chunks_exact(3).filter(|element| {
                element.iter().zip(point).all(|(key, at)| bounds(key).0 <= at && at <= bounds(key).1)
            }).count();
            for name in 0..2 {
                for port in 0..20 {
                    for addr in 0..20 {
                        let point = [name, port, addr];
                        prop_assert_eq!(usize::from(hits(&keys, point) > 0), hits(&out, point), "{:?}", point);
                    }
                }
            }
        }
    }
}
