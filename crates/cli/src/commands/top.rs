//! `segwall top`: what goes on right now.

use std::io::{self, IsTerminal};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use segwall_host::linux::is_root;
use segwall_watch::live::Live;

use super::watch_live::VIEW_SOCKET;
use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::router;
use crate::top::{self, Source};
use crate::watching::{find, watched};

/// `segwall watch` keeps its state here unless told.
pub const STATE_DIR: &str = "/var/lib/segwall/watch";

/// Show what goes on right now: who talks to whom, flows, drops, alerts, leases
///
/// Looks on at `segwall watch`. Where that does not run, root watches by itself. Keys are shown; `?` shows all of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall top
  segwall top --once
  segwall top --once --format json
  segwall top --socket /run/user/1000/view.sock -p segwall.toml")]
pub struct Args {
    /// Where `segwall watch` shows it [default: /var/lib/segwall/watch/view.sock]
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    socket: Option<PathBuf>,
    /// Print one view and end, as also where standard output is no terminal
    #[arg(long)]
    once: bool,
    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
    /// Explain by this policy [default: that of the generation that holds, else /etc/segwall/segwall.toml]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    policy: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let place = args.socket.clone().unwrap_or_else(|| Path::new(STATE_DIR).join(VIEW_SOCKET));
    let source = match source(&place, args.socket.is_some(), args.policy.as_deref())? {
        Ok(source) => source,
        Err(answer) => return Ok(answer),
    };
    let is_screen = io::stdout().is_terminal() && io::stdin().is_terminal();
    if args.once || args.format == Format::Json || !is_screen {
        return top::once(source, &place, args.format);
    }
    top::run(source, args.policy)
}

/// The daemon, else this process itself.
fn source(place: &Path, is_named: bool, policy: Option<&Path>) -> Result<Result<Source, Answer>, Failure> {
    let error = match UnixStream::connect(place) {
        Ok(stream) => return Ok(Ok(Source::Socket(place.to_owned(), stream))),
        Err(error) => error,
    };
    let place = place.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            return Err(Failure::Refused(format!("{place}: permission denied; run it as root")));
        }
        _ if is_named || !is_root() => {
            let by_itself = if is_named { "" } else { "; as root this watches by itself" };
            return Err(Failure::Refused(format!(
                "nobody shows anything at {place}: {error}\nhelp: start `segwall watch`, as the service \
                 segwall-watch{by_itself}"
            )));
        }
        _ => {}
    }
    let watched = match find(&mut router::open()?, policy)? {
        Ok(found) => watched(&found.checked, found.name),
        Err(answer) => return Ok(Err(answer)),
    };
    let live = Live::open().map_err(|error| router::failed(&error))?;
    Ok(Ok(Source::Alone(Box::new(watched), Box::new(live))))
}
