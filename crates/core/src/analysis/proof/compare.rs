//! The comparison, hook by hook.

use segwall_packetset::{Field, GaveUp, Point, Set, Space};

use super::intent::{Intent, intent, not_local};
use super::nat;
use super::ordinary::ordinary;
use super::quarantine;
use super::treatment::Treatment;
use super::witness::{Witness, witness};
use crate::netfilter::meaning::{self, Hooked, Memory, Options, Rates, RuleAt};
use crate::netfilter::{Hook, Program, Reject};
use crate::ruleset::quarantine::Quarantined;
use crate::ruleset::{ACCEPT_LOG_GROUP, At, Reason, Ruleset};

/// What a proof found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Equal for every packet.
    Proved,
    /// Different, and these packets show it.
    Refuted(Vec<Refutation>),
    /// Not decided, and why.
    Undetermined(Vec<String>),
}

/// A packet that the program treats otherwise than the policy wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refutation {
    /// Where.
    pub hook: Hook,
    /// The packet.
    pub witness: Witness,
    /// Which of its ends are in quarantine, for it to be treated so.
    pub quarantined: Quarantined,
    /// In words: what the policy wants.
    pub wanted: String,
    /// In words: what the program does.
    pub found: String,
    /// The same, for who tries the packet.
    pub does: Treatment,
    /// The rules of the program that decide about it, the last one first.
    pub rules: Vec<RuleAt>,
    /// The policy's line that decides about it; `None`: no line, a default.
    pub line: Option<u32>,
}

impl Refutation {
    /// The packet in words, with which of its ends are in quarantine.
    #[must_use]
    pub fn packet(&self) -> String {
        match self.quarantined.words() {
            Some(words) => format!("{} ({words})", self.witness),
            None => self.witness.to_string(),
        }
    }
}

/// A proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// What came out.
    pub answer: Answer,
    /// Nodes that the diagrams took.
    pub nodes: usize,
}

/// Refutations that are worked out of one hook, one for each way to differ.
const WITNESSES_MAX: usize = 8;

/// Whether the programs, which hold at the same time, do what the ruleset wants.
#[must_use]
pub fn prove(space: &mut Space, ruleset: &Ruleset, programs: &[&Program], at: At) -> Proof {
    prove_preferring(space, ruleset, programs, at, &|_, _| Ok(Set::EMPTY))
}

/// Packets of a hook that somebody would rather see.
pub type Preferred<'a> = dyn Fn(&mut Space, Hook) -> Result<Set, GaveUp> + 'a;

/// As [`prove`]. Of each difference a packet is shown that is preferred, where the difference has one: who means to send
/// it prefers those that can be sent.
#[must_use]
pub fn prove_preferring(
    space: &mut Space,
    ruleset: &Ruleset,
    programs: &[&Program],
    at: At,
    preferred: &Preferred<'_>,
) -> Proof {
    let mut differences = Vec::new();
    let mut doubts = Vec::new();
    let mut answered: Vec<Program> = programs.iter().map(|program| (*program).clone()).collect();
    let lookups: Vec<_> = answered.iter_mut().map(quarantine::lookups).collect();
    // Translations never ask for the quarantine; where they do, it is not decided, whoever is in it today.
    let unanswered: Vec<&Program> = answered.iter().collect();
    let mut comparison = Comparison::new(space, ruleset, &unanswered, at, Hook::Prerouting, preferred);
    if let Err(error) = comparison.translations() {
        comparison.doubts.push(format!("{error}, at address translation"));
    }
    differences.extend(comparison.differences);
    doubts.extend(comparison.doubts);
    let memory = Memory::default();
    for hook in [Hook::Input, Hook::Forward, Hook::Output] {
        let want = intent(space, ruleset, hook, at);
        for ends in quarantine::cases(programs, hook) {
            answered.iter_mut().zip(&lookups).for_each(|(program, lookups)| quarantine::answer(program, lookups, ends));
            let answered: Vec<&Program> = answered.iter().collect();
            let mut comparison = Comparison::new(space, ruleset, &answered, at, hook, preferred);
            comparison.quarantined = ends;
            comparison.memory = memory.clone();
            let compared = want.clone().and_then(|want| comparison.filter(want));
            if let Err(error) = compared {
                comparison.doubts.push(format!("{error}, at the {} hook", hook.word()));
            }
            differences.extend(comparison.differences);
            doubts.extend(comparison.doubts);
        }
    }
    doubts.sort();
    doubts.dedup();
    let answer = match (differences.is_empty(), doubts.is_empty()) {
        (false, _) => Answer::Refuted(differences),
        (true, false) => Answer::Undetermined(doubts),
        (true, true) => Answer::Proved,
    };
    Proof { answer, nodes: space.nodes() }
}

pub(super) struct Comparison<'a> {
    pub(super) space: &'a mut Space,
    pub(super) ruleset: &'a Ruleset,
    pub(super) programs: &'a [&'a Program],
    pub(super) at: At,
    pub(super) hook: Hook,
    quarantined: Quarantined,
    memory: Memory,
    preferred: &'a Preferred<'a>,
    differences: Vec<Refutation>,
    pub(super) doubts: Vec<String>,
}

