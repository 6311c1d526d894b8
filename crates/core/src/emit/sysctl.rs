//! Kernel settings.

use std::fmt::Write;

use super::bundle::{Artifact, Input, Target};
use super::head;

/// Connections for each MiB of memory: an entry takes about half a KiB, so a full table takes a sixteenth of the memory.
const CONNECTIONS_PER_MIB: u64 = 128;
/// Fewer than this many would be filled by a few hosts.
const CONNECTIONS_MIN: u64 = 16_384;
/// More than this many are of no use: one address pair has 65,535 ports.
const CONNECTIONS_MAX: u64 = 2_097_152;
/// Up to this much memory, idle connections are forgotten sooner.
const SMALL_MIB: u64 = 512;
/// The least that a router may wait for an idle TCP connection (RFC 5382 REQ-5): 2 hours and 4 minutes.
const IDLE_SMALL_S: u64 = 7_440;
/// A day instead of the kernel's five: tables fill with connections whose ends are long gone.
const IDLE_S: u64 = 86_400;

pub(super) fn artifact(input: &Input<'_>) -> Artifact {
    let memory = input.facts.memory_mib;
    let connections =
        memory.saturating_mul(CONNECTIONS_PER_MIB).clamp(CONNECTIONS_MIN, CONNECTIONS_MAX).next_power_of_two();
    let idle = if memory <= SMALL_MIB { IDLE_SMALL_S } else { IDLE_S };
    let mut text = head::of_policy("#", input.file());
    for (why, keys) in [
        (
            "Forwarding is not here: it would be on before the rules are in. The boot service `segwall` switches it on once\n\
             # they are loaded and checked, and off when it stops.",
            Vec::new(),
        ),
        (
            "Reverse-path filtering is left to the rules: they check every source by its interface, count what they drop, and\n\
             # do it for IPv6 too. The kernel's drops unseen, and drops what rightly comes by another way.",
            keys4("rp_filter", 0),
        ),
        (
            "Nobody on a wire tells the box other ways, and the box tells nobody: hosts would go around the rules.",
            [keys4("accept_redirects", 0), keys4("secure_redirects", 0), keys4("send_redirects", 0)]
                .concat()
                .into_iter()
                .chain(keys6("accept_redirects", 0))
                .collect(),
        ),
        ("Senders do not choose the way.", [keys4("accept_source_route", 0), keys6("accept_source_route", 0)].concat()),
        (
            "An address of the box is answered for on its own wire only.",
            [keys4("arp_ignore", 1), keys4("arp_announce", 2)].concat(),
        ),
        (
            "Router advertisements count on an uplink with \"ra\" only; /etc/network/interfaces.d/segwall says so there.",
            keys6("accept_ra", 0),
        ),
        (
            "Floods of half-open connections and of broadcast echo requests.",
            vec![("net.ipv4.tcp_syncookies".to_owned(), 1), ("net.ipv4.icmp_echo_ignore_broadcasts".to_owned(), 1)],
        ),
    ] {
        write(&mut text, why, &keys);
    }
    write(
        &mut text,
        &format!("Connections that are followed: at most a sixteenth of {memory} MiB."),
        &[
            ("net.netfilter.nf_conntrack_max".to_owned(), connections),
            ("net.netfilter.nf_conntrack_buckets".to_owned(), connections),
            ("net.netfilter.nf_conntrack_tcp_timeout_established".to_owned(), idle),
            ("net.netfilter.nf_conntrack_generic_timeout".to_owned(), 120),
        ],
    );
    write(
        &mut text,
        "What goes over each connection is counted, and when it began is noted: `segwall watch` tells it.",
        &[("net.netfilter.nf_conntrack_acct".to_owned(), 1), ("net.netfilter.nf_conntrack_timestamp".to_owned(), 1)],
    );
    Artifact::text(Target::Sysctl, "/etc/sysctl.d/segwall.conf", text)
}

/// For interfaces that there are and for those to come.
fn keys4(key: &str, value: u64) -> Vec<(String, u64)> {
    ["all", "default"].map(|which| (format!("net.ipv4.conf.{which}.{key}"), value)).to_vec()
}

fn keys6(key: &str, value: u64) -> Vec<(String, u64)> {
    ["all", "default"].map(|which| (format!("net.ipv6.conf.{which}.{key}"), value)).to_vec()
}

fn write(text: &mut String, why: &str, keys: &[(String, u64)]) {
    writeln!(text, "\n# {why}").expect("a string takes all");
    for (key, value) in keys {
        writeln!(text, "{key} = {value}").expect("a string takes all");
    }
}
