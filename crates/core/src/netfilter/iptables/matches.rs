//! From what a call asks for to rules of the model.

use segwall_packetset::{Field, proto};

use super::address::{self, Place, among, condition, places, unknown};
use super::ipset::IpSets;
use super::match_list::EARLIER;
use super::modules::How;
use super::names::{may_be_a_name, protocol};
use super::numbers::{masked, number};
use super::spec::{Instance, Kind, Signed, Spec};
use super::{Refusal, Version, addrtype, conntrack, icmp, ipset, limits, ports, targets, time};
use crate::netfilter::{Action, Element, Key, Match, Rule, Step, Values};
use crate::source::Span;

/// Pairs of addresses that one call may have; iptables makes a rule of each.
const PAIRS_MAX: usize = 4096;
/// Rules that one call may become because of what it asks of connections.
const ALTERNATIVES_MAX: usize = 16;

/// What the parts of a rule have to know of their surroundings.
#[derive(Clone, Copy)]
pub(super) struct Context<'c> {
    pub version: Version,
    pub table: &'c str,
    /// The one protocol that the rule is for.
    pub protocol: Option<u8>,
    pub sets: &'c IpSets,
    /// Whether the table has a chain of this name.
    pub is_chain: &'c dyn Fn(&str) -> bool,
}

/// A protocol by name or number.
pub(super) fn proto_of(text: &str) -> Option<u8> {
    protocol(text)
}

/// The rules of a call: one for each pair of addresses.
pub(super) fn rules(spec: &Spec, mut cx: Context<'_>, span: Span) -> Result<Vec<Rule>, Refusal> {
    let sources = addresses(spec.source.as_ref(), cx.version)?;
    let destinations = addresses(spec.destination.as_ref(), cx.version)?;
    // Conditions of which any may hold, no two for the same packet: each is a rule.
    let mut alternatives = vec![Vec::new()];
    let mut rest = Vec::new();
    interface(&mut rest, Field::In, spec.input.as_ref());
    interface(&mut rest, Field::Out, spec.output.as_ref());
    if let Some(signed) = &spec.protocol {
        let text = signed.word.text.as_str();
        match protocol(text) {
            Some(0) => {}
            Some(number) => {
                rest.push(among(Field::Proto, signed.not, vec![(number.into(), number.into())]));
                cx.protocol = (!signed.not).then_some(number);
            }
            None if may_be_a_name(text) => rest.push(unknown(shown("-p", signed), address::WHY_NAME)),
            None => return Err(Refusal::new(signed.word.span, format!("`{text}` is no protocol"))),
        }
    }
    if let Some(not) = spec.fragment {
        rest.push(unknown(if not { "! -f" } else { "-f" }, "fragments are not modelled"));
    }
    let mut comment: Option<String> = None;
    for instance in &spec.matches {
        if let Kind::Known(module) = &instance.kind
            && module.how == How::Comment
        {
            let words = instance.get("comment").map(|given| given.value()).unwrap_or_default();
            comment = Some(match comment {
                Some(before) => format!("{before}; {words}"),
                None => words.to_owned(),
            });
        } else if matches!(&instance.kind, Kind::Known(module) if module.how == How::Conntrack) {
            let more = conntrack::alternatives(instance, cx)?;
            if alternatives.len() * more.len() > ALTERNATIVES_MAX {
                rest.push(unknown(instance.text(), "asks more of the connection than is followed"));
            } else {
                let before = std::mem::take(&mut rest);
                alternatives = alternatives
                    .iter()
                    .flat_map(|head| {
                        let before = &before;
                        more.iter().map(move |tail| head.iter().chain(before).chain(tail).cloned().collect())
                    })
                    .collect();
            }
        } else {
            rest.extend(steps(instance, cx)?);
        }
    }
    if let Some(target) = &spec.target {
        rest.push(Step::Do(targets::action(target, cx)?));
    }
    if sources.len().saturating_mul(destinations.len()) > PAIRS_MAX {
        return Err(Refusal::beyond(span, format!("more than {PAIRS_MAX} pairs of addresses in one call")));
    }
    let mut rules = Vec::new();
    for source in &sources {
        for (destination, alternative) in
            destinations.iter().flat_map(|end| alternatives.iter().map(move |one| (end, one)))
        {
            let ends = [(Field::Src, "-s", source), (Field::Dst, "-d", destination)];
            let ends = ends.into_iter().filter_map(|(field, option, end)| {
                let (place, not, text) = end.as_ref()?;
                condition(field, place, *not, cx.version, &format!("{option} {text}"))
            });
            let steps = ends.chain(alternative.iter().chain(&rest).cloned()).collect();
            rules.push(Rule { steps, comment: comment.clone(), span: Some(span), handle: None });
        }
    }
    Ok(rules)
}

