//! `segwall watch` on the running box.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use segwall_core::policy::Policy;
use segwall_host::apply::Store;
use segwall_host::linux::Linux;
use segwall_watch::daemon::{self, Outside, Setup, Style, Watched};
use segwall_watch::live::Live;
use segwall_watch::notify::Receiver;
use segwall_watch::store::{self, Keep};
use segwall_watch::{Alert, Network};

use super::watch::options;
use super::watch_json::{AlertLine, Line};
use super::watch_text;
use crate::amount::{Bytes, Span};
use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::input::{DEFAULT_POLICY, Location};
use crate::load::{self, Reading};
use crate::react::Reaction;
use crate::text::Escaped;
use crate::{json, out, router};

/// Where `segwall top` looks on, below the state directory.
pub const VIEW_SOCKET: &str = "view.sock";

/// How to watch the running box.
#[derive(Debug, clap::Args)]
pub struct LiveArgs {
    /// Write packets and alerts below this directory
    #[arg(long, value_name = "DIR", default_value = "/var/log/segwall", value_hint = clap::ValueHint::DirPath)]
    log_dir: PathBuf,
    /// How packets are written down: json is one object a line in drops.jsonl, classic as in the kernel's log in drops.log
    #[arg(long, value_enum, value_name = "STYLE", default_value_t)]
    log_style: LogStyle,
    /// Keep what is still to be told below this directory
    #[arg(long, value_name = "DIR", default_value = super::top::STATE_DIR, value_hint = clap::ValueHint::DirPath)]
    state_dir: PathBuf,
    /// Serve metrics for Prometheus, and /health, here: such as 127.0.0.1:9273
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<SocketAddr>,
    /// Store flows, sums of traffic, alerts and events below this directory [default: store, below --state-dir]
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    store_dir: Option<PathBuf>,
    /// Keep flows this long
    #[arg(long, value_name = "TIME", default_value = "30d")]
    store_keep: Span,
    /// Remove the oldest flows when the store is larger than this
    #[arg(long, value_name = "SIZE", default_value = "512MiB")]
    store_max: Bytes,
    /// Store nothing
    #[arg(long, conflicts_with_all = ["store_dir", "store_keep", "store_max"])]
    no_store: bool,
}

/// Where the store of the service is.
pub const STORE: &str = "/var/lib/segwall/watch/store";

/// `--log-style`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogStyle {
    // Not doc comments: the values explain themselves, and help stays one line.
    #[default]
    Json,
    Classic,
}

/// Watches until a signal ends it.
pub fn run(args: LiveArgs, policy: Option<PathBuf>, format: Format) -> Result<Answer, Failure> {
    let mut linux = router::open()?;
    let watched = match watched(&mut linux, policy.as_deref())? {
        Ok(watched) => watched,
        Err(answer) => return Ok(answer),
    };
    for dir in [&args.log_dir, &args.state_dir] {
        make(dir).map_err(|error| Failure::Refused(format!("cannot make the directory {}: {error}", dir.display())))?;
    }
    let store = (!args.no_store).then(|| store::Options {
        keep: Keep { flows: args.store_keep.duration(), bytes_max: args.store_max.0, ..Keep::default() },
        ..store::Options::new(args.store_dir.unwrap_or_else(|| args.state_dir.join("store")))
    });
    let setup = Setup {
        watched,
        logs: Some(args.log_dir),
        style: match args.log_style {
            LogStyle::Json => Style::Json,
            LogStyle::Classic => Style::Classic,
        },
        view: Some(args.state_dir.join(VIEW_SOCKET)),
        outboxes: Some(args.state_dir),
        store,
        metrics: args.metrics,
        shape: |alert| serde_json::to_value(AlertLine::from(alert)).expect("an alert is plain data"),
    };
    let signals = Signals::catch().map_err(|error| Failure::Bug(format!("signals cannot be caught: {error}")))?;
    let mut live = Live::open().map_err(|error| router::failed(&error))?;
    let seen = generation();
    let acts = acts(&setup.watched);
    let reaction = Reaction::default();
    let mut terminal = Terminal { signals, format, policy, linux, seen, reaction, acts, failed: None };
    sd_notify::notify(false, &[sd_notify::NotifyState::Ready]).ok();
    out::complain(&format!("watching by {}; Ctrl-C ends it\n", setup.watched.policy));
    let end = daemon::watch(setup, &mut live, &mut terminal);
    sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]).ok();
    match terminal.failed {
        Some(failure) => Err(failure),
        None => end.map(|()| Answer::Yes).map_err(|error| router::failed(&error)),
    }
}

