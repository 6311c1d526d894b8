//! What a generation wants of the box.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use segwall_packetset::AddrRange;

use super::{FORWARD_V4, FORWARD_V6, FileState};
use crate::emit::{Bundle, Target};
use crate::policy::{Policy, Wiring};
use crate::ruleset::Ruleset;

/// Where interfaces are described that others wrote.
pub const INTERFACES: &str = "/etc/network/interfaces";
/// Where ours are.
pub const OUR_INTERFACES: &str = "/etc/network/interfaces.d/segwall";
/// Our boot service.
pub const BOOT_SERVICE: &str = "segwall";
/// The service that keeps the rules loaded.
const GUARD_SERVICE: &str = "segwall-guard";
const WATCH_SERVICE: &str = "segwall-watch";

/// What a generation wants of the box, its rules aside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Files of ours.
    pub files: BTreeMap<String, FileState>,
    /// Kernel modules.
    pub modules: Vec<String>,
    /// VLAN devices: name, trunk, id; in the policy's order.
    pub vlans: Vec<(String, String, u16)>,
    /// Interfaces that are to be up.
    pub up: Vec<String>,
    /// Addresses of the box.
    pub addresses: Vec<(String, IpAddr, u8)>,
    /// Routes: network, next hop, interface.
    pub routes: Vec<(AddrRange, IpAddr, String)>,
    /// Interfaces whose addresses others give.
    pub ifup: Vec<String>,
    /// Kernel settings, by path below `/proc/sys`; those of one interface among them.
    pub sysctls: Vec<(String, String)>,
    /// Settings that let packets pass.
    pub forwarding: Vec<String>,
    /// Services.
    pub services: Vec<WantedService>,
}

/// A service that is to start at boot, and runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedService {
    /// Its name.
    pub name: String,
    /// Ours: started and stopped with the generation. A service of others only reads its files again.
    pub ours: bool,
    /// Files that it reads.
    pub files: Vec<String>,
}

/// What an inventory must tell so that a plan can be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interest {
    /// Paths of files.
    pub files: BTreeSet<String>,
    /// Kernel settings, by path below `/proc/sys`.
    pub sysctls: BTreeSet<String>,
    /// Names of services.
    pub services: BTreeSet<String>,
}

impl Interest {
    /// Adds what one generation is about.
    pub fn add(&mut self, wanted: &Wanted) {
        self.files.extend(wanted.files.keys().cloned());
        self.files.insert(INTERFACES.to_owned());
        self.sysctls.extend(wanted.sysctls.iter().map(|(key, _)| key.clone()));
        self.sysctls.extend([FORWARD_V4, FORWARD_V6].map(str::to_owned));
        self.services.extend(wanted.services.iter().map(|service| service.name.clone()));
    }
}

/// What a policy and its files want of a box.
#[must_use]
pub fn wanted(policy: &Policy, ruleset: &Ruleset, bundle: &Bundle) -> Wanted {
    let mut wanted = Wanted::default();
    for artifact in &bundle.artifacts {
        let text = String::from_utf8_lossy(&artifact.bytes);
        match artifact.target {
            // Loaded by us, and kept with the generation.
            Target::Nft | Target::Iptables | Target::Ip6tables => continue,
            Target::Modules => wanted.modules.extend(lines(&text).map(str::to_owned)),
            Target::Sysctl => wanted.sysctls.extend(lines(&text).filter_map(setting)),
            Target::Interfaces
            | Target::Dnsmasq
            | Target::Kea
            | Target::Dhcpd
            | Target::Rsyslog
            | Target::Logrotate
            | Target::Openrc
            | Target::Systemd => {}
        }
        wanted.files.insert(artifact.path.clone(), FileState { mode: artifact.mode, bytes: artifact.bytes.clone() });
    }
    devices(&mut wanted, policy);
    if ruleset.interfaces.iter().any(|interface| interface.ipv4) {
        wanted.forwarding.push(FORWARD_V4.to_owned());
    }
    if ruleset.interfaces.iter().any(|interface| interface.ipv6) {
        wanted.forwarding.push(FORWARD_V6.to_owned());
    }
    services(&mut wanted, bundle);
    wanted
}

