//! dnsmasq: DHCP and router advertisements in one process, the resolver in another.
//!
//! dnsmasq answers names on every interface on which it gives leases. So there are two: the one with leases has no
//! resolver, and the resolver sees only the segments that were given it.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use segwall_packetset::AddrRange;

use super::scope::{Reservation, Scope4, Scope6};
use super::{Mode6, STATE_DIR, resolves_for, scopes4, scopes6};
use crate::emit::bundle::{Artifact, Input, Target};
use crate::emit::head;
use crate::policy::dhcp_option::{self, Form};
use crate::policy::{DhcpKind, Policy, Segment};

/// DHCP and router advertisements.
pub(in crate::emit) const DHCP_FILE: &str = "/etc/segwall/dnsmasq.conf";
/// The resolver.
pub(in crate::emit) const DNS_FILE: &str = "/etc/segwall/dnsmasq-dns.conf";

/// More leases than this are a slip or an attack; each takes about 200 bytes of memory.
const LEASES_MAX: u128 = 65_536;
/// Answers that are remembered.
const CACHE_ENTRIES: u32 = 1_000;

/// Whether dnsmasq leases addresses.
fn leases(policy: &Policy) -> bool {
    policy.dhcp.kind == DhcpKind::Dnsmasq
}

/// Segments of which dnsmasq takes care, but for names.
pub(in crate::emit) fn scopes(policy: &Policy) -> (Vec<Scope4<'_>>, Vec<Scope6<'_>>) {
    let v4 = if leases(policy) { scopes4(policy) } else { Vec::new() };
    let mut v6 = scopes6(policy);
    v6.retain(|scope| leases(policy) || scope.mode == Mode6::Slaac);
    (v4, v6)
}

pub(in crate::emit) fn artifacts(input: &Input<'_>) -> Vec<Artifact> {
    let (v4, v6) = scopes(input.policy);
    let mut list = Vec::new();
    if !v4.is_empty() || !v6.is_empty() {
        list.push(Artifact::text(Target::Dnsmasq, DHCP_FILE, dhcp(input, &v4, &v6)));
    }
    let asking: Vec<&Segment> = resolves_for(input.policy).collect();
    if !asking.is_empty() {
        list.push(Artifact::text(Target::Dnsmasq, DNS_FILE, dns(input, &asking)));
    }
    list
}

/// What both have in common.
fn head(input: &Input<'_>) -> String {
    // Interfaces come and go with the VLANs; a pid file is the init system's business.
    head::of_policy("#", input.file()) + "\nuser=dnsmasq\nbind-dynamic\nexcept-interface=lo\npid-file=\n"
}

fn dhcp(input: &Input<'_>, v4: &[Scope4<'_>], v6: &[Scope6<'_>]) -> String {
    let mut text = head(input);
    text += "no-hosts\nno-resolv\n# Names are not asked here.\nport=0\n";
    if leases(input.policy) {
        let _ = write!(
            text,
            "\ndhcp-authoritative\nno-ping\ndhcp-leasefile={STATE_DIR}/dnsmasq.leases\ndhcp-lease-max={}\n",
            lease_count(v4, v6)
        );
    }
    if v6.iter().any(|scope| scope.mode == Mode6::Dhcpv6) {
        text += "enable-ra\n";
    }
    for segment in &input.policy.segments {
        let of4 = v4.iter().find(|scope| scope.segment.name == segment.name);
        let of6 = v6.iter().find(|scope| scope.segment.name == segment.name);
        if of4.is_some() || of6.is_some() {
            let _ = write!(text, "\n# {}\ninterface={}\n", segment.name, segment.device);
        }
        of4.iter().for_each(|scope| scope4(&mut text, scope));
        of6.iter().for_each(|scope| scope6(&mut text, scope));
    }
    text
}

/// As many as there are addresses to give.
fn lease_count(v4: &[Scope4<'_>], v6: &[Scope6<'_>]) -> u128 {
    let of4 = v4.iter().flat_map(|scope| &scope.subnets);
    let of4 = of4.map(|subnet| subnet.pool.map_or(0, |pool| pool.len()) + subnet.reservations.len() as u128);
    let of6 = v6.iter().flat_map(|scope| &scope.networks);
    let of6 =
        of6.map(|network| network.pools.iter().map(AddrRange::len).sum::<u128>() + network.reservations.len() as u128);
    of4.chain(of6).sum::<u128>().clamp(1, LEASES_MAX)
}

/// A word of ours that no tag of dnsmasq's (`known`, an interface's name) can be. `part` tells subnets apart.
fn tag(segment: &Segment, part: usize) -> String {
    if part == 0 { format!("segment-{}", segment.name) } else { format!("segment-{}-{part}", segment.name) }
}

