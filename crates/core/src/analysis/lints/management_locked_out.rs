//! SW0802: a segment of `[gateway] management` that cannot open SSH to the box at all times.

use segwall_packetset::{Flow, GaveUp, InterfaceId, Place, PortRange, proto};

use super::Context;
use crate::analysis::always::Always;
use crate::analysis::codes;
use crate::analysis::words::{flow_words, time_words};
use crate::diag::Diagnostic;
use crate::policy::{End, Ports, SegmentId, Service, Zone};
use crate::ruleset::{At, Reason};
use crate::source::Span;

pub(super) fn check(context: &Context<'_>, always: &mut Always<'_>, found: &mut Vec<Diagnostic>) {
    let (policy, ruleset) = (context.policy, context.ruleset());
    let port = policy.gateway.ssh_port;
    let ssh = Service { proto: proto::TCP, ports: Ports::Range(PortRange::single(port)) };
    for id in &policy.gateway.management {
        let broken = refused(always, Place::Interface(InterfaceId(id.0)), *id, ssh);
        let Ok(Some((flow, at))) = broken else { continue };
        let segment = &policy.segments[id.index()];
        let time = if at == context.at { String::new() } else { format!(" {}", time_words(ruleset, at)) };
        let message = format!("`{}` is management, but cannot always open SSH to the box", segment.name);
        let mut finding = Diagnostic::error(codes::MANAGEMENT_LOCKED_OUT, segment.span, message)
            .label(format!("{} is not accepted{time}", flow_words(ruleset, &flow)))
            .witness(flow);
        if let Reason::Rule(rule) = ruleset.eval(&flow, at).reason
            && let Some(span) = ruleset.rules[rule].span
        {
            finding = finding.also(span, format!("this {}s it", ruleset.rules[rule].verdict.word()));
        }
        let service = if port == 22 { "ssh".to_owned() } else { format!("tcp/{port}") };
        found.push(finding.help(format!(
            "add [[accept]] from = \"{}\" to = \"gateway\" service = \"{service}\", without a schedule or a last day",
            segment.name
        )));
    }
}

/// SSH from a segment to the box's address there that is not accepted, and when.
fn refused(
    always: &mut Always<'_>,
    input: Place,
    segment: SegmentId,
    ssh: Service,
) -> Result<Option<(Flow, At)>, GaveUp> {
    let end = |zone| End { zone, addresses: None, direct: true, span: Span::default() };
    let from = always.sources(input, &end(Zone::Segment(segment)))?;
    let to = always.of_box(input, &end(Zone::Gateway), false)?;
    let services = always.services(Some(&[ssh]))?;
    let entry = always.entry(input)?;
    // What a port forward takes never asks the box.
    let direct = always.space.range(segwall_packetset::Field::Translated, 0, 0)?;
    let asked = always.space.intersect_all(&[entry.possible, from, to, services, direct])?;
    let missed = always.space.minus(asked, entry.accepted)?;
    always.example(input, missed)
}
