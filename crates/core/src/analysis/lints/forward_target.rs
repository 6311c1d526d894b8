//! SW0812: a port forward to an address that DHCP may give to another host.

use segwall_packetset::{Flow, Header, Place, Sent};

use super::Context;
use crate::analysis::codes;
use crate::diag::Diagnostic;
use crate::policy::Forward;
use crate::ruleset::Translation;

/// RFC 5737: addresses of nobody, for examples.
const SOMEBODY: [&str; 2] = ["198.51.100.10", "2001:db8:9999::10"];
const EPHEMERAL_PORT: u16 = 40_000;

pub(super) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let policy = context.policy;
    for (at, forward) in policy.forwards.iter().enumerate() {
        let segment = &policy.segments[forward.segment.index()];
        let Some(pool) = segment.dhcp.as_ref().and_then(|dhcp| dhcp.pool) else { continue };
        let named = |addr| policy.hosts.iter().any(|host| host.addresses.contains(&addr));
        let Some(target) = forward.to.iter().copied().find(|addr| pool.contains(*addr) && !named(*addr)) else {
            continue;
        };
        let message = format!("{target} is in the DHCP pool of `{}`: whoever gets it is published", segment.name);
        let mut finding = Diagnostic::warning(codes::FORWARD_TO_POOL, forward.span, message)
            .label("forwards to an address that changes hands")
            .help("give the server an address outside the pool and name it in [hosts]; with a `mac` DHCP gives it out");
        if let Some(dhcp) = &segment.dhcp {
            finding = finding.also(dhcp.span, format!("the pool is {pool}"));
        }
        let made = context.ruleset().translations.iter().find(|one| one.id.0 as usize == at && one.to == target);
        found.push(match made.and_then(|translation| flow(context, forward, translation)) {
            Some(flow) => finding.witness(flow),
            None => finding,
        });
    }
}

/// A connection from the internet that the forward delivers there.
fn flow(context: &Context<'_>, forward: &Forward, translation: &Translation) -> Option<Flow> {
    let own = &context.ruleset().interface(translation.uplink).addresses;
    let same = |addr: &&std::net::IpAddr| addr.is_ipv4() == translation.to.is_ipv4();
    let asked = forward.from.iter().flat_map(|end| end.addresses.iter().flatten());
    let asked = asked.map(|range| range.first());
    let anybody = SOMEBODY.iter().map(|text| text.parse().expect("a constant"));
    let candidates: Vec<std::net::IpAddr> = match &translation.from {
        Some(_) => asked.collect(),
        None => anybody.collect(),
    };
    Some(Flow {
        input: Place::Interface(translation.uplink),
        output: Place::Interface(translation.segment),
        proto: translation.proto,
        src: *candidates.iter().find(same)?,
        dst: translation.to,
        header: Header::Ports { sport: EPHEMERAL_PORT, dport: translation.delivered_ports().first },
        sent: Some(Sent { dst: *own.iter().find(same)?, dport: translation.ports.first }),
    })
}
