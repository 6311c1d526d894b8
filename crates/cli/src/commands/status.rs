//! `segwall status`: one screen about the box.

use std::net::IpAddr;

use schemars::JsonSchema;
use segwall_core::doctor::{Facts, Rules, Transaction};
use segwall_core::plan::{BOOT_SERVICE, FORWARD_V4, FORWARD_V6};
use segwall_host::apply::Store;
use segwall_host::linux::{Linux, Look};
use serde::Serialize;

use super::quarantine::{self, Row};
use super::status_text;
use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::router::{self, Measure};
use crate::{clock, json, out};

/// Show what the box is doing: generation, rules, forwarding, segments, uplinks
///
/// Exit codes: 0 everything is as the generation that holds says, 1 something is not (`segwall doctor` says what to do).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall status
  segwall status --format json")]
pub struct Args {
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `status`' own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// The generation that holds; null before the first apply.
    pub generation: Option<Generation>,
    /// One that waits to be confirmed.
    pub waiting: Option<Waiting>,
    /// An apply is `at work`, or was left half way (`stuck`); null otherwise.
    pub apply: Option<&'static str>,
    /// `proved`, `different`, `undetermined` or `none`: the kernel's rules.
    pub rules: &'static str,
    /// Why it is not proved.
    pub why: Option<String>,
    /// IPv4 is forwarded; null where that cannot be seen.
    pub forwarding: Option<bool>,
    /// IPv6 is forwarded.
    pub forwarding6: Option<bool>,
    /// Connections that are followed, and how many can be.
    pub connections: Option<[u64; 2]>,
    /// Segments, as the policy lists them.
    pub segments: Vec<Segment>,
    /// Uplinks.
    pub uplinks: Vec<Uplink>,
    /// Services of ours, and whether they run.
    pub services: Vec<Service>,
    /// Addresses that are cut off: `segwall quarantine`.
    pub quarantined: Vec<Row>,
    /// Segments that learn: what nothing names passes.
    pub learning: Vec<String>,
}

/// The generation that holds.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Generation {
    /// Its number.
    pub number: u64,
    /// When it was applied.
    pub applied: String,
    /// By whom.
    pub user: String,
    /// From where.
    pub via: String,
    /// Why.
    pub comment: Option<String>,
}

/// A generation that waits.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Waiting {
    /// Its number.
    pub number: u64,
    /// Seconds that are left to confirm it.
    pub left_s: Option<u64>,
}

/// An interface.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// `up`, `down`, `no carrier` or `missing`.
    pub state: &'static str,
    /// Its addresses, with prefix lengths.
    pub addresses: Vec<String>,
    /// Addresses of the policy that it lacks.
    pub lacks: Vec<String>,
}

/// A segment.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Segment {
    /// Its name.
    pub name: String,
    /// Its interface.
    pub device: Device,
    /// Addresses of its pool that are taken, and how many there are; null without a pool.
    pub leases: Option<[u64; 2]>,
}

/// An uplink.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Uplink {
    /// Its name.
    pub name: String,
    /// Its interface.
    pub device: Device,
    /// Next hops of default routes by it.
    pub gateways: Vec<IpAddr>,
}

/// A service.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// It runs; the boot service starts at boot.
    pub good: bool,
}

/// Runs it.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    let mut linux = router::open()?;
    let (data, answer) = match router::held(&mut linux)? {
        Some(measure) => look(&mut linux, &measure)?,
        None => (nothing(&mut linux)?, Answer::No),
    };
    match args.format {
        Format::Json => json::print("status", answer, Vec::new(), Some(data)),
        Format::Text => {
            out::print(&status_text::text(&data))?;
            Ok(answer)
        }
    }
}

/// Before the first generation holds there is little to tell.
fn nothing(linux: &mut Linux) -> Result<Data, Failure> {
    let transaction = linux.transaction_now().map_err(router::refused)?;
    let (waiting, apply) = told(transaction);
    Ok(Data {
        generation: None,
        waiting,
        apply,
        rules: "none",
        why: None,
        forwarding: None,
        forwarding6: None,
        connections: None,
        segments: Vec::new(),
        uplinks: Vec::new(),
        services: Vec::new(),
        quarantined: Vec::new(),
        learning: Vec::new(),
    })
}

fn told(transaction: Transaction) -> (Option<Waiting>, Option<&'static str>) {
    match transaction {
        Transaction::None => (None, None),
        Transaction::AtWork(_) => (None, Some("at work")),
        Transaction::Stuck(_) => (None, Some("stuck")),
        Transaction::Waits { generation, left_s } => (Some(Waiting { number: generation, left_s }), None),
    }
}

