//! One import, from what was given to what is told.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use segwall_packetset::{AddrRange, Cube, Field, GaveUp, Set, Space};

use super::classes::{self, Class, Scope};
use super::compare::{self, Found, How, Sides, Which};
use super::compare_nat;
use super::cover::{self, Task};
use super::forwards::{self, Forwards};
use super::grants::{Grant, LineAt};
use super::head::{self, Choices};
use super::management::management;
use super::network::{self, Network};
use super::old::{self, Old};
use super::sources;
use super::tell::{self, Told};
use super::write::Writer;
use super::{Answer, Given, Import, merge};
use crate::analysis::proof;
use crate::netfilter::meaning::{self, Translations};
use crate::netfilter::{Hook, NoteKind, Program};
use crate::policy::{self, Context, Policy, Verdict};
use crate::ruleset::{At, Ruleset, lower};
use crate::source::Source;

/// Hooks, in the order in which they are told.
const HOOKS: [Hook; 3] = [Hook::Input, Hook::Forward, Hook::Output];
/// Rules that drop what the box may not send; more become accepts of what it may.
const OUTPUT_DROPS_MAX: usize = 6;

/// A policy's text with what it means.
pub(super) struct Read {
    pub policy: Policy,
    pub ruleset: Ruleset,
}

/// Reads a text as every policy is read. The files may contradict each other: then the faults, in words.
pub(super) fn read(text: &str, context: &Context) -> Result<Read, Vec<String>> {
    let source = Source::new("segwall.toml", text);
    let loaded = policy::load(&source, context);
    match loaded.policy {
        Some(policy) => {
            let ruleset = lower(&policy, &source, &TimeZone::UTC);
            Ok(Read { policy, ruleset })
        }
        None => {
            let errors = loaded.diagnostics.iter().filter(|one| one.severity == crate::diag::Severity::Error);
            Err(errors
                .map(|one| {
                    let line = text.lines().nth(source.line(one.span.start) as usize - 1).unwrap_or_default();
                    format!("{} ({})", one.message, line.trim())
                })
                .collect())
        }
    }
}

/// What the rules do at each hook, and with addresses.
struct Understood {
    hooks: Vec<(Hook, Old)>,
    translations: Translations,
}

impl Understood {
    fn at(&self, hook: Hook) -> &Old {
        let found = self.hooks.iter().find(|(known, _)| *known == hook);
        &found.expect("input, forward and output were read").1
    }
}

/// Makes the policy and compares it. `kept`: holes that stay open.
///
/// # Errors
/// Why there is none, in words.
pub(super) fn import(given: &Given<'_>, kept: &BTreeSet<Class>, context: &Context) -> Result<Import, Vec<String>> {
    let mut space = Space::default();
    let programs: Vec<&Program> = given.programs.iter().map(|(_, program)| *program).collect();
    let outward = old::outward(&mut space, &programs).unwrap_or_default();
    let network = network::network(given, &outward);
    if network.segments.is_empty() {
        return Err(vec![
            "no interface has an address with a network behind it: name /etc/network/interfaces, or give the addresses \
             with --addresses"
                .to_owned(),
        ]);
    }
    let choices = Choices { nat: true, ..Choices::default() };
    let bare = read(&head::head(&network, &choices), context)?;
    match (Maker { space: &mut space, given, programs: &programs, network: &network, kept, context }).make(bare) {
        Ok(import) => import,
        Err(error) => Err(vec![format!("{error}: the rules are more than can be read as sets of packets")]),
    }
}

struct Maker<'a> {
    space: &'a mut Space,
    given: &'a Given<'a>,
    programs: &'a [&'a Program],
    network: &'a Network,
    kept: &'a BTreeSet<Class>,
    context: &'a Context,
}

