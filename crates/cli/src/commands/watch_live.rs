//! `segwall watch` on the running box.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use segwall_host::confine::{USER, User};
use segwall_watch::daemon::{Setup, Style};
use segwall_watch::store::{self, Keep};

use super::watch_json::AlertLine;
use crate::amount::{Bytes, Span};
use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::{out, watching};

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
    /// The user as whom packets are read; root: nobody else [default: segwall, where there is one]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// How often the box is compared with the generation that holds
    #[arg(long, value_name = "TIME", default_value = "5m")]
    drift_every: Span,
    /// This is the process that watches, and another one keeps it
    #[arg(long, hide = true)]
    kept: bool,
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
    let user = args.user()?;
    let store = args.store();
    let mut dirs = vec![args.log_dir.clone(), args.state_dir.clone()];
    dirs.extend(store.as_ref().map(|store| store.dir.clone()));
    // What lies in another one is its owner's to make: in a directory of theirs root without all of root's rights makes nothing.
    let (inner, dirs): (Vec<_>, Vec<_>) =
        dirs.iter().partition(|dir| dirs.iter().any(|other| dir != &other && dir.starts_with(other)));
    if args.kept {
        let written: Vec<&Path> = dirs.iter().map(|dir| dir.as_path()).collect();
        return watching::watch(user, &written, format, |watched, runs| {
            // One that cannot be made is told of by who writes to it.
            inner.iter().for_each(|dir| drop(make(dir)));
            Setup {
                watched,
                logs: Some(args.log_dir.clone()),
                style: match args.log_style {
                    LogStyle::Json => Style::Json,
                    LogStyle::Classic => Style::Classic,
                },
                view: Some(args.state_dir.join(VIEW_SOCKET)),
                outboxes: Some(args.state_dir.clone()),
                store,
                metrics: args.metrics,
                runs,
                shape: |alert| serde_json::to_value(AlertLine::from(alert)).expect("an alert is plain data"),
            }
        });
    }
    // Not before there is a policy to watch by: nobody wants the directories of a watch that never began.
    let prepare = || {
        dirs.iter().try_for_each(|dir| give(dir, user))?;
        if user.is_none() {
            out::complain(
                "packets are read as root, without most of root's rights: there is no user for it, see --user\n",
            );
        }
        Ok(())
    };
    watching::keep(policy.as_deref(), args.drift_every.duration(), prepare)
}

impl LiveArgs {
    fn user(&self) -> Result<Option<User>, Failure> {
        let name = self.user.as_deref().unwrap_or(USER);
        match User::named(name) {
            _ if name == "root" => Ok(None),
            None if self.user.is_some() => Err(Failure::Usage {
                what: format!("there is no user {name}"),
                help: format!(
                    "make one, as with `adduser --system --group --no-create-home {name}`, or leave --user away"
                ),
            }),
            found => Ok(found),
        }
    }

    fn store(&self) -> Option<store::Options> {
        (!self.no_store).then(|| store::Options {
            keep: Keep { flows: self.store_keep.duration(), bytes_max: self.store_max.0, ..Keep::default() },
            ..store::Options::new(self.store_dir.clone().unwrap_or_else(|| self.state_dir.join("store")))
        })
    }
}

/// Makes a directory for who watches, or takes one that is theirs. Another one of root's is not given away: it may hold more.
fn give(dir: &Path, user: Option<User>) -> Result<(), Failure> {
    let failed = |doing: &str, error: io::Error| Failure::Refused(format!("cannot {doing} {}: {error}", dir.display()));
    let is_new = make(dir).map_err(|error| failed("make the directory", error))?;
    let Some(user) = user else { return Ok(()) };
    let usual = ["/var/log/segwall", super::top::STATE_DIR, STORE].map(Path::new);
    let is_ours = is_new || usual.contains(&dir) || user.owns(dir);
    if !is_ours {
        return Err(Failure::Refused(format!(
            "{} was there already and is not the user's as whom packets are read: it may hold what is not for them\n\
             help: name a directory that is not there yet, or `chown` it",
            dir.display()
        )));
    }
    user.own(dir).map_err(|error| failed("give to the user as whom packets are read", error))
}

/// Makes a directory that nobody else looks into; what is above it others may have to pass, as the DHCP server to its leases.
/// False: it was there.
fn make(dir: &Path) -> io::Result<bool> {
    if let Some(above) = dir.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(above)?;
    }
    match fs::DirBuilder::new().mode(0o750).create(dir) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}
