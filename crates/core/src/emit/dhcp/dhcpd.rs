//! ISC dhcpd, for boxes that still have it (Alpine up to 3.20, Debian 12).

use std::collections::BTreeSet;
use std::fmt::Write;

use super::scope::{Reservation, Scope4, Scope6};
use super::{Mode6, mac, scopes4, scopes6};
use crate::emit::bundle::{Artifact, Input, Target};
use crate::emit::head;
use crate::policy::Policy;

/// DHCP.
pub(in crate::emit) const FILE4: &str = "/etc/segwall/dhcpd.conf";
/// DHCPv6.
pub(in crate::emit) const FILE6: &str = "/etc/segwall/dhcpd6.conf";
/// Its own: dhcpd writes its lease file anew beside the old one.
pub(in crate::emit) const STATE_DIR: &str = "/var/lib/segwall/dhcpd";
pub(in crate::emit) const LEASES4: &str = "/var/lib/segwall/dhcpd/dhcpd.leases";
pub(in crate::emit) const LEASES6: &str = "/var/lib/segwall/dhcpd/dhcpd6.leases";

/// Interfaces to listen on: named to the program, not in its file.
pub(in crate::emit) fn devices(policy: &Policy, v6: bool) -> Vec<&str> {
    if v6 {
        return dhcpv6(policy).into_iter().map(|scope| scope.segment.device.as_str()).collect();
    }
    scopes4(policy).into_iter().map(|scope| scope.segment.device.as_str()).collect()
}

fn dhcpv6(policy: &Policy) -> Vec<Scope6<'_>> {
    let mut scopes = scopes6(policy);
    scopes.retain(|scope| scope.mode == Mode6::Dhcpv6);
    scopes
}

pub(in crate::emit) fn artifacts(input: &Input<'_>) -> Vec<Artifact> {
    let (v4, v6) = (scopes4(input.policy), dhcpv6(input.policy));
    let head = || head::of_policy("#", input.file());
    let mut list = Vec::new();
    if !v4.is_empty() {
        list.push(Artifact::text(Target::Dhcpd, FILE4, head() + &dhcpd4(&v4)));
    }
    if !v6.is_empty() {
        list.push(Artifact::text(Target::Dhcpd, FILE6, head() + &dhcpd6(&v6)));
    }
    list
}

fn dhcpd4(scopes: &[Scope4<'_>]) -> String {
    let mut text =
        format!("\nauthoritative;\nddns-update-style none;\nlease-file-name \"{LEASES4}\";\nping-check false;\n\n");
    let numbers: BTreeSet<u8> =
        scopes.iter().flat_map(|scope| &scope.subnets).flat_map(|subnet| subnet.options.keys().copied()).collect();
    for number in numbers {
        // Bytes, not words: so they mean the same to every server.
        let _ = writeln!(text, "option segwall-{number} code {number} = string;");
    }
    for scope in scopes {
        let _ = writeln!(text, "\nshared-network {} {{", scope.segment.name);
        lease(&mut text, scope.lease_s);
        for subnet in &scope.subnets {
            let mask = super::netmask(&subnet.network);
            let _ = writeln!(text, "    subnet {} netmask {mask} {{", subnet.network.first());
            if let Some(pool) = subnet.pool {
                let _ = writeln!(text, "        range {} {};", pool.first(), pool.last());
            }
            for (number, bytes) in &subnet.options {
                let _ = writeln!(text, "        option segwall-{number} {};", super::hexadecimal(bytes));
            }
            text += "    }\n";
        }
        text += "}\n";
    }
    let all = scopes.iter().flat_map(|scope| &scope.subnets).flat_map(|subnet| &subnet.reservations);
    hosts(&mut text, all);
    text
}

fn lease(text: &mut String, seconds: u32) {
    let _ = writeln!(text, "    default-lease-time {seconds};\n    max-lease-time {seconds};");
}

fn hosts<'a>(text: &mut String, all: impl Iterator<Item = &'a Reservation<'a>>) {
    for (number, host) in all.enumerate() {
        // One declaration for each address; a number keeps their names apart.
        let _ = writeln!(
            text,
            "\nhost {}-{number} {{\n    hardware ethernet {};\n    fixed-address {};\n    option host-name \"{}\";\n}}",
            host.name,
            mac(host.mac),
            host.addr,
            host.name
        );
    }
}

fn dhcpd6(scopes: &[Scope6<'_>]) -> String {
    let mut text = format!("\nauthoritative;\nddns-update-style none;\ndhcpv6-lease-file-name \"{LEASES6}\";\n");
    for scope in scopes {
        let _ = writeln!(text, "\nshared-network {} {{", scope.segment.name);
        lease(&mut text, scope.lease_s);
        if !scope.dns.is_empty() {
            let list: Vec<String> = scope.dns.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "    option dhcp6.name-servers {};", list.join(", "));
        }
        if let Some(domain) = scope.domain {
            let _ = writeln!(text, "    option dhcp6.domain-search \"{domain}\";");
        }
        for network in &scope.networks {
            let _ = writeln!(text, "    subnet6 {} {{", network.network);
            for pool in &network.pools {
                let _ = writeln!(text, "        range6 {} {};", pool.first(), pool.last());
            }
            text += "    }\n";
        }
        text += "}\n";
    }
    let all = scopes.iter().flat_map(|scope| &scope.networks).flat_map(|network| &network.reservations);
    // DHCPv6 has no host name option.
    for (number, host) in all.enumerate() {
        let _ = writeln!(
            text,
            "\nhost {}-{number} {{\n    hardware ethernet {};\n    fixed-address6 {};\n}}",
            host.name,
            mac(host.mac),
            host.addr
        );
    }
    text
}
