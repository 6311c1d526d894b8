//! What every lint looks at: the rules, what becomes of packets at each hook, and the packets that may be shown.

use std::collections::BTreeMap;
use std::net::IpAddr;

use segwall_packetset::{AddrRange, Cube, Family, Field, GaveUp, Point, Set, Space, TcpFlags, interface, proto};

use super::names::{Names, host_of, own_of};
use super::rules::{Changed, End};
use super::{Interface, Rules};
use crate::analysis::proof::WISHES;
use crate::analysis::proof::terms::{address, number};
use crate::analysis::sets::{Shown, address_words, box_itself, first_packets, possible};
use crate::diag::NamedPacket;
use crate::netfilter::meaning::{self, Hooked, Options, RuleAt, RuleUse, Seen};
use crate::netfilter::{Chain, ChainKind, Hook, Program, Rule, Table, TableFamily};

/// The hooks at which a verdict is asked for.
pub(super) const HOOKS: [Hook; 3] = [Hook::Input, Hook::Forward, Hook::Output];
/// Ports that a packet goes to where any will do.
const PORTS: [u128; 3] = [443, 80, 53];
/// Somebody, and somebody else (RFC 5737, RFC 3849), by family.
const DOCUMENTATION: [(&str, &str); 2] = [("198.51.100.10", "203.0.113.10"), ("2001:db8:1::10", "2001:db8:2::10")];
/// `RTN_UNICAST` and `RTN_LOCAL` of the kernel's `rtnetlink.h`.
const UNICAST: u128 = 1;
const LOCAL: u128 = 2;

/// Which packets are looked at. Every packet at every hook at once would be too many to tell apart where there are
/// thousands of rules, and most questions are about first packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// First packets of connections, and strays of TCP that fit none, at all hooks.
    First,
    /// Every packet that can be at one hook.
    Whole(Hook),
}

impl Scope {
    fn packets(self, space: &mut Space, hook: Hook) -> Result<Set, GaveUp> {
        let possible = possible(space, hook)?;
        if self != Self::First {
            return Ok(possible);
        }
        let strays = space.cube(&stray())?;
        let strays = space.intersect(strays, possible)?;
        let first = first_packets(space, hook)?;
        space.union(first, strays)
    }
}

/// An acknowledgement of nothing: what a scan sends.
pub(super) fn stray() -> Cube {
    const INVALID: u128 = 3;
    Cube::all()
        .with_only(Field::State, INVALID)
        .with_only(Field::Proto, u128::from(proto::TCP))
        .with_only(Field::Flags, u128::from(TcpFlags::ACK))
}

/// The rules and what they come to.
pub(super) struct View<'v> {
    pub space: &'v mut Space,
    pub rules: &'v [Rules<'v>],
    pub programs: Vec<&'v Program>,
    /// The box's interfaces, where someone says which there are, and what says it.
    pub interfaces: Option<&'v [Interface]>,
    pub names: Names,
    /// Input, forward, output.
    pub hooks: Vec<AtHook>,
    /// What rules change of packets.
    changed: Changed,
    /// What rules match by themselves, as far as it was asked.
    known: BTreeMap<(usize, RuleAt), RuleUse>,
    /// Packets that rules surely match, alike.
    sure: BTreeMap<(usize, RuleAt), Set>,
}

/// What becomes of packets on their way through a hook.
pub(super) struct AtHook {
    pub hook: Hook,
    /// Packets that can be there.
    pub possible: Set,
    /// Those of them that look as packets usually do.
    pub usual: Set,
    /// First packets of connections among the usual ones.
    pub opens: Set,
    pub hooked: Hooked,
    /// Surely accepted on all of the way.
    pub accepts: Set,
    /// Surely dropped on the way.
    pub drops: Set,
    /// What each rule sees, to be worked out.
    seen: BTreeMap<RuleAt, Seen>,
}

