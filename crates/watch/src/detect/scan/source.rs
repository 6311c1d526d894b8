//! One source's failed first contacts, and the shape they have.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::super::What;
use super::super::limits::{
    BLOCK_SIDE, CONTACT_S, CONTACTS_MAX, CREDITS_MAX, EVIDENCE, EVIDENCE_SPREAD, OUTWARD_HOSTS, OUTWARD_PORTS,
    OUTWARD_WINDOW_S, SLOW_S, WEIGHT,
};
use super::probe::Look;
use crate::alert::{EVIDENCE_MAX, Evidence, Kind, Technique, Ticket};
use crate::event::At;
use crate::network::Zone;

/// A first contact that failed.
#[derive(Debug, Clone, Copy)]
pub struct Contact {
    pub dst: IpAddr,
    pub what: What,
    pub at: At,
    pub weight: u8,
    pub technique: Technique,
    /// It may have been a late packet.
    pub late: bool,
}

/// Packets that are kept of a source: a scan is told of with so many as a rule, and then shows the first of them.
const KEPT: usize = (EVIDENCE / WEIGHT as u32) as usize;

/// A packet of a contact.
#[derive(Debug, Clone, Copy)]
struct Shown {
    what: What,
    outward: bool,
    evidence: Evidence,
}

/// Who failed where.
#[derive(Debug, Clone)]
pub struct Source {
    pub zone: Zone,
    /// Inside, ordered by host and port.
    inward: Vec<Contact>,
    /// Towards the internet, ordered by host and port.
    outward: Vec<Contact>,
    /// The random walk, in half steps.
    walk: u32,
    /// Hosts that answered and thereby paid for a failure.
    credited: Vec<IpAddr>,
    /// The newest, so many towards either side.
    evidence: Vec<Shown>,
    pub episode: Option<Ticket>,
}

/// What a source's contacts look like.
#[derive(Debug, Clone)]
pub struct Shape {
    pub kind: Kind,
    pub technique: Technique,
    pub contacts: Vec<Contact>,
}

/// What became of a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    New,
    /// It was known, or there is no room for more.
    Known,
}

impl Source {
    pub fn new(zone: Zone) -> Self {
        Self {
            zone,
            inward: Vec::new(),
            outward: Vec::new(),
            walk: 0,
            credited: Vec::new(),
            evidence: Vec::new(),
            episode: None,
        }
    }

    /// How many contacts it takes room for.
    pub fn len(&self) -> usize {
        self.inward.len() + self.outward.len()
    }

    /// How useful it is to remember this source.
    pub fn level(&self) -> u32 {
        if self.episode.is_some() {
            return u32::MAX;
        }
        // Towards the internet a busy client would otherwise count as much as a scanner.
        let outward = u32::try_from(self.outward.len()).expect("few").checked_ilog2().map_or(0, |log| log + 1);
        self.walk.max(outward)
    }

    /// A first contact failed.
    pub fn add(&mut self, contact: Contact, look: Look, outward: bool, evidence: Option<Evidence>) -> Added {
        self.forget(contact.at);
        let list = if outward { &mut self.outward } else { &mut self.inward };
        let Err(place) = list.binary_search_by_key(&(contact.dst, contact.what), |known| (known.dst, known.what))
        else {
            return Added::Known;
        };
        if list.len() >= CONTACTS_MAX {
            return Added::Known;
        }
        list.insert(place, Contact { late: look == Look::Late, ..contact });
        if !outward {
            self.walk = self.walk.saturating_add(u32::from(contact.weight));
        }
        if let Some(evidence) = evidence {
            let of_side = || self.evidence.iter().filter(|shown| shown.outward == outward).count();
            if of_side() >= KEPT {
                let oldest = self.evidence.iter().position(|shown| shown.outward == outward);
                oldest.map(|at| self.evidence.remove(at));
            }
            // Sources are many.
            self.evidence.reserve_exact(1);
            self.evidence.push(Shown { what: contact.what, outward, evidence });
        }
        Added::New
    }

    /// The first packets of these contacts that are kept.
    pub fn evidence(&self, of: &[Contact]) -> impl Iterator<Item = &Evidence> {
        let is_of = |shown: &&Shown| {
            of.iter().any(|contact| (contact.dst, contact.what) == (shown.evidence.packet.dst, shown.what))
        };
        self.evidence.iter().filter(is_of).map(|shown| &shown.evidence).take(EVIDENCE_MAX)
    }

    /// A first contact succeeded: it pays for a failure, if this host has not yet and few did.
    pub fn credit(&mut self, dst: IpAddr) {
        if self.walk > 0 && self.credited.len() < CREDITS_MAX && !self.credited.contains(&dst) {
            self.credited.push(dst);
            self.walk = self.walk.saturating_sub(u32::from(WEIGHT));
        }
    }

