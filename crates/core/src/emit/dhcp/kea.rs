//! Kea, for both families. Its files are JSON with `//` comments, valid for Kea 2.2 to 3.0.

use serde_json::{Value, json};

use super::scope::{Reservation, Scope4, Scope6, Subnet4};
use super::{Mode6, mac, scopes4, scopes6};
use crate::emit::bundle::{Artifact, Input, Target};
use crate::emit::head;

/// DHCP.
pub(in crate::emit) const FILE4: &str = "/etc/segwall/kea-dhcp4.conf";
/// DHCPv6.
pub(in crate::emit) const FILE6: &str = "/etc/segwall/kea-dhcp6.conf";
/// Its own: Kea writes its lease file anew, as a user of its own.
pub(in crate::emit) const STATE_DIR: &str = "/var/lib/segwall/kea";

/// Kea gives an interface up after so many tries to open it; a VLAN may be late by minutes.
const SOCKET_TRIES: u32 = 1_000;
/// Milliseconds between two tries.
const SOCKET_WAIT_MS: u32 = 2_000;
/// Seconds between two clean-ups of the lease file.
const CLEAN_UP_S: u32 = 3_600;

pub(in crate::emit) fn artifacts(input: &Input<'_>) -> Vec<Artifact> {
    let (v4, mut v6) = (scopes4(input.policy), scopes6(input.policy));
    v6.retain(|scope| scope.mode == Mode6::Dhcpv6);
    let file = |path, value: &Value| {
        let text = serde_json::to_string_pretty(value).expect("texts, numbers and lists are always JSON");
        Artifact::text(Target::Kea, path, head::of_policy("//", input.file()) + &text + "\n")
    };
    let mut list = Vec::new();
    if !v4.is_empty() {
        list.push(file(FILE4, &dhcp4(&v4)));
    }
    if !v6.is_empty() {
        list.push(file(FILE6, &dhcp6(&v6)));
    }
    list
}

fn interfaces(devices: &[&str]) -> Value {
    json!({
        "interfaces": devices,
        // A reload finds devices that were made after the start.
        "re-detect": true,
        "service-sockets-max-retries": SOCKET_TRIES,
        "service-sockets-retry-wait-time": SOCKET_WAIT_MS,
    })
}

fn lease_database(name: &str) -> Value {
    json!({ "type": "memfile", "persist": true, "name": format!("{STATE_DIR}/{name}"), "lfc-interval": CLEAN_UP_S })
}

fn loggers(name: &str) -> Value {
    // Kea 3.0 reads this spelling too; 2.2 knows no other.
    json!([{ "name": name, "severity": "INFO", "output_options": [{ "output": "stdout" }] }])
}

fn dhcp4(scopes: &[Scope4<'_>]) -> Value {
    let devices: Vec<&str> = scopes.iter().map(|scope| scope.segment.device.as_str()).collect();
    let mut id = 0u32;
    let mut alone = Vec::new();
    let mut shared = Vec::new();
    for scope in scopes {
        let subnets: Vec<Value> = scope.subnets.iter().map(|subnet| subnet4(&mut id, scope, subnet)).collect();
        if subnets.len() == 1 {
            alone.extend(subnets);
        } else {
            shared.push(json!({
                "name": scope.segment.name, "interface": scope.segment.device, "subnet4": subnets,
            }));
        }
    }
    json!({ "Dhcp4": {
        "interfaces-config": interfaces(&devices),
        "lease-database": lease_database("kea-leases4.csv"),
        "authoritative": true,
        "subnet4": alone,
        "shared-networks": shared,
        "loggers": loggers("kea-dhcp4"),
    }})
}

fn subnet4(id: &mut u32, scope: &Scope4<'_>, subnet: &Subnet4<'_>) -> Value {
    *id += 1;
    let options: Vec<Value> = subnet
        .options
        .iter()
        .map(|(code, bytes)| {
            // Bytes, not words: so they mean the same to every server.
            json!({ "space": "dhcp4", "code": code, "csv-format": false, "data": hexadecimal(bytes) })
        })
        .collect();
    let pools: Vec<Value> =
        subnet.pool.iter().map(|pool| json!({ "pool": format!("{} - {}", pool.first(), pool.last()) })).collect();
    let reservations: Vec<Value> = subnet
        .reservations
        .iter()
        .map(|host| json!({ "hw-address": mac(host.mac), "ip-address": host.addr, "hostname": host.name }))
        .collect();
    json!({
        "id": *id,
        "subnet": subnet.network.to_string(),
        "interface": scope.segment.device,
        "valid-lifetime": scope.lease_s,
        "pools": pools,
        "option-data": options,
        "reservations": reservations,
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02X}"))
}

fn dhcp6(scopes: &[Scope6<'_>]) -> Value {
    let devices: Vec<&str> = scopes.iter().map(|scope| scope.segment.device.as_str()).collect();
    let mut id = 0u32;
    let mut alone = Vec::new();
    let mut shared = Vec::new();
    for scope in scopes {
        let subnets: Vec<Value> = scope
            .networks
            .iter()
            .map(|network| {
                id += 1;
                let pools: Vec<Value> = network
                    .pools
                    .iter()
                    .map(|pool| json!({ "pool": format!("{} - {}", pool.first(), pool.last()) }))
                    .collect();
                json!({
                    "id": id,
                    "subnet": network.network.to_string(),
                    "interface": scope.segment.device,
                    "valid-lifetime": scope.lease_s,
                    "preferred-lifetime": scope.lease_s,
                    "pools": pools,
                    "option-data": options6(scope),
                    "reservations": network.reservations.iter().map(reservation6).collect::<Vec<_>>(),
                })
            })
            .collect();
        if subnets.len() == 1 {
            alone.extend(subnets);
        } else {
            shared.push(json!({
                "name": scope.segment.name, "interface": scope.segment.device, "subnet6": subnets,
            }));
        }
    }
    json!({ "Dhcp6": {
        "interfaces-config": interfaces(&devices),
        "lease-database": lease_database("kea-leases6.csv"),
        "subnet6": alone,
        "shared-networks": shared,
        "loggers": loggers("kea-dhcp6"),
    }})
}

fn options6(scope: &Scope6<'_>) -> Vec<Value> {
    let mut options = Vec::new();
    if !scope.dns.is_empty() {
        let list: Vec<String> = scope.dns.iter().map(ToString::to_string).collect();
        options.push(json!({ "name": "dns-servers", "data": list.join(", ") }));
    }
    if let Some(domain) = scope.domain {
        options.push(json!({ "name": "domain-search", "data": domain }));
    }
    options
}

fn reservation6(host: &Reservation<'_>) -> Value {
    json!({ "hw-address": mac(host.mac), "ip-addresses": [host.addr], "hostname": host.name })
}
