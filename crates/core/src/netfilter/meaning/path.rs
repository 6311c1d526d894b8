//! A whole way: what happens before routing, at the hook, and behind it.

use segwall_packetset::{Field, GaveUp, Set, Space};

use super::walk::Walk;
use super::{Hooked, Options};
use crate::netfilter::{ChainKind, Hook, Program, TableFamily, Unknown};

const DECIDE: [ChainKind; 2] = [ChainKind::Filter, ChainKind::Route];
const DEVICE: &str = "chains of devices and bridges are not modelled";

/// A way through the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// Prerouting, input.
    Input,
    /// Prerouting, forward, postrouting.
    Forward,
    /// Output, postrouting.
    Output,
}

impl Path {
    /// Its hooks, in order.
    #[must_use]
    pub fn hooks(self) -> &'static [Hook] {
        match self {
            Self::Input => &[Hook::Prerouting, Hook::Input],
            Self::Forward => &[Hook::Prerouting, Hook::Forward, Hook::Postrouting],
            Self::Output => &[Hook::Output, Hook::Postrouting],
        }
    }
}

/// What becomes of packets on a whole way. Their fields are those that they have at the input, forward or output hook;
/// chains before a translation compare the destination as sent, those behind one of the source are not decided.
/// Before forwarding a packet has one hop more, so that matches on it are not decided there. Nat chains count with what they drop. Marks set on the way are seen behind.
///
/// # Errors
/// When the space's budget ends.
pub fn path(space: &mut Space, programs: &[&Program], path: Path, options: &Options) -> Result<Hooked, GaveUp> {
    let new = space.range(Field::State, 0, 0)?;
    let later = space.complement(new)?;
    let mut nat_drops = Set::EMPTY;
    let mut nat_passes = Set::ALL;
    for hook in path.hooks() {
        // Walked apart: a nat chain that accepts leaves the others to decide.
        let mut walk = Walk::new(space, programs, *options);
        walk.forwarded = path == Path::Forward;
        walk.hook(*hook, &[ChainKind::Nat], new)?;
        let mut passes: Vec<Set> = walk.translated()?.into_iter().map(|(_, set)| set).collect();
        let hooked = walk.finish()?;
        passes.extend([hooked.may_accept, later]);
        let passes = space.union_all(&passes)?;
        nat_passes = space.intersect(nat_passes, passes)?;
        nat_drops = space.union(nat_drops, hooked.may_drop)?;
    }
    let mut walk = Walk::new(space, programs, *options);
    walk.forwarded = path == Path::Forward;
    for hook in path.hooks() {
        walk.hook(*hook, &DECIDE, Set::ALL)?;
    }
    let passed = walk.passed()?;
    let nat_drops = walk.space.intersect(nat_drops, passed)?;
    walk.drop_within(nat_drops)?;
    walk.keep_within(nat_passes)?;
    for (p, program) in programs.iter().enumerate() {
        for (t, table) in program.tables.iter().enumerate() {
            let outside = matches!(table.family, TableFamily::Bridge | TableFamily::Netdev);
            for (c, chain) in table.chains.iter().enumerate() {
                let ingress = chain.base.is_some_and(|base| matches!(base.hook, Hook::Ingress | Hook::Egress));
                if chain.base.is_some() && (outside || ingress) {
                    let text = format!("table {} chain {}", table.name, chain.name);
                    walk.unknown((p, t, c), Unknown { text, why: DEVICE }, Set::ALL)?;
                    walk.drop_within(Set::ALL)?;
                }
            }
        }
    }
    walk.finish()
}
