//! `segwall leases`: who has which address.

use std::fmt::Write;
use std::net::IpAddr;

use schemars::JsonSchema;
use segwall_core::leases::{self, Lease, Vendors, is_random};
use segwall_core::policy::DhcpKind;
use segwall_host::apply::Host;
use segwall_host::linux::Linux;
use serde::Serialize;

use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::out::{CARE, QUIET, STRONG};
use crate::router::{self, Measure};
use crate::text::{Escaped, count, duration};
use crate::{clock, json, out};

/// List the leases: address, segment, name, network card, when it ends
///
/// Of dnsmasq and Kea. The name is what the host calls itself. The card's maker is told where the box has IEEE's list
/// (Debian: ieee-data, Alpine: hwdata-net).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall leases
  segwall leases --segment guest
  segwall leases --match laptop --format json")]
pub struct Args {
    /// Only of this segment
    #[arg(long, value_name = "NAME")]
    segment: Option<String>,
    /// Only those whose address, name, card or maker holds this text
    #[arg(long = "match", value_name = "TEXT")]
    pattern: Option<String>,
    /// Ended ones too
    #[arg(long)]
    ended: bool,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `leases`' own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// By address.
    pub leases: Vec<Row>,
    /// Lines of the servers' files that make no sense, or are too many.
    pub skipped: usize,
}

/// A lease.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Row {
    /// The address.
    pub address: IpAddr,
    /// The segment; null where no segment has such an address any more.
    pub segment: Option<String>,
    /// What the host calls itself.
    pub name: Option<String>,
    /// The card's address.
    pub mac: Option<String>,
    /// Who made it, where that is known; `made up` for an address that no card has.
    pub vendor: Option<String>,
    /// The address is kept for it by the policy.
    pub reserved: bool,
    /// Seconds since it last asked, where that is known.
    pub age_s: Option<i64>,
    /// Seconds until it ends, negative where it has; null: never.
    pub left_s: Option<i64>,
}

/// Runs it.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    let data = listed(args)?;
    match args.format {
        Format::Json => json::print("leases", Answer::Yes, Vec::new(), Some(data)),
        Format::Text => {
            out::print(&text(&data))?;
            Ok(Answer::Yes)
        }
    }
}

/// Every lease that has not ended.
pub fn now() -> Result<Data, Failure> {
    listed(&Args { segment: None, pattern: None, ended: false, format: Format::Json })
}

fn listed(args: &Args) -> Result<Data, Failure> {
    let mut linux = router::open()?;
    let Some(measure) = router::held(&mut linux)? else {
        return Err(Failure::Refused(
            "nothing was applied yet, so nobody has a lease from Segwall's server".to_owned(),
        ));
    };
    if let Some(name) = &args.segment {
        known(&measure, name)?;
    }
    look(&mut linux, &measure, args)
}

fn known(measure: &Measure, name: &str) -> Result<(), Failure> {
    let names: Vec<&str> = measure.checked.policy.segments.iter().map(|segment| segment.name.as_str()).collect();
    if names.contains(&name) {
        return Ok(());
    }
    Err(Failure::Usage {
        what: format!("there is no segment `{}`", Escaped(name)),
        help: format!("there are {}", names.join(", ")),
    })
}

fn look(linux: &mut Linux, measure: &Measure, args: &Args) -> Result<Data, Failure> {
    let policy = &measure.checked.policy;
    let Some(found) = linux.leases(policy).map_err(router::refused)? else {
        let why = match policy.dhcp.kind {
            DhcpKind::IscDhcpd => "the leases of ISC dhcpd are not read; they are in /var/lib/segwall/dhcpd.leases",
            DhcpKind::None | DhcpKind::Dnsmasq | DhcpKind::Kea => "this policy has no DHCP server ([dhcp] server)",
        };
        return Err(Failure::Refused(why.to_owned()));
    };
    let mut vendors = Vendors::default();
    for path in Vendors::files() {
        if let Ok(Some(file)) = linux.read(path) {
            vendors = Vendors::read(&String::from_utf8_lossy(&file.bytes));
            break;
        }
    }
    let now_s = clock::now().as_second();
    let row = |lease: &Lease| {
        let of = leases::belongs(policy, lease.addr);
        let vendor = |mac: [u8; 6]| {
            if is_random(mac) { Some("made up".to_owned()) } else { vendors.of(mac).map(str::to_owned) }
        };
        Row {
            address: lease.addr,
            segment: of.segment.map(str::to_owned),
            name: lease.name.clone(),
            mac: lease.mac.map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":")),
            vendor: lease.mac.and_then(vendor),
            reserved: of.reserved,
            age_s: lease.renewed_s.map(|then| now_s.saturating_sub(then)),
            left_s: lease.expires_s.map(|end| end.saturating_sub(now_s)),
        }
    };
    let rows = found.list.values().map(row).filter(|row| args.takes(row));
    Ok(Data { leases: rows.collect(), skipped: found.skipped })
}

impl Args {
    fn takes(&self, row: &Row) -> bool {
        let in_time = self.ended || row.left_s.is_none_or(|left| left > 0);
        let in_segment = self.segment.is_none() || row.segment == self.segment;
        let words = [&row.name, &row.mac, &row.vendor].into_iter().flatten();
        let text = words.fold(row.address.to_string(), |text, word| text + "\n" + word).to_lowercase();
        in_time && in_segment && self.pattern.as_ref().is_none_or(|pattern| text.contains(&pattern.to_lowercase()))
    }
}

fn text(data: &Data) -> String {
    let dash = || "-".to_owned();
    let shown = |word: &Option<String>| word.as_deref().map_or_else(dash, |word| Escaped(word).to_string());
    let heading = ["address", "segment", "name", "card", "maker", "asked", "ends"].map(str::to_owned);
    let mut rows = vec![heading];
    for row in &data.leases {
        rows.push([
            row.address.to_string(),
            row.segment.as_deref().map_or_else(|| "none any more".to_owned(), str::to_owned),
            shown(&row.name),
            shown(&row.mac),
            shown(&row.vendor),
            row.age_s.filter(|age| *age >= 0).map_or_else(dash, |age| format!("{} ago", duration(age))),
            match (row.reserved, row.left_s) {
                (true, _) => "reserved".to_owned(),
                (false, None) => "never".to_owned(),
                (false, Some(left)) if left > 0 => format!("in {}", duration(left)),
                (false, Some(_)) => "ended".to_owned(),
            },
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let line = cells.join("  ");
        let _ = match number {
            0 => writeln!(text, "{STRONG}{}{STRONG:#}", line.trim_end()),
            _ => writeln!(text, "{}", line.trim_end()),
        };
    }
    let _ = writeln!(text, "{QUIET}{}{QUIET:#}", count(data.leases.len(), "lease"));
    if data.skipped > 0 {
        let _ = writeln!(text, "{CARE}{} of the server's file make no sense{CARE:#}", count(data.skipped, "line"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_draw_on_the_screen() {
        let row = Row {
            address: "192.168.20.101".parse().unwrap(),
            segment: Some("internal".to_owned()),
            name: Some("x\u{1b}[2J\u{202e}".to_owned()),
            mac: None,
            vendor: None,
            reserved: false,
            age_s: Some(61),
            left_s: Some(90_061),
        };
        let text = text(&Data { leases: vec![row], skipped: 2 });
        assert!(text.contains("x\\u{1b}[2J\\u{202e}"), "{text}");
        assert!(text.contains("1 min ago") && text.contains("in 1 d 1 h") && text.contains("2 lines"), "{text}");
    }
}
