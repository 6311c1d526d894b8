//! What is done about an alert, where the policy says so: the host that scans is quarantined, by the same command that a
//! person would type, so that it refuses what it would refuse them: managers, the box itself, whoever is nobody.

use std::collections::VecDeque;
use std::env;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use segwall_watch::alert::{Alert, Kind, Phase, Severity};
use segwall_watch::network::is_nobody;

use crate::out;

/// More hosts than this within an hour are no scanners but somebody who forges their addresses, or our mistake.
const HOSTS_MAX: usize = 16;
const HOUR: Duration = Duration::from_secs(3_600);

/// Acts on alerts, without holding anybody up.
#[derive(Debug, Default)]
pub struct Reaction {
    at: VecDeque<Instant>,
}

/// The host an alert is about, where it is one that is acted on: one source inside, of which we are sure.
fn host(alert: &Alert) -> Option<IpAddr> {
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
    // What comes from the internet is a notice only.
    let is_sure = is_scan && alert.phase == Phase::Open && alert.severity > Severity::Notice;
    let addr: IpAddr = alert.source.parse().ok()?;
    (is_sure && !is_nobody(addr) && alert.source_zone.as_deref() != Some("internet")).then_some(addr)
}

impl Reaction {
    /// Quarantines whom an alert is about, if it is one of those, for so many seconds.
    pub fn to(&mut self, alert: &Alert, seconds: u32) {
        let Some(addr) = host(alert) else { return };
        while self.at.front().is_some_and(|at| at.elapsed() >= HOUR) {
            self.at.pop_front();
        }
        if self.at.len() >= HOSTS_MAX {
            out::complain(&format!(
                "{addr} is not put into quarantine: {HOSTS_MAX} hosts were within an hour, somebody may forge addresses; \
                 `segwall quarantine {addr}` does\n"
            ));
            return;
        }
        self.at.push_back(Instant::now());
        let because = format!("alert {}: {}", alert.id, alert.summary);
        let act = move || {
            let said = env::current_exe().and_then(|program| {
                let words = ["quarantine", &addr.to_string(), "--for", &format!("{seconds}s"), "--because", &because]
                    .map(str::to_owned);
                Command::new(program).args(words).stdin(Stdio::null()).stdout(Stdio::null()).output()
            });
            let why = match said {
                Ok(said) if said.status.success() => {
                    out::complain(&format!("{addr} is in quarantine for {seconds} s: {because}\n"));
                    return;
                }
                Ok(said) => String::from_utf8_lossy(&said.stderr).trim().to_owned(),
                Err(error) => error.to_string(),
            };
            out::complain(&format!("{addr} was not put into quarantine: {why}\n"));
        };
        if let Err(error) = thread::Builder::new().name("quarantine".to_owned()).spawn(act) {
            out::complain(&format!("{addr} was not put into quarantine: {error}\n"));
        }
    }
}
