//! Rules as short lines, for comparing.

use std::fmt::Write;

use segwall_core::netfilter::{
    Action, Content, Key, Match, NatKind, NoteKind, Program, Rate, Reject, Rule, Step, Values,
};
use segwall_core::source::Source;
use segwall_packetset::Field;

/// The rules of a program, a line each: table, chain, conditions, action.
pub fn rules(program: &Program) -> Vec<String> {
    let chains = program.tables.iter().flat_map(|table| table.chains.iter().map(move |chain| (table, chain)));
    chains
        .flat_map(|(table, chain)| {
            chain.rules.iter().map(move |rule| format!("{} {}: {}", table.name, chain.name, of_rule(rule)))
        })
        .collect()
}

/// Notes with their lines.
pub fn notes(source: &Source, program: &Program) -> Vec<String> {
    let mut notes: Vec<_> = program.notes.iter().collect();
    notes.sort_by_key(|note| note.span.start);
    notes.iter().map(|note| format!("{}: {:?}: {}", source.line(note.span.start), note.kind, note.text)).collect()
}

/// The notes of a kind.
pub fn of_kind(source: &Source, program: &Program, kind: NoteKind) -> Vec<String> {
    let only = Program {
        tables: Vec::new(),
        notes: program.notes.iter().filter(|n| n.kind == kind).cloned().collect(),
        script: None,
    };
    notes(source, &only)
}

pub fn of_rule(rule: &Rule) -> String {
    let mut parts: Vec<String> = rule.steps.iter().map(step).collect();
    parts.extend(rule.comment.as_ref().map(|words| format!("\"{words}\"")));
    parts.join(" ")
}

pub fn step(step: &Step) -> String {
    match step {
        Step::Match(Match::Among { keys, not, values }) => {
            let equals = if *not { "!=" } else { "=" };
            let values = match values {
                Values::Here(elements) => {
                    let shown: Vec<String> = elements
                        .iter()
                        .map(|element| {
                            let pairs: Vec<String> =
                                keys.iter().zip(element).map(|(key, range)| value(*key, *range)).collect();
                            pairs.join(".")
                        })
                        .collect();
                    format!("{{{}}}", shown.join(","))
                }
                Values::Set(name) => format!("@{name}"),
            };
            let keys: Vec<String> = keys.iter().map(|key| self::key(*key)).collect();
            format!("{}{equals}{values}", keys.join("."))
        }
        Step::Match(Match::Rate(rate)) => self::rate(rate),
        Step::Match(Match::Unknown(unknown)) => format!("?[{}]", unknown.text),
        Step::Verdicts { .. } => "verdicts".into(),
        Step::Do(action) => format!("-> {}", self::action(action)),
    }
}

fn rate(rate: &Rate) -> String {
    let mut text = format!("{}{}/{}s+{}", if rate.over { ">" } else { "<=" }, rate.packets, rate.per_s, rate.burst);
    for field in &rate.by {
        let _ = write!(text, " by {field:?}");
    }
    if let Some(name) = &rate.shared {
        let _ = write!(text, " of {name}");
    }
    text
}

fn key(key: Key) -> String {
    match key {
        Key::Field(field) => format!("{field:?}"),
        Key::Masked(field, mask) => format!("{field:?}&{mask:#x}"),
        Key::TransportSource => "th.sport".into(),
        Key::TransportDestination => "th.dport".into(),
        Key::SentDestination => "SentDestination".into(),
        Key::SentPort => "SentPort".into(),
    }
}

fn value(key: Key, (low, high): (u128, u128)) -> String {
    let one = |value: u128| match key {
        Key::Field(Field::In | Field::Out) => {
            let bytes = value.to_be_bytes();
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        }
        Key::Field(Field::Src | Field::Dst | Field::SentDst) | Key::Masked(Field::Src | Field::Dst, _) => {
            match u32::try_from(value) {
                Ok(v4) => std::net::Ipv4Addr::from(v4).to_string(),
                Err(_) => std::net::Ipv6Addr::from(value).to_string(),
            }
        }
        _ => value.to_string(),
    };
    match key {
        Key::Field(Field::In | Field::Out) if low != high => format!("{}+", one(low)),
        _ if low == high => one(low),
        _ => format!("{}-{}", one(low), one(high)),
    }
}

pub fn action(action: &Action) -> String {
    match action {
        Action::Accept => "accept".into(),
        Action::Drop => "drop".into(),
        Action::Reject(Reject::TcpReset) => "reject with reset".into(),
        Action::Reject(Reject::Icmp { v4, v6 }) => format!("reject {:?}", v4.or(*v6).unwrap_or(255)),
        Action::Return => "return".into(),
        Action::Jump(chain) => format!("jump {chain}"),
        Action::Goto(chain) => format!("goto {chain}"),
        Action::Continue => "continue".into(),
        Action::Queue { bypass } => format!("queue{}", if *bypass { " or accept" } else { "" }),
        Action::Log(log) => format!("log {:?} {:?}", log.prefix, log.group),
        Action::Nothing => "nothing".into(),
        Action::SetMark { value, mask } => format!("mark {value:#x}/{mask:#x}"),
        Action::ForgetMark => "some mark".into(),
        Action::NoTrack => "notrack".into(),
        Action::Nat(nat) => {
            let kind = match nat.kind {
                NatKind::Destination => "dnat",
                NatKind::Redirect => "redirect",
                NatKind::Source => "snat",
                NatKind::Masquerade => "masquerade",
                NatKind::Netmap => "netmap",
            };
            let to = nat.to.map(|range| value(Key::Field(Field::Src), range)).unwrap_or_default();
            let ports = nat.ports.map(|(first, last)| format!(":{first}-{last}")).unwrap_or_default();
            format!("{kind} {to}{ports}").trim_end().to_owned()
        }
        Action::Unknown(unknown) => format!("?[{}]", unknown.text),
    }
}

pub fn content(content: &Content) -> String {
    match content {
        Content::Elements(elements) => format!("{elements:?}"),
        Content::Verdicts(verdicts) => format!("{verdicts:?}"),
        Content::Unknown(why) => format!("? {why}"),
    }
}