impl<'a> Comparison<'a> {
    fn new(
        space: &'a mut Space,
        ruleset: &'a Ruleset,
        programs: &'a [&'a Program],
        at: At,
        hook: Hook,
        preferred: &'a Preferred<'a>,
    ) -> Self {
        let (differences, doubts) = (Vec::new(), Vec::new());
        let (quarantined, memory) = (Quarantined::NONE, Memory::default());
        Self { space, ruleset, programs, at, hook, quarantined, memory, preferred, differences, doubts }
    }

    fn filter(&mut self, want: Intent) -> Result<(), GaveUp> {
        let want = quarantine::narrowed(self.space, self.ruleset, self.hook, want, self.quarantined)?;
        // With every limit used up, and with room in all of them.
        let over = self.walk(&want, Rates::Over)?;
        let within = if want.limited.is_empty() && over.rates.is_empty() {
            None
        } else {
            Some(self.walk(&want, Rates::Within)?)
        };
        let mut limited = Set::EMPTY;
        for (_, _, set) in &want.limited {
            limited = self.space.union(limited, *set)?;
        }
        let known = self.rates(&want, &over, within.as_ref())?;
        self.verdicts(&want, want.accept, &over, known)?;
        if let Some(within) = &within {
            let accept = self.space.union(want.accept, limited)?;
            // Whatever the limits are: there is room in all of them when the first packet comes.
            self.verdicts(&want, accept, within, true)?;
            self.rejects(&want, within)?;
        }
        self.rejects(&want, &over)?;
        self.logs(&want, &over, within.as_ref())
    }

    fn walk(&mut self, want: &Intent, rates: Rates) -> Result<Hooked, GaveUp> {
        let options = Options { rates, entering: want.possible, ..Options::default() };
        meaning::path_remembering(self.space, self.programs, self.hook, &options, &self.memory)
    }

    /// Accepts and drops must be equal; `known`: whether limits are as the policy has them.
    fn verdicts(&mut self, want: &Intent, accept: Set, found: &Hooked, known: bool) -> Result<(), GaveUp> {
        let drop = self.space.minus(want.possible, accept)?;
        let may_accept = self.space.intersect(found.may_accept, want.possible)?;
        let may_drop = self.space.intersect(found.may_drop, want.possible)?;
        // Wanted, and sure not to pass; unwanted, and sure to pass.
        let lost = self.space.minus(accept, may_accept)?;
        let opened = self.space.minus(drop, may_drop)?;
        if known {
            self.refute(lost, "accept", "drop", Treatment::Stop)?;
            self.refute(opened, "drop", "accept", Treatment::Pass)?;
        }
        let unsure_lost = self.space.intersect(accept, may_drop)?;
        let unsure_opened = self.space.intersect(drop, may_accept)?;
        for (unsure, sure) in [(unsure_lost, lost), (unsure_opened, opened)] {
            let unsure = if known { self.space.minus(unsure, sure)? } else { self.space.union(unsure, sure)? };
            let unsure = self.real(unsure)?;
            if unsure.is_empty() {
                continue;
            }
            if !self.doubt(unsure, found)? {
                self.doubt_limits();
            }
        }
        Ok(())
    }

    fn rejects(&mut self, want: &Intent, found: &Hooked) -> Result<(), GaveUp> {
        let tcp = self.space.range(Field::Proto, 6, 6)?;
        let mut by_reset = Set::EMPTY;
        let mut by_icmp = Set::EMPTY;
        let mut otherwise = Set::EMPTY;
        for (how, set) in &found.may_reject {
            let set = self.space.intersect(*set, want.possible)?;
            let into = match how {
                Reject::TcpReset => &mut by_reset,
                Reject::Icmp { v4: None | Some(PROHIBITED4), v6: None | Some(PROHIBITED6) } => &mut by_icmp,
                Reject::Icmp { .. } => &mut otherwise,
            };
            *into = self.space.union(*into, set)?;
        }
        let resets = self.space.intersect(want.reject, tcp)?;
        let others = self.space.minus(want.reject, tcp)?;
        // What passes is a difference of its own, and so is another answer.
        let heard = self.space.union_all(&[by_reset, by_icmp, otherwise, found.may_accept])?;
        for (wanted, seen, words, does) in [
            (resets, by_reset, "reject with a TCP reset", Treatment::Reset),
            (others, by_icmp, "reject with ICMP", Treatment::Prohibited),
        ] {
            let silent = self.space.minus(wanted, heard)?;
            self.refute(silent, words, "drop silently", Treatment::Silence)?;
            // What is told may be dropped before, where something is not decided.
            self.doubt(wanted, found)?;
            let more = self.space.minus(seen, wanted)?;
            self.refute_unless_open(more, found, VERDICT, words, does)?;
        }
        self.refute_unless_open(
            otherwise,
            found,
            VERDICT,
            "reject with another kind of message",
            Treatment::OtherMessage,
        )
    }

    /// Accepted connections that are written down are those that the policy writes down: all of them, whether limits
    /// are used up or not.
    fn logs(&mut self, want: &Intent, over: &Hooked, within: Option<&Hooked>) -> Result<(), GaveUp> {
        let logged = self.logged(want, over)?;
        let always = match within {
            Some(within) => {
                let logged_within = self.logged(want, within)?;
                self.space.intersect(logged, logged_within)?
            }
            None => logged,
        };
        let less = self.space.minus(want.logged, always)?;
        // What does not pass is a difference of its own.
        let less = self.space.intersect(less, over.may_accept)?;
        self.refute(less, "accept, written down", "accept, not written down", Treatment::Unwritten)?;
        let more = self.space.minus(logged, want.logged)?;
        self.refute_unless_open(more, over, "accept, not written down", "accept, written down", Treatment::Written)?;
        self.doubt(want.logged, over).map(drop)
    }

    /// Accepted connections that may be written down.
    fn logged(&mut self, want: &Intent, found: &Hooked) -> Result<Set, GaveUp> {
        let mut logged = Set::EMPTY;
        for one in found.logs.iter().filter(|one| one.log.group == Some(ACCEPT_LOG_GROUP)) {
            let set = self.space.intersect(one.reached, want.accept)?;
            logged = self.space.union(logged, set)?;
        }
        Ok(logged)
    }

    /// Names what is not decided about packets of the set, and whether there is anything.
    fn doubt(&mut self, set: Set, found: &Hooked) -> Result<bool, GaveUp> {
        let set = self.real(set)?;
        let mut open = false;
        for unknown in &found.unknown {
            if !self.space.intersect(unknown.reached, set)?.is_empty() {
                open = true;
                self.doubts.push(format!("`{}` is not decided: {}", unknown.text, unknown.why));
            }
        }
        Ok(open)
    }

    /// What may happen is sure to happen only where nothing is open.
    pub(super) fn refute_unless_open(
        &mut self,
        set: Set,
        found: &Hooked,
        wanted: &str,
        seen: &str,
        does: Treatment,
    ) -> Result<(), GaveUp> {
        if self.doubt(set, found)? { Ok(()) } else { self.refute(set, wanted, seen, does) }
    }

    /// The part of a difference that packets can show: what is the box's own is local to its kernel, and what a port
    /// forward takes is compared where it is taken.
    pub(super) fn real(&mut self, set: Set) -> Result<Set, GaveUp> {
        if set.is_empty() {
            return Ok(set);
        }
        let never = not_local(self.space, self.ruleset)?;
        let set = self.space.minus(set, never)?;
        if !matches!(self.hook, Hook::Input | Hook::Forward) {
            return Ok(set);
        }
        let taken = nat::taken(self.space, self.ruleset)?;
        self.space.minus(set, taken)
    }

    /// One packet of the set, if there is any, as a refutation.
    pub(super) fn refute(&mut self, set: Set, wanted: &str, found: &str, does: Treatment) -> Result<(), GaveUp> {
        let set = self.real(set)?;
        if let Some(point) = self.point(set)? {
            self.push(&point, wanted.to_owned(), found.to_owned(), does)?;
        }
        Ok(())
    }

    fn point(&mut self, set: Set) -> Result<Option<Point>, GaveUp> {
        if set.is_empty() {
            return Ok(None);
        }
        let preferred = (self.preferred)(self.space, self.hook)?;
        let shown = self.space.intersect(set, preferred)?;
        Ok(ordinary(self.space, self.ruleset, self.hook, if shown.is_empty() { set } else { shown }))
    }

    fn push(&mut self, point: &Point, wanted: String, found: String, does: Treatment) -> Result<(), GaveUp> {
        let here = self.differences.iter().filter(|known| known.hook == self.hook).count();
        let known = self.differences.iter().any(|known| known.wanted == wanted && known.found == found);
        if known || here >= WITNESSES_MAX {
            return Ok(());
        }
        let witness = witness(self.ruleset, self.hook, point);
        let decision = self.ruleset.judge_quarantined(&witness.packet, self.at, self.quarantined);
        let line = match decision.reason {
            Reason::Rule(at) => Some(self.ruleset.rules[at].line).filter(|line| *line > 0),
            _ => None,
        };
        let wanted = if wanted == VERDICT { decision.verdict.word().to_owned() } else { wanted };
        let rules = meaning::decided_by(self.space, self.programs, self.hook, point)?;
        let quarantined = self.quarantined;
        self.differences.push(Refutation { hook: self.hook, witness, quarantined, wanted, found, does, rules, line });
        Ok(())
    }
}

/// Stands for the verdict that the policy has for the packet that is shown.
const VERDICT: &str = "";

/// "Communication administratively prohibited" (RFC 1812), and the same of ICMPv6 (RFC 4443).
const PROHIBITED4: u8 = 13;
const PROHIBITED6: u8 = 1;