impl AtHook {
    fn of(space: &mut Space, programs: &[&Program], hook: Hook, scope: Scope) -> Result<Self, GaveUp> {
        let possible = scope.packets(space, hook)?;
        let options = Options { entering: possible, collect_rules: true, ..Options::default() };
        let (hooked, seen) = meaning::path_seen(space, programs, hook, &options)?;
        let local = if hook == Hook::Input { LOCAL } else { UNICAST };
        let usual = Cube::all()
            .with_only(Field::Translated, 0)
            .with_only(Field::SrcType, if hook == Hook::Output { LOCAL } else { UNICAST })
            .with_only(Field::DstType, local)
            .with_only(Field::PktType, 0)
            .with_only(Field::Mark, 0);
        let usual = space.cube(&usual)?;
        let usual = space.intersect(usual, possible)?;
        let first = first_packets(space, hook)?;
        Ok(Self {
            hook,
            possible,
            usual,
            opens: space.intersect(usual, first)?,
            accepts: space.minus(hooked.may_accept, hooked.may_drop)?,
            drops: space.minus(hooked.may_drop, hooked.may_accept)?,
            hooked,
            seen,
        })
    }

    /// Whether a packet may reach a rule.
    pub fn is_reached(&self, space: &Space, at: RuleAt) -> bool {
        self.seen.get(&at).is_some_and(|seen| seen.is_reached(space))
    }

    /// Whether a packet may match all of a rule.
    pub fn is_matched(&self, space: &Space, at: RuleAt) -> bool {
        self.seen.get(&at).is_some_and(|seen| seen.is_matched(space))
    }
}

