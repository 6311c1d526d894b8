//! A segment's hosts are told of a resolver or a time server that the rules do not let them ask.

use std::net::IpAddr;

use segwall_packetset::{Family, Flow, Header, InterfaceId, Place, proto};

use super::times::instants;
use crate::analysis::codes::TIME_UNREACHABLE;
use crate::diag::{Code, Diagnostic};
use crate::policy::{Policy, Segment, SegmentDhcp, ServerRef, Verdict, codes};
use crate::ruleset::{At, Interface, Origin, Reason, Ruleset};
use crate::source::Span;

/// What hosts are told of.
struct Told {
    code: Code,
    /// The key in `dhcp`, and the service's name.
    key: &'static str,
    port: u16,
    to_do: &'static str,
    servers: fn(&SegmentDhcp) -> &Vec<ServerRef>,
    place: fn(&SegmentDhcp) -> Span,
}

const DNS: Told = Told {
    code: codes::RESOLVER_UNREACHABLE,
    key: "dns",
    port: 53,
    to_do: "resolve names",
    servers: |dhcp| &dhcp.dns,
    place: |dhcp| dhcp.dns_span,
};

const NTP: Told = Told {
    code: TIME_UNREACHABLE,
    key: "ntp",
    port: 123,
    to_do: "ask for the time",
    servers: |dhcp| &dhcp.ntp,
    place: |dhcp| dhcp.ntp_span,
};

/// Any port from which hosts ask (RFC 6056).
const CLIENT_PORT: u16 = 49_152;

/// Warns of every resolver in a segment's `dhcp` that hosts of the segment can never ask: `dns = …` adds no rule but for
/// the box itself.
#[must_use]
pub fn resolvers(policy: &Policy, ruleset: &Ruleset, at: At) -> Vec<Diagnostic> {
    unreachable(policy, ruleset, at, &DNS)
}

/// The same of time servers (SW0810).
#[must_use]
pub(super) fn time_servers(policy: &Policy, ruleset: &Ruleset, at: At) -> Vec<Diagnostic> {
    unreachable(policy, ruleset, at, &NTP)
}

fn unreachable(policy: &Policy, ruleset: &Ruleset, at: At, told: &Told) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for ((id, interface), segment) in ruleset.interface_ids().zip(&policy.segments) {
        let Some(dhcp) = &segment.dhcp else { continue };
        for server in (told.servers)(dhcp) {
            let addresses = match server {
                ServerRef::Gateway => interface.addresses.clone(),
                ServerRef::Addresses(addresses) => addresses.clone(),
            };
            let refused = addresses.iter().find_map(|server| refusal(ruleset, (id, segment), *server, told.port, at));
            if let Some(refused) = refused {
                found.push(finding(policy, ruleset, segment, &refused, told, at));
            }
        }
    }
    found
}

/// A query that never gets through, if one of those that hosts send to the resolver does not.
fn refusal(
    ruleset: &Ruleset,
    (id, segment): (InterfaceId, &Segment),
    resolver: IpAddr,
    dport: u16,
    at: At,
) -> Option<Flow> {
    let interface = ruleset.interface(id);
    let family = Family::of(resolver);
    let own = interface.addresses.contains(&resolver);
    // What stays on the wire never passes the box; hosts without the family never ask.
    let on_wire = interface.networks.iter().any(|network| network.contains(resolver));
    if (on_wire && !own) || !interface.carries(family) {
        return None;
    }
    let output = if own { Place::Gateway } else { ruleset.route(resolver) };
    let query = |src: IpAddr| Flow {
        input: Place::Interface(id),
        output,
        proto: proto::UDP,
        src,
        dst: resolver,
        header: Header::Ports { sport: CLIENT_PORT, dport },
        sent: None,
    };
    clients(interface, segment, family).into_iter().map(query).find(|flow| !ever_accepted(ruleset, flow, at))
}

/// Addresses of hosts that are told of the resolver: both ends of the pool, or a host of each subnet.
fn clients(interface: &Interface, segment: &Segment, family: Family) -> Vec<IpAddr> {
    /// Past the box's own address and those that people give by hand.
    const OFFSET: u128 = 100;
    let pool = segment.dhcp.as_ref().and_then(|dhcp| dhcp.pool);
    match pool.filter(|pool| pool.family() == family) {
        Some(pool) => vec![pool.first(), pool.last()],
        None => interface
            .networks
            .iter()
            .filter(|network| network.family() == family)
            .filter_map(|network| {
                network.nth(OFFSET.min(network.len() / 2)).filter(|addr| !interface.addresses.contains(addr))
            })
            .collect(),
    }
}

/// Whether a flow is accepted now or at any time from now on.
fn ever_accepted(ruleset: &Ruleset, flow: &Flow, at: At) -> bool {
    let accepted = |at: At| ruleset.eval(flow, at).verdict == Verdict::Accept;
    if accepted(at) {
        return true;
    }
    let speaking: Vec<usize> = (ruleset.rules.iter().enumerate())
        .filter(|(_, rule)| !rule.when.is_always())
        .filter(|(_, rule)| rule.boxes.iter().any(|flow_box| ruleset.box_covers(flow_box, flow)))
        .map(|(index, _)| index)
        .collect();
    !speaking.is_empty()
        && instants(ruleset, &speaking, at).into_iter().any(|at| matches!(at, At::Instant(_)) && accepted(at))
}

