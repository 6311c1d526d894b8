//! The process that a service manager starts. It reads nothing that strangers send: it reads the policy, starts the one that
//! watches, and does for it what takes rights that one gave up, if the policy says so.

use std::env;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use segwall_core::policy::{Notify, Policy};
use segwall_host::exec;
use segwall_host::linux::Linux;
use segwall_watch::Network;
use segwall_watch::notify::{Itself, Runs};

use super::drift::{self, Look};
use super::policy::{find, generation};
use super::reaction::{Reaction, THIS};
use super::signals::Signals;
use super::words::{Ask, End, Tell};
use crate::exit::{Answer, Failure};
use crate::text::Escaped;
use crate::{out, router};

/// How often signals and the generation are looked at.
const TURN: Duration = Duration::from_millis(100);
/// The one that watches has this long to write down what it knows; then it is killed.
const STOP: Duration = Duration::from_secs(8);
/// Commands at once. Each receiver waits for its own, so that more than a policy has are nobody's wish.
const COMMANDS_MAX: usize = 16;

/// What the policy allows the one that watches to ask for.
struct Allowed {
    commands: Vec<Vec<String>>,
    quarantine_s: Option<u32>,
    network: Network,
}

impl Allowed {
    fn by(policy: &Policy) -> Self {
        let command = |notify: &Notify| match notify {
            Notify::Command(words) => Some(words.clone()),
            Notify::Email { .. } | Notify::Webhook(_) | Notify::Syslog(_) => None,
        };
        Self {
            commands: policy.notify.iter().filter_map(command).collect(),
            quarantine_s: policy.alerts.quarantine_s,
            network: Network::of(policy),
        }
    }
}

struct Helper {
    end: End,
    allowed: Mutex<Allowed>,
    reaction: Reaction,
    running: AtomicUsize,
    /// It said that it is ready; that it lives; and that it can be heard no more.
    ready: AtomicBool,
    alive: AtomicBool,
    deaf: AtomicBool,
}

/// Keeps a process that watches, by the policy that is named or the one that holds, until it ends. The box is compared with
/// what holds so often; `prepare` makes what it writes to.
pub fn keep(
    policy: Option<&Path>,
    drift: Duration,
    prepare: impl FnOnce() -> Result<(), Failure>,
) -> Result<Answer, Failure> {
    let mut linux = router::open()?;
    let found = match find(&mut linux, policy)? {
        Ok(found) => found,
        Err(answer) => return Ok(answer),
    };
    prepare()?;
    let failed = |doing: &'static str| move |error: io::Error| Failure::Refused(format!("cannot {doing}: {error}"));
    let signals = Signals::of_keeper().map_err(failed("catch signals"))?;
    let (ours, theirs) = UnixStream::pair().map_err(failed("make a pair of sockets"))?;
    let mut child = start(theirs).map_err(failed("start the process that watches"))?;
    let helper = Arc::new(Helper {
        end: End::new(ours).map_err(failed("wait for the process that watches"))?,
        allowed: Mutex::new(Allowed::by(&found.checked.policy)),
        reaction: Reaction::default(),
        running: AtomicUsize::new(0),
        ready: AtomicBool::new(false),
        alive: AtomicBool::new(false),
        deaf: AtomicBool::new(false),
    });
    let heard = helper.end.heard::<Ask>().map_err(failed("hear the process that watches"))?;
    let ear = Arc::clone(&helper);
    let listening = move || {
        heard.for_each(|ask| ear.asked(ask));
        ear.deaf.store(true, Ordering::Release);
    };
    thread::Builder::new().name("asked".to_owned()).spawn(listening).map_err(failed("start a thread"))?;
    // When it ended already its exit code says why.
    let _ = helper.end.say(&Tell::Watch { name: found.name, policy: found.checked.source.text().to_owned() });
    let mut keeper = Keeper { helper, linux, policy, seen: generation(), last: None };
    let looks = if policy.is_none() { Some(looks(drift).map_err(failed("start a thread"))?) } else { None };
    let mut ending = None;
    let mut is_ready = false;
    loop {
        if let Some(status) = child.try_wait().map_err(failed("wait for the process that watches"))? {
            return ended(status, signals.stops());
        }
        let is_deaf = keeper.helper.deaf.load(Ordering::Acquire);
        if signals.stops() || is_deaf {
            if ending.is_none() {
                ending = Some(Instant::now());
                sd_notify::notify(false, &[sd_notify::NotifyState::Stopping]).ok();
                let _ = keeper.helper.end.say(&Tell::Stop);
            }
            // Who ends by itself writes down what it knows; who talks nonsense, or does not end, is ended.
            if ending.is_some_and(|since| since.elapsed() > STOP) {
                let _ = child.kill();
            }
        } else {
            if !is_ready && keeper.helper.ready.load(Ordering::Acquire) {
                is_ready = true;
                sd_notify::notify(false, &[sd_notify::NotifyState::Ready]).ok();
            }
            if keeper.helper.alive.swap(false, Ordering::AcqRel) {
                sd_notify::notify(false, &[sd_notify::NotifyState::Watchdog]).ok();
            }
            keeper.turn(signals.reloads());
            looks.iter().flat_map(Receiver::try_iter).for_each(|look| keeper.looked(look));
        }
        thread::sleep(TURN);
    }
}