    /// Contacts grow old, and what shows them.
    fn forget(&mut self, at: At) {
        self.evidence.retain(|shown| at.since_s(shown.evidence.at) < CONTACT_S);
        if self.outward.len() >= CONTACTS_MAX {
            self.outward.retain(|contact| at.since_s(contact.at) < OUTWARD_WINDOW_S);
        }
        if self.inward.iter().any(|contact| at.since_s(contact.at) >= CONTACT_S) {
            self.inward.retain(|contact| at.since_s(contact.at) < CONTACT_S);
            self.credited.clear();
            self.walk = weight(self.inward.iter());
        }
    }

    /// The shape, if there is enough evidence for one.
    pub fn shape(&self, at: At, outward: bool) -> Option<Shape> {
        if outward {
            return self.shape_outward(at);
        }
        if self.walk < EVIDENCE {
            return None;
        }
        let mut by_host: BTreeMap<IpAddr, (u32, usize)> = BTreeMap::new();
        let mut by_port: BTreeMap<What, u32> = BTreeMap::new();
        for contact in &self.inward {
            let host = by_host.entry(contact.dst).or_default();
            *host = (host.0 + u32::from(contact.weight), host.1 + 1);
            *by_port.entry(contact.what).or_default() += of_port(contact);
        }
        let sides = by_host.values().filter(|(_, ports)| *ports >= BLOCK_SIDE).count();
        let host = by_host.iter().filter(|(_, (weight, _))| *weight >= EVIDENCE).max_by_key(|(_, (weight, _))| *weight);
        let port = by_port.iter().filter(|(_, weight)| **weight >= EVIDENCE).max_by_key(|(_, weight)| **weight);
        let all = || self.inward.iter();
        match (host, port) {
            _ if sides >= BLOCK_SIDE => made(Kind::ScanBlock, all()),
            (Some((host, _)), _) => made(Kind::ScanVertical, all().filter(|contact| contact.dst == *host)),
            (None, Some((what, _))) => made(Kind::ScanHorizontal, all().filter(|contact| contact.what == *what)),
            (None, None) if by_port.values().sum::<u32>() >= EVIDENCE_SPREAD => made(Kind::ScanBlock, all()),
            (None, None) => None,
        }
    }

    fn shape_outward(&self, at: At) -> Option<Shape> {
        let recent = || self.outward.iter().filter(|contact| at.since_s(contact.at) < OUTWARD_WINDOW_S);
        // Fewer can be neither; most clients are decided here.
        if self.outward.len() < OUTWARD_PORTS as usize / usize::from(WEIGHT) {
            return None;
        }
        let mut by_host: BTreeMap<IpAddr, u32> = BTreeMap::new();
        let mut by_port: BTreeMap<What, u32> = BTreeMap::new();
        for contact in recent() {
            *by_host.entry(contact.dst).or_default() += of_port(contact);
            *by_port.entry(contact.what).or_default() += of_port(contact);
        }
        if let Some((host, _)) = by_host.iter().find(|(_, weight)| **weight >= OUTWARD_PORTS) {
            return made(Kind::ScanVertical, recent().filter(|contact| contact.dst == *host));
        }
        let (what, _) = by_port.iter().find(|(_, weight)| **weight >= OUTWARD_HOSTS)?;
        made(Kind::ScanHorizontal, recent().filter(|contact| contact.what == *what))
    }
}

/// On one port of many hosts a late packet says half: a client that wakes up sends one to each server it knew.
fn of_port(contact: &Contact) -> u32 {
    u32::from(if contact.late { contact.weight / 2 } else { contact.weight })
}

fn weight<'a>(contacts: impl Iterator<Item = &'a Contact>) -> u32 {
    contacts.map(|contact| u32::from(contact.weight)).sum()
}

/// The technique most of the evidence has; slow where it took long to come together.
fn made<'a>(kind: Kind, contacts: impl Iterator<Item = &'a Contact>) -> Option<Shape> {
    let contacts: Vec<Contact> = contacts.copied().collect();
    let mut by_technique: BTreeMap<Technique, u32> = BTreeMap::new();
    for contact in &contacts {
        *by_technique.entry(contact.technique).or_default() += 1;
    }
    let (technique, _) = by_technique.into_iter().rev().max_by_key(|(_, count)| *count)?;
    let first = contacts.iter().map(|contact| contact.at).min()?;
    let last = contacts.iter().map(|contact| contact.at).max()?;
    let kind = if last.since_s(first) > SLOW_S { Kind::ScanSlow } else { kind };
    Some(Shape { kind, technique, contacts })
}
