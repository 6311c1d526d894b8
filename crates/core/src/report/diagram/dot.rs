//! The drawing for Graphviz.

use std::fmt::Write;

use super::wrap::wrap;
use super::zones::{EDGES_MAX, LIST_WIDTH, Zone, drawn_groups, edges, notes, title, zone_names, zones};
use crate::report::OURS;
use crate::report::network::Network;
use crate::report::plain::safe;

/// The network in Graphviz's DOT.
#[must_use]
pub fn dot(network: &Network<'_>) -> String {
    let mut text = format!("// {OURS} {}\ndigraph segwall {{\n", safe(network.source.name()));
    let mut bottom = vec![title(network)];
    bottom.extend(notes(network));
    let _ =
        writeln!(text, "    graph [rankdir=LR, labelloc=b, fontname=\"sans-serif\", label=\"{}\"];", lines(&bottom));
    text.push_str(
        "    node [shape=box, style=rounded, fontname=\"sans-serif\"];\n    edge [fontname=\"sans-serif\"];\n",
    );
    for (at, zone) in zones(network).iter().enumerate() {
        let shape = match zone.name.as_str() {
            "internet" => ", shape=ellipse",
            "gateway" => ", shape=hexagon",
            _ => "",
        };
        let _ = writeln!(text, "    z{at} [label=\"{}\"{shape}];", lines(&told(zone)));
    }
    let classes = network.reach.classes();
    let groups = drawn_groups(network);
    let lists = edges(&groups) > EDGES_MAX;
    for (at, group) in groups.iter().enumerate() {
        let services = escaped(&classes[group.class]);
        let joined = |zones: &[usize]| zones.iter().map(|zone| format!("z{zone}")).collect::<Vec<_>>().join("; ");
        let _ = match (group.within, group.from.len(), group.to.len()) {
            (true, ..) => {
                group.from.iter().try_for_each(|zone| writeln!(text, "    z{zone} -> z{zone} [label=\"{services}\"];"))
            }
            (false, 1, 1) => writeln!(text, "    z{} -> z{} [label=\"{services}\"];", group.from[0], group.to[0]),
            (false, ..) if lists => {
                let to = wrap(&format!("→ {}", zone_names(network, &group.to)), 12, false, LIST_WIDTH);
                writeln!(
                    text,
                    "    g{at} [shape=note, label=\"{services}\\n{}\"];\n    {{{}}} -> g{at};",
                    lines(&to),
                    joined(&group.from)
                )
            }
            (false, ..) => writeln!(
                text,
                "    g{at} [shape=plaintext, label=\"{services}\"];\n    {{{}}} -> g{at} [dir=none];\n    g{at} -> {{{}}};",
                joined(&group.from),
                joined(&group.to)
            ),
        };
    }
    text.push_str("}\n");
    text
}

fn told(zone: &Zone) -> Vec<String> {
    let mut told = vec![zone.name.clone()];
    told.extend([&zone.wiring].into_iter().filter(|words| !words.is_empty()).cloned());
    told.extend(zone.networks.iter().chain(&zone.own).chain(&zone.more).cloned());
    told.extend(zone.hosts.iter().map(|(name, address)| format!("{name} {address}")));
    told
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| escaped(line)).collect::<Vec<_>>().join("\\n")
}

/// Inside a quoted string. Graphviz reads `\N` and HTML entities in labels, too.
fn escaped(text: &str) -> String {
    safe(text).replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;")
}