/// An address to compare with, whether it is negated, and as it was written.
type End = Option<(Place, bool, String)>;

fn addresses(signed: Option<&Signed>, version: Version) -> Result<Vec<End>, Refusal> {
    let Some(Signed { not, word }) = signed else { return Ok(vec![None]) };
    let found =
        places(&word.text, version).ok_or_else(|| Refusal::new(word.span, format!("`{}` is no address", word.text)))?;
    if *not && found.len() > 1 {
        return Err(Refusal::new(word.span, "`!` cannot stand before several addresses"));
    }
    Ok(found.into_iter().map(|place| Some((place, *not, word.text.clone()))).collect())
}

fn shown(option: &str, signed: &Signed) -> String {
    format!("{}{option} {}", if signed.not { "! " } else { "" }, signed.word.text)
}

/// Bytes of a name as the model has them: the first is the highest, zeros behind.
pub(super) fn interface_number(name: &str) -> u128 {
    name.bytes().take(16).enumerate().fold(0, |number, (at, byte)| number | u128::from(byte) << (120 - 8 * at))
}

fn interface(steps: &mut Vec<Step>, field: Field, signed: Option<&Signed>) {
    let Some(Signed { not, word }) = signed else { return };
    let range = interface_range(&word.text);
    if range != (0, u128::MAX) || *not {
        steps.push(among(field, *not, vec![range]));
    }
}

/// Names that a name with a `+` at its end stands for.
pub(super) fn interface_range(name: &str) -> (u128, u128) {
    match name.strip_suffix('+') {
        Some(prefix) => {
            let first = interface_number(prefix);
            let free = u128::MAX.checked_shr(8 * prefix.len().min(16) as u32).unwrap_or(0);
            (first, first | free)
        }
        None => (interface_number(name), interface_number(name)),
    }
}

/// The conditions of an extension.
fn steps(instance: &Instance, cx: Context<'_>) -> Result<Vec<Step>, Refusal> {
    let module = match &instance.kind {
        Kind::Known(module) => module,
        Kind::Foreign(_) => return Ok(vec![unknown(instance.text(), "a module that iptables does not come with")]),
    };
    Ok(match module.how {
        How::Addrtype => addrtype::steps(instance, cx)?,
        How::Tcp => {
            only_with(instance, cx, &[proto::TCP])?;
            ports::tcp(instance)?
        }
        How::Udp => {
            only_with(instance, cx, &[proto::UDP])?;
            ports::plain(instance, proto::UDP)?
        }
        How::Sctp => {
            only_with(instance, cx, &[proto::SCTP])?;
            ports::plain(instance, proto::SCTP)?
        }
        How::Dccp => {
            only_with(instance, cx, &[proto::DCCP])?;
            ports::plain(instance, proto::DCCP)?
        }
        How::Multiport => {
            only_with(instance, cx, &[proto::TCP, proto::UDP, proto::UDPLITE, proto::SCTP, proto::DCCP])?;
            ports::multiport(instance, cx.protocol)?
        }
        How::Icmp => {
            let needed = match cx.version {
                Version::V4 => proto::ICMP,
                Version::V6 => proto::ICMPV6,
            };
            only_with(instance, cx, &[needed])?;
            icmp::steps(instance, cx.version)?
        }
        How::Iprange => iprange(instance, cx.version)?,
        How::Hops => hops(instance)?,
        How::Limit => limits::limit(instance)?,
        How::Hashlimit => limits::hashlimit(instance, cx.version)?,
        How::Mac => mac(instance)?,
        How::Mark => mark(instance)?,
        How::Pkttype => pkttype(instance)?,
        How::Recent => match instance.get("set") {
            // It writes the address down, and matches.
            Some(given) if !given.not => vec![Step::Do(Action::Nothing)],
            _ => vec![unknown(instance.text(), EARLIER)],
        },
        How::Set => ipset::steps(instance, cx)?,
        How::Time => time::steps(instance)?,
        How::Unknown(why) => vec![unknown(instance.text(), why)],
        // Comments and connections were taken before; the others are targets.
        How::Comment
        | How::Conntrack
        | How::Connmark
        | How::Ct
        | How::Dnat
        | How::HopsTarget
        | How::Log
        | How::MarkTarget
        | How::Masquerade
        | How::Netmap
        | How::Nflog
        | How::Nfqueue
        | How::Notrack
        | How::Redirect
        | How::Reject
        | How::SetTarget
        | How::Snat
        | How::Ulog
        | How::Nothing
        | How::ForgetMark => Vec::new(),
    })
}

