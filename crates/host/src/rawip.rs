//! Sending whole IP packets from a host, through its own routing and its OUTPUT hook.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::sys::socket::{MsgFlags, SockaddrIn, SockaddrIn6, sendto};
use thiserror::Error;

/// A raw IP socket failed.
#[derive(Debug, Error)]
pub enum RawIpError {
    /// It could not be opened.
    #[error("cannot open a raw IP socket")]
    Open(#[source] io::Error),
}

/// Raw sockets for both families; what is sent brings its own IP header.
#[derive(Debug)]
pub struct RawIp {
    v4: OwnedFd,
    v6: OwnedFd,
}

impl RawIp {
    /// Opens both in the current namespace.
    ///
    /// # Errors
    /// When the kernel refuses, or has no IPv6.
    pub fn open() -> Result<Self, RawIpError> {
        Ok(Self { v4: open(libc::AF_INET)?, v6: open(libc::AF_INET6)? })
    }

    /// Sends a packet that begins with its IP header to this destination. `link` says which interface a link-local or
    /// multicast destination means.
    ///
    /// # Errors
    /// What the kernel said; `EPERM` when a ruleset dropped or rejected it on its way out.
    pub fn send(&self, packet: &[u8], to: IpAddr, link: Option<u32>) -> io::Result<()> {
        let socket = if to.is_ipv4() { &self.v4 } else { &self.v6 };
        let sent = match SocketAddr::new(to, 0) {
            SocketAddr::V4(address) => {
                sendto(socket.as_raw_fd(), packet, &SockaddrIn::from(address), MsgFlags::empty())
            }
            SocketAddr::V6(mut address) => {
                address.set_scope_id(link.unwrap_or(0));
                sendto(socket.as_raw_fd(), packet, &SockaddrIn6::from(address), MsgFlags::empty())
            }
        };
        sent.map(drop).map_err(io::Error::from)
    }
}

fn open(family: libc::c_int) -> Result<OwnedFd, RawIpError> {
    // SAFETY: no pointers. IPPROTO_RAW means that packets come with their header, in both families.
    let fd = unsafe { libc::socket(family, libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::IPPROTO_RAW) };
    if fd < 0 {
        return Err(RawIpError::Open(io::Error::last_os_error()));
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
