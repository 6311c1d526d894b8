//! `match`: a left side, an operator, a right side.

use segwall_packetset::Field;

use super::elements;
use super::keys::{self, NOT_MODELLED, Need};
use super::names::CT_STATUS_DNAT;
use super::node::Node;
use super::rule::Builder;
use super::values::{self, Kind};
use super::words;
use crate::netfilter::{Element, Key, Match, Step, Unknown, Values};

/// Set lookups cannot be told from what nft printed wrongly.
const VALUE: &str = "a value is not understood";
const STATUS: &str = "depends on the connection's earlier packets";
const NO_ETHERNET: &str = "matches Ethernet only";
/// Bits of IPv4 addresses that the model's wider addresses have above them.
const ABOVE_V4: u128 = !0xffff_ffff;
const STATES: u128 = 5;

/// A comparison.
struct Comparison<'n> {
    op: &'n str,
    right: &'n Node<'n>,
}

/// Appends what a match means.
pub(super) fn read(build: &mut Builder<'_>, statement: &Node<'_>, body: &Node<'_>) {
    let unknown = |why| Unknown { text: words::statement(statement), why };
    let (Some(left), Some(right)) = (body.get("left"), body.get("right")) else {
        return build.push(Step::Match(Match::Unknown(unknown(NOT_MODELLED))));
    };
    let comparison = Comparison { op: body.text_of("op").unwrap_or("=="), right };
    let steps = match keys(build, left) {
        Err(why) => Err(why),
        Ok(loaded) => {
            let compared = match loaded.keys.as_slice() {
                [(key, kind)] => comparison.one(*key, *kind),
                many => comparison.among(many),
            };
            compared.map(|found| (found, loaded))
        }
    };
    match steps {
        Ok((found, loaded)) => {
            if let Some(why) = loaded.unsure {
                build.push(Step::Match(Match::Unknown(unknown(why))));
            }
            if loaded.ethernet && comparison.op == "!=" {
                build.push(Step::Match(Match::Unknown(unknown(NO_ETHERNET))));
            }
            build.push(Step::Match(found));
        }
        Err(why) => build.push(Step::Match(Match::Unknown(unknown(why)))),
    }
}

/// Keys that are compared together.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub keys: Vec<(Key, Kind)>,
    pub unsure: Option<&'static str>,
    pub ethernet: bool,
}

/// The keys of a left side; what is checked silently before them is appended first. `Err`: why they are not known.
pub(super) fn keys(build: &mut Builder<'_>, left: &Node<'_>) -> Result<Loaded, &'static str> {
    let single;
    let parts: &[Node<'_>] = match left.tagged() {
        Some(("concat", parts)) => parts.list().unwrap_or_default(),
        _ => {
            single = [left.clone()];
            &single
        }
    };
    let mut loaded = Loaded::default();
    let mut why = if parts.is_empty() { Some(NOT_MODELLED) } else { None };
    for part in parts {
        let (part, mask) = match part.tagged() {
            Some(("&", Node::List(sides))) if sides.len() == 2 => (&sides[0], Some(&sides[1])),
            _ => (part, None),
        };
        let operand = keys::operand(part, build.family());
        for need in &operand.needs {
            build.need(*need);
        }
        loaded.unsure = loaded.unsure.or(operand.unsure);
        loaded.ethernet |= operand.ethernet;
        match operand.key.and_then(|key| masked(key, mask)) {
            Ok(key) => loaded.keys.push(key),
            Err(reason) => why = Some(reason),
        }
    }
    match why {
        Some(why) => Err(why),
        None => Ok(loaded),
    }
}

