//! The services of a box, before they are written for its init system.

use super::bundle::System;
use super::dhcp::{Mode6, STATE_DIR, dhcpd, dnsmasq, kea, resolves_for, scopes4, scopes6};
use crate::policy::{DhcpKind, Policy, Segment};

/// The one-shot service that loads the rules at boot.
pub(super) const BOOT: &str = "segwall";

/// The process that keeps them loaded.
pub const GUARD: &str = "segwall-guard";

/// The process that watches the traffic.
pub const WATCH: &str = "segwall-watch";

/// Whether a policy wants to be told of anything.
pub(super) fn watches(policy: &Policy) -> bool {
    policy.alerts.scans || policy.alerts.drops.is_some() || !policy.notify.is_empty()
}

/// A process that serves segments.
pub(super) struct Daemon {
    pub name: &'static str,
    /// For people.
    pub summary: &'static str,
    pub program: &'static str,
    /// In the foreground, with our file alone.
    pub args: Vec<String>,
    /// What checks the file before it starts.
    pub test_args: Vec<String>,
    pub file: &'static str,
    /// Where it keeps leases, and whose that is.
    pub state_dir: Option<(&'static str, &'static str)>,
    /// Files that must exist before it starts: dhcpd makes none.
    pub leases_file: Option<&'static str>,
    /// Who it runs as, where it does not change that itself.
    pub user: Option<&'static str>,
    pub environment: &'static [(&'static str, &'static str)],
    /// Reads its file anew, and looks for interfaces anew, on SIGHUP.
    pub reloads: bool,
    pub capabilities: &'static [&'static str],
}

/// The daemons that a policy needs, in the order in which they start.
pub(super) fn daemons(policy: &Policy, system: System) -> Vec<Daemon> {
    let (v4, v6) = dnsmasq::scopes(policy);
    let mut list = Vec::new();
    let leases4 = !scopes4(policy).is_empty();
    let leases6 = scopes6(policy).iter().any(|scope| scope.mode == Mode6::Dhcpv6);
    match policy.dhcp.kind {
        DhcpKind::Dnsmasq if !v4.is_empty() || !v6.is_empty() => {
            list.push(of_dnsmasq(
                "segwall-dhcp",
                "DHCP and router advertisements for Segwall's segments",
                dnsmasq::DHCP_FILE,
            ));
        }
        DhcpKind::Kea => {
            list.extend(leases4.then(|| of_kea("segwall-dhcp", "DHCP for Segwall's segments", kea::FILE4, system)));
            list.extend(leases6.then(|| of_kea("segwall-dhcp6", "DHCPv6 for Segwall's segments", kea::FILE6, system)));
        }
        DhcpKind::IscDhcpd => {
            list.extend(leases4.then(|| of_dhcpd("segwall-dhcp", "DHCP for Segwall's segments", dhcpd::FILE4, policy)));
            list.extend(
                leases6.then(|| of_dhcpd("segwall-dhcp6", "DHCPv6 for Segwall's segments", dhcpd::FILE6, policy)),
            );
        }
        DhcpKind::Dnsmasq | DhcpKind::None => {}
    }
    if policy.dhcp.kind != DhcpKind::Dnsmasq && !v6.is_empty() {
        list.push(of_dnsmasq("segwall-ra", "Router advertisements for Segwall's segments", dnsmasq::DHCP_FILE));
    }
    if resolves_for(policy).next().is_some() {
        list.push(of_dnsmasq("segwall-dns", "Resolver for Segwall's segments", dnsmasq::DNS_FILE));
    }
    list
}

/// Programs that serve the segments of a policy, by name, each once.
#[must_use]
pub fn daemon_programs(policy: &Policy, system: System) -> Vec<&'static str> {
    let mut names: Vec<&str> = daemons(policy, system)
        .iter()
        .map(|daemon| daemon.program.rsplit('/').next().unwrap_or(daemon.program))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn of_dnsmasq(name: &'static str, summary: &'static str, file: &'static str) -> Daemon {
    Daemon {
        name,
        summary,
        program: "/usr/sbin/dnsmasq",
        args: vec!["--keep-in-foreground".to_owned(), format!("--conf-file={file}")],
        test_args: vec!["--test".to_owned(), format!("--conf-file={file}")],
        file,
        state_dir: Some((STATE_DIR, "dnsmasq")),
        leases_file: None,
        user: None,
        environment: &[],
        reloads: false,
        capabilities: &[
            "CAP_CHOWN",
            "CAP_NET_ADMIN",
            "CAP_NET_BIND_SERVICE",
            "CAP_NET_RAW",
            "CAP_SETGID",
            "CAP_SETPCAP",
            "CAP_SETUID",
        ],
    }
}

fn of_kea(name: &'static str, summary: &'static str, file: &'static str, system: System) -> Daemon {
    let user = match system {
        System::Alpine => "kea",
        System::Debian => "_kea",
    };
    Daemon {
        name,
        summary,
        program: if file == kea::FILE4 { "/usr/sbin/kea-dhcp4" } else { "/usr/sbin/kea-dhcp6" },
        args: vec!["-c".to_owned(), file.to_owned()],
        test_args: vec!["-t".to_owned(), file.to_owned()],
        file,
        state_dir: Some((kea::STATE_DIR, user)),
        leases_file: None,
        user: Some(user),
        // Kea 2.6.3 and later take a lease file from nowhere else.
        environment: &[
            ("KEA_DHCP_DATA_DIR", kea::STATE_DIR),
            ("KEA_PIDFILE_DIR", kea::STATE_DIR),
            ("KEA_LOCKFILE_DIR", kea::STATE_DIR),
        ],
        reloads: true,
        capabilities: &["CAP_NET_BIND_SERVICE", "CAP_NET_RAW"],
    }
}

fn of_dhcpd(name: &'static str, summary: &'static str, file: &'static str, policy: &Policy) -> Daemon {
    let v6 = file == dhcpd::FILE6;
    let family = if v6 { "-6" } else { "-4" };
    let leases = if v6 { dhcpd::LEASES6 } else { dhcpd::LEASES4 };
    let mut args: Vec<String> = ["-f", family, "--no-pid", "-cf", file].map(str::to_owned).to_vec();
    args.extend(dhcpd::devices(policy, v6).into_iter().map(str::to_owned));
    Daemon {
        name,
        summary,
        program: "/usr/sbin/dhcpd",
        args,
        test_args: ["-t", family, "-cf", file].map(str::to_owned).to_vec(),
        file,
        state_dir: Some((dhcpd::STATE_DIR, "root")),
        leases_file: Some(leases),
        user: None,
        environment: &[],
        reloads: false,
        capabilities: &["CAP_CHOWN", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW"],
    }
}

/// Whether a segment's DHCP server is deaf to a device that was made again.
pub(super) fn deaf_on(policy: &Policy, segment: &Segment) -> bool {
    let serves = || scopes4(policy).iter().any(|scope| scope.segment.name == segment.name);
    matches!(policy.dhcp.kind, DhcpKind::Kea | DhcpKind::IscDhcpd) && serves()
}
