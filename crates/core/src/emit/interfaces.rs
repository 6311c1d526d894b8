//! Interfaces for ifupdown-ng (Alpine) and ifupdown (Debian).
//!
//! `/etc/network/interfaces` must name the file (`source /etc/network/interfaces.d/*`). Devices with `managed = false` are
//! made and addressed elsewhere and are not in it. Commands of the stanzas can be run twice.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;

use segwall_packetset::Family;

use super::bundle::{Artifact, Input, System, Target};
use super::{daemons, head};
use crate::policy::{InterfaceAddress, Policy, Segment, Uplink, Wiring};

/// Metric of a second next hop of one family: taken when the first has no route.
const SECOND_METRIC: usize = 1_024;

/// Whether there is a VLAN to make.
pub(super) fn makes_vlans(policy: &Policy) -> bool {
    trunks(policy).next().is_some()
}

/// Trunks of the VLANs that are ours to make.
fn trunks(policy: &Policy) -> impl Iterator<Item = &str> {
    let segments = policy.segments.iter().map(|segment| (segment.managed, &segment.wiring));
    let uplinks = policy.uplinks.iter().map(|uplink| (uplink.managed, &uplink.wiring));
    segments.chain(uplinks).filter_map(|port| match port {
        (true, Wiring::Vlan { trunk, .. }) => Some(trunk.as_str()),
        _ => None,
    })
}

pub(super) fn artifact(input: &Input<'_>) -> Artifact {
    let policy = input.policy;
    let mut text = head::of_policy("#", input.file());
    let named: BTreeSet<&str> = policy
        .segments
        .iter()
        .map(|segment| segment.device.as_str())
        .chain(policy.uplinks.iter().map(|uplink| uplink.device.as_str()))
        .collect();
    // A trunk that carries untagged frames of a segment is brought up by that segment's stanza.
    for trunk in trunks(policy).filter(|trunk| !named.contains(trunk)).collect::<BTreeSet<_>>() {
        let _ = write!(
            text,
            "\n# Carries the tagged segments.\nauto {trunk}\niface {trunk} inet manual\n    up ip link set dev {trunk} up\n"
        );
    }
    policy.uplinks.iter().filter(|uplink| uplink.managed).for_each(|it| uplink(&mut text, it, input));
    policy.segments.iter().filter(|segment| segment.managed).for_each(|it| segment(&mut text, it, input));
    Artifact::text(Target::Interfaces, "/etc/network/interfaces.d/segwall", text)
}

fn segment(text: &mut String, segment: &Segment, input: &Input<'_>) {
    let device = &segment.device;
    let addresses: Vec<InterfaceAddress> = segment
        .subnets
        .iter()
        .map(|subnet| InterfaceAddress {
            addr: subnet.gateway,
            prefix_len: subnet.network.prefix_len().expect("a segment's network is a prefix"),
        })
        .collect();
    let mut after: Vec<String> = Vec::new();
    for route in &segment.routes {
        let family = family_option(&route.via);
        after.push(format!("up ip {family} route replace {} via {} dev {device}", route.to, route.via));
    }
    if daemons::deaf_on(input.policy, segment) {
        // The DHCP server does not hear a device that was deleted and made again; it does nothing where it does not run.
        after.push(match input.facts.system {
            System::Alpine => "up rc-service --ifstarted segwall-dhcp restart".to_owned(),
            System::Debian => "up systemctl --no-block try-restart segwall-dhcp.service".to_owned(),
        });
    }
    // Nobody tells the box about ways on a segment, and its addresses are its own: they can be used at once, which a
    // server that starts with the interface depends on.
    let settings = [("ipv6", "accept_ra", 0), ("ipv6", "accept_dad", 0), ("ipv4", "send_redirects", 0)];
    let stanza = Stanza { name: &segment.name, device, wiring: &segment.wiring, settings: &settings, after };
    stanza.write(text, &addresses, false, input.facts.system);
}

fn uplink(text: &mut String, uplink: &Uplink, input: &Input<'_>) {
    let device = &uplink.device;
    let mut after = Vec::new();
    for family in Family::BOTH {
        let gateways = uplink.gateways.iter().filter(|addr| Family::of(**addr) == family);
        for (number, gateway) in gateways.enumerate() {
            let metric = if number == 0 { String::new() } else { format!(" metric {}", SECOND_METRIC + number) };
            let option = family_option(gateway);
            after.push(format!("up ip {option} route replace default via {gateway} dev {device}{metric}"));
        }
    }
    // 2: also while the box forwards.
    let ra = if uplink.ra { 2 } else { 0 };
    let settings = [("ipv6", "accept_ra", ra), ("ipv4", "send_redirects", 0)];
    let stanza = Stanza { name: &uplink.name, device, wiring: &uplink.wiring, settings: &settings, after };
    stanza.write(text, &uplink.addresses, uplink.dhcp, input.facts.system);
}

/// Everything ifup has to know of one device.
struct Stanza<'a> {
    name: &'a str,
    device: &'a str,
    wiring: &'a Wiring,
    /// Keys below `net.FAMILY.conf.DEVICE`.
    settings: &'a [(&'a str, &'a str, u8)],
    /// Lines behind the addresses.
    after: Vec<String>,
}

impl Stanza<'_> {
    fn write(&self, text: &mut String, addresses: &[InterfaceAddress], dhcp: bool, system: System) {
        let device = self.device;
        let _ = write!(text, "\n# {}\nauto {device}\niface {device} inet manual\n", self.name);
        if let Wiring::Vlan { trunk, id } = self.wiring {
            match system {
                System::Alpine => {
                    let _ = writeln!(text, "    vlan-raw-device {trunk}\n    vlan-id {id}");
                }
                // ifupdown makes no VLANs without the package `vlan`.
                System::Debian => {
                    let _ = write!(
                        text,
                        "    pre-up test -e /sys/class/net/{device} || ip link add link {trunk} name {device} type vlan id {id}\n    \
                         post-down test ! -e /sys/class/net/{device} || ip link del dev {device}\n"
                    );
                }
            }
        }
        for (family, key, value) in self.settings {
            let path = format!("/proc/sys/net/{family}/conf/{device}/{key}");
            // A kernel without IPv6 has none of its keys.
            let _ = writeln!(text, "    pre-up test ! -e {path} || echo {value} > {path}");
        }
        // DHCP comes behind the manual stanza: ifup waits for an answer.
        for address in addresses {
            let inet = match Family::of(address.addr) {
                Family::V4 => "inet",
                Family::V6 => "inet6",
            };
            let _ = writeln!(text, "iface {device} {inet} static\n    address {}/{}", address.addr, address.prefix_len);
        }
        if dhcp {
            let _ = writeln!(text, "iface {device} inet dhcp");
        }
        for line in &self.after {
            let _ = writeln!(text, "    {line}");
        }
    }
}

fn family_option(addr: &IpAddr) -> &'static str {
    match addr {
        IpAddr::V4(_) => "-4",
        IpAddr::V6(_) => "-6",
    }
}