fn finding(policy: &Policy, ruleset: &Ruleset, segment: &Segment, flow: &Flow, told: &Told, at: At) -> Diagnostic {
    let Told { key, port, to_do, .. } = told;
    let span = segment.dhcp.as_ref().map_or(segment.span, told.place);
    let message = format!("`{}` is told to {to_do} at {}, but may not reach it", segment.name, flow.dst);
    let found =
        Diagnostic::warning(told.code, span, message).label(format!("never reached with udp/{port}")).witness(*flow);
    let decision = ruleset.eval(flow, at);
    if let Reason::Rule(index) = decision.reason
        && let (Origin::Written(_), Some(rule)) = (ruleset.rules[index].origin, ruleset.rules[index].span)
    {
        let help = format!("leave {key} out of what the {} covers, or name another server", decision.verdict.word());
        return found.also(rule, format!("this {} covers it", decision.verdict.word())).help(help);
    }
    let help = match end_of(policy, ruleset, flow) {
        Some(end) => {
            format!(
                "add [[accept]] from = \"{}\", to = \"{end}\", service = \"{key}\"; `{key}` adds no rule",
                segment.name
            )
        }
        None => "there is no way to it: it lies in no segment, and there is no uplink".to_owned(),
    };
    found.help(help)
}

/// What a rule would call the resolver.
fn end_of(policy: &Policy, ruleset: &Ruleset, flow: &Flow) -> Option<String> {
    if let Some(host) = policy.hosts.iter().find(|host| host.addresses.contains(&flow.dst)) {
        return Some(host.name.clone());
    }
    match flow.output {
        Place::Gateway => Some(format!("gateway/{}", flow.dst)),
        Place::Interface(id) if ruleset.is_segment(id) => Some(format!("{}/{}", ruleset.interface(id).zone, flow.dst)),
        Place::Interface(_) => Some(format!("internet/{}", flow.dst)),
        Place::Elsewhere => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Context, load};
    use crate::ruleset::lower;
    use crate::source::Source;

    const OFFICE: &str = include_str!("../../../../examples/office.toml");

    /// Message, place and help of each finding.
    fn found(text: &str) -> Vec<(String, String, String)> {
        let utc = jiff::tz::TimeZone::UTC;
        let context = Context { today: jiff::civil::date(2026, 11, 22), timezone: utc.clone() };
        let source = Source::new("test.toml", text);
        let loaded = load(&source, &context);
        let policy = loaded.policy.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
        let ruleset = lower(&policy, &source, &utc);
        // A Sunday.
        let at = At::Instant("2026-11-22T12:00:00Z".parse().expect("an instant"));
        resolvers(&policy, &ruleset, at)
            .into_iter()
            .map(|found| (found.message, source.slice(found.span).to_owned(), found.help.unwrap_or_default()))
            .collect()
    }

    fn changed(from: &str, to: &str) -> String {
        assert!(OFFICE.contains(from), "`{from}` stands in the example");
        OFFICE.replacen(from, to, 1)
    }

    #[test]
    fn the_example_reaches_its_resolvers() {
        assert_eq!(found(OFFICE), []);
    }

    #[test]
    fn a_resolver_that_no_rule_opens_is_found() {
        let text =
            changed("from = [\"internal\", \"server\"]\nto = \"resolver\"", "from = \"server\"\nto = \"resolver\"");
        assert_eq!(
            found(&text),
            [(
                "`internal` is told to resolve names at 192.168.30.10, but may not reach it".to_owned(),
                "[\"resolver\"]".to_owned(),
                "add [[accept]] from = \"internal\", to = \"resolver\", service = \"dns\"; `dns` adds no rule"
                    .to_owned()
            )]
        );
        let text = changed("to = [\"internet/8.8.8.8\", \"internet/8.8.4.4\"]", "to = \"internet/8.8.8.8\"");
        let [(message, _, help)] = found(&text).try_into().expect("one finding");
        assert!(message.contains("8.8.4.4") && help.contains("internet/8.8.4.4"), "{message} {help}");
    }

    #[test]
    fn a_drop_before_the_box_as_resolver_is_found() {
        let text = format!("{OFFICE}\n[[drop]]\nfrom = \"guest\"\nto = \"gateway\"\n");
        let [(message, _, help)] = found(&text).try_into().expect("one finding");
        assert!(message.starts_with("`guest` is told to resolve names at 192.168.200.1"), "{message}");
        assert!(help.contains("what the drop covers"), "{help}");
    }

    #[test]
    fn a_resolver_that_is_open_at_some_hours_is_reached() {
        let text = changed(
            "to = \"resolver\"\nservice = \"dns\"",
            "to = \"resolver\"\nservice = \"dns\"\nschedule = { days = \"mon-fri\" }",
        );
        assert_eq!(found(&text), []);
        let text = changed(
            "to = \"resolver\"\nservice = \"dns\"",
            "to = \"resolver\"\nservice = \"dns\"\nexpires = 2026-11-21",
        );
        assert_eq!(found(&text).len(), 1, "over since yesterday");
    }

    #[test]
    fn a_resolver_for_part_of_the_pool_is_found() {
        let text = changed(
            "from = [\"internal\", \"server\"]\nto = \"resolver\"",
            "from = [\"internal/192.168.20.0/25\", \"server\"]\nto = \"resolver\"",
        );
        assert_eq!(found(&text).len(), 1);
    }

    #[test]
    fn without_an_uplink_there_is_no_way_out() {
        let text = "[segments.lan]\ninterface = \"eth1\"\nsubnets = [\"10.0.0.0/24\"]\n\
                    dhcp = { pool = \"10.0.0.100-10.0.0.200\", dns = [\"9.9.9.9\", \"10.0.0.7\"] }\n";
        let [(_, _, help)] = found(text).try_into().expect("one finding");
        assert!(help.contains("no way"), "{help}");
    }
}
