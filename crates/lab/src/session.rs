//! A lab with one ruleset loaded: sends groups of probes, compares, keeps count.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use segwall_core::policy::Verdict;
use segwall_core::ruleset::{At, Ruleset};
use segwall_host::conntrack::Tuple;
use segwall_packetset::{Header, Place, proto};

use crate::error::LabError;
use crate::frame::{Packet, SEQUENCE, Tag, Transport};
use crate::probe::{Expected, Kind, Label, Probe};
use crate::prober::{Content, Prober, Seen, Shot};
use crate::report::{Compared, Context, Tally, compare};
use crate::topology::Topology;

/// Probes between two times that connections are forgotten.
const GROUP_MAX: usize = 16_384;
/// Accepted flows of a pair that are kept for the groups that need a connection.
const SAMPLES_PER_PAIR: usize = 4;

/// One ruleset in the kernel, and its oracle.
#[derive(Debug)]
pub struct Session<'a> {
    /// The network.
    pub topology: &'a Topology,
    /// What the oracle answers from.
    pub ruleset: &'a Ruleset,
    /// When.
    pub at: At,
    /// The name of this variant of the ruleset, when there are several.
    pub variant: &'static str,
    /// Sockets.
    pub prober: &'a mut Prober,
    /// Counts.
    pub tally: &'a mut Tally,
    /// Accepted flows that arrived, a few for each pair.
    pub accepted: BTreeMap<(Place, Place), Vec<Probe>>,
    /// Of each pair a TCP connection that may not be opened, if there is one.
    pub refused: BTreeMap<(Place, Place), Probe>,
    /// Every limit is used up: what is accepted within one only is dropped.
    pub used_up: bool,
}

/// The packet of a probe.
#[must_use]
pub fn packet(probe: &Probe) -> Packet {
    let transport = match probe.header {
        Header::Ports { sport, dport } => Transport::Ports { sport, dport, flags: probe.flags, acknowledges: SEQUENCE },
        Header::Icmp { kind, code } => Transport::Icmp { kind, code, id: 0 },
        Header::Other => Transport::Other,
    };
    Packet {
        src: probe.src,
        dst: probe.dst,
        proto: probe.proto,
        transport,
        tag: Tag { run: 0, number: 0 },
        broken: probe.broken,
    }
}

impl<'a> Session<'a> {
    /// What the oracle says of a probe.
    #[must_use]
    pub fn expected(&self, probe: &Probe) -> Expected {
        let mut expected = probe.expected(self.ruleset, self.topology, self.at);
        if self.used_up && expected.decision.limited {
            expected.decision.verdict = Verdict::Drop;
        }
        expected
    }

