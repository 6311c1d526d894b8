//! `-m addrtype`: what the routing tables make of an address.

use segwall_packetset::Field;

use super::address::{among, together, unknown};
use super::match_list::MACHINE;
use super::matches::Context;
use super::spec::{Given, Instance};
use super::{Refusal, Version};
use crate::netfilter::Step;

/// Names, and `RTN_*` of the kernel's `rtnetlink.h`.
const TYPES: &[&str] = &[
    "UNSPEC",
    "UNICAST",
    "LOCAL",
    "BROADCAST",
    "ANYCAST",
    "MULTICAST",
    "BLACKHOLE",
    "UNREACHABLE",
    "PROHIBIT",
    "THROW",
    "NAT",
    "XRESOLVE",
];
const UNSPEC: u8 = 0;
const UNICAST: u8 = 1;
const LOCAL: u8 = 2;
const ANYCAST: u8 = 4;
const MULTICAST: u8 = 5;
const UNREACHABLE: u8 = 7;
const TYPE_MAX: u128 = 11;

/// What `-m addrtype` looks at.
pub(super) fn steps(instance: &Instance, cx: Context<'_>) -> Result<Vec<Step>, Refusal> {
    let here = instance.get("limit-iface-in").is_some();
    let there = instance.get("limit-iface-out");
    if let (true, Some(there)) = (here, there) {
        return Err(there.refuse("`--limit-iface-in` and `--limit-iface-out` exclude each other"));
    }
    let mut steps = Vec::new();
    for given in &instance.given {
        let (address, kind) = match (given.name.as_str(), here) {
            ("src-type", false) => (Field::Src, Field::SrcType),
            ("src-type", true) => (Field::Src, Field::SrcTypeHere),
            ("dst-type", false) => (Field::Dst, Field::DstType),
            ("dst-type", true) => (Field::Dst, Field::DstTypeHere),
            _ => continue,
        };
        let types = types(given)?;
        steps.push(match (there, cx.version) {
            (Some(_), _) => unknown(instance.text(), MACHINE),
            (None, Version::V4) => {
                let ranges = types.iter().map(|kind| (u128::from(*kind), u128::from(*kind))).collect();
                among(kind, given.not, ranges)
            }
            (None, Version::V6) => of_v6(given, address, kind, &types)?,
        });
    }
    if steps.is_empty() {
        return Err(Refusal::new(instance.span, "`-m addrtype` needs `--src-type` or `--dst-type`"));
    }
    Ok(steps)
}

fn types(given: &Given) -> Result<Vec<u8>, Refusal> {
    let mut types = Vec::new();
    for name in given.value().split(',') {
        let found = TYPES.iter().position(|known| {
            !name.is_empty() && known.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name))
        });
        let at = found.ok_or_else(|| given.refuse(format!("`{name}` is no type of address")))?;
        types.push(u8::try_from(at).expect("the list is short"));
    }
    types.sort_unstable();
    types.dedup();
    Ok(types)
}

/// In IPv6 the kernel asks the address itself for some types, and all that are asked for have to hold
/// (`xt_addrtype.c`, `match_type6`).
fn of_v6(given: &Given, address: Field, kind: Field, types: &[u8]) -> Result<Step, Refusal> {
    let asked = |wanted: u8| types.contains(&wanted);
    if let Some(other) =
        types.iter().find(|one| ![UNSPEC, UNICAST, LOCAL, ANYCAST, MULTICAST, UNREACHABLE].contains(one))
    {
        return Err(given.refuse(format!("{} does not exist in IPv6", TYPES[usize::from(*other)])));
    }
    let mut ranges = vec![(0, u128::MAX)];
    let multicast = (0xff << 120, u128::MAX);
    // Neither the unspecified address, nor mapped IPv4, nor multicast.
    let unicast = [(1, (0xffff << 32) - 1), (0x1_0000 << 32, (0xff << 120) - 1)];
    if asked(MULTICAST) {
        ranges = vec![multicast];
    }
    if asked(UNICAST) {
        ranges = if asked(MULTICAST) { Vec::new() } else { unicast.to_vec() };
    }
    if asked(UNSPEC) {
        ranges = if asked(MULTICAST) || asked(UNICAST) { Vec::new() } else { vec![(0, 0)] };
    }
    let routed: Vec<u128> =
        [LOCAL, ANYCAST, UNREACHABLE].into_iter().filter(|one| asked(*one)).map(u128::from).collect();
    if routed.is_empty() {
        return Ok(among(address, given.not, ranges));
    }
    if ranges == [(0, u128::MAX)] {
        return Ok(among(kind, given.not, routed.into_iter().map(|one| (one, one)).collect()));
    }
    debug_assert!(routed.iter().all(|one| *one <= TYPE_MAX));
    let elements = ranges.iter().flat_map(|range| routed.iter().map(|one| vec![*range, (*one, *one)])).collect();
    Ok(together(&[address, kind], given.not, elements))
}
