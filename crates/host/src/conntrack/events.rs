//! What the kernel tells of connections as they begin and end.
//!
//! An entry that was there before anybody listened tells nothing when it ends (`net.netfilter.nf_conntrack_events` is 2):
//! who counts traffic lists the table from time to time as well.

use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_NETFILTER;

use super::{ConntrackError, Entry, IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_NEW, read};
use crate::netlink::Socket;

/// `linux/netfilter/nfnetlink.h`.
const NFNLGRP_CONNTRACK_NEW: u32 = 1;
const NFNLGRP_CONNTRACK_DESTROY: u32 = 3;

/// A burst of new connections waits here; one takes about 800 bytes.
const RECEIVE_BUFFER_LEN: usize = 8 * 1024 * 1024;

/// A connection began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Its first packet was accepted.
    New(Entry),
    /// It is forgotten: what it counted is final.
    Ended(Entry),
}

/// How far the reading came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Nothing waits any more.
    All,
    /// More waits: read again, after other work.
    Some,
    /// Events are lost: list the table, for nothing else tells what is missing.
    Lost,
}

/// Hears of connections in the namespace it was opened in.
#[derive(Debug)]
pub struct Events {
    socket: Socket,
}

impl Events {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the kernel has no ctnetlink.
    pub fn listen() -> Result<Self, ConntrackError> {
        let groups = [NFNLGRP_CONNTRACK_NEW, NFNLGRP_CONNTRACK_DESTROY];
        let socket = Socket::listen(NETLINK_NETFILTER, &groups).map_err(ConntrackError::Listen)?;
        socket.ask_receive_buffer(RECEIVE_BUFFER_LEN);
        Ok(Self { socket })
    }

    /// Hands out what waits, with so many reads at most (an event each).
    ///
    /// # Errors
    /// When the socket fails. Lost events are no failure.
    pub fn receive(&mut self, reads_max: usize, mut each: impl FnMut(Event)) -> Result<Heard, ConntrackError> {
        let heard = self.socket.receive_some(reads_max, |kind, body| match (kind, read::entry(body)) {
            (IPCTNL_MSG_CT_NEW, Some(entry)) => each(Event::New(entry)),
            (IPCTNL_MSG_CT_DELETE, Some(entry)) => each(Event::Ended(entry)),
            _ => {}
        });
        match heard {
            Ok(true) => Ok(Heard::All),
            Ok(false) => Ok(Heard::Some),
            Err(error) if error.is_overrun() => Ok(Heard::Lost),
            Err(error) => Err(ConntrackError::Listen(error)),
        }
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
