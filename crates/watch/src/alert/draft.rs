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
        if self.targets.len() < TARGETS_MAX {
            self.targets.insert(target);
        } else {
            self.more.0 |= !self.targets.contains(&target);
        }
        if let Some(port) = port {
            if self.ports.len() < PORTS_MAX {
                self.ports.insert(port);
            } else {
                self.more.1 |= !self.ports.contains(&port);
            }
        }
    }

    /// This packet shows it.
    pub fn show(&mut self, evidence: Evidence) {
        if self.evidence.len() < EVIDENCE_MAX {
            self.evidence.push(evidence);
        }
    }
}