fn devices(wanted: &mut Wanted, policy: &Policy) {
    let mut device = |device: &str, wiring: &Wiring, managed: bool| {
        if let (Wiring::Vlan { trunk, id }, true) = (wiring, managed) {
            wanted.vlans.push((device.to_owned(), trunk.clone(), *id));
            if !wanted.up.contains(trunk) {
                wanted.up.push(trunk.clone());
            }
        }
        if managed && !wanted.up.iter().any(|up| up == device) {
            wanted.up.push(device.to_owned());
        }
    };
    for segment in &policy.segments {
        device(&segment.device, &segment.wiring, segment.managed);
    }
    for uplink in &policy.uplinks {
        device(&uplink.device, &uplink.wiring, uplink.managed);
    }
    for segment in policy.segments.iter().filter(|segment| segment.managed) {
        for subnet in &segment.subnets {
            let len = subnet.network.prefix_len().expect("subnets are whole prefixes");
            wanted.addresses.push((segment.device.clone(), subnet.gateway, len));
        }
        for route in &segment.routes {
            wanted.routes.push((route.to, route.via, segment.device.clone()));
        }
    }
    for uplink in policy.uplinks.iter().filter(|uplink| uplink.managed) {
        if uplink.dhcp || uplink.ra {
            wanted.ifup.push(uplink.device.clone());
        }
        if uplink.ra {
            // 2: a box that forwards still listens to advertisements (Documentation/networking/ip-sysctl).
            wanted.sysctls.push((format!("net/ipv6/conf/{}/accept_ra", uplink.device), "2".to_owned()));
        }
        for address in &uplink.addresses {
            wanted.addresses.push((uplink.device.clone(), address.addr, address.prefix_len));
        }
        for gateway in &uplink.gateways {
            let everything = if gateway.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
            wanted.routes.push((everything.parse().expect("a prefix"), *gateway, uplink.device.clone()));
        }
    }
}

fn services(wanted: &mut Wanted, bundle: &Bundle) {
    let of = |targets: &[Target]| -> Vec<String> {
        let list = bundle.artifacts.iter().filter(|artifact| targets.contains(&artifact.target));
        list.map(|artifact| artifact.path.clone()).collect()
    };
    // What the boot service starts is loaded already: it is enabled and not run.
    wanted.services.push(WantedService { name: BOOT_SERVICE.to_owned(), ours: true, files: Vec::new() });
    let files = of(&[Target::Dnsmasq, Target::Kea, Target::Dhcpd]);
    for name in bundle.services() {
        // The guard reads none of them: a change of DHCP is no reason to look away.
        let files = if [GUARD_SERVICE, WATCH_SERVICE].contains(&name.as_str()) { Vec::new() } else { files.clone() };
        wanted.services.push(WantedService { name, ours: true, files });
    }
    let files = of(&[Target::Rsyslog]);
    if !files.is_empty() {
        wanted.services.push(WantedService { name: "rsyslog".to_owned(), ours: false, files });
    }
}

/// Lines that say something.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
}

/// `key = value` of sysctl.d(5): the first separator tells whether slashes or dots part the key. A leading `-` is for
/// keys that a kernel may lack; such keys are left out of the plan anyway.
#[must_use]
pub fn setting(line: &str) -> Option<(String, String)> {
    let (key, value) = line.split_once('=')?;
    let key = key.trim().trim_start_matches('-');
    let dots_part = key.find(['.', '/']).is_some_and(|at| key.as_bytes()[at] == b'.');
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    let key = if dots_part { key.chars().map(swap).collect() } else { key.to_owned() };
    Some((key, value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_sysctl_reads_them() {
        let both = |line| setting(line).expect("a setting");
        assert_eq!(both("net.ipv4.ip_forward = 1").0, "net/ipv4/ip_forward");
        assert_eq!(both("-net/ipv6/conf/eth0.10/accept_ra=0").0, "net/ipv6/conf/eth0.10/accept_ra");
        assert_eq!(
            both("net.ipv6.conf.eth0/10.accept_ra = 0"),
            ("net/ipv6/conf/eth0.10/accept_ra".to_owned(), "0".to_owned())
        );
        assert_eq!(setting("nonsense"), None);
    }
}
