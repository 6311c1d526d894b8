//! What a detector says when something begins.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{EVIDENCE_MAX, Evidence, Kind, PORTS_MAX, Subject, TARGETS_MAX, Technique};
use crate::event::At;
use crate::network::Zone;

/// Protocol, and port or ICMP type, 0 where it has neither.
pub type Port = (u8, u16);

/// An episode that begins.
#[derive(Debug, Clone)]
pub struct Draft {
    /// What it is about.
    pub kind: Kind,
    /// Who or what.
    pub subject: Subject,
    /// Where that is.
    pub zone: Option<Zone>,
    /// How, for scans.
    pub technique: Option<Technique>,
    /// Towards whom.
    pub targets: BTreeSet<IpAddr>,
    /// On what.
    pub ports: BTreeSet<Port>,
    /// How often so far.
    pub count: u64,
    /// The first that counts.
    pub first: At,
    /// A figure that the summary needs: the usual count, the maximum, the number of sources.
    pub figure: u64,
    /// The first packets.
    pub evidence: Vec<Evidence>,
    /// It comes from the internet, where somebody is scanning at all times: only a notice, and counted apart.
    pub background: bool,
    /// There were more targets or ports than are kept.
    pub more: (bool, bool),
}

impl Draft {
    /// About something, once, from now on.
    #[must_use]
    pub fn new(kind: Kind, subject: Subject, at: At) -> Self {
        Self {
            kind,
            subject,
            zone: None,
            technique: None,
            targets: BTreeSet::new(),
            ports: BTreeSet::new(),
            count: 1,
            first: at,
            figure: 0,
            evidence: Vec::new(),
            background: false,
            more: (false, false),
        }
    }

    /// Where the subject is.
    #[must_use]
    pub fn within(mut self, zone: Zone) -> Self {
        self.zone = Some(zone);
        self
    }

    /// Towards this address, on this port.
    pub fn towards(&mut self, target: IpAddr, port: Option<Port>) {
        add(&mut self.targets, target, TARGETS_MAX, &mut self.more.0);
        if let Some(port) = port {
            add(&mut self.ports, port, PORTS_MAX, &mut self.more.1);
        }
    }

    /// This packet shows it; false where there are enough of those.
    pub fn show(&mut self, evidence: Evidence) -> bool {
        let has_room = self.evidence.len() < EVIDENCE_MAX;
        if has_room {
            self.evidence.push(evidence);
        }
        has_room
    }

    /// Targets and ports of another of the same kind and subject.
    pub fn join(&mut self, other: &Self) {
        for target in &other.targets {
            self.towards(*target, None);
        }
        for port in &other.ports {
            add(&mut self.ports, *port, PORTS_MAX, &mut self.more.1);
        }
        self.more = (self.more.0 || other.more.0, self.more.1 || other.more.1);
    }
}

/// Adds where there is room; says where there is none.
fn add<T: Ord>(to: &mut BTreeSet<T>, one: T, max: usize, is_more: &mut bool) {
    if to.len() < max {
        to.insert(one);
    } else {
        *is_more |= !to.contains(&one);
    }
}