/// Refuses an extension whose protocol the rule does not name.
fn only_with(instance: &Instance, cx: Context<'_>, protocols: &[u8]) -> Result<(), Refusal> {
    if cx.protocol.is_some_and(|protocol| protocols.contains(&protocol)) {
        return Ok(());
    }
    let name = instance.name.as_ref().map_or("this", |word| word.text.as_str());
    let wanted: Vec<&str> = protocols.iter().filter_map(|number| proto::name(*number)).collect();
    Err(Refusal::new(instance.span, format!("`-m {name}` needs `-p {}`", wanted.join("` or `-p "))))
}

fn iprange(instance: &Instance, version: Version) -> Result<Vec<Step>, Refusal> {
    let mut steps = Vec::new();
    for given in &instance.given {
        let range = address::range(given.value(), version)
            .ok_or_else(|| given.refuse(format!("`{}` is no range of addresses", given.value())))?;
        let field = if given.name == "src-range" { Field::Src } else { Field::Dst };
        steps.push(among(field, given.not, vec![range]));
    }
    Ok(steps)
}

fn hops(instance: &Instance) -> Result<Vec<Step>, Refusal> {
    let mut steps = Vec::new();
    for given in &instance.given {
        let value = number(given.value(), 0xff)
            .map(u128::from)
            .ok_or_else(|| given.refuse(format!("`{}` is no number of hops", given.value())))?;
        let range = match given.name.as_str() {
            "ttl-lt" | "hl-lt" => value.checked_sub(1).map(|last| (0, last)),
            "ttl-gt" | "hl-gt" => (value < 0xff).then_some((value + 1, 0xff)),
            _ => Some((value, value)),
        };
        steps.push(among(Field::Hops, given.not, range.into_iter().collect()));
    }
    Ok(steps)
}

fn mac(instance: &Instance) -> Result<Vec<Step>, Refusal> {
    let mut steps = Vec::new();
    for given in &instance.given {
        let address =
            mac_address(given.value()).ok_or_else(|| given.refuse(format!("`{}` is no MAC address", given.value())))?;
        steps.push(among(Field::Mac, given.not, vec![(address, address)]));
        if given.not {
            // A packet that did not come in an Ethernet frame has no address, and does not match either.
            steps.push(unknown(given.text(), "holds for Ethernet frames only"));
        }
    }
    Ok(steps)
}

/// Six bytes in hexadecimal.
pub(super) fn mac_address(text: &str) -> Option<u128> {
    let bytes: Vec<&str> = text.split(':').collect();
    if bytes.len() != 6 {
        return None;
    }
    bytes.iter().try_fold(0, |address: u128, byte| {
        let good = (1..=2).contains(&byte.len()) && byte.bytes().all(|b| b.is_ascii_hexdigit());
        let value = good.then(|| u8::from_str_radix(byte, 16).ok()).flatten()?;
        Some(address << 8 | u128::from(value))
    })
}

fn mark(instance: &Instance) -> Result<Vec<Step>, Refusal> {
    let mut steps = Vec::new();
    for given in &instance.given {
        let (value, mask) =
            masked(given.value()).ok_or_else(|| given.refuse(format!("`{}` is no mark", given.value())))?;
        let key = if mask == u32::MAX { Key::Field(Field::Mark) } else { Key::Masked(Field::Mark, mask.into()) };
        let element: Element = vec![(value.into(), value.into())];
        steps.push(Step::Match(Match::Among { keys: vec![key], not: given.not, values: Values::Here(vec![element]) }));
    }
    Ok(steps)
}

/// `PACKET_*` of the kernel's `if_packet.h`, by the names that iptables has for them.
const PACKET_TYPES: &[(&str, u128)] =
    &[("unicast", 0), ("host", 0), ("broadcast", 1), ("bcast", 1), ("multicast", 2), ("mcast", 2), ("otherhost", 3)];

fn pkttype(instance: &Instance) -> Result<Vec<Step>, Refusal> {
    let mut steps = Vec::new();
    for given in &instance.given {
        let wanted = given.value().to_ascii_lowercase();
        let found = PACKET_TYPES.iter().find(|(name, _)| name.starts_with(&wanted) && !wanted.is_empty());
        let (_, value) = found.ok_or_else(|| given.refuse(format!("`{}` is no type of packet", given.value())))?;
        steps.push(among(Field::PktType, given.not, vec![(*value, *value)]));
    }
    Ok(steps)
}
