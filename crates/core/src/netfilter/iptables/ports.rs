//! Ports, and what else a TCP header says.

use segwall_packetset::{Field, proto};

use super::Refusal;
use super::address::{WHY_NAME, among, together, unknown};
use super::match_list::INSIDE;
use super::names::may_be_a_name;
use super::numbers::number;
use super::services;
use super::spec::{Given, Instance};
use crate::netfilter::{Key, Match, Step, Values};

/// Ports a list of `-m multiport` may have; a range counts as two.
const MULTIPORT_MAX: usize = 15;
const PORT_MAX: u128 = 0xffff;

/// A port that is read, or a name that this machine does not know.
enum Port {
    Number(u16),
    Name,
}

fn port(given: &Given, text: &str, protocol: Option<u8>) -> Result<Port, Refusal> {
    let known = number(text, 0xffff).and_then(|port| u16::try_from(port).ok());
    match known.or_else(|| services::port(text, protocol)) {
        Some(port) => Ok(Port::Number(port)),
        None if may_be_a_name(text) => Ok(Port::Name),
        None => Err(given.refuse(format!("`{text}` is no port"))),
    }
}

/// A port or `first:last`; `None`: a name that only the machine knows.
pub(super) fn range(given: &Given, text: &str, protocol: Option<u8>) -> Result<Option<(u128, u128)>, Refusal> {
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    let first = if first.is_empty() && text.len() > 1 { Port::Number(0) } else { port(given, first, protocol)? };
    let last = if last.is_empty() { Port::Number(u16::MAX) } else { port(given, last, protocol)? };
    match (first, last) {
        (Port::Number(first), Port::Number(last)) if first <= last => Ok(Some((first.into(), last.into()))),
        (Port::Number(_), Port::Number(_)) => Err(given.refuse(format!("`{text}` ends before it begins"))),
        (Port::Name, _) | (_, Port::Name) => Ok(None),
    }
}

fn one(given: &Given, field: Field, protocol: u8) -> Result<Step, Refusal> {
    let text = given.value();
    let text = if text == ":" { "0:65535" } else { text };
    Ok(match range(given, text, Some(protocol))? {
        Some(range) => among(field, given.not, vec![range]),
        None => unknown(given.text(), WHY_NAME),
    })
}

/// The ports of UDP, SCTP and DCCP; their other options are not modelled.
pub(super) fn plain(instance: &Instance, protocol: u8) -> Result<Vec<Step>, Refusal> {
    instance
        .given
        .iter()
        .map(|given| match given.name.as_str() {
            "source-port" => one(given, Field::Sport, protocol),
            "destination-port" => one(given, Field::Dport, protocol),
            _ => Ok(unknown(given.text(), INSIDE)),
        })
        .collect()
}

/// What `-m tcp` looks at.
pub(super) fn tcp(instance: &Instance) -> Result<Vec<Step>, Refusal> {
    instance
        .given
        .iter()
        .map(|given| match given.name.as_str() {
            "source-port" => one(given, Field::Sport, proto::TCP),
            "destination-port" => one(given, Field::Dport, proto::TCP),
            "syn" => Ok(flags(0x17, 0x02, given.not)),
            "tcp-flags" => {
                let mut masks = given.args.iter().map(|word| {
                    flag_bits(&word.text).ok_or_else(|| given.refuse(format!("`{}` are no TCP flags", word.text)))
                });
                let mask = masks.next().transpose()?.unwrap_or_default();
                let set = masks.next().transpose()?.unwrap_or_default();
                Ok(flags(mask, set, given.not))
            }
            _ => Ok(unknown(given.text(), INSIDE)),
        })
        .collect()
}

fn flags(mask: u8, set: u8, not: bool) -> Step {
    Step::Match(Match::Among {
        keys: vec![Key::Masked(Field::Flags, mask.into())],
        not,
        values: Values::Here(vec![vec![(set.into(), set.into())]]),
    })
}

const FLAGS: &[(&str, u8)] = &[
    ("FIN", 0x01),
    ("SYN", 0x02),
    ("RST", 0x04),
    ("PSH", 0x08),
    ("ACK", 0x10),
    ("URG", 0x20),
    ("ALL", 0x3f),
    ("NONE", 0),
];

fn flag_bits(text: &str) -> Option<u8> {
    // As `strtok`: empty parts are passed over.
    text.split(',').filter(|part| !part.is_empty()).try_fold(0, |bits, name| {
        FLAGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, bit)| bits | bit)
    })
}

/// What `-m multiport` looks at.
pub(super) fn multiport(instance: &Instance, protocol: Option<u8>) -> Result<Vec<Step>, Refusal> {
    let [given] = instance.given.as_slice() else {
        return Err(Refusal::new(instance.span, "`-m multiport` needs exactly one list of ports"));
    };
    let mut ranges = Vec::new();
    let mut count = 0;
    for part in given.value().split(',') {
        count += if part.contains(':') { 2 } else { 1 };
        match range(given, part, protocol)? {
            Some(range) => ranges.push(range),
            None => return Ok(vec![unknown(instance.text(), WHY_NAME)]),
        }
    }
    if count > MULTIPORT_MAX {
        return Err(given.refuse(format!("more than {MULTIPORT_MAX} ports")));
    }
    Ok(vec![match given.name.as_str() {
        "source-ports" => among(Field::Sport, given.not, ranges),
        "destination-ports" => among(Field::Dport, given.not, ranges),
        _ => {
            let either = |range| [vec![range, (0, PORT_MAX)], vec![(0, PORT_MAX), range]];
            together(&[Field::Sport, Field::Dport], given.not, ranges.into_iter().flat_map(either).collect())
        }
    }])
}
