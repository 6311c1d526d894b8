//! `segwall verify`: what the box can try itself, and what hosts have to try.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use schemars::JsonSchema;
use segwall_core::doctor::Rules;
use segwall_core::policy::{Policy, ServerRef};
use segwall_core::ruleset::At;
use segwall_core::verify;
use segwall_host::linux::Linux;
use segwall_host::reach::{self, Came};
use serde::Serialize;

use crate::args::{Format, PolicyOption};
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::load::{self, Checked};
use crate::out::{BAD, CARE, GOOD};
use crate::router::{self, Measure};
use crate::text::Escaped;
use crate::{clock, json, out};

/// How long something on the box's own wires may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
const DNS_PORT: u16 = 53;

/// Try what the box can try itself, or write down what a host in a segment should try
///
/// The box cannot send in a host's place. `--for SEGMENT` prints a list of probes with what is to come of each; `segwall
/// probe` on a host in that segment runs it. Exit codes: 0 as it should be, 1 not, 3 not decided.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall verify
  segwall verify --for guest > guest.json
  segwall verify --for guest --from 192.168.200.77 -p new.toml > guest.json")]
pub struct Args {
    /// Print what a host in this segment is to try
    #[arg(long = "for", value_name = "SEGMENT")]
    segment: Option<String>,
    /// That host has this address, where rules treat it in a way of its own
    #[arg(long, value_name = "ADDRESS", requires = "segment")]
    from: Option<IpAddr>,
    #[command(flatten)]
    policy: PolicyOption,
    /// How to print; a list is JSON in any case
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `verify`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// What was tried.
    pub tried: Vec<Tried>,
    /// What to run, and on which hosts.
    pub elsewhere: Vec<String>,
}

/// Something that was tried.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Tried {
    /// What.
    pub what: String,
    /// `good`, `bad` or `open`.
    pub answer: &'static str,
    /// What came back.
    pub seen: String,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    if let Some(segment) = &args.segment {
        return write_list(segment, &args);
    }
    let mut linux = router::open()?;
    let Some(measure) = router::held(&mut linux)? else {
        return Err(Failure::Refused(
            "nothing was applied yet, so there is nothing to verify; `segwall lab` tries a policy without a box"
                .to_owned(),
        ));
    };
    let data = try_here(&mut linux, &measure);
    let any = |word| data.tried.iter().any(|one| one.answer == word);
    let answer = match (any("bad"), any("open")) {
        (true, _) => Answer::No,
        (false, true) => Answer::Unknown,
        (false, false) => Answer::Yes,
    };
    match args.format {
        Format::Json => json::print("verify", answer, Vec::new(), Some(data)),
        Format::Text => {
            out::print(&text(&data))?;
            Ok(answer)
        }
    }
}

/// The list for a host: of the policy that was named, else of the generation that holds.
fn write_list(segment: &str, args: &Args) -> Result<Answer, Failure> {
    let (checked, generation): (Box<Checked>, Option<u64>) = match &args.policy.policy {
        Some(path) => match load::sound::<Data>("verify", &Location::of(Some(path.clone())), args.format)? {
            Ok(checked) => (checked, None),
            Err(answer) => return Ok(answer),
        },
        None => {
            let mut linux = router::open()?;
            let held = router::held(&mut linux)?
                .ok_or_else(|| Failure::Refused("nothing was applied yet; name a policy with -p".to_owned()))?;
            (held.checked, Some(held.compiled.number))
        }
    };
    let policy = &checked.policy;
    let Some(found) = policy.segments.iter().find(|one| one.name == segment) else {
        let names: Vec<&str> = policy.segments.iter().map(|one| one.name.as_str()).collect();
        return Err(Failure::Usage {
            what: format!("there is no segment `{}`", Escaped(segment)),
            help: format!("there are {}", names.join(", ")),
        });
    };
    let lies_in = |addr: &IpAddr| found.subnets.iter().any(|subnet| subnet.network.contains(*addr));
    let source = match args.from {
        Some(addr) if !lies_in(&addr) => {
            return Err(Failure::Usage {
                what: format!("{addr} is no address of {segment}"),
                help: "name the address that the host has in that segment".to_owned(),
            });
        }
        Some(addr) => addr,
        None => verify::default_source(policy, found).ok_or_else(|| Failure::Usage {
            what: format!("every address of {segment} has a name"),
            help: "say which of them probes with --from ADDRESS".to_owned(),
        })?,
    };
    let at = At::Instant(clock::now());
    json::print_value(&verify::list(policy, &checked.ruleset, found, source, at, generation))?;
    Ok(Answer::Yes)
}

