//! What is kept: ended connections, increments of traffic, alerts and rare events, with names instead of numbers.

use std::net::IpAddr;

use segwall_packetset::Header;

use crate::alert::Alert;
use crate::event::{Answer, At, Connection, Event, Source, Volume};
use crate::network::Network;
use crate::traffic::{Between, Carried};

/// A connection that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// When it ended.
    pub ended: At,
    /// When it began, where the kernel notes it.
    pub began: Option<At>,
    /// The zone of who opened it.
    pub from: String,
    /// The zone of who answered.
    pub to: String,
    /// IP protocol number.
    pub proto: u8,
    /// Who opened it.
    pub src: IpAddr,
    /// Whom it was opened to.
    pub dst: IpAddr,
    /// Ports, or ICMP type and code, as it was opened.
    pub header: Header,
    /// Who answered, where a port forward made that somebody else.
    pub server: Option<Server>,
    /// Sent by the opener.
    pub sent: Volume,
    /// Sent back.
    pub received: Volume,
    /// Whether it was answered.
    pub answer: Answer,
}

/// Who answered instead of the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server {
    /// Its address.
    pub addr: IpAddr,
    /// Its port; 0 where there is none.
    pub port: u16,
}

impl Flow {
    /// A connection with the names that hold now. Of an open one the end is the present.
    #[must_use]
    pub fn of(network: &Network, at: At, connection: &Connection) -> Self {
        let ends = network.ends_of(connection);
        let (original, reply) = (&connection.original, &connection.reply);
        let port = match reply.header {
            Header::Ports { sport, .. } => sport,
            Header::Icmp { .. } | Header::Other => 0,
        };
        let server = Server { addr: reply.src, port };
        let meant = (original.dst, ports(original.header).1.unwrap_or(0));
        Self {
            ended: at,
            began: connection.began,
            from: network.name(ends.from),
            to: network.name(ends.to),
            proto: original.proto,
            src: original.src,
            dst: original.dst,
            header: original.header,
            server: (meant != (server.addr, server.port)).then_some(server),
            sent: connection.sent,
            received: connection.received,
            answer: connection.answer,
        }
    }

    /// Source port.
    #[must_use]
    pub fn sport(&self) -> Option<u16> {
        ports(self.header).0
    }

    /// Destination port, as it was opened.
    #[must_use]
    pub fn dport(&self) -> Option<u16> {
        ports(self.header).1
    }

    /// ICMP type.
    #[must_use]
    pub fn icmp_type(&self) -> Option<u8> {
        match self.header {
            Header::Icmp { kind, .. } => Some(kind),
            Header::Ports { .. } | Header::Other => None,
        }
    }
}

fn ports(header: Header) -> (Option<u16>, Option<u16>) {
    match header {
        Header::Ports { sport, dport } => (Some(sport), Some(dport)),
        Header::Icmp { .. } | Header::Other => (None, None),
    }
}

/// The word of an answer, as files and JSON have it.
#[must_use]
pub fn answer_word(answer: Answer) -> &'static str {
    match answer {
        Answer::None => "none",
        Answer::Refused => "refused",
        Answer::Answered => "answered",
        Answer::Unknown => "unknown",
    }
}

/// The answer of a word; what is no word is unknown.
#[must_use]
pub fn answer_of(word: &str) -> Answer {
    let all = [Answer::None, Answer::Refused, Answer::Answered];
    all.into_iter().find(|answer| answer_word(*answer) == word).unwrap_or(Answer::Unknown)
}

/// What went between two hosts since the last time somebody looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Increment {
    /// When.
    pub at: At,
    /// Who, to whom.
    pub between: Between,
    /// What.
    pub carried: Carried,
}

/// An increment with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The zone of who opened the connection.
    pub from: String,
    /// The zone of who answers.
    pub to: String,
    /// The rest.
    pub increment: Increment,
}

/// An alert as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertRow {
    /// When it was told.
    pub at: At,
    /// Number of the episode.
    pub number: u64,
    /// Its kind's word.
    pub kind: &'static str,
    /// `open`, `update`, `closed`.
    pub state: &'static str,
    /// Its word.
    pub severity: &'static str,
    /// Who.
    pub source: String,
    /// One sentence.
    pub summary: String,
    /// All of it as JSON.
    pub json: String,
}

impl AlertRow {
    /// An alert, and the same as JSON.
    #[must_use]
    pub fn of(alert: &Alert, json: String) -> Self {
        Self {
            at: alert.told,
            number: alert.id,
            kind: alert.kind.word(),
            state: alert.phase.word(),
            severity: alert.severity.word(),
            source: alert.source.clone(),
            summary: alert.summary.clone(),
            json,
        }
    }
}

/// A rare event: something of the box itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When.
    pub at: At,
    /// Its word.
    pub kind: &'static str,
    /// About what.
    pub subject: String,
    /// How many, where that means something.
    pub count: u64,
}

impl Note {
    /// What is worth keeping of an event; `None` for everyday ones.
    #[must_use]
    pub fn of(at: At, event: &Event) -> Option<Self> {
        let (kind, subject, count) = match event {
            Event::Link { iface, up } => (if *up { "link-up" } else { "link-down" }, iface.to_string(), 1),
            Event::Table { there } => (if *there { "table-there" } else { "table-gone" }, String::new(), 1),
            Event::Drift { differences } => ("drift", String::new(), u64::from(*differences)),
            Event::DhcpServer { iface, addr, mac: _ } => ("dhcp-server", format!("{iface} {addr}"), 1),
            Event::Lost { source, count } => {
                let source = match source {
                    Source::Packets => "packets",
                    Source::Connections => "connections",
                    Source::Links => "links",
                    Source::Log => "log",
                };
                ("records-lost", source.to_owned(), *count)
            }
            Event::Packet(_)
            | Event::Standing(_)
            | Event::Going(_)
            | Event::Listed
            | Event::Began(_)
            | Event::Ended(_)
            | Event::Counters(_)
            | Event::Neighbour { .. }
            | Event::Lease { .. }
            | Event::OwnAddress { .. }
            | Event::Conntrack { .. }
            | Event::Tick => return None,
        };
        Some(Self { at, kind, subject, count })
    }
}
