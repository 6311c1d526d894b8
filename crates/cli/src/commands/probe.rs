//! `segwall probe`: on a host in a segment, tries what `segwall verify --for` wrote down.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use schemars::JsonSchema;
use segwall_core::verify::{Judgement, Kind, List, PROBES_MAX, Probe, Seen, VERSION, judge};
use segwall_host::reach::{self, Came};
use serde::Serialize;

use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::input::{self, Location};
use crate::out::{BAD, CARE, GOOD, QUIET};
use crate::text::{Escaped, count};
use crate::{clock, json, out};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// Probes at a time: many at once would look like a scan, and are one.
const THREADS: usize = 16;

/// On a host in a segment: try what `segwall verify --for SEGMENT` wrote down
///
/// Needs no policy and, but for the question to DHCP servers, no root. A closed port is told from a drop by what came back.
/// Exit codes: 0 nothing differs, 1 something does.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  segwall probe guest.json
  segwall probe --dhcp eth0 guest.json")]
pub struct Args {
    /// The list, `-` for standard input
    #[arg(value_name = "LIST", value_hint = clap::ValueHint::FilePath)]
    list: PathBuf,
    /// Ask for DHCP servers on this interface too; needs root
    #[arg(long, value_name = "INTERFACE")]
    dhcp: Option<String>,
    /// Show what is as it should be too
    #[arg(long)]
    all: bool,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `probe`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// The segment.
    pub segment: String,
    /// What was tried.
    pub probes: Vec<Tried>,
    /// DHCP servers that answered; null when they were not asked.
    pub dhcp_servers: Option<Vec<Ipv4Addr>>,
    /// How many probes differ.
    pub differences: usize,
    /// How many could be either.
    pub open: usize,
    /// What should be known about it.
    pub notes: Vec<String>,
}

/// A probe, and what came of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Tried {
    /// What was tried.
    #[serde(flatten)]
    pub probe: Probe,
    /// `answered`, `refused`, `unreachable`, `silent` or `untried`.
    pub seen: &'static str,
    /// `right`, `wrong` or `open`.
    pub judgement: &'static str,
    /// Why it is wrong, or open.
    pub why: Option<String>,
}

/// Runs it.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    let list = read(args)?;
    let mut data = tried(&list);
    if let Some(device) = &args.dhcp {
        ask_servers(&mut data, &list, device)?;
    }
    let answer = Answer::yes_if(data.differences == 0);
    match args.format {
        Format::Json => json::print("probe", answer, Vec::new(), Some(data)),
        Format::Text => {
            out::print(&text(&data, args.all))?;
            Ok(answer)
        }
    }
}

fn read(args: &Args) -> Result<List, Failure> {
    let location = Location::of(Some(args.list.clone()));
    let bytes = input::read(&location)?;
    let usage = |what: String| Failure::Usage {
        what,
        help: "make a list on the box: `segwall verify --for SEGMENT > list.json`".to_owned(),
    };
    let name = location.name();
    let list: List = serde_json::from_slice(&bytes)
        .map_err(|error| usage(format!("{} is no list of probes: {}", Escaped(&name), Escaped(&error.to_string()))))?;
    if list.version != VERSION {
        return Err(usage(format!("the list has version {}, and this program reads {VERSION}", list.version)));
    }
    if list.probes.len() > PROBES_MAX {
        return Err(usage(format!("the list has {} probes; {PROBES_MAX} are the most", list.probes.len())));
    }
    Ok(list)
}

fn tried(list: &List) -> Data {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((at, probe)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, list.probes.get(at)?)))
        {
            done.push((at, seen(probe)));
        }
        done
    };
    let mut all: Vec<(usize, Seen)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    all.sort_by_key(|(at, _)| *at);
    let probes: Vec<Tried> = all.into_iter().map(|(at, seen)| shape(&list.probes[at], &seen)).collect();
    let number = |word| probes.iter().filter(|one| one.judgement == word).count();
    let (differences, open) = (number("wrong"), number("open"));
    let segment = list.segment.clone();
    Data { segment, probes, dhcp_servers: None, differences, open, notes: notes(list) }
}

