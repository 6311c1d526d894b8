//! The open episodes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::draft::{Draft, Port};
use super::{Alert, Evidence, Kind, Phase, Severity, Silence, Subject, words};
use crate::event::At;
use crate::network::{Cause, Network};

/// Episodes of one kind that are open at once; a flood of one kind hides no other.
pub const OPEN_OF_KIND_MAX: usize = 64;

impl Ticket {
    /// Of what kind the episode is.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.kind
    }
}

/// A number that finds an open episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    kind: Kind,
    subject: Subject,
}

/// A kind, and whether it is background: what the internet does hides nothing that goes on inside.
type Class = (Kind, bool);

#[derive(Debug, Clone)]
struct Open {
    id: u64,
    draft: Draft,
    /// What decided about the packets that show it, by the policy that held when they came.
    causes: Vec<Cause>,
    last: At,
    told_at: u64,
    silenced: bool,
}

impl Open {
    /// A packet shows it, if there is room for one more.
    fn show(&mut self, network: &Network, evidence: Evidence) {
        if self.draft.show(evidence) {
            self.because(network, &evidence);
        }
    }

    /// What decided about the packets it begins with.
    fn look(&mut self, network: &Network) {
        for evidence in self.draft.evidence.clone() {
            self.because(network, &evidence);
        }
    }

    /// Each cause once, in the order of the packets.
    fn because(&mut self, network: &Network, evidence: &Evidence) {
        if let Some(cause) = network.cause(evidence).filter(|cause| !self.causes.contains(cause)) {
            self.causes.push(cause);
        }
    }

    /// The same again: whom, on what, and what shows it.
    fn join(&mut self, network: &Network, draft: &Draft) {
        self.draft.join(draft);
        draft.evidence.iter().for_each(|evidence| self.show(network, *evidence));
    }
}

/// Every open episode, and what was not told.
#[derive(Debug, Clone, Default)]
pub struct Book {
    open: BTreeMap<Ticket, Open>,
    of_kind: BTreeMap<Class, usize>,
    silences: Vec<Silence>,
    ids: u64,
    /// Episodes that were not opened because too many of their kind were.
    pub overflowed: u64,
    /// Episodes that a silence kept from being told.
    pub silenced: u64,
}

impl Book {
    /// Of this nobody is told from now on, of all else again. What was told goes on being told until it is over.
    pub fn silence(&mut self, silences: Vec<Silence>) {
        self.silences = silences;
    }

    /// How many episodes are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether an episode is open.
    #[must_use]
    pub fn has(&self, kind: Kind, subject: Subject) -> bool {
        self.open.contains_key(&Ticket { kind, subject })
    }

    /// An episode begins, or goes on where it is open already.
    pub fn raise(&mut self, network: &Network, at: At, draft: Draft, told: &mut Vec<Alert>) -> Option<Ticket> {
        let ticket = Ticket { kind: draft.kind, subject: draft.subject };
        if let Some(open) = self.open.get_mut(&ticket) {
            open.join(network, &draft);
            self.grow(network, at, ticket, draft.count, None, None, told);
            return Some(ticket);
        }
        let of_kind = self.of_kind.entry((draft.kind, draft.background)).or_default();
        if *of_kind >= OPEN_OF_KIND_MAX {
            self.overflowed += 1;
            return None;
        }
        *of_kind += 1;
        self.ids += 1;
        let silenced = self.silences.iter().any(|silence| silence.covers(network, draft.kind, draft.subject, at));
        self.silenced += u64::from(silenced);
        let causes = Vec::new();
        let mut open = Open { id: self.ids, told_at: draft.count, draft, causes, last: at, silenced };
        open.look(network);
        if !silenced {
            told.push(alert(network, &open, Phase::Open, at));
        }
        self.open.insert(ticket, open);
        Some(ticket)
    }

    /// An open episode goes on. False: it is not open any more.
    #[expect(clippy::too_many_arguments, reason = "what goes on, by how much, where, and who is told")]
    pub fn grow(
        &mut self,
        network: &Network,
        at: At,
        ticket: Ticket,
        count: u64,
        towards: Option<(IpAddr, Option<Port>)>,
        evidence: Option<Evidence>,
        told: &mut Vec<Alert>,
    ) -> bool {
        let Some(open) = self.open.get_mut(&ticket) else { return false };
        open.last = open.last.max(at);
        open.draft.count = open.draft.count.saturating_add(count);
        if let Some((target, port)) = towards {
            open.draft.towards(target, port);
        }
        if let Some(evidence) = evidence {
            open.show(network, evidence);
        }
        if open.draft.count >= next_power(open.told_at) {
            open.told_at = open.draft.count;
            if !open.silenced {
                told.push(alert(network, open, Phase::Update, at));
            }
        }
        true
    }

    /// A scan turns out to be wider than it looked at first; its number stays.
    pub fn widen(&mut self, network: &Network, at: At, ticket: Ticket, kind: Kind, told: &mut Vec<Alert>) -> Ticket {
        let wider = Ticket { kind, subject: ticket.subject };
        let Some(background) = self.open.get(&ticket).map(|open| open.draft.background) else { return ticket };
        let full = self.of_kind.get(&(kind, background)).is_some_and(|of_kind| *of_kind >= OPEN_OF_KIND_MAX);
        if full || self.open.contains_key(&wider) {
            return ticket;
        }
        let Some(mut open) = self.open.remove(&ticket) else { return ticket };
        self.one_less((ticket.kind, background));
        *self.of_kind.entry((kind, background)).or_default() += 1;
        open.draft.kind = kind;
        if !open.silenced {
            told.push(alert(network, &open, Phase::Update, at));
        }
        self.open.insert(wider, open);
        wider
    }

