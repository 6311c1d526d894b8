//! The process that reads packets, connections and what else strangers have a part in. Before the first of them it gives up
//! everything else; what takes more rights it asks of the one that keeps it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::parent_id;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use segwall_host::confine::{User, confine};
use segwall_watch::daemon::{self, Outside, Setup, Watched};
use segwall_watch::live::Live;
use segwall_watch::notify::Runs;
use segwall_watch::{Alert, Network};

use super::policy::watched;
use super::reaction::host;
use super::signals::Signals;
use super::words::{Ask, End, Heard, Tell};
use crate::args::Format;
use crate::commands::watch_json::Line;
use crate::commands::watch_text;
use crate::exit::{Answer, Failure};
use crate::load::{self, Reading};
use crate::text::Escaped;
use crate::{json, out, router};

/// Longer than a command may take.
const COMMAND: Duration = Duration::from_secs(60);

/// Gives up everything else, then watches until it is stopped. `setup` says how, by what the policy says.
pub fn watch(
    user: Option<User>,
    dirs: &[&Path],
    format: Format,
    setup: impl FnOnce(Watched, Arc<dyn Runs>) -> Setup,
) -> Result<Answer, Failure> {
    let socket = keeper().map_err(|why| Failure::Usage { what: why, help: "leave --kept away".to_owned() })?;
    // While there is one thread, and nothing was read.
    let confined = confine(user, dirs, parent_id()).map_err(|error| router::failed(&error))?;
    confined.missing.iter().for_each(|sentence| out::complain(&format!("{sentence}\n")));
    let failed = |error: io::Error| Failure::Bug(format!("the process that watches cannot start: {error}"));
    let signals = Signals::of_watcher().map_err(failed)?;
    let kept = Arc::new(Kept {
        end: End::new(socket).map_err(failed)?,
        inbox: Mutex::default(),
        waiting: Mutex::default(),
        numbers: AtomicU64::new(0),
    });
    let mut heard = kept.end.heard::<Tell>().map_err(failed)?;
    let Some(Tell::Watch { name, policy }) = heard.next() else { return Ok(Answer::Yes) };
    let watched = read(name, policy).ok_or_else(|| Failure::Bug("a sound policy is no sound policy".to_owned()))?;
    let mut live = Live::open().map_err(|error| router::failed(&error))?;
    let acts = acts(&watched);
    let name = watched.policy.clone();
    let setup = setup(watched, Arc::<Kept>::clone(&kept));
    let (ear, stop) = (Arc::clone(&kept), signals.stop());
    let listening = move || ear.listen(heard, &stop);
    thread::Builder::new().name("told".to_owned()).spawn(listening).map_err(failed)?;
    let _ = kept.end.say(&Ask::Ready);
    out::complain(&format!("watching by {}; Ctrl-C ends it\n", Escaped(&name)));
    let mut terminal = Terminal { signals, format, kept, acts, failed: None };
    let end = daemon::watch(setup, &mut live, &mut terminal);
    match terminal.failed {
        Some(failure) => Err(failure),
        None => end.map(|()| Answer::Yes).map_err(|error| router::failed(&error)),
    }
}

/// The socket that the one that keeps us gave us as standard input.
fn keeper() -> Result<UnixStream, String> {
    let no_keeper = |_| "this process was not started by `segwall watch`".to_owned();
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().map_err(no_keeper)?);
    socket.peer_addr().map_err(no_keeper)?;
    Ok(socket)
}

/// It was checked by who sent it.
fn read(name: String, policy: String) -> Option<Watched> {
    match load::from_bytes(&name, policy.into_bytes()) {
        Reading::Sound(checked) => Some(watched(&checked, name)),
        Reading::Faulty { .. } => None,
    }
}

fn acts(watched: &Watched) -> Option<Network> {
    watched.quarantine_s.map(|_| watched.network.clone().without_rules())
}

/// What came from the one that keeps us, and was not looked at yet.
#[derive(Debug, Default)]
struct Inbox {
    watched: Option<Watched>,
    differences: Option<u32>,
}

/// Our end of what we say to each other.
#[derive(Debug)]
struct Kept {
    end: End,
    inbox: Mutex<Inbox>,
    waiting: Mutex<BTreeMap<u64, Sender<Option<String>>>>,
    numbers: AtomicU64,
}

impl Kept {
    fn listen(&self, heard: Heard<Tell>, stop: &AtomicBool) {
        let inbox = || self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        for tell in heard {
            match tell {
                Tell::Watch { name, policy } => {
                    let watched = read(name, policy);
                    inbox().watched = watched;
                }
                Tell::Ran { number, why } => {
                    let waits = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
                    // Who waited too long is not there any more.
                    waits.map(|waits| waits.send(why));
                }
                Tell::Drift { differences } => inbox().differences = Some(differences),
                // What was asked for before is still answered.
                Tell::Stop => stop.store(true, Ordering::Relaxed),
            }
        }
        // Nobody is there to tell.
        stop.store(true, Ordering::Relaxed);
    }
}

impl Runs for Kept {
    fn run(&self, words: &[String], input: &str) -> Result<(), String> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (tell, answer) = mpsc::channel();
        let waiting = || self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting().insert(number, tell);
        let asked = self.end.say(&Ask::Run { number, words: words.to_vec(), input: input.to_owned() });
        let told = match asked {
            Ok(()) => answer.recv_timeout(COMMAND).map_err(|_| "the process that starts it did not answer".to_owned()),
            Err(error) => Err(format!("the process that starts it cannot be asked: {error}")),
        };
        waiting().remove(&number);
        told?.map_or(Ok(()), Err)
    }
}

struct Terminal {
    signals: Signals,
    format: Format,
    kept: Arc<Kept>,
    /// Who is where, if whoever scans is cut off.
    acts: Option<Network>,
    failed: Option<Failure>,
}

impl Outside for Terminal {
    fn told(&mut self, alert: &Alert) {
        if let Some(addr) = self.acts.as_ref().and_then(|network| host(alert, network)) {
            let because = format!("alert {}: {}", alert.id, alert.summary);
            let _ = self.kept.end.say(&Ask::Quarantine { addr, because });
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
        self.failed.is_some() || self.signals.stops()
    }

    fn reloaded(&mut self) -> Option<Watched> {
        let watched = self.kept.inbox.lock().unwrap_or_else(PoisonError::into_inner).watched.take()?;
        self.acts = acts(&watched);
        Some(watched)
    }

    fn differences(&mut self) -> Option<u32> {
        self.kept.inbox.lock().unwrap_or_else(PoisonError::into_inner).differences.take()
    }

    fn said(&mut self, sentence: &str) {
        out::complain(&format!("{}\n", Escaped(sentence)));
    }

    fn alive(&mut self) {
        let _ = self.kept.end.say(&Ask::Alive);
    }
}
