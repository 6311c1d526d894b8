//! The beginning of the policy: the box, its uplink, segments, hosts, DHCP.

use std::fmt::Write;
use std::net::IpAddr;

use segwall_packetset::Family;

use super::network::{Network, Segment, SegmentDhcp, Uplink};

/// What of it depends on the rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Choices {
    /// Names of segments that manage the box.
    pub management: Vec<String>,
    /// What the box sends needs a rule.
    pub output_drop: bool,
    /// Sources are translated at the uplink.
    pub nat: bool,
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// One text, or a list of several.
pub(super) fn one_or_list(texts: &[String]) -> String {
    match texts {
        [one] => quoted(one),
        many => list(many),
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

/// A comment of one line: whatever stands in it, it ends with the line.
pub(super) fn comment(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("# {clean}\n")
}

/// The text, without rules.
pub(super) fn head(network: &Network, choices: &Choices) -> String {
    let mut out = String::new();
    let trunk = trunk(network);
    let mut gateway = String::new();
    if let Some(trunk) = &trunk {
        let _ = writeln!(gateway, "trunk = {}", quoted(trunk));
    }
    if !choices.management.is_empty() {
        let _ = writeln!(gateway, "management = {}", list(&choices.management));
    }
    if choices.output_drop {
        gateway.push_str("output = \"drop\"\n");
    }
    if !gateway.is_empty() {
        let _ = write!(out, "[gateway]\n{gateway}\n");
    }
    if let Some(uplink) = &network.uplink {
        write_uplink(&mut out, uplink, trunk.as_deref(), choices.nat);
    }
    for segment in &network.segments {
        write_segment(&mut out, network, segment, trunk.as_deref());
    }
    for host in &network.hosts {
        let mac = host.mac.map(|byte| format!("{byte:02x}")).join(":");
        let _ = write!(out, "[hosts.{}]\naddress = \"{}\"\nmac = \"{mac}\"\n\n", host.name, host.address);
    }
    if let Some(lease) = network.lease_s {
        let _ = write!(out, "[dhcp]\nlease = \"{}\"\n\n", duration(lease));
    }
    out
}

/// The trunk that most VLANs are on: the first of those.
fn trunk(network: &Network) -> Option<String> {
    let trunks: Vec<&String> = network
        .segments
        .iter()
        .filter_map(|segment| segment.vlan.as_ref())
        .chain(network.uplink.as_ref().and_then(|uplink| uplink.vlan.as_ref()))
        .map(|(trunk, _)| trunk)
        .collect();
    let count = |trunk: &String| trunks.iter().filter(|other| **other == trunk).count();
    let mut best: Option<(&String, usize)> = None;
    for trunk in &trunks {
        if best.is_none_or(|(known, most)| known != *trunk && count(trunk) > most) {
            best = Some((trunk, count(trunk)));
        }
    }
    best.map(|(trunk, _)| trunk.clone())
}

fn wiring(out: &mut String, device: &str, vlan: Option<&(String, u16)>, trunk: Option<&str>, foreign: bool) {
    let _ = match vlan {
        Some((on, id)) => {
            let _ = writeln!(out, "vlan = {id}");
            if Some(on.as_str()) != trunk {
                let _ = writeln!(out, "trunk = {}", quoted(on));
            }
            let usual = format!("{on}.{id}");
            if usual == device { Ok(()) } else { writeln!(out, "device = {}", quoted(device)) }
        }
        None => writeln!(out, "interface = {}", quoted(device)),
    };
    if foreign {
        out.push_str("managed = false\n");
    }
}

fn write_uplink(out: &mut String, uplink: &Uplink, trunk: Option<&str>, nat: bool) {
    out.push_str(&comment(&format!("{}: {}", uplink.device, uplink.why)));
    let _ = writeln!(out, "[uplinks.{}]", uplink.name);
    let hop = |family| uplink.gateways.iter().any(|hop| Family::of(*hop) == family);
    let fixed = |family| uplink.addresses.iter().any(|one| Family::of(one.addr) == family);
    let lacks = |family, automatic: bool| fixed(family) && !hop(family) && !automatic;
    let foreign = lacks(Family::V4, uplink.dhcp) || lacks(Family::V6, uplink.ra);
    wiring(out, &uplink.device, uplink.vlan.as_ref(), trunk, foreign);
    let fixed = uplink.addresses.iter().map(|one| format!("{}/{}", one.addr, one.prefix_len));
    let dynamic = [(uplink.dhcp, "dhcp"), (uplink.ra, "ra")].into_iter().filter(|(on, _)| *on);
    let addresses: Vec<String> = fixed.chain(dynamic.map(|(_, word)| word.to_owned())).collect();
    let _ = writeln!(out, "addresses = {}", list(&addresses));
    if !uplink.gateways.is_empty() {
        let _ = writeln!(out, "gateways = {}", list(&uplink.gateways));
    }
    if !nat {
        out.push_str("nat = false\n");
    }
    out.push('\n');
}

fn write_segment(out: &mut String, network: &Network, segment: &Segment, trunk: Option<&str>) {
    out.push_str(&comment(&segment.origin));
    let _ = writeln!(out, "[segments.{}]", segment.name);
    wiring(out, &segment.device, segment.vlan.as_ref(), trunk, segment.foreign);
    let subnets: Vec<String> = segment.subnets.iter().map(|(subnet, _)| subnet.to_string()).collect();
    let _ = writeln!(out, "subnets = {}", list(&subnets));
    // The box takes the first host unless it is said otherwise.
    if segment.subnets.iter().any(|(subnet, own)| subnet.nth(1) != Some(*own)) {
        let own: Vec<IpAddr> = segment.subnets.iter().map(|(_, own)| *own).collect();
        let _ = writeln!(out, "gateway = {}", list(&own));
    }
    if !segment.routes.is_empty() {
        let routes = segment.routes.iter().map(|(to, via)| format!("{{ to = \"{to}\", via = \"{via}\" }}"));
        let _ = writeln!(out, "routes = [{}]", routes.collect::<Vec<_>>().join(", "));
    }
    if segment.carries(Family::V6) {
        // Router advertisements are no part of these files.
        out.push_str("ipv6 = \"none\"\n");
    }
    if let Some(dhcp) = &segment.dhcp {
        write_dhcp(out, network, segment, dhcp);
    }
    out.push('\n');
}

fn write_dhcp(out: &mut String, network: &Network, segment: &Segment, dhcp: &SegmentDhcp) {
    let server = |addr: &IpAddr| {
        if segment.subnets.iter().any(|(_, own)| own == addr) {
            return "gateway".to_owned();
        }
        let host = network.hosts.iter().find(|host| host.address == *addr);
        host.map_or_else(|| addr.to_string(), |host| host.name.clone())
    };
    let servers = |addresses: &[IpAddr]| list(&addresses.iter().map(server).collect::<Vec<_>>());
    let mut keys = Vec::new();
    keys.extend(dhcp.pool.map(|pool| format!("pool = \"{}-{}\"", pool.first(), pool.last())));
    if !dhcp.dns.is_empty() {
        keys.push(format!("dns = {}", servers(&dhcp.dns)));
    }
    if !dhcp.ntp.is_empty() {
        keys.push(format!("ntp = {}", servers(&dhcp.ntp)));
    }
    keys.extend(dhcp.domain.as_ref().map(|domain| format!("domain = {}", quoted(domain))));
    keys.extend(dhcp.lease_s.map(|lease| format!("lease = \"{}\"", duration(lease))));
    if !dhcp.options.is_empty() {
        let options = dhcp.options.iter().map(|(number, text)| format!("{number} = {}", quoted(text)));
        keys.push(format!("options = {{ {} }}", options.collect::<Vec<_>>().join(", ")));
    }
    if !keys.is_empty() {
        let _ = writeln!(out, "dhcp = {{ {} }}", keys.join(", "));
    }
}

/// Seconds in the largest unit that they are whole in.
fn duration(seconds: u32) -> String {
    let (unit, word) = [(86_400, "d"), (3_600, "h"), (60, "m")]
        .into_iter()
        .find(|(unit, _)| seconds.is_multiple_of(*unit))
        .unwrap_or((1, "s"));
    format!("{}{word}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_leave_their_place() {
        assert_eq!(quoted("a\"b\\c\nd\u{7f}"), "\"a\\\"b\\\\c\\nd\\u007F\"");
        assert_eq!(comment("a\n[x]"), "# a [x]\n");
        assert_eq!(duration(600), "10m");
        assert_eq!(duration(86_400), "1d");
        assert_eq!(duration(601), "601s");
    }
}
