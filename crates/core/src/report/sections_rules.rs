//! Every rule with its line, port forwards, translations and expectations.

use std::net::SocketAddr;

use segwall_packetset::{AddrRange, proto};

use super::document::{Block, Line, Part, Section, Table, Tone, text};
use super::network::{Claim, Network};
use super::plain::{limit_words, list};
use crate::analysis::{EVERYTHING, Words, schedule_words};
use crate::policy::{End, Rule, Service, Verdict, Zone, write_service};
use crate::ruleset::{Translation, private_ipv4};

fn ends(words: &Words<'_>, ends: &[End]) -> Line {
    text(list(ends.iter().map(|end| words.end(end.zone, end.addresses.as_deref()))))
}

fn services(words: &Words<'_>, services: Option<&[Service]>) -> Line {
    text(words.services(services).join(", "))
}

fn badge(verdict: Verdict) -> Line {
    let tone = match verdict {
        Verdict::Accept => Tone::Good,
        Verdict::Drop => Tone::Bad,
        Verdict::Reject => Tone::Care,
    };
    vec![Part::Badge(tone, verdict.word())]
}

/// What a rule says besides its ends and services.
fn conditions(network: &Network<'_>, rule: &Rule) -> Vec<String> {
    let mut found = Vec::new();
    if rule.log {
        found.push("logged".to_owned());
    }
    found.extend(rule.limit.iter().map(|limit| format!("within {}", limit_words(limit))));
    found.extend(rule.schedule.iter().map(schedule_words));
    found.extend(rule.expires.map(|last| {
        let over = network.ruleset.timezone.to_datetime(network.now).date() > last;
        if over { format!("expired: last valid day {last}") } else { format!("last valid day {last}") }
    }));
    found
}

pub(super) fn rules(network: &Network<'_>, words: &Words<'_>) -> Section {
    let mut rules: Vec<&Rule> = network.policy.rules.iter().collect();
    rules.sort_by_key(|rule| rule.span);
    let rows: Vec<Vec<Line>> = rules
        .into_iter()
        .map(|rule| {
            vec![
                text(network.source.line(rule.span.start).to_string()),
                badge(rule.verdict),
                ends(words, &rule.from),
                ends(words, &rule.to),
                services(words, rule.services.as_deref()),
                text(conditions(network, rule).join("; ")),
                text(rule.comment.as_deref().unwrap_or_default()),
            ]
        })
        .collect();
    let head = vec!["line", "verdict", "from", "to", "services", "conditions", "comment"];
    let section = Section::new("rules", "Rules");
    if rows.is_empty() {
        section.text("There are none.")
    } else {
        section.block(Block::Table(Table { head, rows, rules: true }))
    }
}

pub(super) fn forwards(network: &Network<'_>, words: &Words<'_>) -> Section {
    let rows: Vec<Vec<Line>> = network
        .policy
        .forwards
        .iter()
        .map(|forward| {
            let mut to = text(words.end(
                Zone::Segment(forward.segment),
                Some(&AddrRange::merge(forward.to.iter().copied().map(AddrRange::single).collect())),
            ));
            to.extend(forward.to_port.map(|port| Part::Text(format!(", port {port}"))));
            let mut conditions = vec![if forward.hairpin { "also from segments" } else { "from the uplink only" }];
            if forward.log {
                conditions.push("logged");
            }
            vec![
                text(network.source.line(forward.span.start).to_string()),
                text(list(forward.ports.iter().map(write_service))),
                ends(words, &forward.from),
                to,
                text(conditions.join("; ")),
                text(forward.comment.as_deref().unwrap_or_default()),
            ]
        })
        .collect();
    let head = vec!["line", "sent to the uplink's address on", "from", "delivered to", "conditions", "comment"];
    let section = Section::new("forwards", "Port forwards");
    if rows.is_empty() {
        section.text("There are none.")
    } else {
        section.block(Block::Table(Table { head, rows, rules: true }))
    }
}

/// Translations as compiled: what really happens to addresses.
pub(super) fn translation(network: &Network<'_>) -> Section {
    let ruleset = network.ruleset;
    let mut list_of: Vec<Line> = Vec::new();
    for interface in ruleset.interfaces.iter().filter(|interface| interface.masquerade) {
        let networks = private_ipv4().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        list_of.push(vec![
            Part::Text(format!("Masqueraded when leaving by {} (", interface.zone)),
            Part::Code(interface.name.clone()),
            Part::Text(format!("): sources in {networks}.")),
        ]);
    }
    for translation in &ruleset.translations {
        list_of.push(translated(network, translation));
    }
    let section = Section::new("nat", "Address translation");
    if list_of.is_empty() {
        return section.text("None: every packet keeps its addresses.");
    }
    section.block(Block::List(list_of))
}

fn translated(network: &Network<'_>, translation: &Translation) -> Line {
    let interface = network.ruleset.interface(translation.uplink);
    let protocol = proto::name(translation.proto).map_or_else(|| translation.proto.to_string(), str::to_owned);
    let from = translation.from.as_ref().map_or_else(String::new, |from| format!(" from {}", list(from.iter())));
    let hairpin = if translation.hairpin { ", also from segments" } else { "" };
    let delivered = SocketAddr::new(translation.to, translation.delivered_ports().first);
    let delivered =
        if translation.delivered_ports().is_single() { delivered.to_string() } else { translation.to.to_string() };
    vec![
        Part::Text(format!(
            "{protocol}/{}{from}, sent to the address of {}{hairpin}: to ",
            translation.ports, interface.zone
        )),
        Part::Code(delivered),
        Part::Text(" (".to_owned()),
        Part::Rule(translation.line),
        Part::Text(").".to_owned()),
    ]
}

pub(super) fn expectations(network: &Network<'_>, words: &Words<'_>) -> Section {
    let rows = network.policy.expects.iter().zip(&network.claims).map(|(expect, claim)| {
        let claimed = if expect.verdict == Verdict::Accept { "is accepted" } else { "is not accepted" };
        let outcome = match claim {
            Claim::Holds => vec![Part::Badge(Tone::Good, "holds")],
            Claim::Fails { how, lines } => {
                let mut outcome = vec![Part::Badge(Tone::Bad, "fails"), Part::Text(format!(": {how}"))];
                for line in lines {
                    outcome.extend([Part::Text(", ".to_owned()), Part::Rule(*line)]);
                }
                outcome
            }
            Claim::Undecided => vec![Part::Badge(Tone::Care, "undecided")],
        };
        let on = expect.services.as_deref().map_or_else(|| text(EVERYTHING), |list| services(words, Some(list)));
        vec![
            text(network.source.line(expect.span.start).to_string()),
            ends(words, &expect.from),
            ends(words, &expect.to),
            on,
            text(claimed),
            outcome,
        ]
    });
    Section::new("expectations", "Expectations").table(
        &["line", "from", "to", "services", "claim", "result"],
        rows.collect(),
        "There are none: nothing here says what must never happen.",
    )
}
