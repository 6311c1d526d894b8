//! The drawing as a Mermaid flowchart.

use std::fmt::Write;

use super::wrap::wrap;
use super::zones::{EDGES_MAX, LIST_WIDTH, Zone, drawn_groups, edges, notes, zone_names, zones};
use crate::report::OURS;
use crate::report::network::Network;
use crate::report::plain::safe;
use crate::report::reach::Group;

/// The network as a Mermaid flowchart.
#[must_use]
pub fn mermaid(network: &Network<'_>) -> String {
    let mut text = format!("%% {OURS} {}\nflowchart LR\n", safe(network.source.name()));
    for (at, zone) in zones(network).iter().enumerate() {
        let shape = match zone.name.as_str() {
            "internet" => ["([", "])"],
            "gateway" => ["{{", "}}"],
            _ => ["[", "]"],
        };
        let _ = writeln!(text, "    z{at}{}\"{}\"{}", shape[0], label(zone), shape[1]);
    }
    let groups = drawn_groups(network);
    let classes = network.reach.classes();
    let lists = edges(&groups) > EDGES_MAX;
    for (at, group) in groups.iter().enumerate() {
        let services = escaped(&classes[group.class]);
        let _ = match (group.within, group.from.len(), group.to.len()) {
            (true, ..) => {
                group.from.iter().try_for_each(|zone| writeln!(text, "    z{zone} -->|\"{services}\"| z{zone}"))
            }
            (false, 1, 1) => writeln!(text, "    z{} -->|\"{services}\"| z{}", group.from[0], group.to[0]),
            (false, ..) if lists => {
                let to = wrap(&format!("→ {}", zone_names(network, &group.to)), 12, false, LIST_WIDTH);
                let to = to.iter().map(|line| escaped(line)).collect::<Vec<_>>().join("<br/>");
                writeln!(text, "    g{at}[\"{services}<br/>{to}\"]\n    {} --> g{at}", joined(&group.from))
            }
            (false, ..) => hub(&mut text, at, group, &services),
        };
    }
    for note in notes(network) {
        let _ = writeln!(text, "    %% {}", safe(&note));
    }
    text
}

/// A node between senders and receivers, so that the services are told once.
fn hub(text: &mut String, at: usize, group: &Group, services: &str) -> std::fmt::Result {
    writeln!(text, "    g{at}([\"{services}\"])")?;
    writeln!(text, "    {} --- g{at}", joined(&group.from))?;
    writeln!(text, "    g{at} --> {}", joined(&group.to))
}

fn joined(zones: &[usize]) -> String {
    zones.iter().map(|zone| format!("z{zone}")).collect::<Vec<_>>().join(" & ")
}

fn label(zone: &Zone) -> String {
    let lines = std::iter::once(&zone.name)
        .chain(std::iter::once(&zone.wiring).filter(|words| !words.is_empty()))
        .chain(&zone.networks)
        .chain(&zone.own);
    lines.map(|line| escaped(line)).collect::<Vec<_>>().join("<br/>")
}

/// Mermaid's own way to write what would be markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in safe(text).chars() {
        match c {
            '"' | '#' | '<' | '>' | '&' | '`' | ';' | '\\' | '*' | '_' | '|' => {
                let _ = write!(out, "#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}
