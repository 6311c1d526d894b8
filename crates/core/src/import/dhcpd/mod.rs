//! `dhcpd.conf` of ISC's DHCP server (dhcpd.conf(5), dhcp-options(5)): pools, what hosts are told, reservations.
//!
//! Blocks inherit what stands around them, before or behind them. Statements that are not read are named, and skipped to their `;` or their
//! closing brace.

mod lexer;
mod statements;

use std::collections::BTreeMap;
use std::net::IpAddr;

use segwall_packetset::AddrRange;

use self::lexer::{Kind, Token};
use super::notes::{Notes, quoted};
use crate::netfilter::Note;
use crate::source::{Source, Span};

/// What a file says about DHCP.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dhcpd {
    /// Its subnets, in order.
    pub subnets: Vec<DhcpSubnet>,
    /// Hosts with fixed addresses, in order.
    pub reservations: Vec<Reservation>,
    /// What it says outside of every block.
    pub global: DhcpOptions,
    /// What was not understood, or does not matter.
    pub notes: Vec<Note>,
}

/// What hosts are told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DhcpOptions {
    /// Routers.
    pub routers: Vec<IpAddr>,
    /// Resolvers.
    pub dns: Vec<IpAddr>,
    /// Time servers.
    pub ntp: Vec<IpAddr>,
    /// Domain name.
    pub domain: Option<String>,
    /// Seconds that a lease lasts unless a host asks otherwise.
    pub lease_s: Option<u32>,
    /// Others, by number.
    pub others: BTreeMap<u8, String>,
}

/// A `subnet` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhcpSubnet {
    /// The network.
    pub network: AddrRange,
    /// Addresses that are given out.
    pub ranges: Vec<AddrRange>,
    /// What its hosts are told, with what was said around it.
    pub options: DhcpOptions,
    /// Its place.
    pub span: Span,
}

/// A `host` block with a hardware address and a fixed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Its name.
    pub name: String,
    /// Hardware address.
    pub mac: [u8; 6],
    /// The first of its fixed addresses.
    pub address: IpAddr,
    /// Its place.
    pub span: Span,
}

/// Blocks in blocks that are followed; deeper ones are skipped.
const DEPTH_MAX: usize = 32;

/// Reads the file. Any text gives an answer, and notes.
#[must_use]
pub fn read_dhcpd(source: &Source) -> Dhcpd {
    let tokens = lexer::tokens(source);
    let mut reading = Reading { dhcpd: Dhcpd::default(), notes: Notes::default(), blocks: vec![Block::global()] };
    let mut rest = tokens.as_slice();
    while let Some(token) = rest.first() {
        match token.kind {
            Kind::End => rest = &rest[1..],
            Kind::Close => {
                reading.close(token);
                rest = &rest[1..];
            }
            _ => rest = reading.statement(rest),
        }
    }
    if reading.blocks.len() > 1 {
        let end = source.text().len();
        reading.notes.not_understood(Span::new(end..end), "the file ends inside a block".to_owned());
    }
    while reading.blocks.len() > 1 {
        reading.end_of_block();
    }
    let global = reading.blocks.pop().map(|block| block.options).unwrap_or_default();
    reading.dhcpd.subnets.iter_mut().for_each(|subnet| subnet.options.inherit(&global));
    reading.dhcpd.global = global;
    // Subnets are finished in the order in which they end; they are told in the order in which they begin.
    reading.dhcpd.subnets.sort_by_key(|subnet| subnet.span);
    reading.dhcpd.notes = reading.notes.list;
    reading.dhcpd
}

/// A block that is open.
struct Block {
    options: DhcpOptions,
    what: What,
    /// How many subnets were finished when it began: those behind lie in it.
    subnets_before: usize,
}

impl Block {
    fn global() -> Self {
        Self { options: DhcpOptions::default(), what: What::Group, subnets_before: 0 }
    }
}

/// What a block describes.
enum What {
    /// Nothing by itself: the file, `group`, `shared-network`.
    Group,
    /// A pool: its ranges are those of the subnet around it, or of the one that holds them.
    Pool,
    /// A subnet.
    Subnet { network: AddrRange, ranges: Vec<AddrRange>, span: Span },
    /// A host.
    Host { name: String, mac: Option<[u8; 6]>, address: Option<IpAddr>, span: Span },
}

struct Reading {
    dhcpd: Dhcpd,
    notes: Notes,
    /// From the file itself inwards; never empty.
    blocks: Vec<Block>,
}

impl Reading {
    fn block(&mut self) -> &mut Block {
        self.blocks.last_mut().expect("the file itself is never closed")
    }

    fn close(&mut self, token: &Token<'_>) {
        if self.blocks.len() == 1 {
            self.notes.not_understood(token.span, "a brace that closes nothing".to_owned());
        } else {
            self.end_of_block();
        }
    }

    fn end_of_block(&mut self) {
        let Some(Block { options, what, subnets_before }) = self.blocks.pop() else { return };
        match what {
            What::Group => {
                let inside = self.dhcpd.subnets.iter_mut().skip(subnets_before);
                inside.for_each(|subnet| subnet.options.inherit(&options));
            }
            What::Pool => {}
            What::Subnet { network, ranges, span } => {
                self.dhcpd.subnets.push(DhcpSubnet { network, ranges, options, span });
            }
            What::Host { name, mac: Some(mac), address: Some(address), span } => {
                self.dhcpd.reservations.push(Reservation { name, mac, address, span });
            }
            What::Host { name, span, .. } => {
                let text = format!("host {} has no hardware or no fixed address, and is left out", quoted(&name));
                self.notes.not_understood(span, text);
            }
        }
    }

    /// Reads the statement at the beginning of the tokens; gives those behind it, or inside its block.
    fn statement<'t, 's>(&mut self, tokens: &'t [Token<'s>]) -> &'t [Token<'s>] {
        let ends = |token: &Token<'_>| matches!(token.kind, Kind::End | Kind::Open | Kind::Close);
        let length = tokens.iter().position(ends).unwrap_or(tokens.len());
        let (words, rest) = tokens.split_at(length);
        match rest.first().map(|token| token.kind) {
            Some(Kind::Open) => match self.begin(words, rest[0].span) {
                Some(block) => {
                    self.blocks.push(block);
                    &rest[1..]
                }
                None => behind_block(rest),
            },
            Some(Kind::End) => {
                self.plain(words);
                &rest[1..]
            }
            // A missing semicolon before a brace or the end: dhcpd would refuse it; what is there is read.
            _ => {
                let span = words.last().map_or_else(Span::default, |word| word.span);
                self.notes.not_understood(span, "a `;` is missing here".to_owned());
                self.plain(words);
                rest
            }
        }
    }
}

/// What stands behind the block that begins here.
fn behind_block<'t, 's>(tokens: &'t [Token<'s>]) -> &'t [Token<'s>] {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &tokens[at + 1..];
        }
    }
    &[]
}
