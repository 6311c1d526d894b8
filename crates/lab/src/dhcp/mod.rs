//! A DHCP client in every segment: asks the real server, with the file that a box would get, through the rules that a box
//! would load; and compares what it is given with the policy.

mod client;
mod expected;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use schemars::JsonSchema;
use segwall_core::emit::{self, System, Target};
use segwall_core::policy::{DhcpKind, Policy};
use segwall_core::ruleset::{At, Ruleset};
use segwall_host::dnsmasq::{self, Dnsmasq};
use segwall_host::packet::PacketSocket;
use segwall_host::rtnl::Rtnl;
use segwall_packetset::InterfaceId;
use serde::Serialize;

use crate::error::LabError;
use crate::prober::Prober;
use crate::topology::Topology;

/// How long a server may take until it answers for the first time.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a client on a real wire waits.
const PATIENCE_CLIENT: Duration = Duration::from_secs(3);
/// Frames of a busy segment in the meantime.
const FRAMES: usize = 4_096;
/// Its file: the one with leases, not the resolver's.
const CONF: &str = "/etc/segwall/dnsmasq.conf";

/// What the DHCP clients found.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct DhcpReport {
    /// Segments that were asked in.
    pub asked: Vec<String>,
    /// In what the answers differ from the policy.
    pub differences: Vec<String>,
    /// Why nothing was asked, where the policy gives addresses away.
    pub skipped: Option<String>,
}

impl DhcpReport {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Asks in every segment with a pool. The rules are loaded, and the interfaces are up. Nothing can be probed afterwards: the
/// gateway's own programs answer.
pub(crate) fn run(
    policy: &Policy,
    ruleset: &Ruleset,
    topology: &Topology,
    prober: &mut Prober,
    run: u64,
) -> Result<DhcpReport, LabError> {
    let mut report = DhcpReport::default();
    let segments: Vec<(InterfaceId, expected::Expected)> =
        topology.ids().filter_map(|id| Some((id, expected::of(policy, &topology.host(id).zone)?))).collect();
    if segments.is_empty() {
        return Ok(report);
    }
    if policy.dhcp.kind != DhcpKind::Dnsmasq {
        report.skipped = Some("the lab runs dnsmasq only, and this policy has another DHCP server".to_owned());
        return Ok(report);
    }
    if !dnsmasq::is_installed() {
        report.skipped = Some("dnsmasq is not installed (apt install dnsmasq-base, apk add dnsmasq)".to_owned());
        return Ok(report);
    }
    let conf = conf(policy, ruleset);
    prober.let_in()?;
    let mut server = Dnsmasq::start(prober.gateway(), &run.to_string(), &conf)?;
    for (id, expected) in segments {
        let host = topology.host(id);
        let xid = u32::try_from(run & 0xffff_0000).unwrap_or(0) | id.0;
        let asked = client::ask(&mut client::LabWire(prober, id), host.mac, xid, &expected.wishes(), PATIENCE)?;
        report.asked.push(host.zone.clone());
        if let Some(said) = server.ended() {
            report.differences.push(format!("dnsmasq ended: {said}"));
            return Ok(report);
        }
        let compared = expected.compare(&asked).into_iter();
        report.differences.extend(compared.map(|one| format!("{}: {one}", host.zone)));
    }
    Ok(report)
}

/// DHCP servers that answer on an interface of this machine; an offer is not taken.
///
/// # Errors
/// When there is no such interface, or we may not send there: that needs root.
pub fn servers_on(device: &str, xid: u32) -> Result<BTreeSet<Ipv4Addr>, LabError> {
    let missing = || LabError::Missing { device: device.to_owned() };
    let link = Rtnl::open()?.links()?.remove(device).ok_or_else(missing)?;
    let mut socket = PacketSocket::open(link.index, FRAMES)?;
    client::discover(&mut socket, link.mac.ok_or_else(missing)?, xid, PATIENCE_CLIENT)
}

/// What a box's dnsmasq is given.
fn conf(policy: &Policy, ruleset: &Ruleset) -> String {
    let facts = emit::Facts { system: System::Debian, memory_mib: 1024 };
    let input = emit::Input { policy, ruleset, at: At::ClockUnknown, facts };
    let files = emit::artifacts(Target::Dnsmasq, &input);
    let file = files.iter().find(|file| file.path == CONF);
    file.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default()
}
