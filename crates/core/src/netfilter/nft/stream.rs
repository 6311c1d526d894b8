//! The list that nft prints, object by object: a set's elements are read one by one and never held as JSON.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::node::{Node, Text};
use super::objects::Reading;
use super::sets::Collected;

/// `{"nftables": [ … ]}`; whether there was such a list.
pub(super) struct Listing<'r>(pub &'r mut Reading);

impl<'de> DeserializeSeed<'de> for Listing<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Listing<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a member `nftables`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(Text(name)) = map.next_key()? {
            if name == "nftables" {
                map.next_value_seed(Objects(self.0))?;
                found = true;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

struct Objects<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Objects<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tables, chains, rules")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Object(self.0))?.is_some() {}
        Ok(())
    }
}

/// `{"rule": { … }}`, or `{"add": {"rule": { … }}}`.
struct Object<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object such as a rule")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Text(kind)) = map.next_key()? {
            match kind.as_ref() {
                "add" | "create" => map.next_value_seed(Object(self.0))?,
                "set" | "map" => {
                    let collected = map.next_value_seed(SetObject { is_map: kind == "map" })?;
                    self.0.set(collected);
                }
                _ => self.0.object(&kind, &map.next_value()?),
            }
        }
        Ok(())
    }
}

/// A set or map with its elements.
struct SetObject {
    is_map: bool,
}

impl<'de> DeserializeSeed<'de> for SetObject {
    type Value = Collected;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Collected, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for SetObject {
    type Value = Collected;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a set")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Collected, A::Error> {
        let mut set = Collected::new(self.is_map);
        // Elements that stand before the set's type wait for it.
        let mut early: Option<Vec<Node<'de>>> = None;
        while let Some(Text(name)) = map.next_key()? {
            match name.as_ref() {
                "elem" if set.is_typed() => map.next_value_seed(Elements(&mut set))?,
                "elem" => early = map.next_value()?,
                _ => set.member(&name, &map.next_value()?),
            }
        }
        for node in early.unwrap_or_default() {
            set.element(&node);
        }
        Ok(set)
    }
}

struct Elements<'s>(&'s mut Collected);

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of elements")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(node) = seq.next_element::<Node<'de>>()? {
            self.0.element(&node);
        }
        Ok(())
    }
}
