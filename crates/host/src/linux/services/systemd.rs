//! systemd, asked and told through `systemctl`.

use segwall_core::plan::ServiceState;

use super::super::run::{self, Overdue};
use super::{ANSWER, CHANGE};
use crate::apply::HostError;

const UNITS: &str = "/etc/systemd/system/";

/// systemd, and whether it knows our files.
#[derive(Debug)]
pub struct Systemd {
    /// We changed a unit's file since it last read them.
    stale: bool,
    /// Whoever finds an interrupted apply does not know what it told systemd. Who only looks lets that be.
    unknown: bool,
}

impl Default for Systemd {
    fn default() -> Self {
        Self { stale: false, unknown: true }
    }
}

impl Systemd {
    pub(super) fn file_changed(&mut self, path: &str) {
        self.stale |= path.starts_with(UNITS);
    }

    fn refresh(&mut self, is_wanted: bool) -> Result<(), HostError> {
        if is_wanted {
            run::must("let systemd read its units again", "systemctl", &["daemon-reload"], CHANGE)?;
            (self.stale, self.unknown) = (false, false);
        }
        Ok(())
    }

    pub(super) fn state(&mut self, name: &str) -> Result<ServiceState, HostError> {
        self.refresh(self.stale)?;
        let unit = unit(name);
        let args = ["show", "--property=LoadState,UnitFileState,ActiveState", &unit];
        let ran = run::run("systemctl", &args, ANSWER, Overdue::Kill)?;
        if !ran.ok() {
            let why = run::sentence("systemctl", &args, &ran, ANSWER);
            return Err(HostError::new(format!("ask systemd for the service {name}"), why));
        }
        Ok(read(&ran.said))
    }

    pub(super) fn enable(&mut self, name: &str, enabled: bool) -> Result<(), HostError> {
        self.refresh(self.stale || self.unknown)?;
        let (verb, doing) = if enabled {
            ("enable", format!("start {name} at boot"))
        } else {
            ("disable", format!("keep {name} from starting at boot"))
        };
        run::must(&doing, "systemctl", &["--quiet", verb, &unit(name)], CHANGE)
    }

    pub(super) fn run(&mut self, name: &str, running: bool) -> Result<(), HostError> {
        self.refresh(self.stale || self.unknown)?;
        let verb = if running { "start" } else { "stop" };
        run::must(&format!("{verb} the service {name}"), "systemctl", &[verb, &unit(name)], CHANGE)
    }

    pub(super) fn renew(&mut self, name: &str, anew: bool) -> Result<(), HostError> {
        self.refresh(self.stale || self.unknown)?;
        let verb = if anew { "restart" } else { "reload-or-restart" };
        run::must(&format!("{verb} the service {name}"), "systemctl", &[verb, &unit(name)], CHANGE)
    }
}

fn unit(name: &str) -> String {
    format!("{name}.service")
}

fn read(shown: &str) -> ServiceState {
    let is = |key: &str, values: &[&str]| {
        shown
            .lines()
            .filter_map(|line| line.split_once('='))
            .any(|(seen, value)| seen == key && values.contains(&value))
    };
    ServiceState {
        installed: is("LoadState", &["loaded"]),
        enabled: is("UnitFileState", &["enabled", "enabled-runtime", "alias", "static"]),
        running: is("ActiveState", &["active", "activating", "reloading", "refreshing"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemctl_shows_is_read() {
        let state = read("LoadState=loaded\nActiveState=active\nUnitFileState=disabled\n");
        assert_eq!(state, ServiceState { installed: true, enabled: false, running: true });
        assert_eq!(read("LoadState=not-found\nActiveState=inactive\nUnitFileState=\n"), ServiceState::default());
    }
}