/// The directory itself is ours alone; what is above it others may have to pass, as the DHCP server to its leases.
fn make(dir: &Path) -> io::Result<()> {
    if let Some(above) = dir.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(above)?;
    }
    match fs::DirBuilder::new().mode(0o750).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Who is where: by the policy that is named, else by the one that holds or the box's own; without any, nothing is known.
pub(super) fn network(policy: Option<&Path>) -> Result<Result<Network, Answer>, Failure> {
    if policy.is_none() && generation().is_none() && !Path::new(DEFAULT_POLICY).exists() {
        return Ok(Ok(Network::unknown()));
    }
    Ok(watched(&mut router::open()?, policy)?.map(|watched| watched.network))
}

/// The policy that is named, else that of the generation that holds, else the box's own file.
pub fn watched(linux: &mut Linux, policy: Option<&Path>) -> Result<Result<Watched, Answer>, Failure> {
    if policy.is_none()
        && let Some(number) = Store::confirmed(linux).map_err(router::refused)?
        && let Some(text) = Store::policy(linux, number).map_err(router::refused)?
    {
        let name = format!("generation {number}");
        // Another policy than the one that holds would name the wrong segments, and tell the wrong people.
        return match load::from_bytes(&name, text.into_bytes()) {
            Reading::Sound(checked) => Ok(Ok(of(&checked.policy, name))),
            Reading::Faulty { .. } => Err(Failure::Refused(format!(
                "the policy of {name} is no sound policy any more; run `segwall check`, then apply it"
            ))),
        };
    }
    let location = Location::of(policy.map(Path::to_owned));
    let name = policy.map_or_else(|| DEFAULT_POLICY.to_owned(), |path| path.display().to_string());
    Ok(load::sound::<()>("watch", &location, Format::Text)?.map(|checked| of(&checked.policy, name)))
}

fn of(policy: &Policy, name: String) -> Watched {
    let mut options = options(policy);
    options.scans = policy.alerts.scans;
    Watched {
        network: Network::of(policy),
        options,
        remote: policy.log.remote.clone(),
        receivers: policy.notify.iter().filter_map(Receiver::of).collect(),
        policy: name,
        quarantine_s: policy.alerts.quarantine_s,
    }
}

fn acts(watched: &Watched) -> Option<(u32, Network)> {
    Some((watched.quarantine_s?, watched.network.clone()))
}

/// Which generation holds, without reading more than its number.
fn generation() -> Option<String> {
    fs::read_to_string("/etc/segwall/confirmed").ok()
}

/// Signals that were sent to us.
struct Signals {
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let signals = Self { stop: Arc::default(), reload: Arc::default() };
        for number in [SIGTERM, SIGINT] {
            // A second one ends it at once, whatever it is doing.
            signal_hook::flag::register_conditional_shutdown(number, 130, Arc::clone(&signals.stop))?;
            signal_hook::flag::register(number, Arc::clone(&signals.stop))?;
        }
        signal_hook::flag::register(SIGHUP, Arc::clone(&signals.reload))?;
        Ok(signals)
    }
}

struct Terminal {
    signals: Signals,
    format: Format,
    policy: Option<PathBuf>,
    linux: Linux,
    seen: Option<String>,
    reaction: Reaction,
    /// For how many seconds whoever scans is cut off, and who is where.
    acts: Option<(u32, Network)>,
    failed: Option<Failure>,
}

impl Outside for Terminal {
    fn told(&mut self, alert: &Alert) {
        if let Some((seconds, network)) = &self.acts {
            self.reaction.to(alert, network, *seconds);
        }
        let told = match self.format {
            Format::Text => out::print(&watch_text::alert(alert)).and_then(|()| out::flush()),
            Format::Json => json::print_line(&Line::Alert(Box::new(alert.into()))),
        };
        if let Err(failure) = told {
            self.failed.get_or_insert(failure);
        }
    }

    fn stops(&mut self) -> bool {
        self.failed.is_some() || self.signals.stop.load(Ordering::Relaxed)
    }

    fn reloaded(&mut self) -> Option<Watched> {
        let is_asked = self.signals.reload.swap(false, Ordering::Relaxed);
        let now = generation();
        if !is_asked && now == self.seen {
            return None;
        }
        self.seen = now;
        match watched(&mut self.linux, self.policy.as_deref()) {
            Ok(Ok(watched)) => {
                self.acts = acts(&watched);
                Some(watched)
            }
            // What is watched already goes on being watched.
            Ok(Err(_)) => None,
            Err(failure) => {
                out::complain(&format!("{failure}\n"));
                None
            }
        }
    }

    fn said(&mut self, sentence: &str) {
        out::complain(&format!("{}\n", Escaped(sentence)));
    }

    fn alive(&mut self) {
        sd_notify::notify(false, &[sd_notify::NotifyState::Watchdog]).ok();
    }
}
