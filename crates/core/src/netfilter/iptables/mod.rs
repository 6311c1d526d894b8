//! Readers of what people and programs write for iptables: save files, shell scripts, ipset's own save files.
//!
//! They never fail: what iptables itself would refuse is left out and noted, what it takes and the model has no words
//! for becomes a rule that may match. Words are read as iptables 1.8.9 reads them (abbreviated options, names cut
//! short, octal numbers), which the tests compare with the program itself.

mod address;
mod addrtype;
mod call;
mod conntrack;
mod dates;
mod icmp;
mod ipset;
mod limits;
mod match_list;
mod matches;
mod modules;
mod names;
mod nat;
mod numbers;
mod options;
mod perform;
mod ports;
mod save;
mod script;
mod services;
mod spec;
mod tables;
mod target_list;
mod targets;
mod time;

pub use ipset::{IpSets, read_ipset_save};
pub use save::{read_iptables_save, read_iptables_save_with};
pub use script::{read_iptables_script, read_iptables_script_with};

use crate::netfilter::{NoteKind, TableFamily};
use crate::source::Span;

/// The two programs: each has tables of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    V4,
    V6,
}

impl Version {
    /// Whose packets its tables see.
    fn family(self) -> TableFamily {
        match self {
            Self::V4 => TableFamily::Ip,
            Self::V6 => TableFamily::Ip6,
        }
    }
}

/// One word of a call, without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    text: String,
    span: Span,
}

/// What iptables would refuse, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Refusal {
    kind: NoteKind,
    text: String,
    span: Span,
}

impl Refusal {
    fn new(span: Span, text: impl Into<String>) -> Self {
        Self { kind: NoteKind::Refused, text: text.into(), span }
    }

    /// What iptables would take, and is more than is followed here.
    fn beyond(span: Span, text: impl Into<String>) -> Self {
        Self { kind: NoteKind::NotUnderstood, text: text.into(), span }
    }
}
