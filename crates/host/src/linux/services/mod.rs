//! Services of the box: who runs them, whether they start at boot, whether they run.

mod direct;
mod openrc;
mod systemd;

use std::time::Duration;

use segwall_core::emit::System;
use segwall_core::plan::ServiceState;

pub use direct::Direct;
pub use systemd::Systemd;

use super::files::Root;
use crate::apply::HostError;

/// Names of our services begin so.
const OURS: &str = "segwall";
/// An init system answers within this time.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// A service has started or stopped within this time.
pub(super) const CHANGE: Duration = Duration::from_secs(30);

/// What starts and keeps services.
#[derive(Debug)]
pub enum Init {
    /// Alpine's.
    Openrc,
    /// Debian's.
    Systemd(Systemd),
    /// Nobody: we start them ourselves, and nobody keeps them. For namespaces without an init system.
    Direct(Direct),
    /// Nobody that we know.
    Unknown,
}

impl Init {
    /// The one that runs this box.
    #[must_use]
    pub fn found(root: &Root) -> Self {
        if root.at("/run/openrc").is_dir() {
            Self::Openrc
        } else if root.at("/run/systemd/system").is_dir() {
            Self::Systemd(Systemd::default())
        } else {
            Self::Unknown
        }
    }

    /// The system that it belongs to, where that is told by it.
    #[must_use]
    pub fn system(&self) -> Option<System> {
        match self {
            Self::Openrc => Some(System::Alpine),
            Self::Systemd(_) => Some(System::Debian),
            Self::Direct(_) | Self::Unknown => None,
        }
    }

    /// What there is to know of a service.
    pub(super) fn state(&mut self, root: &Root, name: &str) -> Result<ServiceState, HostError> {
        match self {
            Self::Openrc => openrc::state(root, name),
            Self::Systemd(systemd) => systemd.state(name),
            Self::Direct(direct) => Ok(direct.state(root, name)),
            Self::Unknown => Ok(ServiceState::default()),
        }
    }

    /// It starts at boot, or does not.
    pub(super) fn enable(&mut self, root: &Root, name: &str, enabled: bool) -> Result<(), HostError> {
        let now = self.state(root, name)?;
        if now.enabled == enabled {
            return Ok(());
        }
        match self {
            Self::Openrc => openrc::enable(name, enabled),
            Self::Systemd(systemd) => systemd.enable(name, enabled),
            Self::Direct(direct) => direct.enable(root, name, enabled),
            Self::Unknown => Err(nobody(name)),
        }
    }

    /// It runs, or does not.
    pub(super) fn run(&mut self, root: &Root, name: &str, running: bool) -> Result<(), HostError> {
        let now = self.state(root, name)?;
        if now.running == running {
            return Ok(());
        }
        match self {
            Self::Openrc => openrc::run(name, running)?,
            Self::Systemd(systemd) => systemd.run(name, running)?,
            Self::Direct(direct) => direct.run(root, name, running)?,
            Self::Unknown => return Err(nobody(name)),
        }
        if self.state(root, name)?.running == running {
            return Ok(());
        }
        let (verb, end) =
            if running { ("start", "it ended at once; see the system's log") } else { ("stop", "it still runs") };
        Err(HostError::new(format!("{verb} the service {name}"), end))
    }

    /// It reads its files again, where it runs. Services of ours are started anew: DHCP servers read their files only then.
    pub(super) fn renew(&mut self, root: &Root, name: &str) -> Result<(), HostError> {
        if !self.state(root, name)?.running {
            return Ok(());
        }
        let anew = name.starts_with(OURS);
        match self {
            Self::Openrc => openrc::renew(root, name, anew),
            Self::Systemd(systemd) => systemd.renew(name, anew),
            Self::Direct(direct) => direct.renew(root, name),
            Self::Unknown => Ok(()),
        }
    }

    /// A file of the box changed; some init systems have to be told.
    pub(super) fn file_changed(&mut self, path: &str) {
        match self {
            Self::Systemd(systemd) => systemd.file_changed(path),
            Self::Openrc | Self::Direct(_) | Self::Unknown => {}
        }
    }
}

fn nobody(name: &str) -> HostError {
    HostError::new(
        format!("manage the service {name}"),
        "this box runs neither OpenRC nor systemd; Segwall knows no other init system",
    )
}