    /// What probes are compared with.
    #[must_use]
    pub fn context(&self) -> Context<'a> {
        Context { topology: self.topology, ruleset: self.ruleset, variant: self.variant }
    }

    /// Sends probes that need no connection, and compares. What should have arrived or been refused, and was not, is
    /// sent once more before it counts.
    ///
    /// # Errors
    /// When the lab itself fails.
    pub fn run(&mut self, probes: &[Probe]) -> Result<(), LabError> {
        for group in groups(probes) {
            self.run_group(&group, &[])?;
        }
        Ok(())
    }

    /// As [`Session::run`], for one group, with connections that are known already.
    ///
    /// # Errors
    /// When the lab itself fails.
    pub fn run_group(&mut self, group: &[Probe], known: &[Tuple]) -> Result<(), LabError> {
        let expected: Vec<Expected> = group.iter().map(|probe| self.expected(probe)).collect();
        let shot = |at: &usize| Shot {
            from: group[*at].input,
            via: expected[*at].flow.output,
            content: Content::Crafted(packet(&group[*at])),
        };
        let all: Vec<usize> = (0..group.len()).collect();
        let shots: Vec<Shot> = all.iter().map(shot).collect();
        let mut seen = self.prober.shoot(self.topology, &shots, known)?;
        let differs = |at: &usize, seen: &Seen| compare(self.topology, &group[*at], &expected[*at], seen).is_some();
        // Only silence can be a packet that got lost. What arrived, or was refused, counts the first time.
        let silent = |seen: &Seen| seen.arrived.is_none() && seen.refused.is_none();
        // With limits used up, each bucket that a flow has room in takes one packet of it first.
        let buckets = |at: &usize| self.used_up && expected[*at].decision.limited;
        let rounds = if self.used_up { 1 + self.limited_rules() } else { 1 };
        for _ in 0..rounds {
            let is_doubtful = |at: &usize| (silent(&seen[*at]) || buckets(at)) && differs(at, &seen[*at]);
            let doubtful: Vec<usize> = all.iter().copied().filter(is_doubtful).collect();
            if doubtful.is_empty() {
                break;
            }
            let again: Vec<Shot> = doubtful.iter().map(shot).collect();
            let second = self.prober.shoot(self.topology, &again, known)?;
            for (at, second) in doubtful.into_iter().zip(second) {
                seen[at] = second;
            }
        }
        for ((probe, expected), seen) in group.iter().zip(&expected).zip(&seen) {
            let difference = compare(self.topology, probe, expected, seen);
            if difference.is_none() && probe.kind == Kind::Class {
                match seen.arrived {
                    Some(_) => self.keep(probe),
                    None if probe.proto == proto::TCP => {
                        self.refused.entry((probe.input, probe.to)).or_insert(*probe);
                    }
                    None => {}
                }
            }
            let context = self.context();
            self.tally.note(&context, Compared { probe, expected, seen, difference });
        }
        Ok(())
    }

    fn limited_rules(&self) -> usize {
        self.ruleset.rules.iter().filter(|rule| rule.limit.is_some()).count()
    }

    /// Keeps an accepted flow: one for each service, a few for each pair.
    fn keep(&mut self, probe: &Probe) {
        let kept = self.accepted.entry((probe.input, probe.to)).or_default();
        let like = |other: &&Probe| other.label == probe.label && other.src.is_ipv4() == probe.src.is_ipv4();
        let named = matches!(probe.label, Label::Named(_));
        if kept.iter().any(|other| like(&other)) {
            return;
        }
        if kept.len() < SAMPLES_PER_PAIR {
            kept.push(*probe);
        } else if named && let Some(other) = kept.iter_mut().find(|other| matches!(other.label, Label::Other(_))) {
            *other = *probe;
        }
    }
}

/// Cuts probes into groups in which no two share a connection. Source ports and identifiers are each probe's own;
/// what has neither may not meet the same host twice, for address translation could make two connections one.
fn groups(probes: &[Probe]) -> Vec<Vec<Probe>> {
    let mut groups: Vec<Group> = vec![Group::default()];
    let mut first_open = 0;
    for probe in probes {
        let at = match groups[first_open..].iter().position(|group| group.has_room_for(probe)) {
            Some(offset) => first_open + offset,
            None => {
                groups.push(Group::default());
                groups.len() - 1
            }
        };
        groups[at].add(probe);
        while first_open + 1 < groups.len() && groups[first_open].probes.len() >= GROUP_MAX {
            first_open += 1;
        }
    }
    groups.into_iter().map(|group| group.probes).filter(|probes| !probes.is_empty()).collect()
}

/// Probes that are sent together.
#[derive(Debug, Default)]
struct Group {
    probes: Vec<Probe>,
    /// Where probes without ports or identifier go.
    met: BTreeSet<(u8, IpAddr)>,
}

impl Group {
    fn has_room_for(&self, probe: &Probe) -> bool {
        // Two that share only their source are two connections.
        let meets = |end: IpAddr| self.met.contains(&(probe.proto, end));
        self.probes.len() < GROUP_MAX && (!is_portless(probe) || !(meets(probe.src) || meets(probe.dst)))
    }

    fn add(&mut self, probe: &Probe) {
        self.probes.push(*probe);
        if is_portless(probe) {
            self.met.insert((probe.proto, probe.dst));
        }
    }
}

/// Whether connection tracking knows no port of it. Linux 6.18 knows none of DCCP: all of it between two hosts is one
/// connection.
fn is_portless(probe: &Probe) -> bool {
    matches!(probe.header, Header::Other) || probe.proto == proto::DCCP
}
