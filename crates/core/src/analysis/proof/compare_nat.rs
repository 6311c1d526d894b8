//! Address translation, compared: which new connections get which destination and source.

use std::collections::BTreeMap;

use segwall_packetset::{Field, GaveUp, Set};

use super::compare::Comparison;
use super::intent::{LOOPBACK, intent};
use super::nat;
use super::terms::{address, name_number, names};
use super::treatment::Treatment;
use crate::netfilter::meaning;
use crate::netfilter::{Hook, NatKind};

impl Comparison<'_> {
    pub(super) fn translations(&mut self) -> Result<(), GaveUp> {
        self.destinations()?;
        self.related()?;
        self.hook = Hook::Postrouting;
        self.sources()?;
        self.related()?;
        self.nowhere_else()
    }

    /// No policy tells related connections from others.
    fn related(&mut self) -> Result<(), GaveUp> {
        if !meaning::translates_related_alike(self.space, self.programs, self.hook)? {
            let hook = self.hook.word();
            self.doubts.push(format!("related connections are translated otherwise than new ones at the {hook} hook"));
        }
        Ok(())
    }

    /// Nothing of ours translates what the box sends before it leaves, nor what reaches it.
    fn nowhere_else(&mut self) -> Result<(), GaveUp> {
        for hook in [Hook::Output, Hook::Input] {
            self.hook = hook;
            let possible = intent(self.space, self.ruleset, hook, self.at)?.possible;
            let found = meaning::translation(self.space, self.programs, hook)?;
            self.nat_drops(found.may_drop, possible)?;
            for (_, set) in found.uses {
                if !self.space.intersect(set, possible)?.is_empty() {
                    self.doubts.push(format!(
                        "addresses are translated at the {} hook, which no policy asks for",
                        hook.word()
                    ));
                }
            }
        }
        Ok(())
    }

    fn destinations(&mut self) -> Result<(), GaveUp> {
        let mut wanted: BTreeMap<nat::Target, Set> = nat::destinations(self.space, self.ruleset)?;
        let wellformed = self.space.wellformed()?;
        // What comes by an interface that the policy does not name goes nowhere, wherever it is sent.
        let known = names(self.ruleset.interfaces.iter().map(|interface| interface.name.as_str()));
        let known = self.space.ranges(Field::In, &known)?;
        let wellformed = self.space.intersect(wellformed, known)?;
        let found = meaning::translation(self.space, self.programs, Hook::Prerouting)?;
        self.nat_drops(found.may_drop, wellformed)?;
        let mut seen: BTreeMap<nat::Target, Set> = BTreeMap::new();
        for one in &found.unknown {
            self.doubts.push(format!("`{}` is not decided: {}", one.text, one.why));
        }
        for (nat, set) in found.uses {
            let set = self.space.intersect(set, wellformed)?;
            if set.is_empty() {
                continue;
            }
            let port = nat.ports.filter(|(first, last)| first == last).map(|(port, _)| port);
            let exact = nat.kind == NatKind::Destination && nat.ports.is_none_or(|(first, last)| first == last);
            let family = self.space.witness(set).map_or(0, |point| point.get(Field::Family));
            match nat.to.filter(|(first, last)| exact && first == last) {
                Some((to, _)) => {
                    let known = seen.entry((address(family, to), port)).or_insert(Set::EMPTY);
                    *known = self.space.union(*known, set)?;
                }
                None => self.refute(
                    set,
                    "no such translation",
                    "a translation that the policy cannot ask for",
                    Treatment::Translated,
                )?,
            }
        }
        for (target, set) in &mut wanted {
            *set = self.space.intersect(*set, wellformed)?;
            let theirs = seen.remove(target).unwrap_or(Set::EMPTY);
            let words = translated_to(*target);
            let less = self.space.minus(*set, theirs)?;
            self.refute(less, &words, "another destination, or none", Treatment::NotTo(*target))?;
            // What may be translated is so only where nothing is open; that was said above.
            if found.unknown.is_empty() {
                let more = self.space.minus(theirs, *set)?;
                self.refute(more, "another destination, or none", &words, Treatment::To(*target))?;
            }
        }
        for (target, set) in seen {
            if found.unknown.is_empty() {
                self.refute(set, "no translation", &translated_to(target), Treatment::To(target))?;
            }
        }
        Ok(())
    }

    /// Chains that translate should not decide; one that does is not modelled further.
    fn nat_drops(&mut self, may_drop: Set, among: Set) -> Result<(), GaveUp> {
        if !self.space.intersect(may_drop, among)?.is_empty() {
            self.doubts.push(format!("a chain that translates at the {} hook drops packets", self.hook.word()));
        }
        Ok(())
    }

    /// New connections that are accepted at a hook.
    fn leaving(&mut self, hook: Hook) -> Result<Set, GaveUp> {
        let want = intent(self.space, self.ruleset, hook, self.at)?;
        let mut leaving = want.accept;
        for (_, _, set) in &want.limited {
            leaving = self.space.union(leaving, *set)?;
        }
        let new = self.space.range(Field::State, 0, 0)?;
        self.space.intersect(leaving, new)
    }

    /// Sources are compared where connections are accepted: of what is dropped nothing leaves. What the box itself sends
    /// has an address of its own, and by loopback it does not leave.
    fn sources(&mut self) -> Result<(), GaveUp> {
        let forward = self.leaving(Hook::Forward)?;
        let own = self.leaving(Hook::Output)?;
        let sources = nat::segment_addresses(self.space, self.ruleset)?;
        let own = self.space.intersect(own, sources)?;
        let lo = name_number(LOOPBACK);
        let inside = self.space.range(Field::Out, lo, lo)?;
        let own = self.space.minus(own, inside)?;
        let leaving = self.space.union(forward, own)?;
        let wanted = nat::masquerade(self.space, self.ruleset)?;
        let wanted = self.space.intersect(wanted, leaving)?;
        let found = meaning::translation(self.space, self.programs, Hook::Postrouting)?;
        for one in &found.unknown {
            self.doubts.push(format!("`{}` is not decided: {}", one.text, one.why));
        }
        self.nat_drops(found.may_drop, leaving)?;
        let mut seen = Set::EMPTY;
        let mut strange = Set::EMPTY;
        for (nat, set) in found.uses {
            let set = self.space.intersect(set, leaving)?;
            let into = if nat.kind == NatKind::Masquerade && nat.ports.is_none() { &mut seen } else { &mut strange };
            *into = self.space.union(*into, set)?;
        }
        let asked = ("no such translation", "a translation that the policy cannot ask for");
        self.refute(strange, asked.0, asked.1, Treatment::Translated)?;
        let sure = found.unknown.is_empty();
        // The box's only address there becomes itself.
        let same = nat::own_already(self.space, self.ruleset)?;
        let seen = self.space.minus(seen, same)?;
        let wanted = self.space.minus(wanted, same)?;
        let less = self.space.minus(wanted, seen)?;
        let less = self.space.minus(less, strange)?;
        self.refute(less, "masquerade", "the source stays", Treatment::OwnSource)?;
        let more = self.space.minus(seen, wanted)?;
        if sure { self.refute(more, "the source stays", "masquerade", Treatment::Masqueraded) } else { Ok(()) }
    }
}

fn translated_to((to, port): nat::Target) -> String {
    match port {
        Some(port) => format!("translate to {} port {port}", to),
        None => format!("translate to {to}"),
    }
}
