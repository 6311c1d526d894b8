//! What is done about an alert, where the policy says so: the host that scans is quarantined, by the same command that a
//! person would type, so that it refuses what it would refuse them: managers, the box itself, whoever is nobody.
//!
//! The process that watches says who; the one that keeps it looks at that again, and acts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use segwall_watch::alert::{Alert, Kind, Phase, Severity};
use segwall_watch::network::{Network, Zone, is_nobody};

use crate::out;
use crate::text::Escaped;

/// More tries for one segment, whatever came of them, than this within an hour are no scanners but somebody who forges their addresses, or our mistake.
const HOSTS_MAX: usize = 16;
const HOUR: Duration = Duration::from_secs(3_600);
/// This program, also after another one has taken its name.
pub const THIS: &str = "/proc/self/exe";
/// Characters of a reason.
const BECAUSE_MAX: usize = 500;

/// Acts on alerts, without holding anybody up.
#[derive(Debug, Default)]
pub struct Reaction(Mutex<BTreeMap<Zone, Vec<Instant>>>);

/// The host an alert is about, where it is one that is acted on: one source, whose address lies in the
/// segment that it came from. What comes by an interface that the policy does not name may have any address.
pub fn host(alert: &Alert, network: &Network) -> Option<IpAddr> {
    let is_scan = match alert.kind {
        Kind::ScanVertical | Kind::ScanHorizontal | Kind::ScanBlock | Kind::ScanSlow => true,
        // Of many sources each has done little.
        Kind::ScanDistributed
        | Kind::DropsSource
        | Kind::DropsPair
        | Kind::DropsZone
        | Kind::NewPair
        | Kind::ManagementDenied
        | Kind::UnknownDevice
        | Kind::RogueDhcp
        | Kind::UplinkSpoof
        | Kind::ConntrackFull
        | Kind::LinkDown
        | Kind::TableGone
        | Kind::Drift
        | Kind::RecordsLost => false,
    };
    let addr: IpAddr = alert.source.parse().ok()?;
    let zone = network.around(addr);
    let is_there = matches!(zone, Zone::Segment(_)) && alert.source_zone.as_ref() == Some(&network.name(zone));
    let is_sure = is_scan && alert.phase == Phase::Open && alert.severity > Severity::Notice && !is_nobody(addr);
    (is_sure && is_there).then_some(addr)
}

impl Reaction {
    /// Quarantines an address for so many seconds, if it is one of a segment.
    pub fn to(&self, addr: IpAddr, because: &str, network: &Network, seconds: u32) {
        let zone = network.around(addr);
        if !matches!(zone, Zone::Segment(_)) || is_nobody(addr) {
            return;
        }
        let room = self.0.lock().map(|mut zones| {
            let recent = zones.entry(zone).or_default();
            recent.retain(|at| at.elapsed() < HOUR);
            let room = recent.len() < HOSTS_MAX;
            if room {
                recent.push(Instant::now());
            }
            room
        });
        if !room.unwrap_or(false) {
            out::complain(&format!(
                "{addr} is not put into quarantine: {HOSTS_MAX} hosts of its segment were within an hour, somebody may forge \
                 addresses; `segwall quarantine {addr}` does\n"
            ));
            return;
        }
        let because: String = because.chars().take(BECAUSE_MAX).collect();
        let act = move || match quarantine(addr, seconds, &because) {
            Ok(()) => out::complain(&format!("{addr} is in quarantine for {seconds} s: {}\n", Escaped(&because))),
            Err(why) => out::complain(&format!("{addr} was not put into quarantine: {}\n", Escaped(&why))),
        };
        if let Err(error) = thread::Builder::new().name("quarantine".to_owned()).spawn(act) {
            out::complain(&format!("{addr} was not put into quarantine: {error}\n"));
        }
    }
}

/// By the command, and only this address: a card's other addresses are what the host says they are, and it may say another's.
fn quarantine(addr: IpAddr, seconds: u32, because: &str) -> Result<(), String> {
    let words = ["quarantine", &addr.to_string(), "--alone", "--for", &format!("{seconds}s")].map(str::to_owned);
    // In one word: what begins with a dash is no option of ours.
    let because = format!("--because={because}");
    let said = Command::new(THIS).args(words).arg(because).stdin(Stdio::null()).stdout(Stdio::null()).output();
    match said {
        Ok(said) if said.status.success() => Ok(()),
        Ok(said) => Err(String::from_utf8_lossy(&said.stderr).trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
