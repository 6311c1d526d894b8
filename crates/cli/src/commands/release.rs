//! `segwall release`: a host that was cut off is let go.

use std::collections::BTreeSet;
use std::net::IpAddr;

use schemars::JsonSchema;
use segwall_host::linux::Linux;
use segwall_host::linux::quarantine::neighbours;
use serde::Serialize;

use super::{quarantine, quarantine_text};
use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::out::GOOD;
use crate::router;
use crate::text::Escaped;
use crate::{json, out};

/// Let a host go that `segwall quarantine` cut off
///
/// At all its addresses: those that were held under this name, and those of the same card. What the policy accepts passes
/// again; connections that were cut stay so. Exit codes: 0 done, 1 it was not in quarantine.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall release laptop
  segwall release 192.168.20.7")]
pub struct Args {
    /// The host, as it was named, or one of its addresses
    #[arg(value_name = "HOST")]
    host: String,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `release`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// Addresses that were let go.
    pub released: Vec<IpAddr>,
}

/// Runs it.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    let mut linux = router::open()?;
    let _lock = router::lock(&linux)?;
    let released = held(&mut linux, &args.host)?;
    if !released.is_empty() {
        linux.release(&released).map_err(router::refused)?;
    }
    let answer = Answer::yes_if(!released.is_empty());
    let data = Data { released };
    match args.format {
        Format::Json => json::print("release", answer, Vec::new(), Some(data)),
        Format::Text => {
            let host = Escaped(&args.host);
            out::print(&match data.released.as_slice() {
                [] => format!("{host} is not in quarantine; `segwall quarantine --list` shows who is\n"),
                list => format!("{GOOD}{host} is let go{GOOD:#}: {}\n", quarantine_text::addresses(list)),
            })?;
            Ok(answer)
        }
    }
}

/// Addresses in quarantine that are meant: by name, address or card, and with one all of its card.
fn held(linux: &mut Linux, host: &str) -> Result<Vec<IpAddr>, Failure> {
    let (rows, _) = quarantine::rows(linux)?;
    let known = neighbours().map_err(router::refused)?;
    let addr = host.parse::<IpAddr>().ok();
    let card = host.to_ascii_lowercase().replace('-', ":");
    let is_meant = |row: &&quarantine::Row| {
        row.host.as_deref() == Some(host) || Some(row.address) == addr || row.mac.as_deref() == Some(&card)
    };
    let meant: Vec<&quarantine::Row> = rows.iter().filter(is_meant).collect();
    let cards: BTreeSet<&str> = meant.iter().filter_map(|row| row.mac.as_deref()).collect();
    let of_card = |row: &&quarantine::Row| {
        let seen = known.iter().filter(|(addr, _)| *addr == row.address);
        let seen: Vec<String> = seen.map(|(_, mac)| segwall_core::quarantine::mac_text(*mac)).collect();
        row.mac.as_deref().into_iter().chain(seen.iter().map(String::as_str)).any(|mac| cards.contains(mac))
    };
    let mut found: BTreeSet<IpAddr> = meant.iter().map(|row| row.address).collect();
    found.extend(rows.iter().filter(of_card).map(|row| row.address));
    Ok(found.into_iter().collect())
}
