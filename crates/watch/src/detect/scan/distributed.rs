//! Many sources, one host, different ports: each source alone stays below every threshold.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use super::super::limits::{DISTRIBUTED_RECENT_MAX, DISTRIBUTED_SOURCES, DISTRIBUTED_WINDOW_S, TARGETS_MAX};
use super::super::table::Table;
use super::super::{Around, What};
use super::probe::Probe;
use crate::alert::{Draft, Evidence, Kind, Subject, Ticket};
use crate::event::{At, Packet};

#[derive(Debug, Clone, Default)]
struct Target {
    recent: VecDeque<(At, IpAddr, What)>,
    since_looked: u32,
    episode: Option<Ticket>,
}

/// Hosts, and who came to them last.
#[derive(Debug, Clone)]
pub struct Targets {
    table: Table<IpAddr, Target>,
}

impl Default for Targets {
    fn default() -> Self {
        Self { table: Table::new(TARGETS_MAX) }
    }
}

/// Contacts between two looks at a host: looking costs more than remembering.
const LOOK_EVERY: u32 = 4;

impl Targets {
    /// A source's first contact with a host failed. True where that belongs to a scan that is being told of.
    pub fn contact(&mut self, around: &mut Around<'_>, probe: &Probe, packet: &Packet) -> bool {
        let at = around.at;
        if self.table.get(&probe.dst).is_none() {
            self.table.insert(probe.dst, Target::default(), 0);
        }
        let target = self.table.get_mut(&probe.dst).expect("was put there");
        let evidence = Evidence::of(at, *packet);
        if let Some(ticket) = target.episode {
            let towards = Some((probe.dst, Some(probe.what)));
            if around.book.grow(around.network, at, ticket, 1, towards, Some(evidence), around.told) {
                return true;
            }
            *target = Target::default();
        }
        if target.recent.len() >= DISTRIBUTED_RECENT_MAX {
            target.recent.pop_front();
        }
        target.recent.push_back((at, packet.src, probe.what));
        while target.recent.front().is_some_and(|(then, ..)| at.since_s(*then) > DISTRIBUTED_WINDOW_S) {
            target.recent.pop_front();
        }
        target.since_looked += 1;
        let (due, level) = (target.since_looked >= LOOK_EVERY, target.recent.len().max(1).ilog2());
        if due && target.recent.len() >= DISTRIBUTED_SOURCES {
            target.since_looked = 0;
            if let Some(draft) = draft(target, probe, evidence) {
                target.episode = around.raise(draft);
                let raised = target.episode.is_some();
                self.table.rank(&probe.dst, u32::MAX);
                return raised;
            }
        }
        self.table.rank(&probe.dst, level);
        false
    }

    pub fn lost(&self) -> u64 {
        self.table.lost
    }
}

fn draft(target: &Target, probe: &Probe, evidence: Evidence) -> Option<Draft> {
    let sources: BTreeSet<IpAddr> = target.recent.iter().map(|(_, src, _)| *src).collect();
    let ports: BTreeSet<What> = target.recent.iter().map(|(.., what)| *what).collect();
    // Many clients of a few ports are a server that is down; what scans shares the ports out.
    if sources.len() < DISTRIBUTED_SOURCES || ports.len() < DISTRIBUTED_SOURCES {
        return None;
    }
    let first = target.recent.front().map(|(at, ..)| *at)?;
    let mut draft = Draft::new(Kind::ScanDistributed, Subject::Many(probe.dst), first);
    draft.technique = Some(probe.technique);
    draft.figure = u64::try_from(sources.len()).expect("few");
    draft.count = u64::try_from(target.recent.len()).expect("few");
    for what in ports {
        draft.towards(probe.dst, Some(what));
    }
    draft.show(evidence);
    Some(draft)
}
