//! The files of an import, told apart by what they look like.

use std::path::PathBuf;

use segwall_core::import::{self, Dhcpd, Given, Interfaces, UplinkGiven};
use segwall_core::netfilter::{Note, NoteKind};
use segwall_core::source::Source;

use crate::exit::Failure;
use crate::foreign::{self, Rules};
use crate::input::{self, Location};
use crate::text::Escaped;

/// Everything that was read.
#[derive(Debug, Default)]
pub struct Files {
    rules: Vec<Rules>,
    interfaces: Vec<(Source, Interfaces)>,
    dhcpd: Vec<(Source, Dhcpd)>,
}

/// What a file is, apart from rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Interfaces,
    Addresses,
    Dhcpd,
    Rules,
}

impl Files {
    /// Reads the files; `addresses` are about interfaces, whatever they look like.
    pub fn read(files: Vec<PathBuf>, addresses: Vec<PathBuf>) -> Result<Self, Failure> {
        let mut read = Self::default();
        for path in files {
            let (name, bytes) = open(path)?;
            let kind = std::str::from_utf8(&bytes).map_or(Kind::Rules, kind_of);
            read.take(kind, name, bytes)?;
        }
        for path in addresses {
            let (name, bytes) = open(path)?;
            let is_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
            read.take(if is_json { Kind::Addresses } else { Kind::Interfaces }, name, bytes)?;
        }
        if read.rules.is_empty() {
            return Err(Failure::Usage {
                what: "none of these files has rules".to_owned(),
                help: "name a script of iptables calls, iptables-save, or what `nft list ruleset` prints".to_owned(),
            });
        }
        Ok(read)
    }

    fn take(&mut self, kind: Kind, name: String, bytes: Vec<u8>) -> Result<(), Failure> {
        if kind == Kind::Rules {
            self.rules.push(foreign::from_bytes(name, bytes)?);
            return Ok(());
        }
        let text = String::from_utf8(bytes).map_err(|error| Failure::Usage {
            what: format!("{}: byte {} is not UTF-8", Escaped(&name), error.utf8_error().valid_up_to()),
            help: "these files are text".to_owned(),
        })?;
        let source = Source::new(name, text);
        match kind {
            Kind::Interfaces => {
                let read = import::read_interfaces(&source);
                self.interfaces.push((source, read));
            }
            Kind::Addresses => {
                let read = import::read_addresses(&source);
                self.interfaces.push((source, read));
            }
            Kind::Dhcpd | Kind::Rules => {
                let read = import::read_dhcpd(&source);
                self.dhcpd.push((source, read));
            }
        }
        Ok(())
    }

    /// As core takes them.
    pub fn given(&self, uplink: Option<UplinkGiven>) -> Given<'_> {
        Given {
            programs: self.rules.iter().map(|rules| (&rules.source, &rules.program)).collect(),
            interfaces: self.interfaces.iter().map(|(source, read)| (source, read)).collect(),
            dhcpd: self.dhcpd.iter().map(|(source, read)| (source, read)).collect(),
            uplink,
        }
    }

    /// What each file is.
    pub fn kinds(&self) -> Vec<(String, &'static str)> {
        let rules = self.rules.iter().map(|rules| (rules.source.name().to_owned(), rules.kind.words()));
        let interfaces = self.interfaces.iter().map(|(source, _)| (source.name().to_owned(), "interfaces"));
        let dhcpd = self.dhcpd.iter().map(|(source, _)| (source.name().to_owned(), "dhcpd.conf"));
        rules.chain(interfaces).chain(dhcpd).collect()
    }

    /// What was not understood of interfaces and dhcpd.conf, with its place.
    pub fn not_read(&self) -> Vec<String> {
        let words =
            |source: &Source, note: &Note| format!("{}:{}: {}", source.name(), source.line(note.span.start), note.text);
        let open = |note: &&Note| note.kind != NoteKind::Aside;
        let mut list = Vec::new();
        for (source, read) in &self.interfaces {
            list.extend(read.notes.iter().filter(open).map(|note| words(source, note)));
        }
        for (source, read) in &self.dhcpd {
            list.extend(read.notes.iter().filter(open).map(|note| words(source, note)));
        }
        list
    }
}

fn open(path: PathBuf) -> Result<(String, Vec<u8>), Failure> {
    let location = Location::of(Some(path));
    let bytes = input::read(&location)?;
    Ok((location.name(), bytes))
}

/// Words that begin a statement of dhcpd.conf and no line of rules.
const OF_DHCPD: &[&str] = &[
    "subnet",
    "shared-network",
    "default-lease-time",
    "max-lease-time",
    "authoritative;",
    "option",
    "range",
    "ddns-update-style",
    "subnet6",
];

fn kind_of(text: &str) -> Kind {
    if text.trim_start().starts_with('[') {
        return Kind::Addresses;
    }
    let first = |line: &str| line.split_whitespace().next().unwrap_or("").to_owned();
    let mut is_interfaces = false;
    for line in text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let word = first(line);
        let is_line =
            matches!(word.as_str(), "iface" | "auto" | "source" | "source-directory" | "mapping" | "template")
                || word.starts_with("allow-");
        if is_interfaces {
            // A script may `source` something; only a file of interfaces has stanzas.
            if word == "iface" {
                return Kind::Interfaces;
            }
            continue;
        }
        if word == "iface" {
            return Kind::Interfaces;
        }
        if OF_DHCPD.contains(&word.as_str()) {
            return Kind::Dhcpd;
        }
        if !is_line {
            return if word == "group" || word == "host" { Kind::Dhcpd } else { Kind::Rules };
        }
        is_interfaces = true;
    }
    Kind::Rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_what_they_look_like() {
        assert_eq!(kind_of("# main\nauto eth0\niface eth0 inet dhcp\n"), Kind::Interfaces);
        assert_eq!(kind_of("source /etc/network/interfaces.d/*\n\niface lo inet loopback\n"), Kind::Interfaces);
        assert_eq!(kind_of("# g\ndefault-lease-time 600;\n"), Kind::Dhcpd);
        assert_eq!(kind_of("host a { hardware ethernet 02:00:00:00:00:01; }\n"), Kind::Dhcpd);
        assert_eq!(kind_of("[{\"ifname\":\"eth0\"}]"), Kind::Addresses);
        assert_eq!(kind_of("#!/bin/sh\niptables -F\n"), Kind::Rules);
        assert_eq!(kind_of("source ./lib.sh\niptables -F\n"), Kind::Rules);
        assert_eq!(kind_of("*filter\n:INPUT DROP\nCOMMIT\n"), Kind::Rules);
        assert_eq!(kind_of("{\"nftables\": []}"), Kind::Rules);
        assert_eq!(kind_of(""), Kind::Rules);
    }
}
