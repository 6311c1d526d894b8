//! What a drawing says of each zone, and which groups it draws.

use crate::policy::{Segment, Uplink, Wiring};
use crate::report::network::Network;
use crate::report::plain::{count, safe};
use crate::report::reach::Group;

/// A zone of the drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Zone {
    pub name: String,
    /// `VLAN 10 · eth0.10`.
    pub wiring: String,
    /// Its networks, or the addresses of an uplink.
    pub networks: Vec<String>,
    /// The box's addresses in it.
    pub own: Vec<String>,
    /// What else is known of it: DHCP, networks behind it.
    pub more: Vec<String>,
    /// Names with addresses.
    pub hosts: Vec<(String, String)>,
}

/// The zones, in the order of [`Reach::zones`](crate::report::Reach).
pub(super) fn zones(network: &Network<'_>) -> Vec<Zone> {
    let policy = network.policy;
    let segments = policy.segments.iter().enumerate().map(|(at, segment)| {
        let hosts = policy.hosts.iter().filter(|host| host.segment.index() == at);
        let addresses =
            |host: &crate::policy::Host| host.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        segment_zone(segment, hosts.map(|host| (host.name.clone(), addresses(host))).collect())
    });
    let mut zones: Vec<Zone> = segments.collect();
    zones.extend(policy.uplinks.first().map(uplink_zone));
    let trunk = policy.gateway.trunk.iter().map(|trunk| format!("trunk {trunk}"));
    let management = policy.gateway.management.iter().map(|id| policy.segments[id.index()].name.as_str());
    let management: Vec<&str> = management.collect();
    let mut more = vec![format!("SSH on port {}", policy.gateway.ssh_port)];
    if !management.is_empty() {
        more.push(format!("managed from {}", management.join(", ")));
    }
    zones.push(Zone {
        name: "gateway".to_owned(),
        wiring: trunk.collect(),
        networks: Vec::new(),
        own: Vec::new(),
        more,
        hosts: Vec::new(),
    });
    zones
}

fn wiring(wiring: &Wiring, device: &str) -> String {
    match wiring {
        Wiring::Vlan { id, .. } => format!("VLAN {id} · {device}"),
        Wiring::Untagged => device.to_owned(),
    }
}

fn segment_zone(segment: &Segment, hosts: Vec<(String, String)>) -> Zone {
    let mut more: Vec<String> = segment.routes.iter().map(|route| format!("{} via {}", route.to, route.via)).collect();
    if let Some(pool) = segment.dhcp.as_ref().and_then(|dhcp| dhcp.pool) {
        more.push("DHCP".to_owned());
        more.push(format!("{} to", pool.first()));
        more.push(pool.last().to_string());
    }
    Zone {
        name: segment.name.clone(),
        wiring: wiring(&segment.wiring, &segment.device),
        networks: segment.subnets.iter().map(|subnet| subnet.network.to_string()).collect(),
        own: segment.subnets.iter().map(|subnet| subnet.gateway.to_string()).collect(),
        more,
        hosts,
    }
}

fn uplink_zone(uplink: &Uplink) -> Zone {
    let own: Vec<String> =
        uplink.addresses.iter().map(|address| format!("{}/{}", address.addr, address.prefix_len)).collect();
    let given = [(uplink.dhcp, "address by DHCP"), (uplink.ra, "IPv6 by advertisements")];
    let mut more: Vec<String> = given.iter().filter(|(is, _)| *is).map(|(_, how)| (*how).to_owned()).collect();
    more.extend(uplink.gateways.iter().map(|next| format!("via {next}")));
    if uplink.nat {
        more.push("private IPv4 masqueraded".to_owned());
    }
    Zone {
        name: "internet".to_owned(),
        wiring: format!("{} · {}", uplink.name, wiring(&uplink.wiring, &uplink.device)),
        networks: Vec::new(),
        own,
        more,
        hosts: Vec::new(),
    }
}

/// What is drawn: every group but those that need no rule.
pub(super) fn drawn_groups(network: &Network<'_>) -> Vec<Group> {
    let reach = &network.reach;
    let mut drawn = reach.clone();
    drawn.pairs.retain(|pair| !is_unasked(pair));
    // The classes keep the numbers they have everywhere else.
    let (all, kept) = (reach.classes(), drawn.classes());
    let number = |class: usize| all.iter().position(|text| *text == kept[class]).expect("one of all");
    drawn.groups().into_iter().map(|group| Group { class: number(group.class), ..group }).collect()
}

/// Mermaid draws at most 500 edges, Graphviz takes minutes for so many, and a person reads fewer. With more than this,
/// receivers are listed instead of linked.
pub(super) const EDGES_MAX: usize = 200;

/// Such lists are wrapped at this many pixels.
pub(super) const LIST_WIDTH: i32 = 300;

/// How many edges groups come to.
pub(super) fn edges(groups: &[Group]) -> usize {
    groups.iter().map(|group| group.from.len() + group.to.len()).sum()
}

/// The names of zones, with commas.
pub(super) fn zone_names(network: &Network<'_>, zones: &[usize]) -> String {
    zones.iter().map(|zone| network.reach.zones[*zone].as_str()).collect::<Vec<_>>().join(", ")
}

/// Whether no rule says so: what the box itself opens.
pub(super) fn is_unasked(pair: &crate::report::Pair) -> bool {
    pair.phrases.iter().all(|phrase| phrase.lines.is_empty())
}

/// The title of a drawing.
pub(super) fn title(network: &Network<'_>) -> String {
    format!("Network segmentation: {}", safe(network.source.name()))
}

/// Below it.
pub(super) fn subtitle(network: &Network<'_>) -> String {
    let policy = network.policy;
    format!(
        "{}, {}, {}. What is not drawn is dropped; replies follow by themselves.",
        count(policy.segments.len(), "segment"),
        count(policy.rules.len(), "rule"),
        count(policy.forwards.len(), "port forward")
    )
}

/// What no arrow says.
pub(super) fn notes(network: &Network<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    if network.reach.pairs.iter().any(is_unasked) {
        notes.push("The gateway itself may open every connection that no rule refuses; that is not drawn.".to_owned());
    }
    for (zones, needs) in network.unasked() {
        notes.push(format!("Accepted towards the gateway without a rule, from {zones}: {needs}."));
    }
    notes.push("Traffic that stays on the wire inside one segment never passes the gateway.".to_owned());
    notes
}

/// Names that arrows may speak of, with what they stand for.
pub(super) fn names(network: &Network<'_>, with_hosts: bool) -> Vec<(String, String)> {
    let policy = network.policy;
    let joined = |values: Vec<String>| values.join(", ");
    let mut names = Vec::new();
    for host in policy.hosts.iter().filter(|_| with_hosts) {
        let addresses = joined(host.addresses.iter().map(ToString::to_string).collect());
        names.push((host.name.clone(), format!("{addresses} in {}", policy.segments[host.segment.index()].name)));
    }
    for set in &policy.sets {
        names.push((set.name.clone(), joined(set.addresses.iter().map(ToString::to_string).collect())));
    }
    for service in &policy.services {
        names.push((service.name.clone(), joined(service.services.iter().map(crate::policy::write_service).collect())));
    }
    names
}
