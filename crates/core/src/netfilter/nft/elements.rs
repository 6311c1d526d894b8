//! Elements of sets and maps.

use super::names;
use super::node::Node;
use super::values::{self, Kind};
use crate::netfilter::Element;

/// An element as the model has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// Ranges of the model's numbers.
    Element(Element),
    /// No packet has such a value: two connection states at once.
    Never,
    /// Not understood.
    Not,
}

/// What the kernel has for a value, as the model has it.
enum Modelled {
    Range((u128, u128)),
    Never,
    Not,
}

fn modelled(kind: Kind, node: &Node<'_>) -> Modelled {
    let Some(range) = values::range(kind, node) else { return Modelled::Not };
    match kind {
        Kind::State if range.0 != range.1 => Modelled::Not,
        Kind::State => state(range.0).map_or(Modelled::Never, |state| Modelled::Range((state, state))),
        Kind::Status => Modelled::Not,
        _ => Modelled::Range(range),
    }
}

/// The model's number of a state whose only bit is this.
pub(super) fn state(bits: u128) -> Option<u128> {
    let at = names::CT_STATES.iter().position(|(_, bit)| u128::from(*bit) == bits)?;
    u128::try_from(at).ok()
}

/// One element of fields of these kinds; `*` is every value of all of them.
pub(super) fn element(kinds: &[Kind], node: &Node<'_>) -> Parsed {
    let node = match node.tagged() {
        Some(("elem", elem)) => match elem.get("val") {
            Some(value) if is_plain(elem) => value,
            _ => return Parsed::Not,
        },
        _ => node,
    };
    let is_catch_all = node.text() == Some("*");
    if is_catch_all {
        return Parsed::Element(kinds.iter().map(|kind| (0, model_max(*kind))).collect());
    }
    let single;
    let parts = match node.tagged() {
        Some(("concat", parts)) => parts.list().unwrap_or_default(),
        _ => {
            single = [node];
            return all(kinds, single.iter().copied());
        }
    };
    all(kinds, parts.iter())
}

fn all<'n>(kinds: &[Kind], parts: impl ExactSizeIterator<Item = &'n Node<'n>>) -> Parsed {
    if parts.len() != kinds.len() {
        return Parsed::Not;
    }
    let mut element = Vec::with_capacity(kinds.len());
    let mut never = false;
    for (kind, part) in kinds.iter().zip(parts) {
        match modelled(*kind, part) {
            Modelled::Range(range) => element.push(range),
            Modelled::Never => never = true,
            Modelled::Not => return Parsed::Not,
        }
    }
    if never { Parsed::Never } else { Parsed::Element(element) }
}

/// The highest of the model's numbers.
fn model_max(kind: Kind) -> u128 {
    match kind {
        Kind::State => 4,
        Kind::Status | Kind::EtherType => 1,
        // The highest of all addresses: what follows knows the family, not this.
        Kind::V4 => u128::MAX,
        _ => kind.max(),
    }
}

/// Whether a packet that is looked up meets nothing more than the element: a limit or a quota of its own may fail.
fn is_plain(elem: &Node<'_>) -> bool {
    match elem {
        Node::Map(members) => members
            .iter()
            .all(|(name, _)| matches!(name.as_ref(), "val" | "counter" | "comment" | "timeout" | "expires" | "last")),
        _ => false,
    }
}

/// Whether an element ends by itself.
pub(super) fn ends(node: &Node<'_>) -> bool {
    let elem = match node {
        Node::List(pair) => pair.first(),
        _ => Some(node),
    };
    elem.and_then(|node| node.get("elem")).is_some_and(|elem| elem.get("expires").is_some())
}

/// Values written in a rule: a set, or one value; `None` where one is not understood.
pub(super) fn written(kinds: &[Kind], node: &Node<'_>) -> Option<Vec<Element>> {
    let single;
    let list = match node.tagged() {
        Some(("set", set)) => set.list()?,
        _ => {
            single = [node];
            return collect(kinds, single.iter().copied());
        }
    };
    collect(kinds, list.iter())
}

fn collect<'n>(kinds: &[Kind], nodes: impl Iterator<Item = &'n Node<'n>>) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    for node in nodes {
        match element(kinds, node) {
            Parsed::Element(element) => elements.push(element),
            Parsed::Never => {}
            Parsed::Not => return None,
        }
    }
    Some(elements)
}
