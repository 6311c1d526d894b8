//! Whether somebody changed the kernel's rules.

use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_NETFILTER;

use super::NfTablesError;
use crate::netlink::Socket;

/// `linux/netfilter/nfnetlink.h`.
const NFNLGRP_NFTABLES: u32 = 7;

/// Hears of every change to nf_tables in the namespace it was opened in. What changed is looked up in the rules
/// themselves, so a message that was lost is no loss.
#[derive(Debug)]
pub struct Changes {
    socket: Socket,
}

impl Changes {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the kernel has no nf_tables.
    pub fn listen() -> Result<Self, NfTablesError> {
        Socket::listen(NETLINK_NETFILTER, &[NFNLGRP_NFTABLES])
            .map(|socket| Self { socket })
            .map_err(NfTablesError::Open)
    }

    /// Whether anything changed since this was last asked; returns at once.
    pub fn any(&mut self) -> bool {
        let mut any = false;
        // Too many to keep is a change too.
        while self.socket.receive_waiting(|_, _| any = true).is_err_and(|error| error.is_overrun()) {
            any = true;
        }
        any
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
