//! Rejecting, translating, changing.

use super::elements::{self, Parsed};
use super::keys::{self, Need};
use super::names;
use super::node::Node;
use super::rule::Builder;
use super::values::{self, Kind};
use super::words;
use crate::netfilter::{Action, Element, Nat, NatKind, Reject, Step, TableFamily, Unknown};
use segwall_packetset::proto;

const CHANGES: &str = "changes what later rules see";
const NO_VALUE: &str = "ends the rule where there is no such value";
const NO_OPTION: &str = "ends the rule for what is not TCP";
const MARK_BITS: u128 = 0xffff_ffff;

/// What a reject says; `None` where it is not understood.
pub(super) fn reject(build: &mut Builder<'_>, body: &Node<'_>) -> Option<Action> {
    let v4_table = build.family() == TableFamily::Ip;
    let v6_table = build.family() == TableFamily::Ip6;
    let both = |v4: u8, v6: u8| Reject::Icmp { v4: (!v6_table).then_some(v4), v6: (!v4_table).then_some(v6) };
    let code = |table| match body.get("expr") {
        Some(Node::Text(word)) => names::number(table, word).or_else(|| word.parse().ok()),
        Some(node) => node.number(),
        None => None,
    };
    let reject = match body.text_of("type") {
        None => both(3, 4),
        Some("tcp reset") => {
            build.need(Need::Proto(proto::TCP));
            Reject::TcpReset
        }
        Some("icmp") => {
            let code = u8::try_from(code(names::ICMP_CODES).unwrap_or(3)).ok()?;
            if !v4_table {
                build.need(Need::Family(0));
            }
            Reject::Icmp { v4: Some(code), v6: None }
        }
        Some("icmpv6") => {
            let code = u8::try_from(code(names::ICMPV6_CODES).unwrap_or(4)).ok()?;
            if !v6_table {
                build.need(Need::Family(1));
            }
            Reject::Icmp { v4: None, v6: Some(code) }
        }
        Some("icmpx") => {
            let word = body.text_of("expr").unwrap_or("port-unreachable");
            let (_, v4, v6) = names::ICMPX_CODES.iter().find(|(name, ..)| *name == word)?;
            both(*v4, *v6)
        }
        Some(_) => return None,
    };
    Some(Action::Reject(reject))
}

/// A translation; whether it was understood.
pub(super) fn nat(build: &mut Builder<'_>, name: &str, body: &Node<'_>) -> bool {
    let flags = |member: &str| match body.get(member) {
        Some(Node::Text(flag)) => vec![flag.as_ref()],
        Some(Node::List(list)) => list.iter().filter_map(Node::text).collect(),
        _ => Vec::new(),
    };
    let netmap = flags("flags").contains(&"netmap") || flags("type_flags").contains(&"prefix");
    let kind = match name {
        _ if netmap => NatKind::Netmap,
        "dnat" => NatKind::Destination,
        "snat" => NatKind::Source,
        "redirect" => NatKind::Redirect,
        _ => NatKind::Masquerade,
    };
    let is_v4 = match (body.text_of("family"), build.family()) {
        (Some("ip6"), _) | (None, TableFamily::Ip6) => false,
        (Some("ip"), _) | (None, TableFamily::Ip) => true,
        (_, _) if body.get("addr").is_none() => true,
        _ => return false,
    };
    let addr_kind = if is_v4 { Kind::V4 } else { Kind::V6 };
    // The kernel does nothing to packets of the other family.
    if body.get("addr").is_some() && !matches!(build.family(), TableFamily::Ip | TableFamily::Ip6) {
        build.need(Need::Family(u128::from(!is_v4)));
    }
    let ports = match body.get("port") {
        None => None,
        Some(port) => match values::range(Kind::Port, port).and_then(as_ports) {
            Some(ports) => Some(ports),
            None => return false,
        },
    };
    let translate = |to, ports| Action::Nat(Nat { kind, to, ports });
    match body.get("addr") {
        None => build.push(Step::Do(translate(None, ports))),
        Some(addr) => match (addr.get("map"), addr.get("concat")) {
            (Some(map), _) => {
                let plain = |value: &Element| Some(translate(Some(*value.first()?), ports));
                let with_port = |value: &Element| {
                    let [to, ports] = value.as_slice() else { return None };
                    Some(translate(Some(*to), Some(as_ports(*ports)?)))
                };
                return build.mapped(map, &[addr_kind], &plain)
                    || build.mapped(map, &[addr_kind, Kind::Port], &with_port);
            }
            (None, Some(_)) => match elements::element(&[addr_kind, Kind::Port], addr) {
                Parsed::Element(parts) => {
                    let Some(ports) = as_ports(parts[1]) else { return false };
                    build.push(Step::Do(translate(Some(parts[0]), Some(ports))));
                }
                Parsed::Never | Parsed::Not => return false,
            },
            (None, None) => match values::range(addr_kind, addr) {
                Some(to) => build.push(Step::Do(translate(Some(to), ports))),
                None => return false,
            },
        },
    }
    true
}

