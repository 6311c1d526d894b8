//! Statements of `dhcpd.conf`, one by one.

use std::net::{IpAddr, Ipv4Addr};

use segwall_packetset::{AddrRange, Family};

use super::lexer::{Kind, Token};
use super::{Block, DEPTH_MAX, DhcpOptions, Reading, What};
use crate::import::interfaces::mask;
use crate::import::notes::quoted;
use crate::policy::dhcp_option::{self, OPTION_BYTES_MAX};
use crate::source::Span;

/// Options of a segment that a policy takes by number, with dhcp-options(5)'s names for them (RFC 2132 and later).
const NUMBERED: &[(&str, u8)] = &[
    ("bootfile-name", 67),
    ("capwap-ac-v4", 138),
    ("interface-mtu", 26),
    ("log-servers", 7),
    ("netbios-name-servers", 44),
    ("netbios-node-type", 46),
    ("nis-domain", 40),
    ("nis-servers", 41),
    ("root-path", 17),
    ("smtp-server", 69),
    ("tftp-server-name", 66),
    ("time-offset", 2),
    ("time-servers", 4),
    ("www-server", 72),
];
/// Ranges of one subnet that are read.
const RANGES_MAX: usize = 64;
/// Servers of one option that are read.
const SERVERS_MAX: usize = 16;
/// A range in a pool belongs to one of so many subnets before it.
const SUBNETS_LOOKED_AT: usize = 256;

