//! `segwall watch`: who scans, who is refused more than usual; on the running box, or from kernel logs that are read again.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use segwall_watch::alert::Silence;
use segwall_watch::klog::{LINE_BYTES_MAX, Reader, Splitter, Style, Words};
use segwall_watch::{Alert, Event, Network, Options, State};

use super::watch_json::{Line, Summary};
use super::watch_live::{self, LiveArgs};
use super::watch_text;
use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::input::{InputError, Location, Why};
use crate::load;
use crate::{clock, json, out};

/// Watch the traffic: tell of scans, drop spikes and who else should be looked at
///
/// On a box with Segwall's rules it reads dropped and logged packets, connections, counters, interfaces and neighbours from
/// the kernel, writes packets and alerts below --log-dir, tells those whom [[notify]] names, and runs until it is stopped.
/// SIGHUP, and each new generation, make it read the policy again.
///
/// With --replay it reads kernel logs instead.
///
/// Reads lines such as `IN=eth0.10 OUT=eth0.20 SRC=… DST=… PROTO=TCP SPT=… DPT=… SYN`, as the kernel logs them, after any
/// usual time stamp. What a prefix says is known for Segwall's own, ufw's, Shorewall's and words such as DROP, DENIED or
/// ACCEPT; a line that does not say is taken as refused. With a policy interfaces have the names of their segments.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall watch --metrics 127.0.0.1:9273
  segwall watch --replay /var/log/kern.log
  journalctl -k -o short-iso | segwall watch --replay -
  segwall watch --replay old.log --year 2025 --accepted 'FW-NEW' --format json")]
pub struct Args {
    /// Kernel logs, in their order; `-` for standard input
    #[arg(long, num_args = 1.., value_name = "FILE", value_hint = clap::ValueHint::FilePath,
        conflicts_with_all = ["log_dir", "log_style", "state_dir", "metrics", "store_dir", "store_keep",
            "store_max", "no_store", "user", "drift_every", "kept"])]
    replay: Vec<PathBuf>,
    /// The policy whose names are used
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    policy: Option<PathBuf>,
    /// Year of the first line, where lines have none [default: this year]
    #[arg(long, requires = "replay", value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1970..=9_998))]
    year: Option<i16>,
    /// Packets whose prefix holds this text were accepted; may be given several times
    #[arg(long, requires = "replay", value_name = "TEXT")]
    accepted: Vec<String>,
    /// Packets whose prefix holds this text were refused; may be given several times
    #[arg(long, requires = "replay", value_name = "TEXT")]
    dropped: Vec<String>,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    #[command(flatten)]
    live: LiveArgs,
}

/// Bytes of a log that are read at once.
const PIECE_BYTES: usize = 256 << 10;

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    if args.replay.is_empty() {
        return watch_live::run(args.live, args.policy, args.format);
    }
    let zone = clock::timezone();
    let (network, options, silences) = match &args.policy {
        None => (Network::unknown(), Options::default(), Vec::new()),
        Some(path) => match load::sound::<()>("watch", &Location::of(Some(path.clone())), args.format)? {
            Ok(checked) => {
                (Network::of(&checked.policy), options(&checked.policy), Silence::of(&checked.policy, &zone))
            }
            Err(answer) => return Ok(answer),
        },
    };
    let year = args.year.unwrap_or_else(|| zone.to_datetime(clock::now()).year());
    let words = Words { accepted: args.accepted, dropped: args.dropped };
    let mut state = State::new(network, options);
    state.silence(silences);
    let mut replay = Replay {
        reader: Reader::new(Style { year, timezone: zone, words }),
        state,
        format: args.format,
        alerts: 0,
        failed: None,
    };
    for path in &args.replay {
        replay.file(path)?;
    }
    replay.end()
}

/// The policy's own thresholds. Whoever reads a log again wants scans in any case.
pub fn options(policy: &segwall_core::policy::Policy) -> Options {
    let mut options = Options::default();
    if let Some((more_than, within_s)) = policy.alerts.drops {
        (options.drops.more_than, options.drops.within_s) = (more_than, within_s);
    }
    options
}

struct Replay {
    reader: Reader,
    state: State,
    format: Format,
    alerts: u64,
    failed: Option<Failure>,
}

impl Replay {
    fn file(&mut self, path: &Path) -> Result<(), Failure> {
        let fault = |error: io::Error| {
            let why = match error.kind() {
                io::ErrorKind::NotFound => Why::Missing { by_default: false },
                io::ErrorKind::PermissionDenied => Why::Denied,
                io::ErrorKind::IsADirectory => Why::Directory,
                _ => Why::Io { doing: "read", error },
            };
            Failure::Input(InputError { name: path.display().to_string(), why })
        };
        let mut from: Box<dyn Read> = if path.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(path).map_err(fault)?)
        };
        let mut splitter = Splitter::default();
        let mut piece = vec![0; PIECE_BYTES.max(LINE_BYTES_MAX)];
        loop {
            match from.read(&mut piece) {
                Ok(0) => break,
                Ok(bytes) => splitter.feed(&piece[..bytes], |line| self.line(line)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(error)),
            }
            if let Some(failure) = self.failed.take() {
                return Err(failure);
            }
        }
        splitter.end(|line| self.line(line));
        self.failed.take().map_or(Ok(()), Err)
    }

    fn line(&mut self, line: &[u8]) {
        if let Some((at, packet)) = self.reader.line(line) {
            for alert in self.state.step(at, &Event::Packet(packet)) {
                self.tell(&alert);
            }
        }
    }

    fn tell(&mut self, alert: &Alert) {
        self.alerts += u64::from(alert.phase == segwall_watch::alert::Phase::Open);
        let told = match self.format {
            Format::Text => out::print(&watch_text::alert(alert)),
            Format::Json => line(&Line::Alert(Box::new(alert.into()))),
        };
        if let Err(failure) = told {
            self.failed.get_or_insert(failure);
        }
    }

    /// The log is over: episodes that are quiet for long enough by then were told as closed, others stay open.
    fn end(self) -> Result<Answer, Failure> {
        let open = self.state.standing();
        let summary = Summary::of(&self.reader.tally(), self.alerts, open.len(), &self.state);
        match self.format {
            Format::Text => out::print(&watch_text::summary(&summary))?,
            Format::Json => line(&Line::Summary(summary))?,
        }
        Ok(Answer::Yes)
    }
}

/// One JSON object in one line.
fn line(value: &Line) -> Result<(), Failure> {
    json::print_line(value)
}