/// The answers hold for one address; which one this host has towards the box is told by a socket that sends nothing.
fn notes(list: &List) -> Vec<String> {
    let own = || {
        let socket = UdpSocket::bind(if list.source.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).ok()?;
        socket.connect(SocketAddr::new(list.probes.first()?.to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    match own() {
        Some(addr) if addr != list.source => {
            vec![format!(
                "the list is for {}, and this host sends as {addr}; where rules name either, make another with --from {addr}",
                list.source
            )]
        }
        _ => Vec::new(),
    }
}

fn seen(probe: &Probe) -> Seen {
    let to = SocketAddr::new(probe.to, probe.port.unwrap_or_default());
    let came = match (probe.kind, probe.port) {
        (Kind::Tcp, Some(_)) => reach::tcp(to, PATIENCE),
        (Kind::Udp, Some(_)) => reach::udp(to, PATIENCE),
        (Kind::Ping, _) => reach::ping(probe.to, PATIENCE),
        (Kind::Tcp | Kind::Udp, None) => return Seen::Untried("the list names no port".to_owned()),
    };
    match came {
        Came::Answer => Seen::Answered,
        Came::Refusal => Seen::Refused,
        Came::Unreachable => Seen::Unreachable,
        Came::Nothing => Seen::Silent,
        Came::Unsent(error) => Seen::Untried(error.to_string()),
    }
}

fn shape(probe: &Probe, seen: &Seen) -> Tried {
    let (judgement, why) = match judge(probe, seen) {
        Judgement::Right => ("right", None),
        Judgement::Wrong(why) => ("wrong", Some(why.to_owned())),
        Judgement::Open(why) => ("open", Some(why.to_owned())),
    };
    let (word, why) = match seen {
        Seen::Answered => ("answered", why),
        Seen::Refused => ("refused", why),
        Seen::Unreachable => ("unreachable", why),
        Seen::Silent => ("silent", why),
        Seen::Untried(error) => ("untried", Some(error.clone())),
    };
    Tried { probe: probe.clone(), seen: word, judgement, why }
}

fn ask_servers(data: &mut Data, list: &List, device: &str) -> Result<(), Failure> {
    let xid = u32::try_from(clock::now().as_nanosecond().rem_euclid(1 << 31)).unwrap_or(1);
    let found = segwall_lab::servers_on(device, xid).map_err(|error| crate::router::failed(&error))?;
    let wanted: Vec<Ipv4Addr> = list.dhcp_server.into_iter().collect();
    for server in found.iter().filter(|server| !wanted.contains(server)) {
        data.notes.push(format!("{server} answers DHCP, and is not the box: somebody else gives addresses away"));
        data.differences += 1;
    }
    for server in wanted.iter().filter(|server| !found.contains(server)) {
        data.notes.push(format!("{server} gives the addresses here, and did not answer"));
        data.differences += 1;
    }
    data.dhcp_servers = Some(found.into_iter().collect());
    Ok(())
}

fn text(data: &Data, all: bool) -> String {
    let mut text = String::new();
    for one in &data.probes {
        let (style, mark) = match one.judgement {
            "right" if !all => continue,
            "right" => (GOOD, "ok  "),
            "wrong" => (BAD, "FAIL"),
            _ if !all => continue,
            _ => (CARE, "?   "),
        };
        let kind = match one.probe.kind {
            Kind::Tcp => "tcp",
            Kind::Udp => "udp",
            Kind::Ping => "ping",
        };
        let port = one.probe.port.map_or_else(String::new, |port| format!("/{port}"));
        let why = one.why.as_ref().map_or_else(String::new, |why| format!(": {}", Escaped(why)));
        let zone = Escaped(&one.probe.zone);
        let _ = writeln!(text, "{style}{mark}{style:#} {kind}{port} to {} ({zone}): {}{why}", one.probe.to, one.seen);
    }
    for note in &data.notes {
        let _ = writeln!(text, "{CARE}note:{CARE:#} {note}");
    }
    if let Some(servers) = &data.dhcp_servers {
        let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
        let _ =
            writeln!(text, "DHCP servers: {}", if servers.is_empty() { "none".to_owned() } else { servers.join(", ") });
    }
    let style = if data.differences == 0 { GOOD } else { BAD };
    let (tried, found) = (count(data.probes.len(), "probe"), count(data.differences, "difference"));
    let _ = writeln!(
        text,
        "{}: {tried}, {style}{found}{style:#}, {QUIET}{} not decided{QUIET:#}",
        Escaped(&data.segment),
        data.open
    );
    text
}
