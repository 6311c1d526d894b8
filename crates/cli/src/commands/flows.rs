//! `segwall flows`: connections that are open or have ended, and who sends most.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use segwall_packetset::proto;
use segwall_watch::At;
use segwall_watch::live;
use segwall_watch::store::Flow;
use segwall_watch::store::read::{Period, ReadError, Reader, Subject};
use segwall_watch::store::rollup::Sort;

use super::flows_json::{FlowLine, Line, TopLine};
use super::flows_text;
use super::watch_live::STORE;
use crate::amount::Moment;
use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::watching::network;
use crate::{json, out, router};

/// List connections, open and ended, or who sends most
///
/// Open ones come from the kernel, ended ones and sums from what `segwall watch` stores: also while it runs, and after it
/// ended. Files of ended ones are Parquet; DuckDB and pandas read them as they are (docs/flows.md).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall flows
  segwall flows --from guest --to 192.168.20.5 --port 443 --since 12h
  segwall flows --top talkers --since 1h
  segwall flows --follow --format json")]
pub struct Args {
    /// From then on: so long ago (15m, 12h, 7d), or a time such as 2026-11-26T16:00
    #[arg(long, value_name = "TIME", default_value = "1h")]
    since: Moment,
    /// Before then; only what has ended
    #[arg(long, value_name = "TIME", conflicts_with_all = ["follow", "open"])]
    until: Option<Moment>,
    /// Only from this segment (or `internet`, `gateway`) or address
    #[arg(long, value_name = "SEGMENT|ADDRESS")]
    from: Option<End>,
    /// Only to this segment or address
    #[arg(long, value_name = "SEGMENT|ADDRESS")]
    to: Option<End>,
    /// Only to this port
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Only of this protocol: tcp, udp, icmp, a number, ...
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol)]
    proto: Option<u8>,
    /// So many at most, the newest or the largest
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    /// Who sent and received most, or which zones or ports
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with_all = ["follow", "open", "to", "port", "proto"])]
    top: Option<Top>,
    /// Only those that are open now
    #[arg(long, conflicts_with = "follow")]
    open: bool,
    /// Go on with those that end
    #[arg(short, long)]
    follow: bool,
    /// Where `segwall watch` stores
    #[arg(long, value_name = "DIR", default_value = STORE, value_hint = clap::ValueHint::DirPath)]
    store_dir: PathBuf,
    /// The policy whose names open ones have [default: the one that holds]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    policy: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `--top`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Top {
    // Not doc comments: the values explain themselves, and help stays one line.
    Talkers,
    Pairs,
    Ports,
}

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    Addr(IpAddr),
    Zone(String),
}

impl std::str::FromStr for End {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::Zone(text.to_owned()), Self::Addr))
    }
}

fn protocol(text: &str) -> Result<u8, String> {
    proto::number(text)
        .or_else(|| text.parse().ok())
        .ok_or_else(|| "write tcp, udp, icmp, icmpv6, another protocol's name, or a number up to 255".to_owned())
}

/// How often what ended is looked for.
const POLL: Duration = Duration::from_millis(250);

/// Runs it.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    match args.top {
        Some(what) => top(args, what),
        None => list(args),
    }
}

fn refused(error: &ReadError) -> Failure {
    router::failed(error)
}

fn period(args: &Args) -> Period {
    let now = live::now();
    Period { since: args.since.at(now), until: args.until.map_or(At(i64::MAX), |until| until.at(now)) }
}

fn top(args: &Args, what: Top) -> Result<Answer, Failure> {
    let sort = match what {
        Top::Talkers => Sort::Talkers,
        Top::Pairs => Sort::Pairs,
        Top::Ports => Sort::Ports,
    };
    let mut period = period(args);
    // Sums of what is yet to come there are none.
    period.until = period.until.min(live::now());
    let mut found =
        Reader::open(&args.store_dir).and_then(|reader| reader.top(sort, period)).map_err(|e| refused(&e))?;
    found.retain(|(subject, _)| args.from.as_ref().is_none_or(|from| is_of(subject, from)));
    found.truncate(args.limit);
    match args.format {
        Format::Text => out::print(&flows_text::top(&found))?,
        Format::Json => {
            found.iter().try_for_each(|(subject, sums)| json::print_line(&Line::Top(TopLine::of(subject, sums))))?;
        }
    }
    Ok(Answer::Yes)
}

fn is_of(subject: &Subject, from: &End) -> bool {
    match (subject, from) {
        (Subject::Talker { addr, .. }, End::Addr(wanted)) => addr == wanted,
        (Subject::Talker { zone, .. } | Subject::Pair { from: zone, .. }, End::Zone(wanted)) => zone == wanted,
        (Subject::Pair { .. }, End::Addr(_)) | (Subject::Port { .. } | Subject::Others, _) => false,
    }
}

