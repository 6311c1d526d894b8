//! `segwall quarantine`: one host is cut off from all that passes the box.

use std::net::IpAddr;

use jiff::Timestamp;
use schemars::JsonSchema;
use segwall_core::quarantine::{Around, FOR_S_MAX, Held, Left, Refusal, Target, mac_text, target};
use segwall_host::linux::Linux;
use segwall_host::linux::quarantine::{in_kernel, neighbours, own_addresses};
use serde::Serialize;

use super::quarantine_text;
use crate::amount::Span;
use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::router::{self, Asker, Measure};
use crate::{clock, json, out};

/// Cut a host off from everything that passes this box, now
///
/// By its name in the policy, an address, or its card's address; at all addresses that its card has. Its open connections
/// end. It keeps its lease, and whom `[quarantine] allow` names, as far as the policy accepts that. Traffic inside its own
/// segment goes on. An apply and a reboot keep it. Exit codes: 0 done, 2 there is no such host, 4 refused.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall quarantine laptop --for 1h --because \"it scans the servers\"
  segwall quarantine 192.168.20.7
  segwall quarantine --list")]
pub struct Args {
    /// The host: its name in the policy, an address, or a card's address
    #[arg(value_name = "HOST", required_unless_present = "list")]
    host: Option<String>,
    /// Until when: 30m, 1h, 7d; until it is released unless said
    #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
    duration: Option<u64>,
    /// Why, for whoever looks later
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
    /// Also a host that manages the box, or the one you are logged in from
    #[arg(long)]
    even_management: bool,
    /// Only this address, whatever else its card has
    #[arg(long)]
    alone: bool,
    /// Show who is cut off, and change nothing
    #[arg(long, conflicts_with_all = ["host", "duration", "because", "even_management", "alone"])]
    list: bool,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `quarantine`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// What was done; null where only the list was asked for.
    pub cut_off: Option<CutOff>,
    /// Every address in quarantine.
    pub quarantined: Vec<Row>,
    /// Lines of the list that make no sense.
    pub skipped: usize,
}

/// A host that was cut off.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CutOff {
    /// As it was named.
    pub host: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its card's address.
    pub mac: Option<String>,
    /// Connections that ended.
    pub connections: usize,
    /// Segments inside which its traffic goes on.
    pub segments: Vec<String>,
    /// Whom it may still speak with, as far as the policy accepts it.
    pub allowed: Vec<String>,
}

/// An address in quarantine.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Row {
    /// The address.
    pub address: IpAddr,
    /// What was asked for; null where somebody put it in by other means.
    pub host: Option<String>,
    /// Its card's address.
    pub mac: Option<String>,
    /// Since when.
    pub since: Option<String>,
    /// Seconds that are left; null: until it is released.
    pub left_s: Option<u64>,
    /// Why.
    pub because: Option<String>,
    /// By whom.
    pub user: Option<String>,
    /// The kernel holds it. Where not, the rules are not loaded, or somebody took it out by hand.
    pub in_force: bool,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let mut linux = router::open()?;
    let cut_off = match &args.host {
        None => None,
        Some(host) => {
            let _lock = router::lock(&linux)?;
            Some(cut_off(&mut linux, host, &args)?)
        }
    };
    let (quarantined, skipped) = rows(&mut linux)?;
    let data = Data { cut_off, quarantined, skipped };
    match args.format {
        Format::Json => json::print("quarantine", Answer::Yes, Vec::new(), Some(data)),
        Format::Text => {
            out::print(&quarantine_text::text(&data))?;
            Ok(Answer::Yes)
        }
    }
}

fn cut_off(linux: &mut Linux, host: &str, args: &Args) -> Result<CutOff, Failure> {
    let Some(measure) = router::held(linux)? else {
        return Err(Failure::Refused("nothing was applied yet, so there are no rules to hold a host back".to_owned()));
    };
    let asker = Asker::find(None, false, |_| None);
    let target = find(&measure, host, &asker, args.even_management, args.alone)?;
    let (now_s, who) = (clock::now().as_second(), asker.who());
    let held = |addr: &IpAddr| Held {
        addr: *addr,
        host: host.to_owned(),
        mac: target.mac,
        since_s: now_s,
        for_s: args.duration,
        because: args.because.clone(),
        user: who.user.clone(),
        via: who.via.clone(),
    };
    let allowed = &measure.compiled.ruleset.quarantine_allow;
    let connections =
        linux.quarantine(target.addresses.iter().map(held).collect(), allowed).map_err(router::refused)?;
    Ok(CutOff {
        host: host.to_owned(),
        mac: target.mac.map(mac_text),
        connections,
        allowed: allowed.iter().map(ToString::to_string).collect(),
        addresses: target.addresses,
        segments: target.segments,
    })
}

/// Who is meant.
pub fn find(
    measure: &Measure,
    host: &str,
    asker: &Asker,
    even_management: bool,
    alone: bool,
) -> Result<Target, Failure> {
    let neighbours = if alone { Vec::new() } else { neighbours().map_err(router::refused)? };
    let own = own_addresses().map_err(router::refused)?;
    let caller = match asker {
        Asker::Ssh { peer, .. } => Some(*peer),
        Asker::Console(_) | Asker::Unknown => None,
    };
    let around = Around { neighbours: &neighbours, own: &own, caller };
    let found = target(&measure.checked.policy, &measure.compiled.ruleset, host, &around, even_management);
    found.map_err(|refusal| match refusal {
        Refusal::Unknown { .. } => Failure::Usage {
            what: refusal.to_string(),
            help: "name a host of the policy, an address, or a card's address".to_owned(),
        },
        _ => Failure::Refused(refusal.to_string()),
    })
}

/// Who is in quarantine: on the list, in the kernel, or both; and lines of the list that make no sense.
pub fn rows(linux: &mut Linux) -> Result<(Vec<Row>, usize), Failure> {
    let list = linux.quarantine_list().map_err(router::refused)?;
    let mut held_now = in_kernel().map_err(router::refused)?;
    let now_s = clock::now().as_second();
    let mut rows = Vec::new();
    for held in list.held {
        let left_s = match held.left(now_s) {
            Left::Ended => continue,
            Left::Open => None,
            Left::Seconds(left) => Some(left),
        };
        rows.push(Row {
            address: held.addr,
            host: Some(held.host),
            mac: held.mac.map(mac_text),
            since: Timestamp::from_second(held.since_s).ok().map(clock::second),
            left_s,
            because: held.because,
            user: Some(held.user),
            in_force: held_now.remove(&held.addr),
        });
    }
    rows.extend(held_now.into_iter().map(|address| Row {
        address,
        host: None,
        mac: None,
        since: None,
        left_s: None,
        because: None,
        user: None,
        in_force: true,
    }));
    rows.sort_by_key(|row| row.address);
    Ok((rows, list.skipped))
}

/// `30m`, `1h`, `7d`.
fn seconds(text: &str) -> Result<u64, String> {
    let span: Span = text.parse().map_err(|_| "write a time such as 30m, 1h or 7d".to_owned())?;
    match span.duration().as_secs() {
        seconds @ 1..=FOR_S_MAX => Ok(seconds),
        _ => Err("take at least a second and at most 366d; without --for it has no end".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        assert_eq!(seconds("30m"), Ok(1_800));
        assert_eq!(seconds("7d"), Ok(604_800));
        for bad in ["", "1", "h", "0s", "367d", "-1h", "99999999999999999999h", "1 h", "1é"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