fn masked((key, kind): (Key, Kind), mask: Option<&Node<'_>>) -> Result<(Key, Kind), &'static str> {
    let Some(mask) = mask else { return Ok((key, kind)) };
    let Key::Field(field) = key else { return Err(NOT_MODELLED) };
    let mask = values::single(kind, mask).ok_or(VALUE)?;
    match kind {
        Kind::V4 => Ok((Key::Masked(field, mask | ABOVE_V4), kind)),
        Kind::V6 | Kind::Mark | Kind::TcpFlags | Kind::Byte | Kind::Mac | Kind::Port | Kind::Proto => {
            Ok((Key::Masked(field, mask), kind))
        }
        // As bits; `one` undoes it.
        Kind::State | Kind::Status => Ok((Key::Masked(field, mask), kind)),
        _ => Err(NOT_MODELLED),
    }
}

fn among(key: Key, not: bool, values: Vec<Element>) -> Match {
    Match::Among { keys: vec![key], not, values: Values::Here(values) }
}

fn exactly(value: u128) -> Element {
    vec![(value, value)]
}

impl Comparison<'_> {
    fn one(&self, key: Key, kind: Kind) -> Result<Match, &'static str> {
        match (key, kind) {
            (_, Kind::Status) => self.status(key),
            (Key::Masked(_, mask), Kind::State) => self.masked_state(mask),
            (_, Kind::State) if self.is_bit_test() => {
                let mask = self.bits(kind)?;
                let states = (0..STATES).filter(|state| mask & state_bits(*state) != 0).map(exactly).collect();
                Ok(among(key, self.op == "!", states))
            }
            (Key::Field(field), Kind::TcpFlags) if self.is_bit_test() => {
                let mask = self.bits(kind)?;
                Ok(among(Key::Masked(field, mask), self.op == "in", vec![exactly(0)]))
            }
            _ => match self.op {
                "==" | "in" | "!=" => self.among(&[(key, kind)]),
                "<" | ">" | "<=" | ">=" => self.ordered(key, kind),
                _ => Err(NOT_MODELLED),
            },
        }
    }

    /// Whether the right side names bits of which any (or none) has to be set.
    fn is_bit_test(&self) -> bool {
        matches!(self.op, "in" | "!") && self.right.get("set").is_none() && !self.names_set()
    }

    fn names_set(&self) -> bool {
        self.right.text().is_some_and(|text| text.starts_with('@'))
    }

    fn bits(&self, kind: Kind) -> Result<u128, &'static str> {
        values::single(kind, self.right).ok_or(VALUE)
    }

    fn among(&self, keys: &[(Key, Kind)]) -> Result<Match, &'static str> {
        let not = match self.op {
            "==" | "in" => false,
            "!=" => true,
            _ => return Err(NOT_MODELLED),
        };
        let values = match self.right.text().and_then(|text| text.strip_prefix('@')) {
            Some(name) => Values::Set(name.to_owned()),
            None => {
                let kinds: Vec<Kind> = keys.iter().map(|(_, kind)| *kind).collect();
                Values::Here(elements::written(&kinds, self.right).ok_or(VALUE)?)
            }
        };
        let is_bits = |(key, kind): &(Key, Kind)| *kind == Kind::Status || (*kind == Kind::State && is_masked(*key));
        if keys.iter().any(is_bits) {
            return Err(STATUS);
        }
        Ok(Match::Among { keys: keys.iter().map(|(key, _)| *key).collect(), not, values })
    }

    fn ordered(&self, key: Key, kind: Kind) -> Result<Match, &'static str> {
        let is_number = !matches!(
            kind,
            Kind::Family | Kind::EtherType | Kind::Name | Kind::Link | Kind::State | Kind::Status | Kind::AddressType
        );
        let value = values::single(kind, self.right).filter(|_| is_number).ok_or(VALUE)?;
        let max = kind.max();
        let range = match self.op {
            "<" => value.checked_sub(1).map(|last| (0, last)),
            "<=" => Some((0, value)),
            ">" => (value < max).then(|| (value + 1, max)),
            _ => Some((value, max)),
        };
        Ok(among(key, false, range.into_iter().map(|range| vec![range]).collect()))
    }

    fn masked_state(&self, mask: u128) -> Result<Match, &'static str> {
        let wanted = self.bits(Kind::State)?;
        let not = match self.op {
            "==" => false,
            "!=" => true,
            _ => return Err(NOT_MODELLED),
        };
        let states = (0..STATES).filter(|state| state_bits(*state) & mask == wanted).map(exactly).collect();
        Ok(among(Key::Field(Field::State), not, states))
    }

    /// Only whether the destination was translated is part of the model.
    fn status(&self, key: Key) -> Result<Match, &'static str> {
        let dnat = u128::from(CT_STATUS_DNAT);
        let bits = self.bits(Kind::Status)?;
        let is_set = match (key, self.op) {
            (Key::Field(_), "in") if bits == dnat => true,
            (Key::Field(_), "!") if bits == dnat => false,
            (Key::Masked(_, mask), "==") if mask == dnat => bits == dnat,
            (Key::Masked(_, mask), "!=") if mask == dnat => bits != dnat,
            _ => return Err(STATUS),
        };
        Ok(among(Key::Field(Field::Translated), false, vec![exactly(u128::from(is_set))]))
    }
}

fn is_masked(key: Key) -> bool {
    matches!(key, Key::Masked(..))
}

fn state_bits(state: u128) -> u128 {
    let at = usize::try_from(state).unwrap_or(usize::MAX);
    super::names::CT_STATES.get(at).map_or(0, |(_, bit)| u128::from(*bit))
}

/// The match that stands for a silent check.
pub(super) fn needed(need: Need) -> Match {
    match need {
        Need::Family(family) => among(Key::Field(Field::Family), false, vec![exactly(family)]),
        Need::Proto(number) => among(Key::Field(Field::Proto), false, vec![exactly(number.into())]),
        // New, established, related.
        Need::Tracked => among(Key::Field(Field::State), false, vec![vec![(0, 2)]]),
    }
}
