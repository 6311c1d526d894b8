//! SW0809: management that others reach: SSH of the box, or a management segment.

use segwall_packetset::{Cube, Field, Flow, GaveUp, InterfaceId, Place, Set, proto};

use super::Context;
use super::any_to_any::is_any_to_any;
use super::sample::inputs;
use crate::analysis::always::{Always, output_number};
use crate::analysis::codes;
use crate::analysis::domain::{zone_name, zone_of};
use crate::diag::Diagnostic;
use crate::policy::{SegmentId, Service, Verdict};
use crate::ruleset::{Dst, FlowBox, Origin, Path, Rule, Ruleset, Side};

/// What of management a rule opens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opens {
    /// SSH to the box.
    Ssh,
    /// A management segment.
    Segment(InterfaceId),
}

pub(super) fn check(context: &Context<'_>, always: &mut Always<'_>, found: &mut Vec<Diagnostic>) {
    let ruleset = context.ruleset();
    for rule in &ruleset.rules {
        let Some(span) = rule.span else { continue };
        let said = match rule.origin {
            Origin::Written(id) => is_any_to_any(context.policy, context, &context.policy.rules[id.0 as usize]),
            Origin::Forward(_) | Origin::Need(_) => false,
        };
        if rule.verdict != Verdict::Accept || said {
            continue;
        }
        let mut opened: Vec<Opens> = rule.boxes.iter().filter_map(|flow_box| opens(context, flow_box)).collect();
        opened.dedup();
        // One finding for a rule: the first thing that somebody really reaches.
        let shown = opened.into_iter().find_map(|opens| Some((opens, reached(context, always, rule, opens).ok()??)));
        if let Some((opens, flow)) = shown {
            found.push(finding(context, span, opens, flow));
        }
    }
}

fn is_management(context: &Context<'_>, place: Place) -> bool {
    match place {
        Place::Interface(id) => context.policy.gateway.management.contains(&SegmentId(id.0)),
        Place::Gateway | Place::Elsewhere => false,
    }
}

fn opens(context: &Context<'_>, flow_box: &FlowBox) -> Option<Opens> {
    let services = flow_box.services.as_deref();
    match flow_box.path {
        Path::Input { .. } => {
            let port = context.policy.gateway.ssh_port;
            let is_ssh = |service: &Service| {
                service.proto == proto::TCP && Ruleset::ports_of(service).is_some_and(|range| range.contains(port))
            };
            services.is_none_or(|list| list.iter().any(is_ssh)).then_some(Opens::Ssh)
        }
        // One host of it, on named services, such as a log collector, is somebody's decision.
        Path::Forward { output: Side::One(id), .. } => {
            let whole = matches!(flow_box.dst, Dst::Any) || services.is_none() || flow_box.translated.is_some();
            (whole && is_management(context, Place::Interface(id))).then_some(Opens::Segment(id))
        }
        Path::Forward { .. } | Path::Output { .. } => None,
    }
}

/// A flow of a rule by which somebody who is not management reaches it.
fn reached(context: &Context<'_>, always: &mut Always<'_>, rule: &Rule, opens: Opens) -> Result<Option<Flow>, GaveUp> {
    let ruleset = always.ruleset();
    let meant = match opens {
        Opens::Ssh => {
            let range = u128::from(context.policy.gateway.ssh_port);
            let cube = Cube::all().with_only(Field::Out, 0).with_only(Field::Proto, u128::from(proto::TCP));
            always.space.cube(&cube.with_only(Field::Dport, range))?
        }
        Opens::Segment(id) => {
            let there = always.space.cube(&Cube::all().with_only(Field::Out, output_number(Place::Interface(id))))?;
            let icmp = [proto::ICMP, proto::ICMPV6].map(|number| (u128::from(number), u128::from(number)));
            let icmp = always.space.ranges(Field::Proto, &icmp)?;
            always.space.minus(there, icmp)?
        }
    };
    // Where nobody said who management is, only the internet certainly is not.
    let unknown = context.policy.gateway.management.is_empty();
    for input in inputs(ruleset, rule) {
        let internet = matches!(input, Place::Interface(id) if !ruleset.is_segment(id));
        if input == Place::Gateway || is_management(context, input) || (unknown && !internet) {
            continue;
        }
        let covered = always.covered(input, rule)?;
        let covered: Set = always.space.intersect(covered, meant)?;
        if covered.is_empty() {
            continue;
        }
        let entry = always.entry(input)?;
        let set = always.space.intersect(covered, entry.accepted)?;
        if let Some((flow, _)) = always.example(input, set)? {
            return Ok(Some(flow));
        }
    }
    Ok(None)
}

fn finding(context: &Context<'_>, span: crate::source::Span, opens: Opens, flow: Flow) -> Diagnostic {
    let ruleset = context.ruleset();
    let from = zone_of(ruleset, flow.input).map_or("somebody", |zone| zone_name(ruleset, zone));
    let message = match opens {
        Opens::Ssh if from == "internet" => "the internet may open SSH to the box".to_owned(),
        Opens::Ssh => format!("`{from}` is not management, but may open SSH to the box"),
        Opens::Segment(id) => {
            format!("`{from}` is not management, but reaches the management segment `{}`", ruleset.interface(id).zone)
        }
    };
    let help = match opens {
        _ if from == "internet" => "leave it to management, behind a VPN; or narrow `from` to addresses you know",
        Opens::Ssh => "leave SSH out of this rule, or add the segment to [gateway] management",
        Opens::Segment(_) => "name the host and the service that are needed, or turn the connection round",
    };
    Diagnostic::warning(codes::MANAGEMENT_OPEN, span, message).label("opens it").witness(flow).help(help)
}
