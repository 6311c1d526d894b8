//! A packet socket on one interface: sends whole frames, and sees every frame that arrives.

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use thiserror::Error;

use crate::ring::{Ring, set_option};

/// Frames in one system call.
const SEND_BATCH_MAX: usize = 256;

/// A packet socket failed.
#[derive(Debug, Error)]
pub enum PacketError {
    /// It could not be opened.
    #[error("cannot open a packet socket")]
    Open(#[source] io::Error),
    /// It could not be bound to its interface.
    #[error("cannot bind a packet socket to interface {0}")]
    Bind(u32, #[source] io::Error),
    /// It got no receive ring.
    #[error("cannot give a packet socket its receive ring of {0} frames")]
    Ring(usize, #[source] io::Error),
    /// A frame could not be sent.
    #[error("cannot send frame {0}")]
    Send(usize, #[source] io::Error),
    /// The loss counter could not be read.
    #[error("cannot read how many frames were lost")]
    Statistics(#[source] io::Error),
}

/// A packet socket bound to one interface of the namespace it was opened in.
#[derive(Debug)]
pub struct PacketSocket {
    // Before the socket: the mapping goes first.
    ring: Ring,
    socket: OwnedFd,
}

impl PacketSocket {
    /// Opens it in the current namespace, on the interface of this index, with room for `frames` unread frames.
    ///
    /// Frames that this side sends are not seen.
    ///
    /// # Errors
    /// When the kernel refuses a step.
    pub fn open(link: u32, frames: usize) -> Result<Self, PacketError> {
        // SAFETY: no pointers. Protocol 0: nothing is received before the socket is bound to its interface.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(PacketError::Open(io::Error::last_os_error()));
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let ring = Ring::attach(socket.as_fd(), frames).map_err(|source| PacketError::Ring(frames, source))?;
        let on: libc::c_int = 1;
        set_option(socket.as_fd(), libc::PACKET_IGNORE_OUTGOING, &on).map_err(PacketError::Open)?;
        // An interface has no queue yet in the moment after its peer came up, and would swallow what we send.
        set_option(socket.as_fd(), libc::PACKET_QDISC_BYPASS, &on).map_err(PacketError::Open)?;
        bind(&socket, link).map_err(|source| PacketError::Bind(link, source))?;
        Ok(Self { ring, socket })
    }

    /// Sends frames as they are, many in one system call.
    ///
    /// # Errors
    /// The first frame that could not be sent.
    pub fn send<F: AsRef<[u8]>>(&self, frames: &[F]) -> Result<(), PacketError> {
        let mut sent = 0;
        while sent < frames.len() {
            let batch = &frames[sent..frames.len().min(sent + SEND_BATCH_MAX)];
            let mut parts: Vec<libc::iovec> = batch
                .iter()
                .map(|frame| libc::iovec {
                    iov_base: frame.as_ref().as_ptr().cast_mut().cast(),
                    iov_len: frame.as_ref().len(),
                })
                .collect();
            let mut headers: Vec<libc::mmsghdr> = parts
                .iter_mut()
                .map(|part| {
                    // SAFETY: all zeroes is a valid mmsghdr: no address, no control data.
                    let mut header: libc::mmsghdr = unsafe { zeroed() };
                    header.msg_hdr.msg_iov = part;
                    header.msg_hdr.msg_iovlen = 1;
                    header
                })
                .collect();
            let count = libc::c_uint::try_from(headers.len()).expect("at most SEND_BATCH_MAX");
            // SAFETY: headers, parts and frames live through the call; the kernel only reads the frames.
            let done = unsafe { libc::sendmmsg(self.socket.as_raw_fd(), headers.as_mut_ptr(), count, 0) };
            match usize::try_from(done) {
                Ok(done) => sent += done,
                Err(_) => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => {}
                    error => return Err(PacketError::Send(sent, error)),
                },
            }
        }
        Ok(())
    }

    /// Hands out every frame that waits, oldest first; returns at once. Frames are cut at about 400 bytes.
    pub fn receive(&mut self, each: impl FnMut(&[u8])) {
        self.ring.drain(each);
    }

    /// How many frames were lost for want of room since this was last asked.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn lost(&self) -> Result<u32, PacketError> {
        // SAFETY: plain numbers; zeroes are valid.
        let mut statistics: libc::tpacket_stats = unsafe { zeroed() };
        let mut len = libc::socklen_t::try_from(size_of::<libc::tpacket_stats>()).expect("small");
        // SAFETY: pointer and length describe `statistics`.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                ptr::from_mut(&mut statistics).cast(),
                &raw mut len,
            )
        };
        if result == 0 { Ok(statistics.tp_drops) } else { Err(PacketError::Statistics(io::Error::last_os_error())) }
    }
}

fn bind(socket: &OwnedFd, link: u32) -> io::Result<()> {
    // SAFETY: zeroes are a valid address.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).expect("17");
    address.sll_protocol = u16::try_from(libc::ETH_P_ALL).expect("3").to_be();
    address.sll_ifindex = libc::c_int::try_from(link).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).expect("small");
    // SAFETY: pointer and length describe `address`.
    let result = unsafe { libc::bind(socket.as_raw_fd(), ptr::from_ref(&address).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
