//! Sets of ipset: read from its save files, asked by `-m set`.

use std::collections::{BTreeMap, BTreeSet};

use segwall_packetset::{Field, proto};

use super::address::{self, Place, all_bits, unknown};
use super::match_list::EARLIER;
use super::matches::{Context, interface_range, mac_address};
use super::modules::How;
use super::numbers::number;
use super::save::{Line, lines};
use super::spec::{Given, Instance, Kind};
use super::{Refusal, Version, names, services};
use crate::netfilter::{Content, Element, Key, Match, Set, Step, Values};
use crate::netfilter::{Note, NoteKind};
use crate::source::{Source, Span};

/// Said of a set that nobody showed.
const ELSEWHERE: &str = "kept by ipset, and not given";
/// Most fields that one set compares.
const FIELDS_MAX: usize = 6;

/// Sets of ipset by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IpSets {
    sets: BTreeMap<String, IpSet>,
    /// Those that were filled since all were emptied: emptying all of many, many times, must cost no more.
    filled: BTreeSet<String>,
    /// What was not read.
    pub notes: Vec<Note>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct IpSet {
    /// What each of its dimensions is: `net`, `port` …
    parts: Vec<Part>,
    version: Version,
    /// `None`: not certain.
    elements: Result<BTreeSet<Element>, &'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A network or an address; those of a set may be all cut to some bits.
    Net {
        bits: u64,
    },
    Mac,
    Interface,
    /// A port with its protocol.
    Port,
    /// A port of TCP or UDP.
    BarePort,
}

/// Reads what `ipset save` wrote.
#[must_use]
pub fn read_ipset_save(source: &Source) -> IpSets {
    let mut sets = IpSets::default();
    for (span, line) in lines(source) {
        if let Line::Words(words) = line {
            let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            sets.read(&words, span);
        }
    }
    sets
}

impl IpSets {
    /// One line, or the words of one call.
    pub(super) fn read(&mut self, words: &[&str], span: Span) {
        let flags = words.iter().take_while(|word| matches!(**word, "-exist" | "-!" | "-quiet" | "-q")).count();
        let words = &words[flags..];
        let read = match words {
            ["create" | "-N" | "--create" | "n", name, kind, options @ ..] => self.create(name, kind, options),
            ["add" | "-A" | "--add", name, element, options @ ..] => self.add(name, element, options),
            ["del" | "-D" | "--del", name, element, ..] => self.delete(name, element),
            ["flush" | "-F", names @ ..] => {
                self.flush(names.first().copied());
                Ok(())
            }
            ["destroy" | "-X"] => {
                self.sets.clear();
                Ok(())
            }
            ["destroy" | "-X", name, ..] => {
                self.sets.remove(*name);
                Ok(())
            }
            ["swap" | "-W", one, other] => match (self.sets.remove(*one), self.sets.remove(*other)) {
                (Some(first), Some(second)) => {
                    self.sets.insert((*one).to_owned(), second);
                    self.sets.insert((*other).to_owned(), first);
                    Ok(())
                }
                _ => Err("a set that does not exist"),
            },
            [] | ["save" | "list" | "-L" | "-S" | "version" | "COMMIT" | "test" | "-T", ..] => Ok(()),
            _ => Err("not a line of ipset's"),
        };
        if let Err(why) = read {
            let text = format!("ipset `{}`: {why}", words.join(" "));
            self.notes.push(Note { kind: NoteKind::NotUnderstood, text, span });
        }
    }

    fn flush(&mut self, name: Option<&str>) {
        let names = match name {
            Some(name) => BTreeSet::from([name.to_owned()]),
            None => std::mem::take(&mut self.filled),
        };
        for name in names {
            // One whose elements end by themselves stays uncertain.
            if let Some(Ok(elements)) = self.sets.get_mut(&name).map(|set| set.elements.as_mut()) {
                elements.clear();
            }
        }
    }

