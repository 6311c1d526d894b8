//! Sets and maps.

use super::elements::{self, Parsed};
use super::keys;
use super::node::Node;
use super::rule::{self, DataMap, Limit};
use super::values::Kind;
use crate::netfilter::{Action, Content, Element, Rate, Set, TableFamily};

const FILLED: &str = "packets may fill it";
const VALUE: &str = "an element is not understood";
const TYPE: &str = "its type is not modelled";
const ENDS: &str = "its elements end by themselves";

/// A set or map while its members are read.
#[derive(Debug)]
pub(super) struct Collected {
    pub family: String,
    pub table: String,
    pub name: String,
    is_map: bool,
    /// How many keys; 0 until the type is known.
    keys: usize,
    /// `None`: a type that is not modelled.
    kinds: Option<Vec<Kind>>,
    data: Data,
    elements: Vec<Element>,
    verdicts: Vec<(Element, Action)>,
    values: Vec<(Element, Element)>,
    unknown: Option<&'static str>,
    /// Packets may add to it.
    dynamic: bool,
    buckets: Buckets,
}

/// What a set is to limits that are kept in it, one for each element.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    /// After which an element that is not used is forgotten.
    timeout_s: Option<u128>,
    /// How many elements fit.
    size: Option<u128>,
    /// Limits of elements that are there, each once; `None`: one that is not understood.
    limits: Vec<Option<Rate>>,
}

/// What nft gives a set that packets fill, unless told otherwise.
const SOURCES_MIN: u128 = 65_535;

impl Buckets {
    /// Whether every bucket of this rate counts until it is full again.
    pub fn keep(&self, rate: &Rate) -> bool {
        let burst_s = u128::from(rate.burst) * u128::from(rate.per_s);
        let is_full = |after: u128| after.saturating_mul(u128::from(rate.packets)) >= burst_s;
        let is_same = |other: &Rate| {
            (other.packets.checked_mul(rate.per_s), other.burst, other.over)
                == (rate.packets.checked_mul(other.per_s), rate.burst, rate.over)
        };
        self.timeout_s.is_none_or(is_full)
            && self.size.is_none_or(|size| size >= SOURCES_MIN)
            && self.limits.iter().all(|one| one.as_ref().is_some_and(is_same))
    }

    fn element(&mut self, node: &Node<'_>) {
        let limit = node.get("elem").and_then(|elem| elem.get("limit"));
        let Some(limit) = limit else { return };
        let limit = match rule::rate(limit) {
            Some(Limit::Packets(rate)) => Some(rate),
            Some(Limit::Bytes) | None => None,
        };
        if !self.limits.contains(&limit) {
            self.limits.push(limit);
        }
    }
}

/// What a map gives.
#[derive(Debug, PartialEq, Eq)]
enum Data {
    /// Not read yet, or no map.
    None,
    Verdicts,
    Values(Vec<Kind>),
    Other,
}

/// What was read of a set.
pub(super) enum Found {
    Set(Set),
    Data(DataMap),
}

impl Collected {
    pub fn new(is_map: bool) -> Self {
        Self {
            family: String::new(),
            table: String::new(),
            name: String::new(),
            is_map,
            keys: 0,
            kinds: None,
            data: Data::None,
            elements: Vec::new(),
            verdicts: Vec::new(),
            values: Vec::new(),
            unknown: None,
            dynamic: false,
            buckets: Buckets::default(),
        }
    }

    /// Whether elements can be read.
    pub fn is_typed(&self) -> bool {
        self.keys > 0 && (!self.is_map || self.data != Data::None)
    }

    pub fn member(&mut self, name: &str, node: &Node<'_>) {
        let text = || node.text().unwrap_or_default().to_owned();
        match name {
            "family" => self.family = text(),
            "table" => self.table = text(),
            "name" => self.name = text(),
            "type" => (self.keys, self.kinds) = types(node),
            "map" if node.text() == Some("verdict") => self.data = Data::Verdicts,
            "timeout" => self.buckets.timeout_s = Some(node.number().unwrap_or(0)),
            "size" => self.buckets.size = node.number(),
            "flags" => {
                let list = node.list().unwrap_or(std::slice::from_ref(node));
                self.dynamic = list.iter().any(|flag| flag.text() == Some("dynamic"));
            }
            "map" => self.data = types(node).1.map_or(Data::Other, Data::Values),
            _ => {}
        }
    }

    pub fn buckets(&mut self) -> Buckets {
        std::mem::take(&mut self.buckets)
    }

    pub fn element(&mut self, node: &Node<'_>) {
        self.buckets.element(node);
        if elements::ends(node) {
            self.unknown = self.unknown.or(Some(ENDS));
        }
        let Some(kinds) = &self.kinds else {
            self.unknown = Some(TYPE);
            return;
        };
        let understood = match &self.data {
            Data::None => match elements::element(kinds, node) {
                Parsed::Element(element) => {
                    self.elements.push(element);
                    true
                }
                Parsed::Never => true,
                Parsed::Not => false,
            },
            Data::Verdicts => match rule::verdict_pair(kinds, node) {
                Ok(entry) => {
                    self.verdicts.extend(entry);
                    true
                }
                Err(()) => false,
            },
            Data::Values(data) => match rule::data_pair(kinds, data, node) {
                Some(pair) => {
                    self.values.push(pair);
                    true
                }
                None => false,
            },
            Data::Other => false,
        };
        if !understood {
            self.unknown = Some(VALUE);
        }
    }

    pub fn finish(mut self) -> Found {
        if let (Data::Values(_), true) = (&self.data, self.dynamic) {
            self.unknown = self.unknown.or(Some(FILLED));
        }
        if let (Data::Values(data), None) = (&self.data, self.unknown) {
            return Found::Data(DataMap { data: data.clone(), entries: self.values });
        }
        let content = match (self.unknown, &self.data) {
            (Some(why), _) => Content::Unknown(why),
            (None, Data::None) if self.kinds.is_none() => Content::Unknown(TYPE),
            (None, Data::None) => Content::Elements(self.elements),
            (None, Data::Verdicts) => {
                rule::sort_catch_all(&mut self.verdicts, self.kinds.as_deref().unwrap_or_default());
                Content::Verdicts(self.verdicts)
            }
            (None, Data::Values(_) | Data::Other) => Content::Unknown(TYPE),
        };
        Found::Set(Set { name: self.name, keys: self.keys, content })
    }
}

/// How many fields a type has, and their kinds where all are modelled.
fn types(node: &Node<'_>) -> (usize, Option<Vec<Kind>>) {
    let words: Vec<&str> = match node {
        Node::Text(text) => text.split(" . ").collect(),
        Node::List(list) => list.iter().map(|word| word.text().unwrap_or_default()).collect(),
        // Newer nft: `typeof` as it was written.
        Node::Map(_) => {
            let Some(("typeof", expression)) = node.tagged() else { return (1, None) };
            let parts = match expression.tagged() {
                Some(("concat", parts)) => parts.list().unwrap_or_default(),
                _ => std::slice::from_ref(expression),
            };
            let kind = |part| keys::operand(part, TableFamily::Inet).key.ok().map(|(_, kind)| kind);
            return (parts.len().max(1), parts.iter().map(kind).collect());
        }
        _ => return (1, None),
    };
    (words.len().max(1), words.into_iter().map(Kind::of_type).collect())
}