impl<'v> View<'v> {
    pub fn new(
        space: &'v mut Space,
        rules: &'v [Rules<'v>],
        interfaces: Option<&'v [Interface]>,
        scope: Scope,
    ) -> Result<Self, GaveUp> {
        let programs: Vec<&Program> = rules.iter().map(|rules| rules.program).collect();
        let hooks = HOOKS.into_iter().filter(|hook| scope == Scope::First || scope == Scope::Whole(*hook));
        let hooks: Result<Vec<AtHook>, GaveUp> = hooks.map(|hook| AtHook::of(space, &programs, hook, scope)).collect();
        let (changed, names) = (Changed::by(&programs), Names::of(rules, interfaces));
        Ok(Self {
            hooks: hooks?,
            names,
            space,
            rules,
            programs,
            interfaces,
            changed,
            known: BTreeMap::new(),
            sure: BTreeMap::new(),
        })
    }

    /// Whether a packet may reach a rule, at any of the hooks.
    pub fn is_reached(&self, at: RuleAt) -> bool {
        self.hooks.iter().any(|one| one.is_reached(self.space, at))
    }

    /// Whether a packet may match all of a rule, at any of the hooks.
    pub fn is_matched(&self, at: RuleAt) -> bool {
        self.hooks.iter().any(|one| one.is_matched(self.space, at))
    }

    pub fn table(&self, at: RuleAt) -> &'v Table {
        &self.rules[at.program].program.tables[at.table]
    }

    pub fn chain(&self, at: RuleAt) -> &'v Chain {
        &self.table(at).chains[at.chain]
    }

    /// A rule; `None` for a chain's policy.
    pub fn rule(&self, at: RuleAt) -> Option<&'v Rule> {
        self.chain(at).rules.get(at.rule)
    }

    /// The place of a hook in [`View::hooks`].
    pub fn place_of(&self, hook: Hook) -> Option<usize> {
        self.hooks.iter().position(|one| one.hook == hook)
    }

    /// Every rule of every chain, in order, with its table and chain.
    pub fn every_rule(&self) -> Vec<RuleAt> {
        let mut list = Vec::new();
        for (program, one) in self.programs.iter().enumerate() {
            for (table, tables) in one.tables.iter().enumerate() {
                for (chain, chains) in tables.chains.iter().enumerate() {
                    list.extend((0..chains.rules.len()).map(|rule| RuleAt { program, table, chain, rule }));
                }
            }
        }
        list
    }

    /// Rules that end so, in tables that decide at this hook: those that have a chain of their own there, but for what is
    /// called mangle or raw and is for marking.
    pub fn deciding(&self, place: usize, wanted: fn(End) -> bool) -> Vec<RuleAt> {
        let hook = self.hooks[place].hook;
        let decides = |at: &RuleAt| {
            let (table, chain) = (self.table(*at), self.chain(*at));
            let own =
                table.chains.iter().filter_map(|chain| chain.base).any(|base| is_deciding(base.kind, base.hook, hook));
            let here = chain.base.is_none_or(|base| is_deciding(base.kind, base.hook, hook));
            let marks = table.family != TableFamily::Inet && matches!(table.name.as_str(), "mangle" | "raw");
            own && here && !marks && self.rule(*at).is_some_and(|rule| wanted(End::of(rule)))
        };
        self.hooks[place].seen.keys().copied().filter(decides).collect()
    }

    /// Packets that may reach a rule at a hook.
    pub fn reached(&mut self, place: usize, at: RuleAt) -> Result<Set, GaveUp> {
        self.hooks[place].seen.get(&at).map_or(Ok(Set::EMPTY), |seen| seen.reached(self.space))
    }

    /// Packets that may match all of a rule at a hook.
    pub fn matched(&mut self, place: usize, at: RuleAt) -> Result<Set, GaveUp> {
        self.hooks[place].seen.get(&at).map_or(Ok(Set::EMPTY), |seen| seen.matched(self.space))
    }

    /// Packets that surely match a rule if they reach it.
    pub fn surely(&mut self, place: usize, at: RuleAt) -> Result<Set, GaveUp> {
        if let Some(known) = self.sure.get(&(place, at)) {
            return Ok(*known);
        }
        let surely = self.hooks[place].seen.get(&at).map_or(Ok(Set::EMPTY), |seen| seen.surely(self.space))?;
        self.sure.insert((place, at), surely);
        Ok(surely)
    }

    /// First packets of connections that this accept takes, and that come through.
    pub fn accepted_by(&mut self, place: usize, at: RuleAt) -> Result<Set, GaveUp> {
        let surely = self.surely(place, at)?;
        let one = &self.hooks[place];
        // What the rule matches is little: it goes first.
        let opens = self.space.intersect(surely, one.opens)?;
        self.space.intersect(opens, one.accepts)
    }

    /// What a rule would match by itself at a hook. What depends on earlier rules, such as a mark that they set, is open.
    pub fn alone(&mut self, place: usize, at: RuleAt) -> Result<RuleUse, GaveUp> {
        let one = &self.hooks[place];
        if self.rule(at).is_some_and(|rule| self.changed.concerns(rule)) {
            return Ok(RuleUse { reached: one.possible, matched: one.possible, surely: Set::EMPTY });
        }
        if let Some(known) = self.known.get(&(place, at)) {
            return Ok(known.clone());
        }
        // All of its chain at once: setting up a question costs more than one rule.
        let options = Options { entering: one.possible, ..Options::default() };
        let chain: Vec<RuleAt> = (0..self.chain(at).rules.len()).map(|rule| RuleAt { rule, ..at }).collect();
        let list = meaning::alone(self.space, &self.programs, one.hook, &options, &chain)?;
        self.known.extend(chain.into_iter().map(|at| (place, at)).zip(list));
        Ok(self.known[&(place, at)].clone())
    }

    /// Packets that come by one interface.
    pub fn through(&mut self, set: Set, field: Field, name: u128) -> Result<Set, GaveUp> {
        let only = self.space.range(field, name, name)?;
        self.space.intersect(set, only)
    }

    /// Packets that do not come by the loopback interface.
    pub fn coming_from_outside(&mut self, set: Set) -> Result<Set, GaveUp> {
        let own = box_itself(self.space)?;
        self.space.minus(set, own)
    }

    /// Addresses of packets of a set: ranges of one family.
    pub fn addresses(&mut self, set: Set, field: Field, family: Family) -> Result<Vec<AddrRange>, GaveUp> {
        let number = u128::from(family == Family::V6);
        let own = self.space.range(Field::Family, number, number)?;
        let set = self.space.intersect(set, own)?;
        let hidden: Vec<Field> = Field::ALL.into_iter().filter(|one| *one != field).collect();
        let set = self.space.exists(set, &hidden)?;
        let cube = self.space.boxes(set).next();
        let all = [(0, field.max())];
        let ranges = match &cube {
            None => &[][..],
            Some(cube) => cube.get(field).unwrap_or(&all),
        };
        let top = if family == Family::V4 { u128::from(u32::MAX) } else { u128::MAX };
        let cut = ranges.iter().filter(|(first, _)| *first <= top).map(|(first, last)| (*first, (*last).min(top)));
        Ok(cut.filter_map(|(first, last)| AddrRange::new(address(number, first), address(number, last))).collect())
    }

    /// A packet of a set: what is wished for first, then what looks usual.
    pub fn packet(&self, set: Set, wishes: &[(Field, u128)]) -> Option<NamedPacket> {
        let mut wishes = wishes.to_vec();
        wishes.push((Field::Family, 0));
        wishes.extend(WISHES);
        wishes.extend(PORTS.map(|port| (Field::Dport, port)));
        let family = |point: &Point| if point.get(Field::Family) == 0 { Family::V4 } else { Family::V6 };
        let own = family(&self.space.witness_preferring(set, &wishes)?);
        let (sources, targets) = DOCUMENTATION[usize::from(own == Family::V6)];
        let networks = || self.names.networks.iter().filter(|network| network.family() == own);
        wishes.extend(networks().map(|network| (Field::Src, host_of(*network))));
        wishes.push((Field::Src, number(sources.parse().expect("a constant"))));
        // From here on it is known who sends: the other end is somewhere else.
        let point = self.space.witness_preferring(set, &wishes)?;
        let sender = address(u128::from(own == Family::V6), point.get(Field::Src));
        let to_box = point.get(Field::Out) == 0;
        let target = |network: &AddrRange| if to_box { own_of(*network) } else { host_of(*network) };
        let (near, far): (Vec<AddrRange>, Vec<AddrRange>) = networks().partition(|network| network.contains(sender));
        wishes.extend(far.iter().map(|network| (Field::Dst, target(network))));
        wishes.push((Field::Dst, number(targets.parse().expect("a constant"))));
        wishes.extend(near.iter().map(|network| (Field::Dst, target(network))));
        wishes.extend([(Field::SrcType, UNICAST), (Field::DstType, if to_box { LOCAL } else { UNICAST })]);
        let point = self.space.witness_preferring(set, &wishes)?;
        wishes.extend(self.behind(Field::In, sender));
        wishes.extend(self.behind(Field::Out, address(u128::from(own == Family::V6), point.get(Field::Dst))));
        wishes.extend(self.names.other.map(|name| (Field::In, name)));
        wishes.extend(self.names.beyond.map(|name| (Field::Out, name)));
        for field in [Field::In, Field::Out] {
            wishes.extend(self.names.interfaces.iter().map(|name| (field, *name)));
        }
        let point = self.space.witness_preferring(set, &wishes)?;
        Some(NamedPacket::from(&Shown::of(&point)))
    }

    /// The interface that an address is behind, where someone says so.
    fn behind(&self, field: Field, addr: IpAddr) -> Option<(Field, u128)> {
        let holds = |one: &&Interface| one.networks.iter().any(|network| network.contains(addr));
        let one = self.interfaces?.iter().find(holds)?;
        Some((field, interface(&one.name)?))
    }
}

/// Whether a base chain decides at a hook.
pub(super) fn is_deciding(kind: ChainKind, own: Hook, hook: Hook) -> bool {
    kind == ChainKind::Filter && own == hook
}

/// Ranges in words, `every address` where it is all of them.
pub(super) fn words_of(ranges: &[AddrRange]) -> String {
    let Some(family) = ranges.first().map(AddrRange::family) else { return "no address".to_owned() };
    let pairs: Vec<(u128, u128)> = ranges.iter().map(|range| super::names::ends(*range)).collect();
    address_words(family, &pairs).unwrap_or_else(|| "every address".to_owned())
}