fn scope4(text: &mut String, scope: &Scope4<'_>) {
    for (part, subnet) in scope.subnets.iter().enumerate() {
        let tag = tag(scope.segment, part);
        let mask = super::netmask(&subnet.network);
        let (first, last) = match subnet.pool {
            Some(pool) => (pool.first().to_string(), pool.last().to_string()),
            // Nobody but hosts with a reservation.
            None => (subnet.network.first().to_string(), "static".to_owned()),
        };
        let _ = writeln!(text, "dhcp-range=set:{tag},{first},{last},{mask},{}", scope.lease_s);
        for (number, bytes) in &subnet.options {
            let _ = writeln!(text, "dhcp-option=tag:{tag},{number},{}", option(*number, bytes));
        }
        subnet.reservations.iter().for_each(|host| reservation(text, host));
    }
}

/// An option's value. Bytes where dnsmasq takes them; elsewhere it has a form of its own for what it knows, and without
/// quotes it takes a text for an address or a number where it looks like one.
fn option(number: u8, bytes: &[u8]) -> String {
    match (dhcp_option::form(number), bytes) {
        (Form::Addresses, _) => {
            let addresses =
                bytes.chunks_exact(4).map(|part| Ipv4Addr::new(part[0], part[1], part[2], part[3]).to_string());
            addresses.collect::<Vec<_>>().join(",")
        }
        (Form::Text, _) => quoted(&String::from_utf8_lossy(bytes)),
        (Form::Domains, _) => domains(bytes).join(","),
        // One byte is a number: two digits would be taken for a decimal one.
        (Form::Bytes, [byte]) => byte.to_string(),
        (Form::Bytes, _) => super::hexadecimal(bytes),
    }
}

/// Between quotes a comma is a comma and `#` begins no comment.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Names as people write them, of uncompressed labels.
fn domains(mut bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut labels: Vec<String> = Vec::new();
    while let Some((len, rest)) = bytes.split_first() {
        let (label, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        if label.is_empty() {
            names.push(std::mem::take(&mut labels).join("."));
        } else {
            labels.push(String::from_utf8_lossy(label).into_owned());
        }
        bytes = rest;
    }
    names
}

fn scope6(text: &mut String, scope: &Scope6<'_>) {
    let mut tags = Vec::new();
    for (part, network) in scope.networks.iter().enumerate() {
        let tag = format!("{}-v6", tag(scope.segment, part));
        let len = network.network.prefix_len().expect("a segment's network is a prefix");
        match scope.mode {
            Mode6::Slaac => {
                let _ =
                    writeln!(text, "dhcp-range=set:{tag},{},ra-only,{len},{}", network.network.first(), scope.lease_s);
            }
            Mode6::Dhcpv6 => {
                for pool in &network.pools {
                    let (first, last) = (pool.first(), pool.last());
                    let _ = writeln!(text, "dhcp-range=set:{tag},{first},{last},{len},{}", scope.lease_s);
                }
                network.reservations.iter().for_each(|host| reservation(text, host));
            }
        }
        tags.push(tag);
    }
    for tag in tags {
        if !scope.dns.is_empty() {
            let list: Vec<String> = scope.dns.iter().map(|addr: &Ipv6Addr| format!("[{addr}]")).collect();
            let _ = writeln!(text, "dhcp-option=tag:{tag},option6:dns-server,{}", list.join(","));
        }
        if let Some(domain) = scope.domain {
            let _ = writeln!(text, "dhcp-option=tag:{tag},option6:domain-search,{domain}");
        }
    }
}

fn reservation(text: &mut String, host: &Reservation<'_>) {
    let addr = match host.addr {
        IpAddr::V4(addr) => addr.to_string(),
        IpAddr::V6(addr) => format!("[{addr}]"),
    };
    let _ = writeln!(text, "dhcp-host={},{addr},{}", super::mac(host.mac), host.name);
}

fn dns(input: &Input<'_>, asking: &[&Segment]) -> String {
    let mut text = head(input);
    text += "no-hosts\nno-resolv\n";
    let _ = write!(
        text,
        "\ncache-size={CACHE_ENTRIES}\n# Names without a dot and private addresses are nobody's business outside.\ndomain-needed\nbogus-priv\n"
    );
    for addr in &input.policy.dns.upstream {
        let _ = writeln!(text, "server={addr}");
    }
    text += "\n# Only these are answered.\n";
    for segment in asking {
        let _ = writeln!(text, "interface={}", segment.device);
    }
    text
}