/// The same program with the same arguments, and one more that only we give. It dies with us.
fn start(theirs: UnixStream) -> io::Result<Child> {
    let mut command = Command::new(THIS);
    command.arg0("segwall").args(env::args_os().skip(1)).arg("--kept");
    // The service manager hears of it from us.
    command.env_remove("NOTIFY_SOCKET").stdin(OwnedFd::from(theirs));
    exec::die_with_us(&mut command).spawn()
}

/// Why it ended it has said itself, unless it could not.
fn ended(status: ExitStatus, is_wanted: bool) -> Result<Answer, Failure> {
    match (status.code().and_then(|code| u8::try_from(code).ok()), status.signal()) {
        (Some(0), _) if !is_wanted => {
            Err(Failure::Refused("the process that watches ended, and nobody asked for it".to_owned()))
        }
        (Some(code), _) => Ok(Answer::Of(code)),
        (None, Some(_)) if is_wanted => Ok(Answer::Yes),
        (None, Some(signal)) => Err(Failure::Refused(format!(
            "the process that watches was ended by signal {signal}; the kernel's log may say why"
        ))),
        (None, None) => Err(Failure::Bug(format!("the process that watches ended with {status}"))),
    }
}

/// Looks for drift from time to time.
fn looks(pause: Duration) -> io::Result<Receiver<Look>> {
    let (tell, looks) = mpsc::channel();
    let look = move || {
        let Ok(mut linux) = router::open() else { return };
        loop {
            thread::sleep(pause);
            if tell.send(drift::look(&mut linux)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("drift".to_owned()).spawn(look)?;
    Ok(looks)
}

struct Keeper<'a> {
    helper: Arc<Helper>,
    linux: Linux,
    policy: Option<&'a Path>,
    seen: Option<String>,
    /// What came of the last look; said when it changes, whatever the one that watches makes of it.
    last: Option<Look>,
}

impl Keeper<'_> {
    /// Reads the policy anew where that is asked, or another generation holds.
    fn turn(&mut self, is_asked: bool) {
        let now = generation();
        if !is_asked && now == self.seen {
            return;
        }
        self.seen = now;
        match find(&mut self.linux, self.policy) {
            Ok(Ok(found)) => {
                *self.helper.allowed.lock().unwrap_or_else(PoisonError::into_inner) =
                    Allowed::by(&found.checked.policy);
                let policy = found.checked.source.text().to_owned();
                let _ = self.helper.end.say(&Tell::Watch { name: found.name, policy });
            }
            // What is watched already goes on being watched; the errors were shown.
            Ok(Err(_)) => {}
            Err(failure) => out::complain(&format!("{failure}\n")),
        }
    }

    fn looked(&mut self, look: Look) {
        let sentence = match &look {
            Look::Nothing => return,
            Look::Differs(0) => match self.last {
                None | Some(Look::Differs(0)) => None,
                Some(_) => Some("the box is again what holds".to_owned()),
            },
            Look::Differs(differences) => {
                Some(format!("the box differs from what holds in {differences} places: see `segwall drift`"))
            }
            Look::Undecided(why) => Some(format!("it cannot be told whether the box is what holds: {}", Escaped(why))),
        };
        if let Some(sentence) = sentence.filter(|_| self.last.as_ref() != Some(&look)) {
            out::complain(&format!("{sentence}\n"));
        }
        if let Look::Differs(differences) = look {
            let _ = self.helper.end.say(&Tell::Drift { differences });
        }
        self.last = Some(look);
    }
}

impl Helper {
    fn asked(self: &Arc<Self>, ask: Ask) {
        match ask {
            Ask::Ready => self.ready.store(true, Ordering::Release),
            Ask::Alive => self.alive.store(true, Ordering::Release),
            Ask::Run { number, words, input } => self.run(number, words, input),
            Ask::Quarantine { addr, because } => {
                let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(seconds) = allowed.quarantine_s {
                    self.reaction.to(addr, &because, &allowed.network, seconds);
                }
            }
        }
    }

    /// Runs a command of the policy, and nothing else.
    fn run(self: &Arc<Self>, number: u64, words: Vec<String>, input: String) {
        let is_allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner).commands.contains(&words);
        let refused = |why: &str| {
            let _ = self.end.say(&Tell::Ran { number, why: Some(why.to_owned()) });
        };
        if !is_allowed {
            return refused("the policy names no such command any more");
        }
        if self.running.fetch_add(1, Ordering::AcqRel) >= COMMANDS_MAX {
            self.running.fetch_sub(1, Ordering::AcqRel);
            return refused("too many commands run already");
        }
        let helper = Arc::clone(self);
        let run = move || {
            let why = Itself.run(&words, &input).err();
            helper.running.fetch_sub(1, Ordering::AcqRel);
            let _ = helper.end.say(&Tell::Ran { number, why });
        };
        if let Err(error) = thread::Builder::new().name("command".to_owned()).spawn(run) {
            self.running.fetch_sub(1, Ordering::AcqRel);
            refused(&format!("there is no thread for it: {error}"));
        }
    }
}
