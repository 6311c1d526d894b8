//! From a file to the rules in it, whatever wrote them: nft as JSON or text, iptables-save, a shell script of iptables
//! calls.

use std::path::PathBuf;

use segwall_core::netfilter::{self, Program, TableFamily};
use segwall_core::source::Source;
use segwall_host::nft::Nft;

use crate::exit::Failure;
use crate::input::{self, Location};
use crate::text::Escaped;

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `nft -j list ruleset`.
    NftJson,
    /// `nft list ruleset`, or a file for `nft -f`.
    NftText,
    /// `iptables-save`.
    IptablesSave,
    /// `ip6tables-save`.
    Ip6tablesSave,
    /// Calls of iptables and ip6tables.
    Script,
    /// What `nft list ruleset` prints here.
    Kernel,
}

impl Kind {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::NftJson => "nft ruleset (JSON)",
            Self::NftText => "nft ruleset",
            Self::IptablesSave => "iptables-save",
            Self::Ip6tablesSave => "ip6tables-save",
            Self::Script => "script of iptables calls",
            Self::Kernel => "what the kernel holds",
        }
    }
}

/// Rules that were read from one file.
#[derive(Debug)]
pub struct Rules {
    /// The file, for findings.
    pub source: Source,
    /// What it is.
    pub kind: Kind,
    /// The rules.
    pub program: Program,
}

impl Rules {
    /// Notes about what may be missing.
    pub fn not_understood(&self) -> impl Iterator<Item = String> {
        segwall_host::prove::missing(&self.program)
            .map(|note| format!("{}:{}: {}", self.source.name(), self.source.line(note.span.start), note.text))
    }
}

/// Reads a file of rules.
pub fn read(path: PathBuf) -> Result<Rules, Failure> {
    let location = Location::of(Some(path));
    let bytes = input::read(&location)?;
    from_bytes(location.name(), bytes)
}

/// Reads rules.
pub fn from_bytes(name: String, bytes: Vec<u8>) -> Result<Rules, Failure> {
    let text = String::from_utf8(bytes).map_err(|error| Failure::Usage {
        what: format!("{}: byte {} is not UTF-8", Escaped(&name), error.utf8_error().valid_up_to()),
        help: "rules are text: nft, iptables-save, or a script of iptables calls".to_owned(),
    })?;
    let kind = kind_of(&text, &name);
    let source = Source::new(name.clone(), text);
    let program = match kind {
        Kind::NftJson => from_json(&name, source.text().as_bytes())?,
        Kind::NftText => {
            let nft = Nft::find().map_err(|error| refused(&name, &error))?;
            let json = nft.read_text(source.text()).map_err(|error| refused(&name, &error))?;
            let mut program = from_json(&name, json.as_bytes())?;
            netfilter::place_nft_rules(&mut program, &source);
            program
        }
        Kind::IptablesSave => netfilter::read_iptables_save(&source, TableFamily::Ip),
        Kind::Ip6tablesSave => netfilter::read_iptables_save(&source, TableFamily::Ip6),
        Kind::Script | Kind::Kernel => netfilter::read_iptables_script(&source),
    };
    Ok(Rules { source, kind, program })
}

/// What the kernel under us holds.
pub fn kernel() -> Result<Program, Failure> {
    segwall_host::prove::kernel().map_err(|error| refused("the kernel", &error))
}

/// What the kernel under us holds, with the text that people know it by.
pub fn kernel_with_text() -> Result<Rules, Failure> {
    let mut program = kernel()?;
    let name = "the kernel";
    let nft = Nft::find().map_err(|error| refused(name, &error))?;
    let here = segwall_host::netns::Netns::current().map_err(|error| Failure::Refused(error.to_string()))?;
    let text = nft.list(&here, &["list", "ruleset"]).map_err(|error| refused(name, &error))?;
    let source = Source::new(name, text);
    netfilter::place_nft_rules(&mut program, &source);
    Ok(Rules { source, kind: Kind::Kernel, program })
}

