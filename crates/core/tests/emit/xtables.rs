//! Runs iptables-restore texts on a packet: reads only what our emitter writes, and panics at anything else.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_core::ruleset::Ruleset;
use segwall_packetset::{AddrRange, CtState, Family, Header, Packet, Place, TcpFlags, proto};

#[derive(Debug, Default)]
pub struct Chain {
    policy: String,
    rules: Vec<Vec<String>>,
}

/// Tables by name, chains by name.
pub type Tables = BTreeMap<String, BTreeMap<String, Chain>>;

pub fn parse(text: &str) -> Tables {
    let mut tables = Tables::new();
    let mut current = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && *line != "COMMIT") {
        if let Some(name) = line.strip_prefix('*') {
            current = name.to_owned();
            tables.entry(current.clone()).or_default();
        } else if let Some(chain) = line.strip_prefix(':') {
            let words: Vec<&str> = chain.split(' ').collect();
            let fresh = tables
                .get_mut(&current)
                .expect("in a table")
                .insert(words[0].to_owned(), Chain { policy: words[1].to_owned(), rules: Vec::new() });
            assert!(fresh.is_none() && words[0].len() < 29, "chain {}", words[0]);
        } else {
            let words = split(line.strip_prefix("-A ").unwrap_or_else(|| panic!("what is `{line}`?")));
            let table = tables.get_mut(&current).expect("in a table");
            let chain = table.get_mut(&words[0]).unwrap_or_else(|| panic!("no chain for `{line}`"));
            chain.rules.push(words[1..].to_vec());
        }
    }
    tables
}

fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('"').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[derive(Debug, Default)]
pub struct Trace {
    pub end: String,
    pub chains: Vec<String>,
    pub logs: Vec<String>,
    pub limited: bool,
}

pub struct Machine<'a> {
    pub tables: &'a Tables,
    pub ruleset: &'a Ruleset,
    pub packet: &'a Packet,
    pub now: Option<Timestamp>,
    pub trace: Trace,
}

enum Next {
    On,
    Jump(String),
    Goto(String),
    End(String),
}

