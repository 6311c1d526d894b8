//! Kernel settings of the lab's namespaces. They hide nothing: whatever the kernel could drop on its own account is
//! switched off, so that only the ruleset is tested.

use segwall_host::sysctl::{self, SysctlError};

/// Before the interfaces are there: `default` is what they start with.
const GATEWAY: &[(&str, &str)] = &[
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    // A packet with one of the box's own addresses as its source is the ruleset's to drop.
    ("net/ipv4/conf/all/accept_local", "1"),
    ("net/ipv4/conf/default/accept_local", "1"),
    ("net/ipv4/conf/all/send_redirects", "0"),
    ("net/ipv4/conf/default/send_redirects", "0"),
    ("net/ipv4/conf/all/bc_forwarding", "0"),
    // Every reject is answered: no rate, and no kind of message under a rate.
    ("net/ipv4/icmp_ratelimit", "0"),
    ("net/ipv4/icmp_ratemask", "0"),
];

/// As above, where the kernel has them: IPv6 may be missing, and some settings are young or not for namespaces.
const GATEWAY_IF_PRESENT: &[(&str, &str)] = &[
    ("net/ipv4/icmp_msgs_per_sec", "1000000"),
    ("net/ipv4/icmp_msgs_burst", "1000000"),
    ("net/ipv6/conf/all/forwarding", "1"),
    ("net/ipv6/conf/default/forwarding", "1"),
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv6/conf/default/autoconf", "0"),
    ("net/ipv6/conf/default/router_solicitations", "0"),
    // No link-local address but the one we give.
    ("net/ipv6/conf/default/addr_gen_mode", "1"),
    ("net/ipv6/icmp/ratelimit", "0"),
    // Type 0 does not exist: nothing is left under the rate.
    ("net/ipv6/icmp/ratemask", "0"),
];

/// After the ruleset is loaded: connection tracking may come as a module with it.
const CONNTRACK: &[(&str, &str)] = &[
    // Loose pickup is the kernel's default; a bare ACK is then `new`, and ours to drop.
    ("net/netfilter/nf_conntrack_tcp_loose", "1"),
    ("net/netfilter/nf_conntrack_checksum", "1"),
    ("net/netfilter/nf_conntrack_acct", "0"),
];

/// Settings of the gateway, before it has interfaces.
///
/// # Errors
/// When the kernel does not allow one.
pub fn gateway() -> Result<(), SysctlError> {
    for (key, value) in GATEWAY {
        sysctl::set(key, value)?;
    }
    for (key, value) in GATEWAY_IF_PRESENT {
        sysctl::set_if_present(key, value)?;
    }
    Ok(())
}

/// Settings of the gateway's connection tracking.
///
/// # Errors
/// When the kernel does not allow one.
pub fn conntrack() -> Result<(), SysctlError> {
    for (key, value) in CONNTRACK {
        sysctl::set_if_present(key, value)?;
    }
    Ok(())
}

/// Settings of a host: its own stack says nothing of its own accord.
///
/// # Errors
/// When the kernel does not allow one.
pub fn silent_host() -> Result<(), SysctlError> {
    sysctl::set_if_present("net/ipv6/conf/default/disable_ipv6", "1")?;
    Ok(())
}

/// Settings of a host that a person uses.
///
/// # Errors
/// When the kernel does not allow one.
pub fn shell_host() -> Result<(), SysctlError> {
    for key in ["accept_dad", "accept_ra", "autoconf", "router_solicitations"] {
        sysctl::set_if_present(&format!("net/ipv6/conf/default/{key}"), "0")?;
    }
    // Anybody in the lab may ping.
    sysctl::set_if_present("net/ipv4/ping_group_range", "0 0")?;
    Ok(())
}