fn try_here(linux: &mut Linux, measure: &Measure) -> Data {
    let policy = &measure.checked.policy;
    let mut tried = vec![rules(linux, measure)];
    for (segment, addr) in resolvers(policy) {
        let (answer, seen) = match reach::udp(SocketAddr::new(addr, DNS_PORT), PATIENCE) {
            Came::Answer => ("good", "it answers".to_owned()),
            Came::Unsent(error) => ("open", format!("it cannot be asked: {error}")),
            Came::Refusal | Came::Unreachable | Came::Nothing => {
                ("bad", "it does not answer; see `segwall doctor`".to_owned())
            }
        };
        tried.push(Tried { what: format!("the resolver for {segment} at {addr}"), answer, seen });
    }
    for hop in policy.uplinks.iter().flat_map(|uplink| &uplink.gateways) {
        let (answer, seen) = match reach::ping(*hop, PATIENCE) {
            Came::Answer => ("good", "it answers".to_owned()),
            Came::Unreachable => ("bad", "it is not there: nobody has this address".to_owned()),
            Came::Nothing | Came::Refusal => {
                ("open", "nothing came back; many providers let no echo through".to_owned())
            }
            Came::Unsent(error) => ("open", format!("it cannot be asked: {error}")),
        };
        tried.push(Tried { what: format!("the next hop {hop}"), answer, seen });
    }
    let elsewhere = policy.segments.iter().map(|segment| {
        let name = &segment.name;
        format!("segwall verify --for {name} > {name}.json, and on a host in {name}: segwall probe {name}.json")
    });
    Data { tried, elsewhere: elsewhere.collect() }
}

fn rules(linux: &mut Linux, measure: &Measure) -> Tried {
    let found = linux.kernel_rules(Some(&measure.compiled));
    let (answer, seen) = match found.rules {
        Rules::Proved => ("good", "proved, for every packet".to_owned()),
        Rules::Refuted(packets) => ("bad", packets.into_iter().next().unwrap_or_default()),
        Rules::Undetermined(reasons) => ("open", reasons.join("; ")),
        Rules::Unread(why) => ("open", why),
        Rules::NoGeneration => ("open", "the generation cannot be read".to_owned()),
    };
    Tried { what: format!("the kernel holds generation {}", measure.compiled.number), answer, seen }
}

/// Where the box resolves names, and for whom.
fn resolvers(policy: &Policy) -> Vec<(&str, IpAddr)> {
    let asks = |segment: &&segwall_core::policy::Segment| {
        segment.dhcp.as_ref().is_some_and(|dhcp| dhcp.dns.contains(&ServerRef::Gateway))
    };
    let own = policy.segments.iter().filter(asks);
    own.flat_map(|segment| segment.subnets.iter().map(|subnet| (segment.name.as_str(), subnet.gateway))).collect()
}

fn text(data: &Data) -> String {
    let mut text = String::new();
    for one in &data.tried {
        let (style, mark) = match one.answer {
            "good" => (GOOD, "ok  "),
            "bad" => (BAD, "FAIL"),
            _ => (CARE, "?   "),
        };
        let _ = writeln!(text, "{style}{mark}{style:#} {}: {}", Escaped(&one.what), Escaped(&one.seen));
    }
    let _ = writeln!(text, "\nWhat hosts see only they can try:");
    for one in &data.elsewhere {
        let _ = writeln!(text, "  {one}");
    }
    text
}
