//! SW0802: a segment of `[gateway] management` that cannot open SSH to the box at all times.

use segwall_packetset::{InterfaceId, Place, PortRange, proto};

use super::Context;
use crate::analysis::classes::{Classes, Question};
use crate::analysis::codes;
use crate::analysis::words::{flow_words, time_words};
use crate::diag::Diagnostic;
use crate::policy::{Ports, Service, Verdict};
use crate::ruleset::Reason;

pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let (policy, ruleset) = (context.policy, context.ruleset());
    let port = policy.gateway.ssh_port;
    let ssh = Service { proto: proto::TCP, ports: Ports::Range(PortRange::single(port)) };
    for id in &policy.gateway.management {
        let input = Place::Interface(InterfaceId(id.0));
        let question = Question {
            input,
            output: Place::Gateway,
            src: context.ground.sources(input),
            dst: context.ground.destinations(input, Place::Gateway, false),
            services: Some(vec![ssh]),
            forwarded_only: false,
        };
        let classes = Classes::of(ruleset, &question, context.at);
        let broken =
            classes.combinations(ruleset, &question).flat_map(|combination| combination.direct).find_map(|flow| {
                let refused = |at: &&_| ruleset.eval(&flow, **at).verdict != Verdict::Accept;
                classes.instants.iter().find(refused).map(|at| (flow, *at))
            });
        let Some((flow, at)) = broken else { continue };
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
