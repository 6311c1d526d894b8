//! Interfaces, addresses and neighbours as they come and go.

use std::os::fd::{AsFd, BorrowedFd};

use netlink_sys::protocols::NETLINK_ROUTE;
use thiserror::Error;

use crate::conntrack::Heard;
use crate::netlink::{NetlinkError, Socket};
use crate::rtnl_dump::{self, AddressFacts, LinkFacts, Neighbour};

/// `linux/rtnetlink.h`.
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWNEIGH: u16 = 28;
const RTM_DELNEIGH: u16 = 29;
const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_NEIGH: u32 = 3;
const RTNLGRP_IPV4_IFADDR: u32 = 5;
const RTNLGRP_IPV6_IFADDR: u32 = 9;

const GROUPS: [u32; 4] = [RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR];

const RECEIVE_BUFFER_LEN: usize = 1024 * 1024;

/// Interfaces, addresses or neighbours could not be watched.
#[derive(Debug, Error)]
pub enum SurroundingsError {
    /// No socket.
    #[error("cannot listen to changes of interfaces and neighbours")]
    Listen(#[source] NetlinkError),
    /// Reading failed.
    #[error("cannot read changes of interfaces and neighbours")]
    Read(#[source] NetlinkError),
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Surrounding {
    /// An interface is there, as it is now: up or down, with or without a cable.
    Link(LinkFacts),
    /// An interface is gone.
    LinkGone(LinkFacts),
    /// The box has an address.
    Address(AddressFacts),
    /// A neighbour is known, as it is now.
    Neighbour(Neighbour),
    /// A neighbour is forgotten.
    NeighbourGone(Neighbour),
}

/// Hears of interfaces, addresses and neighbours of the namespace it was opened in.
#[derive(Debug)]
pub struct Surroundings {
    socket: Socket,
}

impl Surroundings {
    /// Begins to listen. What is there already is listed by [`rtnl_dump::links`],
    /// [`rtnl_dump::addresses`] and [`rtnl_dump::neighbours`].
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn listen() -> Result<Self, SurroundingsError> {
        let socket = Socket::listen(NETLINK_ROUTE, &GROUPS).map_err(SurroundingsError::Listen)?;
        socket.ask_receive_buffer(RECEIVE_BUFFER_LEN);
        Ok(Self { socket })
    }

    /// Hands out what waits, with so many reads at most. After [`Heard::Lost`] all are to be listed anew.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn receive(&mut self, reads_max: usize, mut each: impl FnMut(Surrounding)) -> Result<Heard, SurroundingsError> {
        let heard = self.socket.receive_some(reads_max, |kind, body| {
            let change = match kind {
                RTM_NEWLINK => rtnl_dump::read_link(body).map(Surrounding::Link),
                RTM_DELLINK => rtnl_dump::read_link(body).map(Surrounding::LinkGone),
                RTM_NEWADDR => rtnl_dump::read_address(body).map(Surrounding::Address),
                RTM_NEWNEIGH => rtnl_dump::read_neighbour(body).map(Surrounding::Neighbour),
                RTM_DELNEIGH => rtnl_dump::read_neighbour(body).map(Surrounding::NeighbourGone),
                _ => None,
            };
            if let Some(change) = change {
                each(change);
            }
        });
        match heard {
            Ok(true) => Ok(Heard::All),
            Ok(false) => Ok(Heard::Some),
            Err(error) if error.is_overrun() => Ok(Heard::Lost),
            Err(error) => Err(SurroundingsError::Read(error)),
        }
    }
}

impl AsFd for Surroundings {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
