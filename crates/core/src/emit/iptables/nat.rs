//! Address translation.

use std::net::IpAddr;

use segwall_packetset::{AddrRange, Family};

use super::super::comment::safe_file;
use super::table::{Table, join};
use super::words;
use crate::ruleset::{Interface, Role, Ruleset, Translation, private_ipv4};

const HAIRPIN: &str = "sw_hairpin";

fn own(interface: &Interface, family: Family) -> Vec<IpAddr> {
    let mut list: Vec<IpAddr> =
        interface.addresses.iter().copied().filter(|addr| Family::of(*addr) == family).collect();
    list.sort_unstable();
    list.dedup();
    list
}

/// The nat table; empty where the policy translates nothing in this family.
pub(super) fn table(ruleset: &Ruleset, family: Family) -> Table {
    let mut table = Table::new(
        "nat",
        &[("PREROUTING", "ACCEPT"), ("INPUT", "ACCEPT"), ("OUTPUT", "ACCEPT"), ("POSTROUTING", "ACCEPT")],
    );
    let list: Vec<&Translation> = ruleset.translations.iter().filter(|one| Family::of(one.to) == family).collect();
    for translation in &list {
        from_uplink(&mut table, ruleset, translation, family);
    }
    hairpin(&mut table, ruleset, &list, family);
    masquerade(&mut table, ruleset, &list, family);
    table
}

fn dnat(translation: &Translation) -> String {
    let to = match (translation.to, translation.to_port) {
        (to, None) => to.to_string(),
        (IpAddr::V4(to), Some(port)) => format!("{to}:{port}"),
        (IpAddr::V6(to), Some(port)) => format!("[{to}]:{port}"),
    };
    format!("-j DNAT --to-destination {to}")
}

fn from_uplink(table: &mut Table, ruleset: &Ruleset, translation: &Translation, family: Family) {
    let uplink = ruleset.interface(translation.uplink);
    let Some(sources) = words::addresses("s", translation.from.as_ref(), family) else { return };
    let sources = if sources.is_empty() { vec![String::new()] } else { sources };
    let destinations: Vec<String> = if uplink.dynamic {
        let not_link_local = if family == Family::V6 { " ! -d fe80::/10" } else { "" };
        vec![format!("-m addrtype --dst-type LOCAL --limit-iface-in{not_link_local}")]
    } else {
        own(uplink, family).into_iter().map(|addr| words::address("d", &AddrRange::single(addr))).collect()
    };
    let comment = words::comment(&safe_file(&ruleset.file), translation.line);
    for source in &sources {
        for destination in &destinations {
            let input = format!("-i {}", uplink.name);
            let service = words::ports(translation.proto, translation.ports);
            table.push("PREROUTING", join(&[&input, source, destination, &service, &comment, &dnat(translation)]));
        }
    }
}

fn hairpin(table: &mut Table, ruleset: &Ruleset, list: &[&Translation], family: Family) {
    let list: Vec<&&Translation> = list.iter().filter(|one| one.hairpin).collect();
    if list.is_empty() {
        return;
    }
    // Not what the box sends itself, nor what comes from a provider: those had their turn.
    table.push("PREROUTING", "-i lo -j ACCEPT".to_owned());
    for uplink in ruleset.interfaces.iter().filter(|interface| interface.role == Role::Uplink) {
        table.push("PREROUTING", format!("-i {} -j ACCEPT", uplink.name));
    }
    table.push("PREROUTING", format!("-m addrtype --dst-type LOCAL -j {HAIRPIN}"));
    table.chain(HAIRPIN);
    let dynamic = list.iter().any(|one| ruleset.interface(one.uplink).dynamic);
    if dynamic {
        // Every other address of the box is known.
        let never: &[&str] = match family {
            Family::V4 => &["127.0.0.0/8"],
            Family::V6 => &["::1/128", "fe80::/10"],
        };
        for range in never {
            table.push(HAIRPIN, format!("-d {range} -j RETURN"));
        }
        let mut fixed: Vec<IpAddr> = ruleset
            .interfaces
            .iter()
            .filter(|interface| !interface.dynamic)
            .flat_map(|interface| own(interface, family))
            .collect();
        fixed.sort_unstable();
        fixed.dedup();
        for addr in fixed {
            table.push(HAIRPIN, format!("-d {addr} -j RETURN"));
        }
    }
    for translation in list {
        let uplink = ruleset.interface(translation.uplink);
        let destinations: Vec<String> = if uplink.dynamic {
            vec![String::new()]
        } else {
            own(uplink, family).into_iter().map(|addr| words::address("d", &AddrRange::single(addr))).collect()
        };
        let comment = words::comment(&safe_file(&ruleset.file), translation.line);
        for destination in destinations {
            let service = words::ports(translation.proto, translation.ports);
            table.push(HAIRPIN, join(&[&destination, &service, &comment, &dnat(translation)]));
        }
    }
}

fn masquerade(table: &mut Table, ruleset: &Ruleset, list: &[&Translation], family: Family) {
    let private_segment = ruleset
        .interfaces
        .iter()
        .filter(|interface| interface.role != Role::Uplink)
        .flat_map(|interface| interface.sources.iter())
        .any(|source| private_ipv4().iter().any(|range| range.overlaps(source)));
    if family == Family::V4 && private_segment {
        for uplink in ruleset.interfaces.iter().filter(|interface| interface.masquerade) {
            for range in private_ipv4() {
                table.push("POSTROUTING", format!("-o {} -s {range} -j MASQUERADE", uplink.name));
            }
        }
    }
    if !list.iter().any(|one| one.hairpin) {
        return;
    }
    // Back into the segment it came from, whichever routing makes it. This hook knows no input interface; anti-spoofing has
    // tied the source to the segment.
    for interface in ruleset.interfaces.iter().filter(|interface| interface.role != Role::Uplink) {
        for source in interface.sources.iter().filter(|range| range.family() == family) {
            let words = words::address("s", source);
            table.push(
                "POSTROUTING",
                format!("-o {} {words} -m conntrack --ctstate DNAT -j MASQUERADE", interface.name),
            );
        }
    }
}
