//! What the box serves: DHCP, names, time, logs and alarms.

use super::document::{Line, Section, code, codes, text};
use super::network::Network;
use super::plain::{limit_words, list, mac_words, span_words, url_words};
use crate::policy::{DhcpKind, Notify, ServerRef};

fn server_list(servers: &[ServerRef]) -> Line {
    codes(servers.iter().flat_map(|server| match server {
        ServerRef::Gateway => vec!["gateway".to_owned()],
        ServerRef::Addresses(addresses) => addresses.iter().map(ToString::to_string).collect(),
    }))
}

pub(super) fn dhcp(network: &Network<'_>) -> Section {
    let policy = network.policy;
    let section = Section::new("dhcp", "DHCP");
    let served: Vec<Vec<Line>> = policy
        .segments
        .iter()
        .filter_map(|segment| {
            let dhcp = segment.dhcp.as_ref()?;
            let options = dhcp.options.iter().map(|(number, value)| format!("{number} = {value}"));
            Some(vec![
                text(&segment.name),
                codes(dhcp.pool),
                server_list(&dhcp.dns),
                server_list(&dhcp.ntp),
                text(dhcp.domain.as_deref().unwrap_or_default()),
                codes(options),
                text(span_words(dhcp.lease_s.unwrap_or(policy.dhcp.lease_s))),
            ])
        })
        .collect();
    let reserved: Vec<Vec<Line>> = policy
        .hosts
        .iter()
        .filter_map(|host| {
            let segment = &policy.segments[host.segment.index()];
            Some(vec![
                text(&host.name),
                text(&segment.name),
                code(mac_words(host.mac?)),
                codes(host.addresses.iter().filter(|addr| addr.is_ipv4())),
            ])
        })
        .collect();
    let kind = match policy.dhcp.kind {
        DhcpKind::Dnsmasq => "dnsmasq",
        DhcpKind::Kea => "Kea",
        DhcpKind::IscDhcpd => "ISC dhcpd",
        DhcpKind::None => return section.text("The box serves none."),
    };
    if served.is_empty() && reserved.is_empty() {
        return section.text("No segment has it.");
    }
    section
        .text(format!("Served by {kind}."))
        .table(&["segment", "pool", "DNS", "NTP", "domain", "options", "lease"], served, "")
        .table(&["reservation", "segment", "hardware address", "address"], reserved, "")
}

pub(super) fn servers(network: &Network<'_>) -> Section {
    let policy = network.policy;
    let mut rows: Vec<Vec<Line>> = Vec::new();
    if !policy.dns.upstream.is_empty() {
        rows.push(vec![text("the box resolves names by asking"), codes(&policy.dns.upstream)]);
    }
    rows.push(vec![text("drops written down"), text(format!("at most {}", limit_words(&policy.log.drops)))]);
    if let Some(remote) = &policy.log.remote {
        rows.push(vec![text("log sent to"), code(format!("{}://{}:{}", remote.scheme, remote.host, remote.port))]);
    }
    if let Some(ca) = &policy.log.tls.ca {
        rows.push(vec![text("collectors by TLS are believed by"), code(ca)]);
    }
    if let Some(own) = &policy.log.tls.identity {
        rows.push(vec![text("collectors by TLS are shown"), code(&own.certificate)]);
    }
    if let Some((more_than, within_s)) = policy.alerts.drops {
        rows.push(vec![text("alarm"), text(format!("more than {more_than} drops within {}", span_words(within_s)))]);
    }
    if policy.alerts.scans {
        rows.push(vec![text("alarm"), text("port scans")]);
    }
    if !policy.notify.is_empty() {
        // Where to, without user names, passwords and tokens.
        let told = policy.notify.iter().map(|notify| match notify {
            Notify::Email { to, .. } => format!("mail to {to}"),
            Notify::Webhook(url) => format!("webhook at {}", url_words(url)),
            Notify::Syslog(url) if url.contains("://") => format!("syslog at {}", url_words(url)),
            Notify::Syslog(_) => "the local syslog".to_owned(),
            Notify::Command(words) => format!("the program {}", words.first().map_or("", String::as_str)),
        });
        rows.push(vec![text("told of alarms"), text(list(told))]);
    }
    Section::new("servers", "Names, logs and alarms").table(&["what", ""], rows, "")
}