impl Reading {
    /// The block that begins with these words; `None`: it is skipped.
    pub(super) fn begin(&mut self, words: &[Token<'_>], brace: Span) -> Option<Block> {
        let Some(keyword) = words.first() else {
            self.notes.not_understood(brace, "a block without a name is skipped".to_owned());
            return None;
        };
        let span = Span { start: keyword.span.start, end: brace.end };
        if self.blocks.len() >= DEPTH_MAX {
            self.notes.not_understood(span, "blocks in more blocks than are followed: it is skipped".to_owned());
            return None;
        }
        let what = match keyword.text {
            "group" | "shared-network" => What::Group,
            "pool" => What::Pool,
            "subnet" => self.subnet(words, span)?,
            "host" => {
                let name = words.get(1).map_or_else(String::new, |word| word.text.to_owned());
                What::Host { name, mac: None, address: None, span }
            }
            text => {
                self.notes.not_understood(span, format!("block {} is skipped", quoted(text)));
                return None;
            }
        };
        Some(Block { options: DhcpOptions::default(), what, subnets_before: self.dhcpd.subnets.len() })
    }

    fn subnet(&mut self, words: &[Token<'_>], span: Span) -> Option<What> {
        let addr = words.get(1).and_then(|word| word.text.parse::<Ipv4Addr>().ok());
        let length = words.get(3).and_then(|word| mask(word.text)).filter(|length| *length <= Family::V4.bits());
        let network = addr
            .zip(length)
            .filter(|_| words[2].text == "netmask" && words.len() == 4)
            .map(|(addr, length)| AddrRange::prefix(IpAddr::V4(addr), length));
        let Some(network) = network else {
            let text = "a subnet that is not read: `subnet ADDRESS netmask MASK` is understood".to_owned();
            self.notes.not_understood(span, text);
            return None;
        };
        Some(What::Subnet { network, ranges: Vec::new(), span })
    }

    /// A statement that ends with a semicolon.
    pub(super) fn plain(&mut self, words: &[Token<'_>]) {
        let (Some(keyword), Some(last)) = (words.first(), words.last()) else { return };
        let span = Span { start: keyword.span.start, end: last.span.end };
        let values = &words[1..];
        match keyword.text {
            "option" => self.option(values, span),
            "range" => self.range(values, span),
            "default-lease-time" => match values.first().and_then(|word| word.text.parse().ok()) {
                Some(seconds) => self.block().options.lease_s = Some(seconds),
                None => self.unread(span, "a lease time is a number of seconds"),
            },
            "hardware" => self.hardware(values, span),
            "fixed-address" => self.fixed_address(values, span),
            // The policy's servers set these by themselves.
            "authoritative"
            | "max-lease-time"
            | "min-lease-time"
            | "not"
            | "log-facility"
            | "ddns-update-style"
            | "deny"
            | "allow"
            | "ignore"
            | "ping-check"
            | "server-identifier"
            | "ddns-updates"
            | "update-static-leases"
            | "one-lease-per-client"
            | "get-lease-hostnames"
            | "use-host-decl-names"
            | "local-address"
            | "lease-file-name"
            | "pid-file-name" => {
                self.notes.aside(span, format!("{}: not part of a policy", quoted(keyword.text)));
            }
            "include" => self.unread(span, "another file is read here: name it too"),
            text => {
                let text = format!("{} is not understood", quoted(text));
                self.notes.not_understood(span, text);
            }
        }
    }

    fn unread(&mut self, span: Span, why: &str) {
        self.notes.not_understood(span, why.to_owned());
    }

    fn option(&mut self, values: &[Token<'_>], span: Span) {
        let Some((name, values)) = values.split_first() else { return self.unread(span, "an option without a name") };
        if values.iter().any(|word| word.kind == Kind::Sign) {
            return self.unread(span, "an option of the file's own, or one that is worked out, is not read");
        }
        let mut texts = values.iter().filter(|word| word.kind != Kind::Comma).map(|word| word.text);
        match name.text {
            "routers" | "domain-name-servers" | "ntp-servers" => {
                let list: Vec<Option<IpAddr>> = texts.take(SERVERS_MAX + 1).map(|text| text.parse().ok()).collect();
                let whole = !list.is_empty() && list.len() <= SERVERS_MAX && list.iter().all(Option::is_some);
                let list: Vec<IpAddr> = list.into_iter().flatten().collect();
                let options = &mut self.block().options;
                match name.text {
                    "routers" => options.routers = list,
                    "ntp-servers" => options.ntp = list,
                    _ => options.dns = list,
                }
                if !whole {
                    self.unread(span, "at most 16 servers by their addresses are read");
                }
            }
            "domain-name" => match texts.next_back().filter(|text| text.len() <= OPTION_BYTES_MAX) {
                Some(text) => self.block().options.domain = Some(text.to_owned()),
                None => self.unread(span, "a domain name has 1 to 255 bytes"),
            },
            // They follow from the subnet.
            "broadcast-address" | "subnet-mask" => {}
            "dhcp-lease-time" => self.unread(span, "write default-lease-time"),
            text => {
                let number = NUMBERED.iter().find(|(known, _)| *known == text).map(|(_, number)| *number);
                let number = number.or_else(|| text.strip_prefix("option-").and_then(|number| number.parse().ok()));
                let value = texts.take(OPTION_BYTES_MAX).collect::<Vec<_>>().join(",");
                let fits = |number: &u8| (1..=254).contains(number) && dhcp_option::encode(*number, &value).is_ok();
                match number.filter(fits) {
                    Some(number) => {
                        self.block().options.others.insert(number, value);
                    }
                    None => {
                        let text = format!("option {} is not understood", quoted(text));
                        self.notes.not_understood(span, text);
                    }
                }
            }
        }
    }

    fn range(&mut self, values: &[Token<'_>], span: Span) {
        let values: Vec<&str> = values.iter().map(|word| word.text).filter(|text| *text != "dynamic-bootp").collect();
        let range = match values.as_slice() {
            [one] => one.parse().ok().map(AddrRange::single),
            [first, last] => first
                .parse::<Ipv4Addr>()
                .ok()
                .zip(last.parse::<Ipv4Addr>().ok())
                .and_then(|(first, last)| AddrRange::new(first.into(), last.into())),
            _ => None,
        };
        let Some(range) = range.filter(|range| range.family() == Family::V4) else {
            return self.unread(span, "a range is two addresses, the lower one first");
        };
        // A pool's ranges belong to the subnet around it.
        let around = self.blocks.iter_mut().rev().find_map(|block| match &mut block.what {
            What::Subnet { ranges, .. } => Some(ranges),
            What::Group | What::Pool | What::Host { .. } => None,
        });
        match around {
            Some(ranges) if ranges.len() < RANGES_MAX => ranges.push(range),
            Some(_) => self.unread(span, "more ranges than are read"),
            None => {
                // In a pool of a shared network, behind its subnets.
                let mut known = self.dhcpd.subnets.iter_mut().rev().take(SUBNETS_LOOKED_AT);
                let known = known.find(|subnet| subnet.network.covers(&range));
                match known {
                    Some(subnet) if subnet.ranges.len() < RANGES_MAX => subnet.ranges.push(range),
                    _ => self.unread(span, "a range outside of every subnet"),
                }
            }
        }
    }

    fn hardware(&mut self, values: &[Token<'_>], span: Span) {
        let found = match values {
            [kind, address] if kind.text == "ethernet" => mac(address.text),
            _ => None,
        };
        match (&mut self.block().what, found) {
            (What::Host { mac, .. }, Some(found)) => *mac = Some(found),
            (_, None) => self.unread(span, "`hardware ethernet` and six bytes are understood"),
            (_, Some(_)) => self.unread(span, "a hardware address belongs to a host"),
        }
    }

    fn fixed_address(&mut self, values: &[Token<'_>], span: Span) {
        let found = values.first().and_then(|word| word.text.parse().ok());
        match (&mut self.block().what, found) {
            (What::Host { address, .. }, Some(found)) => *address = Some(found),
            (_, None) => self.unread(span, "a host's fixed address by its name is not read: write the address"),
            (_, Some(_)) => self.unread(span, "a fixed address belongs to a host"),
        }
        if values.len() > 1 {
            self.unread(span, "the first fixed address is taken, the others are left out");
        }
    }
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        *byte = parts.next().filter(|part| part.len() <= 2).and_then(|part| u8::from_str_radix(part, 16).ok())?;
    }
    parts.next().is_none().then_some(bytes)
}

impl DhcpOptions {
    /// Takes what is not said here from around.
    pub(super) fn inherit(&mut self, around: &Self) {
        for (own, theirs) in
            [(&mut self.routers, &around.routers), (&mut self.dns, &around.dns), (&mut self.ntp, &around.ntp)]
        {
            if own.is_empty() {
                own.clone_from(theirs);
            }
        }
        if self.domain.is_none() {
            self.domain.clone_from(&around.domain);
        }
        self.lease_s = self.lease_s.or(around.lease_s);
        for (number, value) in &around.others {
            self.others.entry(*number).or_insert_with(|| value.clone());
        }
    }
}
