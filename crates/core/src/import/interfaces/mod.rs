//! `/etc/network/interfaces`, as Debian's ifupdown and Alpine's ifupdown-ng write it.
//!
//! interfaces(5) of both: stanzas that begin with `iface`, `auto`, `allow-*` and the like at any column, options behind
//! them. What bears on which networks lie behind which interface is read; everything else is named in a note.

mod lines;
mod options;

pub(super) use options::mask;

use std::net::IpAddr;

use segwall_packetset::{AddrRange, Family};

use self::lines::{Item, Line, Word};
use super::notes::{Notes, quoted};
use crate::netfilter::Note;
use crate::policy::InterfaceAddress;
use crate::source::{Source, Span};

/// What a file says about interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interfaces {
    /// Its `iface` stanzas, in order; several may be about one interface.
    pub stanzas: Vec<Stanza>,
    /// What was not understood, or says nothing about networks.
    pub notes: Vec<Note>,
}

/// An `iface` stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza {
    /// The interface.
    pub name: String,
    /// `inet`, `inet6`; `None` where ifupdown-ng leaves it out.
    pub family: Option<Family>,
    /// Addresses come by DHCP.
    pub dhcp: bool,
    /// IPv6 addresses come by router advertisements.
    pub ra: bool,
    /// The box's addresses on it.
    pub addresses: Vec<InterfaceAddress>,
    /// Next hops.
    pub gateways: Vec<IpAddr>,
    /// Networks behind it, with the next hop.
    pub routes: Vec<(AddrRange, IpAddr)>,
    /// The interface that carries it, where it is a VLAN.
    pub raw_device: Option<String>,
    /// Its VLAN, where an option says so.
    pub vlan_id: Option<u16>,
    /// The comment right above it.
    pub comment: Option<String>,
    /// The name's place.
    pub span: Span,
}

/// Words that begin a stanza of their own.
fn begins(word: &str) -> bool {
    matches!(
        word,
        "iface"
            | "auto"
            | "mapping"
            | "template"
            | "source"
            | "source-directory"
            | "no-auto-down"
            | "no-scripts"
            | "rename"
    ) || word.starts_with("allow-")
}

/// Reads the file. Any text gives an answer, and notes.
#[must_use]
pub fn read_interfaces(source: &Source) -> Interfaces {
    let mut reading = Reading { interfaces: Interfaces::default(), notes: Notes::default(), open: Open::Nothing };
    let mut comment: Option<&str> = None;
    for item in lines::items(source) {
        match item {
            Item::Blank => comment = None,
            // The first line of several says what it is about.
            Item::Comment(text) => comment = comment.or(Some(text)).filter(|text| !text.is_empty()),
            Item::Line(line) => {
                let keyword = line.words[0].text;
                reading.line(&line, comment);
                // `auto eth0.10` stands between the comment and its stanza.
                if keyword != "auto" && !keyword.starts_with("allow-") {
                    comment = None;
                }
            }
        }
    }
    reading.close();
    reading.interfaces.notes = reading.notes.list;
    reading.interfaces
}

/// Which options may follow.
enum Open {
    /// None: nothing was begun.
    Nothing,
    /// Those of an interface.
    Stanza(Box<Stanza>, options::Halves),
    /// Those of a mapping: not read.
    Other,
}

struct Reading {
    interfaces: Interfaces,
    notes: Notes,
    open: Open,
}

impl Reading {
    fn close(&mut self) {
        if let Open::Stanza(stanza, halves) = std::mem::replace(&mut self.open, Open::Nothing) {
            let mut stanza = *stanza;
            options::complete(&mut stanza, &halves, &mut self.notes);
            self.interfaces.stanzas.push(stanza);
        }
    }

    fn line(&mut self, line: &Line<'_>, comment: Option<&str>) {
        let keyword = line.words[0];
        if !begins(keyword.text) {
            match &mut self.open {
                Open::Stanza(stanza, halves) => options::option(stanza, halves, line, &mut self.notes),
                Open::Other => {}
                Open::Nothing => self.notes.not_understood(
                    line.span,
                    format!("{} belongs to no interface: an iface line comes first", quoted(keyword.text)),
                ),
            }
            return;
        }
        self.close();
        match keyword.text {
            "iface" => self.iface(line, comment),
            "source" | "source-directory" => {
                self.notes.not_understood(line.span, "another file is read here: name it too".to_owned());
            }
            "mapping" | "template" | "rename" => {
                self.open = Open::Other;
                let text = format!("{} is not read: interfaces are known by their own names", quoted(keyword.text));
                self.notes.not_understood(line.span, text);
            }
            // When an interface comes up does not matter for what lies behind it.
            _ => {}
        }
    }

    fn iface(&mut self, line: &Line<'_>, comment: Option<&str>) {
        let Some(name) = line.words.get(1) else {
            self.open = Open::Other;
            self.notes.not_understood(line.span, "iface without a name".to_owned());
            return;
        };
        if segwall_packetset::interface(name.text).is_none() {
            self.open = Open::Other;
            let text = format!("{} cannot be an interface's name: at most 15 bytes", quoted(name.text));
            self.notes.not_understood(name.span, text);
            return;
        }
        let mut stanza = Stanza {
            name: name.text.to_owned(),
            family: None,
            dhcp: false,
            ra: false,
            addresses: Vec::new(),
            gateways: Vec::new(),
            routes: Vec::new(),
            raw_device: None,
            vlan_id: None,
            comment: comment.map(str::to_owned),
            span: name.span,
        };
        let mut words = line.words[2..].iter().copied();
        while let Some(word) = words.next() {
            self.method(&mut stanza, word, &mut words);
        }
        self.open = Open::Stanza(Box::new(stanza), options::Halves::default());
    }

    fn method<'s>(&mut self, stanza: &mut Stanza, word: Word<'_>, more: &mut impl Iterator<Item = Word<'s>>) {
        match word.text {
            "inet" => stanza.family = Some(Family::V4),
            "inet6" => stanza.family = Some(Family::V6),
            "dhcp" => stanza.dhcp = true,
            "auto" => stanza.ra = true,
            "static" | "manual" | "loopback" => {}
            "inherits" => {
                let from = more.next().map_or("", |word| word.text);
                let text = format!("what it inherits from {} is not read", quoted(from));
                self.notes.not_understood(word.span, text);
            }
            "can" | "ipx" | "ppp" | "tunnel" | "v4tunnel" | "6to4" | "bootp" | "wvdial" | "wireguard" => self
                .notes
                .not_understood(word.span, format!("method {} is not read: the addresses it gives", quoted(word.text))),
            text => self.notes.not_understood(word.span, format!("{} is not understood", quoted(text))),
        }
    }
}