impl Machine<'_> {
    pub fn run(mut self, table: &str, chain: &str) -> Trace {
        let Some(chains) = self.tables.get(table) else { return self.trace };
        self.trace.end = self.chain(table, chain).unwrap_or_else(|| chains[chain].policy.clone());
        self.trace
    }

    fn chain(&mut self, table: &str, name: &str) -> Option<String> {
        self.trace.chains.push(name.to_owned());
        let chain = self.tables[table].get(name).unwrap_or_else(|| panic!("no chain {name}"));
        for rule in &chain.rules {
            match self.rule(rule) {
                Next::On => {}
                Next::End(end) if end == "RETURN" => return None,
                Next::End(end) => return Some(end),
                Next::Goto(to) => return self.chain(table, &to),
                Next::Jump(to) => {
                    if let Some(end) = self.chain(table, &to) {
                        return Some(end);
                    }
                }
            }
        }
        None
    }

    fn name(&self, place: Place) -> String {
        match place {
            Place::Interface(id) => self.ruleset.interface(id).name.clone(),
            Place::Gateway => String::new(),
            Place::Elsewhere => "elsewhere".to_owned(),
        }
    }

    fn local(&self, addr: IpAddr, here: bool) -> bool {
        self.ruleset.interface_ids().any(|(id, interface)| {
            (!here || Place::Interface(id) == self.packet.flow.input) && interface.addresses.contains(&addr)
        })
    }

    fn address_type(&self, addr: IpAddr, word: &str, here: bool) -> bool {
        match (word, addr) {
            ("LOCAL", addr) => self.local(addr, here),
            ("MULTICAST", addr) => addr.is_multicast(),
            ("BROADCAST", IpAddr::V4(_)) => self.ruleset.is_broadcast(addr) && !addr.is_multicast(),
            other => panic!("{other:?}"),
        }
    }

    fn rule(&mut self, rule: &[String]) -> Next {
        let flow = self.packet.flow;
        let mut words = rule.iter().map(String::as_str).peekable();
        let mut not = false;
        let mut all = true;
        let mut limited = false;
        let range = |text: &str| -> AddrRange { text.parse().unwrap_or_else(|why| panic!("{text}: {why}")) };
        let numbers = |text: &str| -> (u16, u16) {
            let (first, last) = text.split_once(':').unwrap_or((text, text));
            (first.parse().expect("a port"), last.parse().expect("a port"))
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().expect("a value");
            let matched = match word {
                "!" => {
                    not = true;
                    continue;
                }
                "-m" => {
                    value();
                    continue;
                }
                "--comment" => {
                    value();
                    continue;
                }
                "-i" => {
                    let name = self.name(flow.input);
                    match value() {
                        "lo" => false, // the caller's packets come by an interface or are the box's own
                        wanted => wanted.strip_suffix('+').map_or(name == wanted, |begin| name.starts_with(begin)),
                    }
                }
                "-o" => {
                    let name = value();
                    assert!(!name.is_empty());
                    name == self.name(flow.output)
                        || (name == "lo" && flow.output == flow.input && flow.input == Place::Gateway)
                }
                "-s" | "--src-range" => range(value()).contains(flow.src),
                "-d" | "--dst-range" => range(value()).contains(flow.dst),
                "-p" => match value() {
                    "tcp" => flow.proto == proto::TCP,
                    "udp" => flow.proto == proto::UDP,
                    "icmp" => flow.proto == proto::ICMP,
                    "ipv6-icmp" => flow.proto == proto::ICMPV6,
                    number => flow.proto == number.parse::<u8>().expect("a number"),
                },
                "--dport" | "--dports" => {
                    let (first, last) = numbers(value());
                    flow.dport().is_some_and(|port| first <= port && port <= last)
                }
                "--syn" => TcpFlags::is_bare_syn(self.packet.flags),
                "--icmp-type" | "--icmpv6-type" => {
                    let (kind, code) = match value().split_once('/') {
                        None => (rule_value(rule, word), None),
                        Some((kind, code)) => (kind.to_owned(), Some(code.to_owned())),
                    };
                    match flow.header {
                        Header::Icmp { kind: seen, code: seen_code } => {
                            kind == seen.to_string() && code.is_none_or(|code| code == seen_code.to_string())
                        }
                        _ => false,
                    }
                }
                "--ctstate" => match value() {
                    "ESTABLISHED" => self.packet.state == CtState::Established,
                    "RELATED" => self.packet.state == CtState::Related,
                    "INVALID" => self.packet.state == CtState::Invalid,
                    "UNTRACKED" => self.packet.state == CtState::Untracked,
                    "DNAT" => flow.sent.is_some(),
                    other => panic!("{other}"),
                },
                "--ctproto" => value() == flow.proto.to_string(),
                "--ctorigdst" => range(value()).contains(flow.sent.expect("behind DNAT").dst),
                "--ctorigdstport" => {
                    let (first, last) = numbers(value());
                    flow.sent.is_some_and(|sent| first <= sent.dport && sent.dport <= last)
                }
                "--dst-type" | "--src-type" => {
                    let addr = if word == "--dst-type" { flow.dst } else { flow.src };
                    let kind = value();
                    let here = words.next_if_eq(&"--limit-iface-in").is_some();
                    self.address_type(addr, kind, here)
                }
                "--hl-eq" => {
                    value();
                    flow.family() == Family::V6
                }
                "--weekdays" => {
                    let day = self.utc().strftime("%a").to_string();
                    value().split(',').any(|one| one == day)
                }
                "--timestart" => self.utc().strftime("%H:%M:%S").to_string().as_str() >= value(),
                "--timestop" => self.utc().strftime("%H:%M:%S").to_string().as_str() <= value(),
                "--datestop" => self.utc().strftime("%Y-%m-%dT%H:%M:%S").to_string().as_str() <= value(),
                "--hashlimit-upto" => {
                    value();
                    limited = true;
                    true
                }
                "--hashlimit-burst"
                | "--hashlimit-name"
                | "--hashlimit-mode"
                | "--hashlimit-htable-max"
                | "--hashlimit-htable-expire" => {
                    value();
                    true
                }
                "-j" | "-g" => {
                    let target = value().to_owned();
                    if !all {
                        return Next::On;
                    }
                    self.trace.limited |= limited;
                    return match (word, target.as_str()) {
                        ("-g", _) => Next::Goto(target),
                        (_, "NFLOG") => {
                            let prefix = rule.iter().position(|word| word == "--nflog-prefix").expect("a prefix");
                            self.trace.logs.push(rule[prefix + 1].clone());
                            Next::On
                        }
                        (_, "DNAT") => Next::End(rule.last().expect("an address").clone()),
                        (_, "ACCEPT" | "DROP" | "REJECT" | "RETURN" | "MASQUERADE") => Next::End(target),
                        _ => Next::Jump(target),
                    };
                }
                other => panic!("what is `{other}` in {rule:?}?"),
            };
            all &= matched != not;
            not = false;
            // A match on something the packet has not is only asked behind what makes sure that it has.
            if !all {
                return Next::On;
            }
        }
        panic!("no target in {rule:?}")
    }

    fn utc(&self) -> jiff::Zoned {
        self.now.expect("no schedule while the clock is unknown").to_zoned(TimeZone::UTC)
    }
}

fn rule_value(rule: &[String], word: &str) -> String {
    rule[rule.iter().position(|one| one == word).expect("there") + 1].clone()
}
