//! Rules as text: each under the lines it comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use segwall_packetset::AddrRange;

use super::Given;
use super::forwards::Forward;
use super::grants::{End, Grant, LineAt, Place};
use super::head::{comment, one_or_list, quoted};
use super::network::Network;
use super::services;
use crate::ruleset::{Role, Ruleset};

/// Lines of the given rules that are written out above a rule; more are counted.
const LINES_SHOWN: usize = 4;
/// Characters of a line that are shown.
const LINE_CHARS_SHOWN: usize = 120;
/// Networks that a rule names by themselves; more become a set.
const PARTS_IN_A_RULE: usize = 4;

/// Writes rules, and collects the sets they need.
pub(super) struct Writer<'a> {
    given: &'a Given<'a>,
    ruleset: &'a Ruleset,
    network: &'a Network,
    sets: BTreeMap<(String, Vec<AddrRange>), String>,
    taken: BTreeSet<String>,
}

impl<'a> Writer<'a> {
    pub fn new(given: &'a Given<'a>, ruleset: &'a Ruleset, network: &'a Network) -> Self {
        let segments = network.segments.iter().map(|segment| segment.name.clone());
        let hosts = network.hosts.iter().map(|host| host.name.clone());
        let uplink = network.uplink.iter().map(|uplink| uplink.name.clone());
        let taken = segments.chain(hosts).chain(uplink).collect();
        Self { given, ruleset, network, sets: BTreeMap::new(), taken }
    }

    /// The rules' text, with the sets they name in front.
    pub fn rules(mut self, grants: &[Grant], forwards: &[Forward]) -> String {
        let mut rules = String::new();
        for forward in forwards {
            self.forward(&mut rules, forward);
        }
        for grant in grants {
            self.grant(&mut rules, grant);
        }
        let mut out = String::new();
        for ((zone, addresses), name) in &self.sets {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let list: Vec<String> = addresses.iter().map(|text| quoted(text)).collect();
            let _ = write!(out, "[sets.{name}]\nin = \"{zone}\"\naddresses = [{}]\n\n", list.join(", "));
        }
        out + &rules
    }

    fn grant(&mut self, out: &mut String, grant: &Grant) {
        self.lines(out, &grant.lines);
        let (from, to) = (self.ends(&grant.from), self.ends(&grant.to));
        let _ = write!(out, "[[{}]]\nfrom = {}\nto = {}\n", grant.verdict.word(), one_or_list(&from), one_or_list(&to));
        if let Some(list) = &grant.services {
            let _ = writeln!(out, "service = {}", one_or_list(&services::words(list)));
        }
        if grant.log {
            out.push_str("log = true\n");
        }
        out.push('\n');
    }

    fn forward(&mut self, out: &mut String, forward: &Forward) {
        self.lines(out, &forward.lines);
        let ports: Vec<String> = forward.ports.iter().map(crate::policy::write_service).collect();
        let host = self.network.hosts.iter().find(|host| host.address == forward.to);
        let to = host.map_or_else(|| forward.to.to_string(), |host| host.name.clone());
        let _ = write!(out, "[[forward]]\nport = {}\nto = {}\n", one_or_list(&ports), quoted(&to));
        if let Some(port) = forward.to_port {
            let _ = writeln!(out, "to_port = {port}");
        }
        if let Some(from) = &forward.from {
            let from = self.part("internet", None, from);
            let _ = writeln!(out, "from = {}", one_or_list(&from));
        }
        if !forward.hairpin {
            out.push_str("hairpin = false\n");
        }
        out.push('\n');
    }

    /// Where a rule comes from, as it was written there.
    fn lines(&self, out: &mut String, lines: &BTreeSet<LineAt>) {
        for at in lines.iter().take(LINES_SHOWN) {
            let Some((source, _)) = self.given.programs.get(at.program) else { continue };
            let text = source.text().lines().nth(at.line as usize - 1).unwrap_or_default().trim();
            let short: String = text.chars().take(LINE_CHARS_SHOWN).collect();
            let dots = if short.len() < text.len() { " …" } else { "" };
            out.push_str(&comment(&format!("{}:{}: {short}{dots}", source.name(), at.line)));
        }
        if lines.len() > LINES_SHOWN {
            out.push_str(&comment(&format!("and {} more lines", lines.len() - LINES_SHOWN)));
        }
    }

    fn ends(&mut self, ends: &[End]) -> Vec<String> {
        let ruleset = self.ruleset;
        let zone = |place: &Place| match place {
            Place::Gateway => "gateway".to_owned(),
            Place::Zone(zone) => match ruleset.interfaces[*zone].role {
                Role::Uplink => "internet".to_owned(),
                Role::Segment(_) => ruleset.interfaces[*zone].zone.clone(),
            },
        };
        let mut words = Vec::new();
        for end in ends {
            match end {
                End::Any => words.push("any".to_owned()),
                End::Segments => words.push("segments".to_owned()),
                End::Whole(place) => words.push(zone(place)),
                End::Part(place, list) => words.extend(self.part(&zone(place), Some(*place), list)),
            }
        }
        words
    }

    /// Addresses of a zone: hosts by their names, few networks by themselves, more as a set.
    fn part(&mut self, zone: &str, place: Option<Place>, list: &[AddrRange]) -> Vec<String> {
        let prefixes: Vec<AddrRange> = list.iter().flat_map(AddrRange::to_prefixes).take(PARTS_IN_A_RULE + 1).collect();
        // The box's own address is no host of a segment, but may lie in a network of a set.
        let own = |range: &AddrRange| {
            range.is_single()
                && place != Some(Place::Gateway)
                && self.ruleset.interfaces.iter().any(|one| one.addresses.contains(&range.first()))
        };
        if prefixes.len() <= PARTS_IN_A_RULE && !prefixes.iter().any(own) {
            let word = |range: &AddrRange| {
                let host = self.network.hosts.iter().find(|host| AddrRange::single(host.address) == *range);
                host.map_or_else(|| format!("{zone}/{range}"), |host| host.name.clone())
            };
            return prefixes.iter().map(word).collect();
        }
        let key = (zone.to_owned(), list.to_vec());
        if let Some(known) = self.sets.get(&key) {
            return vec![known.clone()];
        }
        let name = (1..)
            .map(|number| format!("{}-part{number}", zone.chars().take(20).collect::<String>()))
            .find(|name| !self.taken.contains(name))
            .expect("numbers do not end");
        self.taken.insert(name.clone());
        self.sets.insert(key, name.clone());
        vec![name]
    }
}
