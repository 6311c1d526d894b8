//! The page, section by section.

use super::document::{Block, Document, Line, Part, Section, Tone, code, text};
use super::network::{Claim, Network};
use super::plain::count;
use super::proof::{NOT_COVERED, ProofOutcome, ProofSummary};
use super::{sections_addresses as addresses, sections_rules as rules, sections_server as server};
use crate::analysis::Words;

/// With more zones neither a grid nor a drawing on a page can be read; lists tell the same.
pub(super) const GRID_ZONES_MAX: usize = 200;

/// All that a page says.
pub(super) fn document(network: &Network<'_>, proof: Option<&ProofSummary>) -> Document {
    let words = Words::of(network.policy);
    let mut sections = vec![
        overview(network),
        drawing(network),
        addresses::segments(network),
        addresses::uplinks(network),
        reach(network),
        rules::rules(network, &words),
        rules::forwards(network, &words),
        rules::translation(network),
        unasked(network),
        rules::expectations(network, &words),
        addresses::hosts(network),
        addresses::sets(network, &words),
        server::dhcp(network),
        server::servers(network),
        proved(network, proof),
        Section::new("not-covered", "What is not covered")
            .block(Block::List(NOT_COVERED.iter().map(|line| text(*line)).collect())),
    ];
    sections.retain(|section| !section.blocks.is_empty());
    Document { file: network.source.name().to_owned(), sections }
}

fn overview(network: &Network<'_>) -> Section {
    let policy = network.policy;
    let broken = network.claims.iter().filter(|claim| **claim != Claim::Holds).count();
    let claims = match (network.claims.len(), broken) {
        (0, _) => String::new(),
        (all, 0) => format!(", {} that hold", count(all, "expectation")),
        (all, broken) => format!(", {}, of which {broken} are not shown to hold", count(all, "expectation")),
    };
    let counts = format!(
        "{}, {}, {}{claims}.",
        count(policy.segments.len(), "segment"),
        count(policy.rules.len(), "rule"),
        count(policy.forwards.len(), "port forward"),
    );
    let gateway = &policy.gateway;
    let management: Vec<&str> = gateway.management.iter().map(|id| policy.segments[id.index()].name.as_str()).collect();
    let mut rows: Vec<Vec<Line>> = Vec::new();
    rows.extend(gateway.trunk.iter().map(|trunk| vec![text("trunk"), code(trunk)]));
    if !management.is_empty() {
        rows.push(vec![text("management"), text(management.join(", "))]);
    }
    rows.push(vec![text("SSH port"), code(gateway.ssh_port)]);
    let zone = gateway.timezone.as_ref().and_then(|zone| zone.iana_name()).unwrap_or("the box's own");
    rows.push(vec![text("time zone of schedules"), text(zone)]);
    let output = if gateway.output_drop { "need a rule" } else { "are accepted unless a rule refuses them" };
    rows.push(vec![text("the box's own connections"), text(output)]);
    Section::new("overview", "Overview")
        .text(counts)
        .text(
            "What no rule accepts is dropped. A drop wins over a reject, a reject over an accept; the order of rules does not \
             matter. Rules speak of who opens a connection; replies follow by themselves. What enters by a segment's \
             interface must come from an address of that segment. IPv4 and IPv6 obey the same rules.",
        )
        .table(&["gateway", ""], rows, "")
}

fn drawing(network: &Network<'_>) -> Section {
    let section = Section::new("diagram", "Diagram");
    if network.reach.zones.len() > GRID_ZONES_MAX { section } else { section.block(Block::Diagram) }
}

fn reach(network: &Network<'_>) -> Section {
    Section::new("reach", "Who may talk to whom")
        .text("Rows open connections, columns receive them. Computed from the compiled ruleset, not from the rules' text.")
        .block(Block::Reach(network.reach.clone()))
}

fn unasked(network: &Network<'_>) -> Section {
    let rows = network.unasked().into_iter().map(|(zones, needs)| vec![text(zones), text(needs)]).collect();
    let output = if network.policy.gateway.output_drop {
        "The box itself opens only what rules accept and what this policy makes it send."
    } else {
        "The box itself may open every connection that no rule refuses."
    };
    Section::new("unasked", "Accepted without a rule")
        .text("What segments need from the box, and the box from its uplink.")
        .table(&["from", "towards the box"], rows, "Nothing towards the box.")
        .text(output)
}

fn proved(network: &Network<'_>, proof: Option<&ProofSummary>) -> Section {
    let mut section = Section::new("proof", "What is proved");
    let held = network.claims.iter().filter(|claim| **claim == Claim::Holds).count();
    if !network.claims.is_empty() {
        section = section.text(format!(
            "{held} of {} were decided to hold, for every flow and at every time, against the rules on this page.",
            count(network.claims.len(), "expectation")
        ));
    }
    let Some(proof) = proof else {
        // Standard input has no name that could be typed.
        let name = Some(network.source.name()).filter(|name| !name.starts_with('<'));
        let command = name.map_or("segwall prove".to_owned(), |name| format!("segwall prove {name}"));
        return section
            .text(
                "This page was made from the policy alone. It says what the policy means, not what a box does. To prove that a \
                 box decides every connection as this policy does, run this on it:",
            )
            .block(Block::Text(vec![Part::Code(command)]));
    };
    let tone = match proof.outcome {
        ProofOutcome::Proved => Tone::Good,
        ProofOutcome::Refuted => Tone::Bad,
        ProofOutcome::Undetermined => Tone::Care,
    };
    let means = match proof.outcome {
        ProofOutcome::Proved => "treats every packet of the model as this policy says.",
        ProofOutcome::Refuted => "does not treat every packet as this policy says.",
        ProofOutcome::Undetermined => "could not be compared with this policy in full.",
    };
    let at = proof.at.iter().map(|at| Part::Text(format!(" Compared at {at}.")));
    let mut line = vec![Part::Badge(tone, proof.outcome.word()), Part::Text(format!(": {} {means}", proof.against))];
    line.extend(at);
    section = section.block(Block::Text(line));
    if !proof.details.is_empty() {
        section = section.block(Block::List(proof.details.iter().map(text).collect()));
    }
    section
}