impl Maker<'_> {
    fn make(mut self, bare: Read) -> Result<Result<Import, Vec<String>>, GaveUp> {
        let understood = self.understand()?;
        let mut scope = Scope {
            kept: self.kept.clone(),
            ipv6_unfiltered: old::ipv6_unfiltered(self.programs),
            forwarded_to: Vec::new(),
        };
        let forward = understood.at(Hook::Forward);
        let forwards = forwards::forwards(self.space, self.given, &bare.ruleset, &understood.translations, forward)?;
        scope.forwarded_to =
            AddrRange::merge(forwards.list.iter().map(|forward| AddrRange::single(forward.to)).collect());
        let mut choices = Choices { nat: true, ..Choices::default() };
        let mut grants = Vec::new();
        for hook in HOOKS {
            let mut found = self.grants(&bare.ruleset, hook, &scope, understood.at(hook), &mut choices)?;
            self.logged(&bare.ruleset, hook, understood.at(hook), &mut found)?;
            grants.extend(merge::merged(found));
        }
        choices.nat = self.translates_sources(&bare.ruleset, &scope)?;
        choices.management = management(&bare.ruleset, &grants);
        let head = head::head(self.network, &choices);
        let rules = Writer::new(self.given, &bare.ruleset, self.network).rules(&grants, &forwards.list);
        let log = tell::log_table(self.given);
        let text = tell::whole(self.given, &head, &rules, &log);
        let (made, bare) = match (read(&text, self.context), read(&head, self.context)) {
            (Ok(made), Ok(bare)) => (made, bare),
            (Err(faults), _) | (_, Err(faults)) => return Ok(Err(faults)),
        };
        let found = self.compare(&made.ruleset, &bare.ruleset, &scope, &understood, &forwards)?;
        let told = Told { given: self.given, programs: self.programs, network: self.network, ruleset: &made.ruleset };
        let differences = tell::differences(self.space, &told, &found)?;
        let unlike: Vec<(String, Set)> = forwards.not_expressed.clone();
        let (answer, reasons) = self.answer(&found, &understood, &unlike)?;
        let mut notes = self.network.notes.clone();
        notes.extend(forwards.notes);
        notes.extend(unlike.into_iter().map(|(words, _)| format!("not written: {words}")));
        notes.extend(self.idle(&understood));
        notes.extend(tell::lint_like(&told, &grants));
        let holes = self.holes(&found);
        let rules = made.policy.rules.len() + made.policy.forwards.len();
        Ok(Ok(Import { policy: text, answer, reasons, differences, notes, holes, rules }))
    }

    fn understand(&mut self) -> Result<Understood, GaveUp> {
        let mut hooks = Vec::new();
        for hook in HOOKS {
            let possible = crate::analysis::sets::possible(self.space, hook)?;
            hooks.push((hook, old::old(self.space, self.programs, hook, possible)?));
        }
        let translations = meaning::translation(self.space, self.programs, Hook::Prerouting)?;
        Ok(Understood { hooks, translations })
    }

    /// Packets of the promise as a policy tells them apart: those that are all accepted, of all.
    fn core(&mut self, promised: Set, old: &Old) -> Result<(Set, Set), GaveUp> {
        let hidden = old::hidden();
        let outside = self.space.complement(promised)?;
        let care = self.space.exists(promised, &hidden)?;
        let sure = self.space.union(old.sure, outside)?;
        let sure = self.space.forall(sure, &hidden)?;
        let core = self.space.intersect(sure, care)?;
        Ok((core, care))
    }

    fn grants(
        &mut self,
        ruleset: &Ruleset,
        hook: Hook,
        scope: &Scope,
        old: &Old,
        choices: &mut Choices,
    ) -> Result<Vec<Grant>, GaveUp> {
        let promised = classes::parts(self.space, ruleset, hook, scope)?.promised;
        let (core, care) = self.core(promised, old)?;
        let mut before = Set::EMPTY;
        if hook != Hook::Output {
            let implied = proof::intent(self.space, ruleset, hook, At::ClockUnknown)?.accept;
            let implied = self.space.intersect(implied, promised)?;
            before = self.space.exists(implied, &old::hidden())?;
            before = self.space.intersect(before, care)?;
        }
        let allowed = self.space.union(core, before)?;
        let spared = classes::forwarded(self.space, ruleset, hook, scope)?;
        let mut task = Task { ruleset, hook, promised: care, allowed, spared, verdict: Verdict::Accept };
        let mut grants = Vec::new();
        if hook == Hook::Output {
            let not = self.space.minus(care, core)?;
            if not.is_empty() {
                return Ok(grants);
            }
            let drops = Task { allowed: not, verdict: Verdict::Drop, ..task };
            let (drops, covered) = cover::cover(self.space, &drops, &[(None, not)], Set::EMPTY)?;
            let few = drops.len() <= OUTPUT_DROPS_MAX && drops.iter().all(cover::is_readable);
            if few && self.space.minus(not, covered)?.is_empty() {
                return Ok(drops);
            }
            choices.output_drop = true;
        } else if self.kept.contains(&Class::Implied) && hook == Hook::Input {
            // What Segwall accepts by itself and the rules drop: a drop cancels it, but for the DHCP a segment asked for.
            let not = self.space.minus(before, core)?;
            let firm = self.space.cubes(&[dhcp()])?;
            let not = self.space.minus(not, firm)?;
            let drops = Task { allowed: self.space.minus(care, core)?, verdict: Verdict::Drop, ..task };
            let (drops, covered) = cover::cover(self.space, &drops, &[(None, not)], Set::EMPTY)?;
            before = self.space.minus(before, covered)?;
            task.allowed = self.space.minus(task.allowed, covered)?;
            grants.extend(drops);
        }
        let sets = self.by_line(old, promised, core)?;
        let (accepts, _) = cover::cover(self.space, &task, &sets, before)?;
        grants.extend(accepts);
        Ok(grants)
    }

    /// What each line accepts of the core, in their order, then what no line says.
    fn by_line(&mut self, old: &Old, promised: Set, core: Set) -> Result<Vec<(Option<LineAt>, Set)>, GaveUp> {
        let hidden = old::hidden();
        let mut sets = Vec::new();
        for (at, matched) in &old.accepts {
            let inside = self.space.intersect(*matched, promised)?;
            let inside = self.space.exists(inside, &hidden)?;
            let inside = self.space.intersect(inside, core)?;
            if !inside.is_empty() {
                sets.push((old::line_of(self.given, *at), inside));
            }
        }
        sets.push((None, core));
        Ok(sets)
    }

    /// Rules whose connections were all written down.
    fn logged(&mut self, ruleset: &Ruleset, hook: Hook, old: &Old, grants: &mut [Grant]) -> Result<(), GaveUp> {
        let hidden = old::hidden();
        let mut logged = Set::EMPTY;
        for one in old.logs.iter().filter(|one| !one.limited) {
            logged = self.space.union(logged, one.reached)?;
        }
        if logged.is_empty() {
            return Ok(());
        }
        let possible = crate::analysis::sets::first_packets(self.space, hook)?;
        let inside = self.space.intersect(logged, possible)?;
        let logged = self.space.exists(inside, &hidden)?;
        for grant in grants.iter_mut().filter(|grant| grant.verdict == Verdict::Accept) {
            let set = super::grants::set(self.space, ruleset, hook, grant)?;
            let promised = self.space.exists(old.sure, &hidden)?;
            let set = self.space.intersect(set, promised)?;
            grant.log = !set.is_empty() && self.space.minus(set, logged)?.is_empty();
        }
        Ok(())
    }

    fn translates_sources(&mut self, ruleset: &Ruleset, scope: &Scope) -> Result<bool, GaveUp> {
        let (same, _, _) = sources::sources(self.space, self.programs, ruleset)?;
        let promised = classes::parts(self.space, ruleset, Hook::Forward, scope)?.promised;
        let wanted = proof::masquerade(self.space, ruleset)?;
        Ok(!self.space.intersect_all(&[same, promised, wanted])?.is_empty())
    }

    fn compare(
        &mut self,
        ruleset: &Ruleset,
        bare: &Ruleset,
        scope: &Scope,
        understood: &Understood,
        forwards: &Forwards,
    ) -> Result<Vec<Found>, GaveUp> {
        let sources = sources::sources(self.space, self.programs, ruleset)?;
        let sides = Sides {
            ruleset,
            bare,
            scope,
            translations: &understood.translations,
            followed: &forwards.followed,
            sources,
        };
        let mut found = Vec::new();
        for hook in HOOKS {
            found.extend(compare::filter(self.space, &sides, hook, understood.at(hook))?);
        }
        found.extend(compare_nat::translation(self.space, &sides, understood.at(Hook::Forward))?);
        Ok(found)
    }

    fn answer(
        &mut self,
        found: &[Found],
        understood: &Understood,
        unlike: &[(String, Set)],
    ) -> Result<(Answer, Vec<String>), GaveUp> {
        let mut reasons: BTreeSet<String> = BTreeSet::new();
        for (source, program) in &self.given.programs {
            let notes = program.notes.iter().filter(|note| note.kind != NoteKind::Aside);
            reasons
                .extend(notes.map(|note| format!("{}:{}: {}", source.name(), source.line(note.span.start), note.text)));
        }
        let promise =
            |which: Which| matches!(which, Which::Promised | Which::Forwarded | Which::Destinations | Which::Sources);
        let inside: Vec<&Found> = found.iter().filter(|one| promise(one.which)).collect();
        for one in inside.iter().filter(|one| !one.sure) {
            for (_, old) in understood.hooks.iter().filter(|(hook, _)| *hook == one.hook) {
                for unknown in &old.unknown {
                    if !self.space.intersect(unknown.reached, one.set)?.is_empty() {
                        reasons.insert(format!("`{}` is not decided: {}", unknown.text, unknown.why));
                    }
                }
                if !self.space.intersect(old.rates, one.set)?.is_empty() {
                    reasons.insert("a limit decides: limits are not imported".to_owned());
                }
            }
        }
        let different = inside.iter().any(|one| one.sure) || !unlike.is_empty();
        let open = inside.iter().any(|one| !one.sure);
        let answer = match (different, open || !reasons.is_empty()) {
            (true, _) => Answer::Different,
            (false, true) => Answer::Undetermined,
            (false, false) => Answer::Equal,
        };
        Ok((answer, reasons.into_iter().collect()))
    }

    /// Holes that were found, and whether each is kept.
    fn holes(&self, found: &[Found]) -> Vec<(Class, bool)> {
        let by_source_port = |one: &Found| {
            one.which == Which::Promised && one.how == How::Closed && self.space.fields(one.set).contains(&Field::Sport)
        };
        let is_open = |class: Class| {
            found.iter().any(|one| match class {
                Class::Implied => one.which == Which::Implied && one.how == How::Opened,
                Class::SourcePort => by_source_port(one),
                class => one.which == Which::Class(class) && one.how == How::Closed,
            })
        };
        let kept = |class: &Class| self.kept.contains(class);
        let holes = Class::HOLES.into_iter().filter(|class| kept(class) || is_open(*class));
        holes.map(|class| (class, kept(&class))).collect()
    }

    /// Accepting lines that no packet comes to and matches.
    fn idle(&self, understood: &Understood) -> Vec<String> {
        let mut used: BTreeSet<LineAt> = BTreeSet::new();
        let mut seen: Vec<(LineAt, String)> = Vec::new();
        for (at, matched) in understood.hooks.iter().flat_map(|(_, old)| &old.accepts) {
            let Some(line) = old::line_of(self.given, *at) else { continue };
            if matched.is_empty() {
                seen.push((line, old::rule_words(self.given, *at)));
            } else {
                used.insert(line);
            }
        }
        seen.retain(|(line, _)| !used.contains(line));
        seen.sort();
        seen.dedup();
        tell::idle(self.given, &seen)
    }
}

/// DHCP and DHCPv6, to servers and to clients.
fn dhcp() -> Cube {
    let ports: Vec<(u128, u128)> = [67, 68, 546, 547].map(|port| (port, port)).to_vec();
    Cube::all().with_only(Field::Proto, u128::from(segwall_packetset::proto::UDP)).with_ranges(Field::Dport, &ports)
}