    /// How many different targets and ports an episode lists.
    #[must_use]
    pub fn breadth(&self, ticket: Ticket) -> (usize, usize) {
        self.open.get(&ticket).map_or((0, 0), |open| (open.draft.targets.len(), open.draft.ports.len()))
    }

    /// An episode is over, if it is open.
    pub fn close(&mut self, network: &Network, at: At, kind: Kind, subject: Subject, told: &mut Vec<Alert>) {
        let ticket = Ticket { kind, subject };
        if let Some(open) = self.open.remove(&ticket) {
            self.one_less((kind, open.draft.background));
            if !open.silenced {
                told.push(alert(network, &open, Phase::Closed, at));
            }
        }
    }

    /// Closes what was quiet for long enough. Gives their subjects.
    pub fn tick(&mut self, network: &Network, at: At, told: &mut Vec<Alert>) -> Vec<(Kind, Subject)> {
        let is_over =
            |ticket: &Ticket, open: &Open| ticket.kind.quiet_s().is_some_and(|quiet| at.since_s(open.last) >= quiet);
        let over: Vec<(Kind, Subject)> = self
            .open
            .iter()
            .filter(|(ticket, open)| is_over(ticket, open))
            .map(|(ticket, _)| (ticket.kind, ticket.subject))
            .collect();
        for (kind, subject) in &over {
            self.close(network, at, *kind, *subject, told);
        }
        over
    }

    /// The kinds of what is open and not silenced, each as often as it is.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.open.iter().filter(|(_, open)| !open.silenced).map(|(ticket, _)| ticket.kind)
    }

    /// What is open, as it stands.
    #[must_use]
    pub fn standing(&self, network: &Network, at: At) -> Vec<Alert> {
        self.open.values().filter(|open| !open.silenced).map(|open| alert(network, open, Phase::Update, at)).collect()
    }

    fn one_less(&mut self, class: Class) {
        if let Some(of_kind) = self.of_kind.get_mut(&class) {
            *of_kind = of_kind.saturating_sub(1);
        }
    }
}

/// The power of ten above a count.
fn next_power(count: u64) -> u64 {
    10u64.checked_pow(count.max(1).ilog10() + 1).unwrap_or(u64::MAX)
}

fn alert(network: &Network, open: &Open, phase: Phase, told: At) -> Alert {
    let draft = &open.draft;
    Alert {
        id: open.id,
        kind: draft.kind,
        phase,
        severity: if draft.background { Severity::Notice } else { draft.kind.severity() },
        subject: draft.subject,
        source_zone: draft.zone.map(|zone| network.name(zone)),
        source: words::source(network, draft.subject),
        targets: draft.targets.iter().copied().collect(),
        more_targets: draft.more.0,
        ports: draft.ports.iter().map(|port| words::port(*port)).collect(),
        more_ports: draft.more.1,
        count: draft.count,
        technique: draft.technique,
        first: draft.first,
        last: open.last,
        told,
        evidence: draft.evidence.clone(),
        causes: open.causes.clone(),
        summary: words::summary(network, draft),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_at_powers_of_ten_and_at_the_end() {
        let (mut book, network, mut told) = (Book::default(), Network::unknown(), Vec::new());
        let subject = Subject::Addr("10.0.0.1".parse().unwrap());
        let ticket = book.raise(&network, At(0), Draft::new(Kind::ScanVertical, subject, At(0)), &mut told).unwrap();
        for n in 1..1_000 {
            assert!(book.grow(&network, At::of_s(n), ticket, 1, None, None, &mut told));
        }
        book.tick(&network, At::of_s(1_898), &mut told);
        let counts: Vec<(Phase, u64)> = told.iter().map(|alert| (alert.phase, alert.count)).collect();
        assert_eq!(counts, [(Phase::Open, 1), (Phase::Update, 10), (Phase::Update, 100), (Phase::Update, 1_000)]);
        assert_eq!(book.tick(&network, At::of_s(1_899), &mut told), [(Kind::ScanVertical, subject)]);
        assert_eq!(told.last().unwrap().phase, Phase::Closed);
        assert!(book.is_empty() && told.iter().all(|alert| alert.id == 1));
    }

    #[test]
    fn one_kind_has_only_so_many() {
        let (mut book, network, mut told) = (Book::default(), Network::unknown(), Vec::new());
        for n in 0..100 {
            let subject = Subject::Addr(IpAddr::from([10, 0, 0, n]));
            book.raise(&network, At(0), Draft::new(Kind::ScanVertical, subject, At(0)), &mut told);
        }
        book.raise(&network, At(0), Draft::new(Kind::TableGone, Subject::Box, At(0)), &mut told);
        assert_eq!((book.len(), book.overflowed), (OPEN_OF_KIND_MAX + 1, 36));
        assert_eq!(told.last().unwrap().kind, Kind::TableGone);
    }
}