fn list(args: &Args) -> Result<Answer, Failure> {
    let is_live = args.until.is_none() && !args.follow;
    let mut open = Vec::new();
    if args.open || (is_live && segwall_host::linux::is_root()) {
        match standing(args)? {
            Ok(found) => open = found,
            Err(answer) => return Ok(answer),
        }
    }
    if !args.open {
        let reader = match Reader::open(&args.store_dir) {
            // Without a store there are still the open ones.
            Err(ReadError::Missing(_)) if is_live && !open.is_empty() => None,
            other => Some(other.map_err(|error| refused(&error))?),
        };
        if let Some(reader) = reader {
            let last = ended(args, &reader)?;
            if args.follow {
                return follow(args, &reader, last);
            }
        }
    }
    open.iter().try_for_each(|flow| show(args, flow, true))?;
    Ok(Answer::Yes)
}

/// Open connections that are wanted, the longest open first.
fn standing(args: &Args) -> Result<Result<Vec<Flow>, Answer>, Failure> {
    // Only root sees the table.
    router::open()?;
    let mut network = match network(args.policy.as_deref())? {
        Ok(network) => network,
        Err(answer) => return Ok(Err(answer)),
    };
    let now = live::now();
    let connections = live::open_now(&mut network).map_err(|error| router::failed(&error))?;
    let flows = connections.iter().map(|connection| Flow::of(&network, now, connection));
    let mut found: Vec<Flow> = flows.filter(|flow| args.wants(flow)).collect();
    found.sort_by_key(|flow| (flow.began, flow.src, flow.sport()));
    let surplus = found.len().saturating_sub(args.limit);
    Ok(Ok(found.split_off(surplus)))
}

/// A connection in the order of its end; those that end together in that in which they came.
struct Ended(At, u64, Flow);

impl PartialEq for Ended {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Ended {}

impl PartialOrd for Ended {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ended {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// Shows the newest that are wanted, the oldest of them first; where what follows begins.
fn ended(args: &Args, reader: &Reader) -> Result<i64, Failure> {
    // The oldest of those kept so far is at hand, so that files that are older as a whole are left alone.
    let newest = std::cell::RefCell::new(BinaryHeap::<Reverse<Ended>>::new());
    let mut count = 0;
    let goes_on = |ends: At| {
        let newest = newest.borrow();
        newest.len() < args.limit || newest.peek().is_some_and(|Reverse(oldest)| ends >= oldest.0)
    };
    let last = reader
        .flows(period(args), goes_on, |flow| {
            if !args.wants(&flow) {
                return;
            }
            let mut newest = newest.borrow_mut();
            count += 1;
            newest.push(Reverse(Ended(flow.ended, count, flow)));
            if newest.len() > args.limit {
                newest.pop();
            }
        })
        .map_err(|error| refused(&error))?;
    let mut shown: Vec<Ended> = newest.into_inner().into_iter().map(|Reverse(ended)| ended).collect();
    shown.sort_unstable();
    shown.iter().try_for_each(|Ended(.., flow)| show(args, flow, false))?;
    Ok(last)
}

fn follow(args: &Args, reader: &Reader, mut last: i64) -> Result<Answer, Failure> {
    loop {
        out::flush()?;
        if out::is_reader_gone() {
            return Ok(Answer::Yes);
        }
        thread::sleep(POLL);
        let mut found = Vec::new();
        last = reader.follow(last, |flow| found.push(flow)).map_err(|error| refused(&error))?;
        found.iter().filter(|flow| args.wants(flow)).try_for_each(|flow| show(args, flow, false))?;
    }
}

fn show(args: &Args, flow: &Flow, is_open: bool) -> Result<(), Failure> {
    match args.format {
        Format::Text => out::print(&flows_text::flow(flow, is_open)),
        Format::Json => json::print_line(&Line::Flow(Box::new(FlowLine::of(flow, is_open)))),
    }
}

impl Args {
    fn wants(&self, flow: &Flow) -> bool {
        let end = |wanted: &Option<End>, zone: &str, addrs: [Option<IpAddr>; 2]| match wanted {
            None => true,
            Some(End::Zone(name)) => name == zone,
            Some(End::Addr(addr)) => addrs.contains(&Some(*addr)),
        };
        let server = flow.server;
        end(&self.from, &flow.from, [Some(flow.src), None])
            && end(&self.to, &flow.to, [Some(flow.dst), server.map(|server| server.addr)])
            && self.proto.is_none_or(|proto| proto == flow.proto)
            && self
                .port
                .is_none_or(|port| flow.dport() == Some(port) || server.is_some_and(|server| server.port == port))
    }
}
