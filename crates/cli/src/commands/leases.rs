//! `segwall leases`: who has which address.

use std::net::IpAddr;

use std::thread;
use std::time::Duration;

use schemars::JsonSchema;
use segwall_core::leases::{self, Lease, Leases, Vendors, is_random};
use segwall_core::policy::DhcpKind;
use segwall_host::linux::Linux;
use serde::Serialize;

use super::{leases_follow, leases_text};
use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::router::{self, Measure};
use crate::text::Escaped;
use crate::watching::makers;
use crate::{clock, json, out};

/// A server needs some milliseconds to write its file.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Where leases change all the time the last look will do.
const LOOKS_MAX: usize = 5;

/// List the leases: address, segment, name, network card, when it ends
///
/// Of dnsmasq and Kea. The name is what the host calls itself. The card's maker is told where the box has IEEE's list
/// (Debian: ieee-data, Alpine: hwdata-net).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall leases
  segwall leases --segment guest
  segwall leases --follow
  segwall leases --match laptop --format json")]
pub struct Args {
    /// Only of this segment
    #[arg(long, value_name = "NAME")]
    segment: Option<String>,
    /// Only those whose address, name, card or maker holds this text
    #[arg(long = "match", value_name = "TEXT")]
    pattern: Option<String>,
    /// Ended ones too
    #[arg(long, conflicts_with = "follow")]
    ended: bool,
    /// Go on with what is given, renewed, released or over
    #[arg(short, long)]
    follow: bool,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: Format,
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
    if args.follow {
        return leases_follow::run(args);
    }
    let data = listed(args)?;
    match args.format {
        Format::Json => json::print("leases", Answer::Yes, Vec::new(), Some(data)),
        Format::Text => {
            out::print(&leases_text::table(&data))?;
            Ok(Answer::Yes)
        }
    }
}

/// Every lease that has not ended.
pub fn now() -> Result<Data, Failure> {
    listed(&Args { segment: None, pattern: None, ended: false, follow: false, format: Format::Json })
}

fn listed(args: &Args) -> Result<Data, Failure> {
    let mut linux = router::open()?;
    let books = Books::open(&mut linux, args)?;
    let found = books.read(&linux)?;
    let now_s = clock::now().as_second();
    let rows = found.list.values().map(|lease| books.row(lease, now_s)).filter(|row| args.takes(row));
    Ok(Data { leases: rows.collect(), skipped: found.skipped })
}

/// By what leases are read: the policy that holds, and who makes cards.
pub struct Books {
    measure: Measure,
    makers: Vendors,
}

impl Books {
    /// Of the generation that holds.
    pub fn open(linux: &mut Linux, args: &Args) -> Result<Self, Failure> {
        let Some(measure) = router::held(linux)? else {
            return Err(Failure::Refused(
                "nothing was applied yet, so nobody has a lease from Segwall's server".to_owned(),
            ));
        };
        if let Some(name) = &args.segment {
            known(&measure, name)?;
        }
        Ok(Self { measure, makers: makers() })
    }

    /// Whose files are read.
    pub fn server(&self) -> DhcpKind {
        self.measure.checked.policy.dhcp.kind
    }

    /// What the server wrote down. It writes its files anew while others read them: what is there twice in a row was whole.
    pub fn read(&self, linux: &Linux) -> Result<Leases, Failure> {
        let mut found = self.look(linux)?;
        for _ in 0..LOOKS_MAX {
            thread::sleep(LOOK_AGAIN);
            let again = self.look(linux)?;
            if again == found {
                break;
            }
            found = again;
        }
        Ok(found)
    }

    fn look(&self, linux: &Linux) -> Result<Leases, Failure> {
        let policy = &self.measure.checked.policy;
        linux.leases(policy).map_err(router::refused)?.ok_or_else(|| {
            let why = match policy.dhcp.kind {
                DhcpKind::IscDhcpd => "the leases of ISC dhcpd are not read; they are in /var/lib/segwall/dhcpd.leases",
                DhcpKind::None | DhcpKind::Dnsmasq | DhcpKind::Kea => "this policy has no DHCP server ([dhcp] server)",
            };
            Failure::Refused(why.to_owned())
        })
    }

    /// A lease, and what is known of who has it.
    pub fn row(&self, lease: &Lease, now_s: i64) -> Row {
        let of = leases::belongs(&self.measure.checked.policy, lease.addr);
        let maker = |mac: [u8; 6]| {
            if is_random(mac) { Some("made up".to_owned()) } else { self.makers.of(mac).map(str::to_owned) }
        };
        Row {
            address: lease.addr,
            segment: of.segment.map(str::to_owned),
            name: lease.name.clone(),
            mac: lease.mac.map(|mac| mac.map(|byte| format!("{byte:02x}")).join(":")),
            vendor: lease.mac.and_then(maker),
            reserved: of.reserved,
            age_s: lease.renewed_s.map(|then| now_s.saturating_sub(then)),
            left_s: lease.expires_s.map(|end| end.saturating_sub(now_s)),
        }
    }
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

impl Args {
    /// Whether it is to be listed.
    fn takes(&self, row: &Row) -> bool {
        let in_time = self.ended || row.left_s.is_none_or(|left| left > 0);
        in_time && self.wants(row)
    }

    /// Whether it is of those that are asked for, whenever it ends.
    pub fn wants(&self, row: &Row) -> bool {
        let in_segment = self.segment.is_none() || row.segment == self.segment;
        let words = [&row.name, &row.mac, &row.vendor].into_iter().flatten();
        let text = words.fold(row.address.to_string(), |text, word| text + "\n" + word).to_lowercase();
        in_segment && self.pattern.as_ref().is_none_or(|pattern| text.contains(&pattern.to_lowercase()))
    }
}
