//! Logged packets, gathered by the kernel, with every lost one counted.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};

use crate::nflog::{Logged, Nflog, NflogError, Options};

/// What was lost on the way to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Losses {
    /// Packets that the kernel logged and could not hand over: gaps in the numbers of a group. Those at the end are
    /// known when the next packet comes.
    pub packets: u64,
    /// How often the receive buffer was full.
    pub overruns: u64,
}

/// A reader of NFLOG groups that survives floods.
#[derive(Debug)]
pub struct PacketLog {
    log: Nflog,
    /// The number that the next packet of each group has, unless some are lost.
    next: BTreeMap<u16, u32>,
    losses: Losses,
}

impl PacketLog {
    /// Binds groups in the current namespace.
    ///
    /// # Errors
    /// When somebody else has one of them, or the kernel has no NFLOG.
    pub fn open(groups: &[u16]) -> Result<Self, NflogError> {
        let log = Nflog::open_with(groups, &Options::GATHERED)?;
        // The kernel counts from 0 when a group is bound.
        Ok(Self { log, next: groups.iter().map(|group| (*group, 0)).collect(), losses: Losses::default() })
    }

    /// Hands out packets with so many reads at most, some 250 packets each; says whether nothing waits any more.
    ///
    /// # Errors
    /// When the socket fails. Losses are no failure, they are counted.
    pub fn receive(&mut self, reads_max: usize, mut each: impl FnMut(&Logged<'_>)) -> Result<bool, NflogError> {
        let Self { log, next, losses } = self;
        let read = log.receive_some(reads_max, |logged| {
            if let (Some(sequence), Some(next)) = (logged.sequence, next.get_mut(&logged.group)) {
                losses.packets = losses.packets.saturating_add(u64::from(sequence.wrapping_sub(*next)));
                *next = sequence.wrapping_add(1);
            }
            each(&logged);
        });
        match read {
            Ok(all) => Ok(all),
            Err(NflogError::Lost) => {
                losses.overruns = losses.overruns.saturating_add(1);
                Ok(false)
            }
            Err(error @ (NflogError::Bind { .. } | NflogError::Read(_))) => Err(error),
        }
    }

    /// What was lost since it was opened.
    #[must_use]
    pub fn losses(&self) -> Losses {
        self.losses
    }
}

impl AsFd for PacketLog {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.log.as_fd()
    }
}