fn from_json(name: &str, json: &[u8]) -> Result<Program, Failure> {
    netfilter::read_nft_json(json).map_err(|error| Failure::Usage {
        what: format!("{}: {error}", Escaped(name)),
        help: "it should be what `nft -j list ruleset` prints".to_owned(),
    })
}

fn refused(name: &str, error: &dyn std::error::Error) -> Failure {
    let text = format!("{}: {}", Escaped(name), segwall_host::error::chain(error));
    Failure::Refused(crate::text::escaped_lines(&text))
}

/// Guesses by what the text looks like.
fn kind_of(text: &str, name: &str) -> Kind {
    let mut lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty());
    let first = text.trim_start().as_bytes().first();
    if first == Some(&b'{') {
        return Kind::NftJson;
    }
    let words = |line: &str, list: &[&str]| list.contains(&line.split_whitespace().next().unwrap_or(""));
    let is_save =
        lines.clone().any(|line| line.starts_with('*') && line[1..].trim_end().chars().all(char::is_alphabetic));
    if is_save {
        let six = is_ipv6(text, name);
        return if six { Kind::Ip6tablesSave } else { Kind::IptablesSave };
    }
    let is_nft = text.starts_with("#!") && text.lines().next().is_some_and(|line| line.contains("nft"));
    if is_nft
        || lines.any(|line| words(line, &["table", "add", "flush", "define", "destroy"]) && !line.contains("iptables"))
    {
        return Kind::NftText;
    }
    Kind::Script
}

/// Whether a file in the form of iptables-save is about IPv6: its words say so, then its addresses, then its name.
fn is_ipv6(text: &str, name: &str) -> bool {
    let heading = |word: &str| text.lines().take_while(|line| line.starts_with('#')).any(|line| line.contains(word));
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if heading("ip6tables") || says(&["ipv6-icmp", "icmpv6", "icmp6-", "--hl-"]) {
        return true;
    }
    if heading("iptables") || says(&["-p icmp ", "icmp-"]) {
        return false;
    }
    let mut addresses = text
        .split_whitespace()
        .zip(text.split_whitespace().skip(1))
        .filter(|(option, _)| matches!(*option, "-s" | "-d" | "--source" | "--destination"))
        .map(|(_, address)| address);
    match addresses.next() {
        Some(address) => address.contains(':'),
        None => {
            let file = name.rsplit('/').next().unwrap_or(name);
            ["ip6", "v6", "ipv6"].iter().any(|word| file.contains(word))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_what_they_look_like() {
        let of = |text: &str| kind_of(text, "rules");
        assert_eq!(of("  {\"nftables\": []}"), Kind::NftJson);
        assert_eq!(of("# Generated by iptables-save\n*filter\n:INPUT DROP [0:0]\nCOMMIT\n"), Kind::IptablesSave);
        assert_eq!(of("# Generated by ip6tables-save\n*filter\nCOMMIT\n"), Kind::Ip6tablesSave);
        assert_eq!(kind_of("*filter\n-A INPUT -s 10.6.6.6 -j DROP\nCOMMIT\n", "/tmp/x6/rules.v4"), Kind::IptablesSave);
        assert_eq!(kind_of("*filter\n-A INPUT -s 2001:db8::/32 -j DROP\nCOMMIT\n", "rules"), Kind::Ip6tablesSave);
        assert_eq!(kind_of("*filter\n:INPUT DROP\nCOMMIT\n", "/etc/iptables/rules.v6"), Kind::Ip6tablesSave);
        assert_eq!(kind_of("*filter\n:INPUT DROP\nCOMMIT\n", "/tmp/x6/rules"), Kind::IptablesSave);
        assert_eq!(of("table inet filter {\n}\n"), Kind::NftText);
        assert_eq!(of("#!/usr/sbin/nft -f\nflush ruleset\n"), Kind::NftText);
        assert_eq!(of("#!/bin/sh\niptables -F\niptables -A INPUT -j ACCEPT\n"), Kind::Script);
    }
}