    fn create(&mut self, name: &str, kind: &str, options: &[&str]) -> Result<(), &'static str> {
        let value = |wanted: &str| options.iter().position(|one| *one == wanted).and_then(|at| options.get(at + 1));
        let version = if value("family") == Some(&"inet6") { Version::V6 } else { Version::V4 };
        let all = match version {
            Version::V4 => 32,
            Version::V6 => 128,
        };
        let bits = value("netmask").map_or(Some(all), |bits| number(bits, all)).ok_or("a netmask that is none")?;
        let (method, dimensions) = kind.split_once(':').ok_or("a type of set that is not known")?;
        let parts: Option<Vec<Part>> = dimensions
            .split(',')
            .map(|dimension| match (dimension, method) {
                ("ip" | "net", _) => Some(Part::Net { bits }),
                ("port", "bitmap") => Some(Part::BarePort),
                ("port", _) => Some(Part::Port),
                ("mac", "hash") => Some(Part::Mac),
                ("iface", _) => Some(Part::Interface),
                _ => None,
            })
            .collect();
        let elements = if value("timeout").is_some() {
            Err("its elements end by themselves")
        } else if parts.is_none() || options.contains(&"skbinfo") || value("markmask").is_some() {
            Err("a type of set that is not modelled")
        } else {
            Ok(BTreeSet::new())
        };
        let parts = parts.unwrap_or_else(|| vec![Part::Net { bits }; dimensions.split(',').count().min(FIELDS_MAX)]);
        self.sets.entry(name.to_owned()).or_insert(IpSet { parts, version, elements });
        Ok(())
    }

    fn add(&mut self, name: &str, element: &str, options: &[&str]) -> Result<(), &'static str> {
        let set = self.sets.get_mut(name).ok_or("a set that does not exist")?;
        let odd = options.iter().any(|option| matches!(*option, "nomatch" | "timeout" | "physdev"));
        match (&mut set.elements, elements(&set.parts, set.version, element)) {
            (Err(_), _) => {}
            (Ok(_), _) if odd => set.elements = Err("has elements that are not modelled"),
            (Ok(known), Some(more)) => known.extend(more),
            (Ok(_), None) => set.elements = Err("has elements that are not modelled"),
        }
        self.filled.insert(name.to_owned());
        Ok(())
    }

    fn delete(&mut self, name: &str, element: &str) -> Result<(), &'static str> {
        let set = self.sets.get_mut(name).ok_or("a set that does not exist")?;
        let gone = elements(&set.parts, set.version, element).unwrap_or_default();
        if let Ok(known) = &mut set.elements {
            let before = known.len();
            for one in &gone {
                known.remove(one);
            }
            if before == known.len() {
                set.elements = Err("has had elements taken away that it did not list");
            }
        }
        Ok(())
    }

    /// Said of sets that rules themselves add to or take from.
    pub(super) fn changed_by_rules(&mut self, name: &str) {
        if let Some(set) = self.sets.get_mut(name) {
            set.elements = Err("changed by rules");
        }
    }

    /// A set as the model has it.
    pub(super) fn content(&self, version: Version, name: &str) -> Set {
        let (keys, content) = match self.sets.get(name) {
            Some(set) if set.version == version || !set.has_addresses() => {
                let keys = set.parts.iter().map(|part| part.keys()).sum();
                match &set.elements {
                    Ok(elements) => (keys, Content::Elements(elements.iter().cloned().collect())),
                    Err(why) => (keys, Content::Unknown(why)),
                }
            }
            // Of the other family: the kernel finds nothing in it.
            Some(set) => (set.parts.iter().map(|part| part.keys()).sum(), Content::Elements(Vec::new())),
            None => (1, Content::Unknown(ELSEWHERE)),
        };
        Set { name: name.to_owned(), keys, content }
    }
}

impl IpSet {
    fn has_addresses(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Net { .. }))
    }
}

impl Part {
    fn keys(self) -> usize {
        match self {
            Self::Net { .. } | Self::Mac | Self::Interface => 1,
            Self::Port | Self::BarePort => 2,
        }
    }

    fn fields(self, source: bool) -> Vec<Field> {
        let pick = |at_source, at_destination| if source { at_source } else { at_destination };
        match self {
            Self::Net { .. } => vec![pick(Field::Src, Field::Dst)],
            Self::Mac => vec![Field::Mac],
            Self::Interface => vec![pick(Field::In, Field::Out)],
            Self::Port | Self::BarePort => vec![Field::Proto, pick(Field::Sport, Field::Dport)],
        }
    }
}

