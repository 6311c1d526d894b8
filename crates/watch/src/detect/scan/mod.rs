//! Scans, by failed first contacts: a sequential test in the manner of Jung, Paxson, Berger and Balakrishnan, "Fast
//! Portscan Detection Using Sequential Hypothesis Testing" (2004), with the evasions closed that Weaver, Staniford and Paxson
//! (2004) and Kang, Caballero and Song (2007) describe: the walk never goes below nothing, few successes pay, each of them to
//! another host, and what counts must have the shape of a scan.

mod distributed;
mod probe;
mod source;

use std::net::IpAddr;

use segwall_packetset::proto;

use super::limits::{CONTACTS_ALL_MAX, SOURCES_MAX, WEIGHT, WEIGHT_UNANSWERED_UDP};
use super::peers::Peers;
use super::table::Table;
use super::{Around, what_of_tuple};
use crate::alert::{Draft, Evidence, Kind, Subject, Technique, Ticket};
use crate::event::{Answer, Connection, Packet};
use crate::network::{Ends, Zone};
use probe::{Look, Probe, probe};
pub use probe::{is_wanted, may_be_accused};
use source::{Added, Contact, Source};

/// Every source that failed somewhere.
#[derive(Debug, Clone)]
pub struct Scans {
    sources: Table<IpAddr, Source>,
    contacts: usize,
    targets: distributed::Targets,
}

impl Default for Scans {
    fn default() -> Self {
        Self { sources: Table::new(SOURCES_MAX), contacts: 0, targets: distributed::Targets::default() }
    }
}

/// How wide an episode must be to be called a block, whatever it looked like at first.
const WIDE: usize = 4;

impl Scans {
    /// A packet was refused. True where it belongs to a scan that is being told of.
    pub fn refused(&mut self, around: &mut Around<'_>, peers: &Peers, ends: Ends, packet: &Packet) -> bool {
        let Some(probe) = probe(around.network, packet) else {
            return self.is_scanning(packet.src);
        };
        let ordinary = match probe.look {
            Look::Opens => peers.was_answered(packet.src, packet.dst, probe.what),
            Look::Late => peers.knows(packet),
            // A log of refused packets cannot tell a late answer from a scan with a server's source port.
            Look::Answer => !peers.is_live() || peers.knows(packet),
            Look::Crafted => false,
        };
        if ordinary {
            return self.is_scanning(packet.src);
        }
        let outward = around.network.is_outward(ends, packet.src, packet.dst);
        self.failed(around, packet.src, ends.from, &probe, outward, Some(packet))
    }

    /// A connection that was accepted has ended: a success, or a first contact that failed.
    pub fn ended(&mut self, around: &mut Around<'_>, peers: &Peers, ends: Ends, connection: &Connection) {
        let src = connection.original.src;
        let (dst, what) = (connection.original.dst, what_of_tuple(&connection.original));
        if !may_be_accused(around.network, src) || crate::network::is_nobody(dst) || ends.from == Zone::Gateway {
            return;
        }
        match connection.answer {
            Answer::Answered => {
                if let Some(source) = self.sources.get_mut(&src) {
                    source.credit(dst);
                }
            }
            Answer::Unknown => {}
            Answer::None | Answer::Refused => {
                if peers.was_answered(src, dst, what) || around.network.is_broadcast(dst) {
                    return;
                }
                let (technique, weight) = match what.0 {
                    proto::TCP => (Technique::Connect, WEIGHT),
                    proto::UDP if connection.answer == Answer::None => (Technique::Udp, WEIGHT_UNANSWERED_UDP),
                    proto::UDP => (Technique::Udp, WEIGHT),
                    proto::ICMP | proto::ICMPV6 => (Technique::Icmp, WEIGHT),
                    other if proto::has_ports(other) => (Technique::Other, WEIGHT),
                    _ => (Technique::Protocol, WEIGHT),
                };
                let outward = around.network.is_outward(ends, src, dst);
                let probe = Probe { dst, what, technique, weight, look: Look::Opens };
                self.failed(around, src, ends.from, &probe, outward, None);
            }
        }
    }

