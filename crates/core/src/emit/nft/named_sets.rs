//! Sets of interfaces and of the box's own addresses that rules refer to by name.

use std::collections::BTreeSet;

use segwall_packetset::{AddrRange, Family};

use super::antispoof::segment_sets;
use super::filter::Build;
use super::model::{Field, Key, Part, Set, SetKind};
use super::shape::{SAME, own};

impl Build<'_> {
    /// Sets that lookups refer to by name.
    pub(super) fn named_sets(&mut self) {
        let ruleset = self.ruleset;
        let written = |name: &str, fields: &[Field], keys: Vec<Key>| Set {
            name: name.to_owned(),
            types: fields.iter().map(|field| field.key_type()).collect(),
            kind: SetKind::Written { interval: false, counter: false },
            keys,
            rules: Vec::new(),
        };
        let mut sets = segment_sets(ruleset);
        let same = ruleset.interface_ids().flat_map(|(id, _)| [Key::Name(id.0), Key::Name(id.0)]).collect();
        sets.push(written(SAME, &[Field::In, Field::Out], same));
        for family in Family::BOTH {
            let mut addresses: Vec<[Key; 2]> = ruleset
                .interface_ids()
                .filter(|(id, _)| ruleset.is_segment(*id))
                .flat_map(|(id, interface)| interface.addresses.iter().map(move |addr| (id, *addr)))
                .filter(|(_, addr)| Family::of(*addr) == family)
                .map(|(id, addr)| [Key::Name(id.0), Key::addresses(AddrRange::single(addr))])
                .collect();
            addresses.sort_unstable();
            addresses.dedup();
            sets.push(written(own(family), &[Field::In, Field::Dst(family)], addresses.concat()));
            let not_carried = ruleset
                .interface_ids()
                .filter(|(_, interface)| !interface.carries(family))
                .map(|(id, _)| Key::Name(id.0))
                .collect();
            sets.push(written(without(family), &[Field::Out], not_carried));
        }
        let used: BTreeSet<&str> = self
            .program
            .chains
            .iter()
            .flat_map(|chain| &chain.rules)
            .flat_map(|rule| &rule.parts)
            .filter_map(|part| match part {
                Part::Lookup { set, .. } => Some(set.as_str()),
                _ => None,
            })
            .collect();
        sets.retain(|set| used.contains(set.name.as_str()));
        self.program.sets.extend(sets);
    }
}

/// The set of interfaces that do not carry a family.
pub(super) fn without(family: Family) -> &'static str {
    match family {
        Family::V4 => "if_without4",
        Family::V6 => "if_without6",
    }
}
