//! Signals that were sent to us, as flags.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// What signals ask for.
pub struct Signals {
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Signals {
    /// For the process that a person or a service manager speaks to: a second one ends it at once, whatever it is doing.
    pub fn of_keeper() -> io::Result<Self> {
        let signals = Self { stop: Arc::default(), reload: Arc::default() };
        for number in [SIGTERM, SIGINT] {
            flag::register_conditional_shutdown(number, 130, Arc::clone(&signals.stop))?;
            flag::register(number, Arc::clone(&signals.stop))?;
        }
        flag::register(SIGHUP, Arc::clone(&signals.reload))?;
        Ok(signals)
    }

    /// For the one that is kept: Ctrl-C and some service managers reach it, too, and it ends once.
    pub fn of_watcher() -> io::Result<Self> {
        let signals = Self { stop: Arc::default(), reload: Arc::default() };
        for number in [SIGTERM, SIGINT] {
            flag::register(number, Arc::clone(&signals.stop))?;
        }
        flag::register(SIGHUP, Arc::clone(&signals.reload))?;
        Ok(signals)
    }

    /// It is to stop.
    pub fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What is set when it is to stop.
    pub fn stop(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Whether the policy is to be read anew; asked once for each signal.
    pub fn reloads(&self) -> bool {
        self.reload.swap(false, Ordering::Relaxed)
    }
}