    /// Whether the source has an open episode.
    pub fn is_scanning(&self, src: IpAddr) -> bool {
        self.sources.get(&src).is_some_and(|source| source.episode.is_some())
    }

    /// An episode is over: what it counted is forgotten, so that the same scan is found again.
    pub fn closed(&mut self, kind: Kind, subject: Subject) {
        let is_scan = matches!(kind, Kind::ScanVertical | Kind::ScanHorizontal | Kind::ScanBlock | Kind::ScanSlow);
        if let (true, Subject::Addr(src)) = (is_scan, subject)
            && let Some(gone) = self.sources.remove(&src)
        {
            self.contacts = self.contacts.saturating_sub(gone.len());
        }
    }

    /// Sources and hosts that had to be forgotten.
    pub fn lost(&self) -> u64 {
        self.sources.lost + self.targets.lost()
    }

    /// Rows and contacts that take room.
    pub fn size(&self) -> (usize, usize) {
        (self.sources.len(), self.contacts)
    }

    fn failed(
        &mut self,
        around: &mut Around<'_>,
        src: IpAddr,
        zone: Zone,
        probe: &Probe,
        outward: bool,
        packet: Option<&Packet>,
    ) -> bool {
        let at = around.at;
        let evidence = packet.map(|packet| Evidence::of(at, *packet));
        if self.sources.get(&src).is_none()
            && let Some(gone) = self.sources.insert(src, Source::new(zone), u32::from(probe.weight))
        {
            self.contacts = self.contacts.saturating_sub(gone.len());
        }
        let source = self.sources.get_mut(&src).expect("was put there");
        if source.zone == Zone::Unknown {
            source.zone = zone;
        }
        if let Some(ticket) = source.episode {
            let towards = Some((probe.dst, Some(probe.what)));
            if around.book.grow(around.network, at, ticket, 1, towards, evidence, around.told) {
                source.episode = Some(widened(around, ticket));
                return true;
            }
            source.episode = None;
        }
        let contact = Contact {
            dst: probe.dst,
            what: probe.what,
            at,
            weight: probe.weight,
            technique: probe.technique,
            late: false,
        };
        let before = source.len();
        let added = source.add(contact, probe.look, outward, evidence);
        self.contacts = (self.contacts + source.len()).saturating_sub(before);
        if added == Added::Known {
            return false;
        }
        let raised = match source.shape(at, outward) {
            Some(shape) => {
                source.episode = raise(around, src, source, &shape);
                source.episode.is_some()
            }
            None => false,
        };
        let level = source.level();
        self.sources.rank(&src, level);
        while self.contacts > CONTACTS_ALL_MAX {
            let Some(gone) = self.sources.evict() else { break };
            self.contacts = self.contacts.saturating_sub(gone.len());
        }
        // Hosts of the internet are too many to remember, and somebody else's to protect.
        raised || packet.is_some_and(|packet| !outward && self.targets.contact(around, probe, packet))
    }
}

fn raise(around: &mut Around<'_>, src: IpAddr, source: &Source, shape: &source::Shape) -> Option<Ticket> {
    let first = shape.contacts.iter().map(|contact| contact.at).min().unwrap_or(around.at);
    let mut draft = Draft::new(shape.kind, Subject::Addr(src), first).within(source.zone);
    draft.technique = Some(shape.technique);
    draft.count = u64::try_from(shape.contacts.len()).expect("few");
    draft.background = source.zone == Zone::Internet;
    for contact in &shape.contacts {
        draft.towards(contact.dst, Some(contact.what));
    }
    draft.evidence.extend(source.evidence(&shape.contacts));
    around.raise(draft)
}

/// A scan of one host or port that went on to many of both.
fn widened(around: &mut Around<'_>, ticket: Ticket) -> Ticket {
    let (hosts, ports) = around.book.breadth(ticket);
    match ticket.kind() {
        Kind::ScanVertical | Kind::ScanHorizontal if hosts >= WIDE && ports >= WIDE => {
            around.book.widen(around.network, around.at, ticket, Kind::ScanBlock, around.told)
        }
        _ => ticket,
    }
}