/// What an entry of a set stands for; `None`: nothing the model has words for.
fn elements(parts: &[Part], version: Version, text: &str) -> Option<Vec<Element>> {
    let texts: Vec<&str> = text.split(',').collect();
    if texts.len() != parts.len() {
        return None;
    }
    let mut elements: Vec<Element> = vec![Vec::new()];
    for (part, text) in parts.iter().zip(texts) {
        let choices: Vec<Element> = match part {
            Part::Net { bits } => vec![vec![net(text, version, *bits)?]],
            Part::Mac => vec![vec![mac_address(text).map(|mac| (mac, mac))?]],
            Part::Interface => vec![vec![interface_range(text.trim_end_matches('+'))]],
            Part::BarePort => {
                let range = ports(text, proto::TCP)?;
                [proto::TCP, proto::UDP].map(|number| vec![(number.into(), number.into()), range]).to_vec()
            }
            Part::Port => {
                let (name, port) = text.split_once(':').unwrap_or(("tcp", text));
                let number = names::protocol(name).filter(|number| *number != 0)?;
                let range = if proto::has_ports(number) {
                    ports(port, number)?
                } else if matches!(number, proto::ICMP | proto::ICMPV6) {
                    return None;
                } else {
                    (0, 0xffff)
                };
                vec![vec![(number.into(), number.into()), range]]
            }
        };
        elements = elements
            .iter()
            .flat_map(|head| choices.iter().map(move |tail| head.iter().chain(tail).copied().collect()))
            .collect();
    }
    Some(elements)
}

fn net(text: &str, version: Version, bits: u64) -> Option<(u128, u128)> {
    if let Some(range) = address::range(text, version).filter(|(first, last)| first != last) {
        return Some(range);
    }
    match address::place(text, version)? {
        Place::Net(net) => {
            let width = match version {
                Version::V4 => 32,
                Version::V6 => 128,
            };
            let cut = u128::MAX.checked_shl(u32::try_from(width - bits).ok()?).unwrap_or(0);
            let mask = net.mask & cut;
            let host = all_bits(version) & !mask;
            (host & host.wrapping_add(1) == 0).then_some((net.address & mask, net.address & mask | host))
        }
        Place::Name(_) => None,
    }
}

fn ports(text: &str, protocol: u8) -> Option<(u128, u128)> {
    let port = |text: &str| {
        number(text, 0xffff).or_else(|| services::port(text, Some(protocol)).map(u64::from)).map(u128::from)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    port(first).zip(port(last)).filter(|(first, last)| first <= last)
}

/// What `-m set` looks at.
pub(super) fn steps(instance: &Instance, cx: Context<'_>) -> Result<Vec<Step>, Refusal> {
    let Some(given) = instance.get("match-set") else {
        return Err(Refusal::new(instance.span, "`-m set` needs `--match-set`"));
    };
    let (name, flags) = name_and_flags(given)?;
    let counted = ["return-nomatch", "packets-eq", "packets-lt", "packets-gt", "bytes-eq", "bytes-lt", "bytes-gt"];
    if counted.iter().any(|name| instance.get(name).is_some()) {
        return Ok(vec![unknown(instance.text(), EARLIER)]);
    }
    let keys: Vec<Field> = match cx.sets.sets.get(name) {
        // With fewer flags than it has dimensions the kernel never finds anything.
        Some(set) if flags.len() < set.parts.len() => Vec::new(),
        Some(set) => set.parts.iter().zip(&flags).flat_map(|(part, source)| part.fields(*source)).collect(),
        None => vec![if flags.first() == Some(&true) { Field::Src } else { Field::Dst }],
    };
    let values = if keys.is_empty() { Values::Here(Vec::new()) } else { Values::Set(name.to_owned()) };
    let keys = keys.into_iter().map(Key::Field).collect();
    Ok(vec![Step::Match(Match::Among { keys, not: given.not, values })])
}

/// The name of a set, and for each dimension whether the source is asked.
fn name_and_flags(given: &Given) -> Result<(&str, Vec<bool>), Refusal> {
    let flags = given.args.get(1).map_or("", |word| word.text.as_str());
    let flags: Option<Vec<bool>> = flags
        .split(',')
        .map(|flag| match flag {
            "src" => Some(true),
            "dst" => Some(false),
            _ => None,
        })
        .collect();
    match flags {
        Some(flags) if flags.len() <= FIELDS_MAX => Ok((given.value(), flags)),
        _ => Err(given.refuse("a set is asked for `src` or `dst`, at most six times")),
    }
}

/// Sets that the target SET of an instance writes to.
pub(super) fn written(instance: &Instance) -> impl Iterator<Item = &str> {
    let is_set = matches!(&instance.kind, Kind::Known(module) if module.how == How::SetTarget);
    instance
        .given
        .iter()
        .filter(move |given| is_set && matches!(given.name.as_str(), "add-set" | "del-set"))
        .map(Given::value)
}