fn as_ports(range: (u128, u128)) -> Option<(u16, u16)> {
    Some((u16::try_from(range.0).ok()?, u16::try_from(range.1).ok()?))
}

/// A value that is written: into the packet, its mark, its connection.
pub(super) fn mangle(build: &mut Builder<'_>, statement: &Node<'_>, body: &Node<'_>) {
    let (Some(key), Some(value)) = (body.get("key"), body.get("value")) else {
        return build.push(Step::Do(unknown(statement)));
    };
    let fails = fails(build, value);
    let mut why = fails.then_some(NO_VALUE);
    let step = match key.tagged() {
        Some(("meta", meta)) => match meta.text_of("key") {
            Some("mark") if value.get("map").is_some() => return mark_by_map(build, value),
            Some("mark") => mark(value),
            Some("nftrace" | "priority" | "secmark" | "broute") => Action::Nothing,
            _ => unknown(statement),
        },
        // Packets of a connection that is looked for elsewhere are those of another.
        Some(("ct", ct)) if ct.text_of("key") == Some("zone") => unknown(statement),
        // What a connection remembers besides is read by no match that the model has.
        Some(("ct", _)) => Action::Nothing,
        // Since Linux 6.7 this ends the rule for what is not TCP; nft checks no protocol.
        Some(("tcp option", _)) => {
            why = Some(NO_OPTION);
            Action::Nothing
        }
        Some(("payload", payload)) => {
            for need in keys::operand(key, build.family()).needs {
                build.need(need);
            }
            match (payload.text_of("protocol"), payload.text_of("field")) {
                (Some("ip" | "ip6"), Some("dscp" | "ecn" | "flowlabel")) | (Some("ether" | "vlan"), Some(_)) => {
                    Action::Nothing
                }
                _ => unknown(statement),
            }
        }
        _ => unknown(statement),
    };
    build.push(Step::Do(step));
    if let Some(why) = why {
        build.ends_perhaps(statement, why);
    }
}

/// Whether a value may not be there, which ends the rule. What is there with a connection only is asked for first.
fn fails(build: &mut Builder<'_>, value: &Node<'_>) -> bool {
    match value.tagged() {
        Some(("meta", meta)) => !matches!(
            meta.text_of("key"),
            Some("mark" | "priority" | "length" | "protocol" | "nfproto" | "iif" | "oif")
        ),
        Some(("ct", ct)) if ct.text_of("key") == Some("mark") => {
            build.need(Need::Tracked);
            false
        }
        Some(("numgen" | "symhash", _)) => false,
        Some(("&" | "|" | "^" | "<<" | ">>", Node::List(sides))) => sides.iter().any(|side| fails(build, side)),
        Some(_) => true,
        // A number, a word, words together.
        None => matches!(value, Node::Map(_)),
    }
}

fn unknown(statement: &Node<'_>) -> Action {
    Action::Unknown(Unknown { text: words::statement(statement), why: CHANGES })
}

fn mark_by_map(build: &mut Builder<'_>, value: &Node<'_>) {
    let Some(map) = value.get("map") else { return };
    let set = |value: &Element| match value.as_slice() {
        [(first, last)] if first == last => Some(Action::SetMark { value: *first, mask: MARK_BITS }),
        _ => None,
    };
    // The model's maps are the end of a rule.
    if !build.is_followed && build.mapped(map, &[Kind::Mark], &set) {
        return;
    }
    // Without an entry the rule ends; with one the mark is something.
    build.push(Step::Match(crate::netfilter::Match::Unknown(Unknown {
        text: words::expression(map),
        why: "a map is not understood, or statements stand behind it",
    })));
    build.push(Step::Do(Action::ForgetMark));
}

fn mark(value: &Node<'_>) -> Action {
    match bits(value) {
        Some((keep, value)) if keep & value == 0 => Action::SetMark { value, mask: MARK_BITS & !keep },
        _ => Action::ForgetMark,
    }
}

/// The new mark as `(mark & keep) ^ value`.
fn bits(node: &Node<'_>) -> Option<(u128, u128)> {
    if let Some(value) = values::single(Kind::Mark, node) {
        return Some((0, value));
    }
    match node.tagged()? {
        ("meta", meta) if meta.text_of("key") == Some("mark") => Some((MARK_BITS, 0)),
        (op @ ("&" | "|" | "^"), Node::List(sides)) => {
            let [left, right] = sides.as_slice() else { return None };
            let (keep, value) = bits(left)?;
            let by = values::single(Kind::Mark, right)?;
            Some(match op {
                "&" => (keep & by, value & by),
                "|" => (keep & !by, value | by),
                _ => (keep, value ^ by),
            })
        }
        _ => None,
    }
}
