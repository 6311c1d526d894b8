//! Quarantine: looked up in both directions before connection state, so that open connections stop too.
//!
//! The sets' elements are put in and taken out by `segwall quarantine` and `release`; loading rules never touches them.

use segwall_packetset::{AddrRange, Family, proto};

use super::drops::Reason;
use super::filter::Build;
use super::model::{Action, Chain, Field, Hook, Key, Part, Rule, Set, SetKind};
use crate::ruleset::quarantine::{PORTS_FROM_BOX, PORTS_TO_BOX, TYPES_FROM_BOX, TYPES_TO_BOX, set as quarantined};

/// Addresses of a family that may be in quarantine at once.
pub const QUARANTINED_MAX: u32 = 65_536;

/// What quarantined hosts may still exchange packets with, as far as the policy accepts it.
fn allowed(family: Family) -> &'static str {
    match family {
        Family::V4 => "quarantine_allow4",
        Family::V6 => "quarantine_allow6",
    }
}

impl Build<'_> {
    /// The sets of a program.
    pub(super) fn quarantine_sets(&mut self) {
        for family in Family::BOTH {
            let types = vec![Field::Src(family).key_type()];
            self.program.sets.push(Set {
                name: quarantined(family).to_owned(),
                types: types.clone(),
                kind: SetKind::Held { size_max: QUARANTINED_MAX },
                keys: Vec::new(),
                rules: Vec::new(),
            });
            let keys: Vec<Key> = self.allowed(family).map(Key::addresses).collect();
            if !keys.is_empty() {
                self.program.sets.push(Set {
                    name: allowed(family).to_owned(),
                    types,
                    kind: SetKind::Written { interval: true, counter: false },
                    keys,
                    rules: Vec::new(),
                });
            }
        }
    }

    fn allowed(&self, family: Family) -> impl Iterator<Item = AddrRange> {
        self.ruleset.quarantine_allow.iter().copied().filter(move |range| range.family() == family)
    }

    /// The lookups of a hook. Their chains come back with what the rules are to decide.
    pub(super) fn quarantine(&mut self, hook: Hook) -> Vec<Rule> {
        match hook {
            // The box's own addresses are in no quarantine.
            Hook::Input => {
                self.held("quarantined_input", &known(&PORTS_TO_BOX, &TYPES_TO_BOX), Field::Dst);
                lookups("quarantined_input", Field::Src).to_vec()
            }
            Hook::Output => {
                self.held("quarantined_output", &known(&PORTS_FROM_BOX, &TYPES_FROM_BOX), Field::Src);
                lookups("quarantined_output", Field::Dst).to_vec()
            }
            Hook::Forward => {
                self.held("quarantined_from", &[], Field::Dst);
                self.held("quarantined_to", &[], Field::Src);
                [lookups("quarantined_from", Field::Src), lookups("quarantined_to", Field::Dst)].concat()
            }
        }
    }

    /// A chain that drops all but `first` and what the other end, in this field, is allowed.
    fn held(&mut self, name: &str, first: &[Rule], other: fn(Family) -> Field) {
        let mut rules = first.to_vec();
        for family in Family::BOTH {
            if self.allowed(family).next().is_some() {
                let lookup = Part::Lookup { fields: vec![other(family)], not: false, set: allowed(family).to_owned() };
                rules.push(Rule::new([lookup, Part::Do(Action::Return)]).note("what [quarantine] allows"));
            }
        }
        rules.push(Rule::new([Part::Do(Reason::Quarantine.goto())]));
        self.program.chains.push(Chain { name: name.to_owned(), base: None, rules });
    }
}

fn lookups(chain: &str, end: fn(Family) -> Field) -> [Rule; 2] {
    Family::BOTH.map(|family| {
        let lookup = Part::Lookup { fields: vec![end(family)], not: false, set: quarantined(family).to_owned() };
        Rule::new([lookup, Part::Do(Action::Jump(chain.to_owned()))]).note("quarantine")
    })
}

/// A host that keeps its lease and answers for its address stays identifiable.
fn known(ports: &[u16], types: &[u8]) -> [Rule; 2] {
    let among = |field, keys| Part::Among { field, not: false, keys };
    let ports = ports.iter().map(|port| Key::Ports(*port, *port)).collect();
    let types = types.iter().map(|kind| Key::Byte(*kind)).collect();
    [
        Rule::new([
            among(Field::Proto, vec![Key::Byte(proto::UDP)]),
            among(Field::Dport, ports),
            Part::Do(Action::Return),
        ])
        .note("DHCP and DHCPv6: a host keeps its lease"),
        Rule::new([among(Field::IcmpType(Family::V6), types), Part::Do(Action::Return)]).note("neighbour discovery"),
    ]
}