fn look(linux: &mut Linux, measure: &Measure) -> Result<(Data, Answer), Failure> {
    let subject = measure.subject(linux);
    let facts =
        linux.examine(&subject, Some(&measure.compiled), Look { ask_neighbours: false }).map_err(router::refused)?;
    let data = data(linux, measure, &facts)?;
    let wants = |key: &str| measure.compiled.wanted.forwarding.iter().any(|wanted| wanted == key);
    let good = |device: &Device| device.state == "up" && device.lacks.is_empty();
    let is_good = data.rules == "proved"
        && data.apply.is_none()
        && (!wants(FORWARD_V4) || data.forwarding == Some(true))
        && (!wants(FORWARD_V6) || data.forwarding6 == Some(true))
        && data.segments.iter().all(|segment| good(&segment.device))
        && data.uplinks.iter().all(|uplink| good(&uplink.device))
        && data.services.iter().all(|service| service.good);
    Ok((data, Answer::yes_if(is_good)))
}

fn data(linux: &mut Linux, measure: &Measure, facts: &Facts) -> Result<Data, Failure> {
    let (policy, wanted) = (&measure.checked.policy, &measure.compiled.wanted);
    let inventory = &facts.inventory;
    let number = measure.compiled.number;
    let manifest = Store::manifest(linux, number).map_err(router::refused)?;
    let generation = manifest.map(|manifest| Generation {
        number,
        applied: jiff::Timestamp::from_second(manifest.applied_s).map(clock::second).unwrap_or_default(),
        user: manifest.who.user,
        via: manifest.who.via,
        comment: manifest.comment,
    });
    let (waiting, apply) = told(facts.transaction);
    let (rules, why) = match &facts.rules {
        _ if !inventory.table => ("none", Some("our table is not in the kernel".to_owned())),
        Rules::Proved => ("proved", None),
        Rules::Refuted(packets) => ("different", packets.first().cloned()),
        Rules::Undetermined(reasons) => ("undetermined", Some(reasons.join("; "))),
        Rules::Unread(why) => ("undetermined", Some(why.clone())),
        Rules::NoGeneration => ("none", None),
    };
    let is_on = |key: &str| inventory.sysctls.get(key).map(|value| value.trim() != "0");
    let device = |name: &str| {
        let there = inventory.links.get(name);
        let addresses = there.map_or(&[][..], |link| &link.addresses);
        let own = wanted.addresses.iter().filter(|(link, ..)| link == name);
        let lacks = own.filter(|(_, addr, len)| !addresses.contains(&(*addr, *len)));
        Device {
            name: name.to_owned(),
            state: match there {
                None => "missing",
                Some(link) if !link.up => "down",
                Some(link) if !link.carrier => "no carrier",
                Some(_) => "up",
            },
            addresses: addresses.iter().map(|(addr, len)| format!("{addr}/{len}")).collect(),
            lacks: lacks.map(|(_, addr, len)| format!("{addr}/{len}")).collect(),
        }
    };
    let small = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
    let segments = policy.segments.iter().map(|segment| {
        let pool = segment.dhcp.as_ref().and_then(|dhcp| dhcp.pool);
        let taken = facts.leases.as_ref().map(|leases| leases.get(&segment.name).copied().unwrap_or_default().taken);
        Segment {
            name: segment.name.clone(),
            device: device(&segment.device),
            leases: pool.zip(taken).map(|(pool, taken)| [small(taken), small(pool.len())]),
        }
    });
    let uplinks = policy.uplinks.iter().map(|uplink| {
        let by_it =
            inventory.routes.iter().filter(|(to, _, link)| to.prefix_len() == Some(0) && *link == uplink.device);
        Uplink {
            name: uplink.name.clone(),
            device: device(&uplink.device),
            gateways: by_it.map(|(_, via, _)| *via).collect(),
        }
    });
    let services = wanted.services.iter().filter(|service| service.ours).map(|service| {
        let state = inventory.services.get(&service.name).copied().unwrap_or_default();
        // The boot service has done its work.
        let good = if service.name == BOOT_SERVICE { state.enabled } else { state.running };
        Service { name: service.name.clone(), good }
    });
    Ok(Data {
        generation,
        waiting,
        apply,
        rules,
        why,
        forwarding: is_on(FORWARD_V4),
        forwarding6: is_on(FORWARD_V6),
        connections: facts.conntrack.map(|seen| [seen.count, seen.max]),
        segments: segments.collect(),
        uplinks: uplinks.collect(),
        services: services.collect(),
        quarantined: quarantine::rows(linux)?.0,
        learning: policy.learning(clock::today()),
    })
}
