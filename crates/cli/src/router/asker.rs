//! Who asks, and whether that one may confirm: over SSH only somebody who came in after the rules were in; that is the
//! proof that one still can.

use std::net::IpAddr;

use segwall_host::apply::{Clock, Journal, Who};
use segwall_host::linux::session::{self, Session};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// Over SSH.
    Ssh {
        /// From where.
        peer: IpAddr,
        /// To which address of the box.
        local: IpAddr,
        /// To which port.
        port: u16,
        /// Milliseconds after the boot at which the connection was opened, or a little later.
        began_ms: u64,
    },
    /// At the box's own terminal.
    Console(String),
    /// A cron job, a service, or what was not recognised.
    Unknown,
}

impl Asker {
    /// Found from the tree of processes; `--from` and `--console` say it where it cannot be found.
    pub fn find(from: Option<IpAddr>, console: bool, local: impl FnOnce(IpAddr) -> Option<(IpAddr, u16)>) -> Self {
        let found = session::find();
        if let Some(peer) = from {
            // The connection that `--from` speaks of, where it is the one that was found.
            if let Session::Ssh { peer: found, local, port, began_ms } = found
                && found == peer
            {
                return Self::Ssh { peer, local, port, began_ms };
            }
            return match local(peer) {
                Some((local, port)) => Self::Ssh { peer, local, port, began_ms: 0 },
                None => Self::Unknown,
            };
        }
        match found {
            // What was found is believed more than what is said.
            Session::Ssh { peer, local, port, began_ms } => Self::Ssh { peer, local, port, began_ms },
            Session::Console(terminal) => Self::Console(terminal),
            Session::None if console => Self::Console("console".to_owned()),
            Session::None => Self::Unknown,
        }
    }

    /// For the history.
    pub fn who(&self) -> Who {
        let via = match self {
            Self::Ssh { peer, .. } => format!("ssh from {peer}"),
            Self::Console(terminal) => terminal.clone(),
            Self::Unknown => "no terminal".to_owned(),
        };
        Who { user: session::user(), via }
    }
}

/// Whether this asker may confirm what a journal tells of.
pub fn may_confirm(asker: &Asker, journal: &Journal, now: &Clock) -> Result<(), String> {
    let Some(applied) = &journal.applied else { return Err("it is not applied yet".to_owned()) };
    match asker {
        Asker::Ssh { peer, local, .. } if peer.is_loopback() || peer == local => {
            Err("a connection from the box to itself does not show that one can still get in".to_owned())
        }
        Asker::Ssh { began_ms, .. } if applied.boot_id == now.boot_id && *began_ms < applied.boot_ms => Err(format!(
            "this SSH connection was opened before generation {} was applied, so it does not show that one can still get in; \
             open a new connection and confirm from there",
            journal.generation
        )),
        Asker::Ssh { .. } | Asker::Console(_) => Ok(()),
        Asker::Unknown => {
            Err("it is not known where you come from; confirm over a new SSH connection, or at the box's \
                               own terminal with --console"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use segwall_core::plan::Plan;
    use segwall_host::apply::Phase;

    use super::*;

    #[test]
    fn only_a_new_connection_confirms() {
        let at = |boot_ms| Clock { unix_s: 0, boot_ms, boot_id: "one".to_owned() };
        let journal = Journal {
            generation: 7,
            previous: Some(6),
            plan: Plan::default(),
            phase: Phase::Waiting,
            began: at(1_000),
            applied: Some(at(2_000)),
            deadline: None,
            confirm_within_ms: Some(120_000),
            allow_unproved: false,
            cause: None,
        };
        let ssh = |began_ms| Asker::Ssh {
            peer: IpAddr::from([192, 168, 100, 7]),
            local: IpAddr::from([192, 168, 100, 1]),
            port: 22,
            began_ms,
        };
        assert!(may_confirm(&ssh(1_999), &journal, &at(3_000)).is_err());
        assert!(may_confirm(&ssh(2_000), &journal, &at(3_000)).is_ok());
        assert!(may_confirm(&Asker::Console("tty1".to_owned()), &journal, &at(3_000)).is_ok());
        assert!(may_confirm(&Asker::Unknown, &journal, &at(3_000)).is_err());
    }
}
