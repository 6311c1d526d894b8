//! One packet, rule by rule: a second reading of a program that shares nothing with the first but the parser.

use std::collections::BTreeMap;

use segwall_core::netfilter::{Action, Chain, Hook, Key, Match, Program, Rule, Step, Values};
use segwall_packetset::Point;

const ACCEPT: u8 = 1;
const DROP: u8 = 2;
const RETURN: u8 = 4;

/// What can become of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    pub accept: bool,
    pub drop: bool,
}

/// What can become of a packet at a hook of a program with one filter table. What depends on earlier packets goes both
/// ways wherever it stands.
pub fn fate(program: &Program, hook: Hook, point: &Point) -> Fate {
    let [table] = &program.tables[..] else { panic!("one table") };
    let base = table.chains.iter().position(|chain| chain.base.is_some_and(|base| base.hook == hook)).unwrap();
    let mut reading = Reading { chains: &table.chains, point, known: BTreeMap::new() };
    let mut ends = reading.from(base, 0);
    if ends & RETURN != 0 {
        ends |= if table.chains[base].base.unwrap().accepts { ACCEPT } else { DROP };
    }
    Fate { accept: ends & ACCEPT != 0, drop: ends & DROP != 0 }
}

struct Reading<'a> {
    chains: &'a [Chain],
    point: &'a Point,
    known: BTreeMap<(usize, usize), u8>,
}

impl Reading<'_> {
    /// How a packet can end that stands before a rule of a chain.
    fn from(&mut self, chain: usize, at: usize) -> u8 {
        let Some(rule) = self.chains[chain].rules.get(at) else { return RETURN };
        if let Some(known) = self.known.get(&(chain, at)) {
            return *known;
        }
        let (may, must) = matches(rule, self.point);
        let mut ends = 0;
        if may {
            ends |= self.act(rule, chain, at);
        }
        if !must {
            ends |= self.from(chain, at + 1);
        }
        self.known.insert((chain, at), ends);
        ends
    }

    fn act(&mut self, rule: &Rule, chain: usize, at: usize) -> u8 {
        let find = |name: &String| self.chains.iter().position(|chain| chain.name == *name).unwrap();
        for step in &rule.steps {
            let Step::Do(action) = step else { continue };
            match action {
                Action::Accept => return ACCEPT,
                Action::Drop | Action::Reject(_) => return DROP,
                Action::Return => return RETURN,
                Action::Log(_) | Action::Nothing | Action::Continue => {}
                Action::Goto(name) => return self.from(find(name), 0),
                Action::Jump(name) => {
                    let inside = self.from(find(name), 0);
                    let behind = if inside & RETURN != 0 { self.from(chain, at + 1) } else { 0 };
                    return inside & !RETURN | behind;
                }
                other => panic!("{other:?} is not generated"),
            }
        }
        self.from(chain, at + 1)
    }
}

/// Whether a rule may match, and whether it must.
fn matches(rule: &Rule, point: &Point) -> (bool, bool) {
    let mut must = true;
    for step in &rule.steps {
        match step {
            Step::Do(_) => {}
            Step::Verdicts { .. } => panic!("iptables has no verdict maps"),
            Step::Match(Match::Rate(_) | Match::Unknown(_)) => must = false,
            Step::Match(Match::Among { keys, not, values }) => {
                let Values::Here(elements) = values else { panic!("no named sets are generated") };
                let value = |key: &Key| match key {
                    Key::Field(field) => point.get(*field),
                    Key::Masked(field, mask) => point.get(*field) & mask,
                    other => panic!("{other:?} is not generated"),
                };
                let fits = elements.iter().any(|element| {
                    keys.iter().zip(element).all(|(key, (first, last))| (*first..=*last).contains(&value(key)))
                });
                if fits == *not {
                    return (false, false);
                }
            }
        }
    }
    (true, must)
}
