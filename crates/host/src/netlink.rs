//! A blocking netlink socket: requests out in batches, every acknowledgement read.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use netlink_sys::{Socket as Raw, SocketAddr};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBufForce;
use thiserror::Error;

/// Answer expected.
pub const NLM_F_REQUEST: u16 = 1;
/// Acknowledge it.
pub const NLM_F_ACK: u16 = 4;
/// Every object.
pub const NLM_F_DUMP: u16 = 0x300;
/// Replace what is there.
pub const NLM_F_REPLACE: u16 = 0x100;
/// Fail when it is there.
pub const NLM_F_EXCL: u16 = 0x200;
/// Make it when it is not there.
pub const NLM_F_CREATE: u16 = 0x400;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// A dump during which something changed: it may miss objects or name some twice.
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;
const HEADER_LEN: usize = 16;

/// Requests in one send. Each leaves an acknowledgement of about 1 KiB in the receive buffer of 208 KiB.
const BATCH_LEN_MAX: usize = 96;
const RECEIVE_LEN_MAX: usize = 64 * 1024;

/// A request failed.
#[derive(Debug, Error)]
pub enum NetlinkError {
    /// The socket could not be opened.
    #[error("cannot open a netlink socket of protocol {protocol}")]
    Open {
        /// Its protocol number.
        protocol: isize,
        /// What the kernel said.
        source: io::Error,
    },
    /// The request could not be sent.
    #[error("cannot send to netlink")]
    Send(#[source] io::Error),
    /// No answer.
    #[error("cannot receive from netlink")]
    Receive(#[source] io::Error),
    /// The answer is no netlink message.
    #[error("the kernel's netlink answer cannot be read")]
    Malformed,
    /// The kernel refused a request.
    #[error("the kernel refused{}", detail.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Refused {
        /// Which of the requests, counted from 0.
        index: usize,
        /// The kernel's own words, where it has some.
        detail: Option<String>,
        /// The error number.
        source: io::Error,
    },
}

impl NetlinkError {
    /// Whether messages came faster than they were read, and some are lost (`ENOBUFS`). The socket goes on.
    #[must_use]
    pub fn is_overrun(&self) -> bool {
        match self {
            Self::Receive(source) => source.raw_os_error() == Some(libc::ENOBUFS),
            Self::Open { .. } | Self::Send(_) | Self::Malformed | Self::Refused { .. } => false,
        }
    }

    /// The error number of a refusal.
    #[must_use]
    pub fn refused_with(&self) -> Option<i32> {
        match self {
            Self::Refused { source, .. } => source.raw_os_error(),
            Self::Open { .. } | Self::Send(_) | Self::Receive(_) | Self::Malformed => None,
        }
    }
}

/// A request: type, flags, and all that follows the header.
#[derive(Debug, Clone)]
pub struct Request {
    /// Message type.
    pub kind: u16,
    /// Flags beside request and acknowledge.
    pub flags: u16,
    /// What follows the header.
    pub body: Vec<u8>,
}

/// A netlink socket in the namespace it was opened in.
#[derive(Debug)]
pub struct Socket {
    raw: Raw,
    sequence: u32,
    receive: Vec<u8>,
}

impl Socket {
    /// Opens a socket of this protocol in the current namespace.
    ///
    /// # Errors
    /// When the kernel has no such protocol.
    pub fn open(protocol: isize) -> Result<Self, NetlinkError> {
        let fail = |source| NetlinkError::Open { protocol, source };
        let mut raw = Raw::new(protocol).map_err(fail)?;
        raw.bind_auto().map_err(fail)?;
        raw.connect(&SocketAddr::new(0, 0)).map_err(fail)?;
        // Words with refusals, and no copy of the request with each; both are comforts that old kernels lack.
        let _ = raw.set_ext_ack(true);
        let _ = raw.set_cap_ack(true);
        Ok(Self { raw, sequence: 0, receive: Vec::with_capacity(RECEIVE_LEN_MAX) })
    }

    /// Opens a socket that hears what the kernel tells these groups; it never waits. Only the kernel is heard.
    ///
    /// # Errors
    /// When the kernel has no such protocol or group.
    pub fn listen(protocol: isize, groups: &[u32]) -> Result<Self, NetlinkError> {
        let socket = Self::open(protocol)?;
        let fail = |source| NetlinkError::Open { protocol, source };
        for group in groups {
            socket.raw.add_membership(*group).map_err(fail)?;
        }
        socket.set_nonblocking()?;
        Ok(socket)
    }

    /// Sends all requests and waits until the kernel has done each; stops at the first that is refused.
    ///
    /// # Errors
    /// The first refusal, with its index.
    pub fn transact(&mut self, requests: &[Request]) -> Result<(), NetlinkError> {
        for (number, batch) in requests.chunks(BATCH_LEN_MAX).enumerate() {
            if let Some(error) = self.batch(batch, number * BATCH_LEN_MAX)?.into_iter().next() {
                return Err(error);
            }
        }
        Ok(())
    }

    /// As [`Socket::transact`], but refusals with these error numbers are none.
    ///
    /// # Errors
    /// The first other refusal, with its index.
    pub fn transact_tolerating(&mut self, requests: &[Request], harmless: &[i32]) -> Result<(), NetlinkError> {
        let is_harmless = |error: &NetlinkError| error.refused_with().is_some_and(|code| harmless.contains(&code));
        for (number, batch) in requests.chunks(BATCH_LEN_MAX).enumerate() {
            let refused = self.batch(batch, number * BATCH_LEN_MAX)?;
            if let Some(error) = refused.into_iter().find(|error| !is_harmless(error)) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sends what fits into one message, and gives every refusal; `first_index` is that of its first request.
    fn batch(&mut self, batch: &[Request], first_index: usize) -> Result<Vec<NetlinkError>, NetlinkError> {
        let first = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        for request in batch {
            self.sequence = self.sequence.wrapping_add(1);
            push(&mut bytes, request, NLM_F_ACK, self.sequence);
        }
        self.raw.send(&bytes, 0).map_err(NetlinkError::Send)?;
        let mut open = batch.len();
        let mut refused = Vec::new();
        while open > 0 {
            for (header, body) in self.receive_messages()? {
                let place = header.sequence.wrapping_sub(first) as usize;
                if header.kind != NLMSG_ERROR || place >= batch.len() {
                    continue;
                }
                open -= 1;
                refused.extend(read_refusal(header.flags, &body, first_index + place)?);
            }
        }
        Ok(refused)
    }

    /// Asks for many objects, and hands out the body of every one.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn dump(&mut self, kind: u16, body: Vec<u8>, each: impl FnMut(&[u8])) -> Result<(), NetlinkError> {
        self.dump_checked(kind, body, each).map(drop)
    }

    /// As [`Socket::dump`], and says whether nothing changed meanwhile: else objects may be missing, or be there twice.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn dump_checked(
        &mut self,
        kind: u16,
        body: Vec<u8>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<bool, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut bytes = Vec::new();
        push(&mut bytes, &Request { kind, flags: NLM_F_DUMP, body }, 0, self.sequence);
        self.raw.send(&bytes, 0).map_err(NetlinkError::Send)?;
        let mut whole = true;
        loop {
            for (header, body) in self.receive_messages()? {
                if header.sequence != self.sequence {
                    continue;
                }
                whole &= header.flags & NLM_F_DUMP_INTR == 0;
                match header.kind {
                    NLMSG_DONE => return Ok(whole),
                    NLMSG_ERROR => match read_refusal(header.flags, &body, 0)? {
                        Some(error) => return Err(error),
                        None => return Ok(whole),
                    },
                    _ => each(&body),
                }
            }
        }
    }

    /// Makes [`Socket::receive_waiting`] return at once when nothing waits.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_nonblocking(&self) -> Result<(), NetlinkError> {
        self.raw.set_non_blocking(true).map_err(NetlinkError::Receive)
    }

    /// Asks for a larger receive buffer: beyond `net.core.rmem_max` with `CAP_NET_ADMIN` of the machine, as much as the
    /// kernel allows without.
    pub fn ask_receive_buffer(&self, len: usize) {
        if setsockopt(self, RcvBufForce, &len).is_err() {
            let _ = self.raw.set_rx_buf_sz(i32::try_from(len).unwrap_or(i32::MAX));
        }
    }

    /// Hands out every message that waits: type and body. Errors tell of lost messages (`ENOBUFS`).
    ///
    /// # Errors
    /// What the kernel said, but not that nothing waits.
    pub fn receive_waiting(&mut self, each: impl FnMut(u16, &[u8])) -> Result<(), NetlinkError> {
        self.receive_some(usize::MAX, each).map(drop)
    }

    /// As [`Socket::receive_waiting`], but reads so many times at most: who is flooded comes back to other work. Says
    /// whether nothing waits any more.
    ///
    /// # Errors
    /// What the kernel said, but not that nothing waits.
    pub fn receive_some(&mut self, reads_max: usize, mut each: impl FnMut(u16, &[u8])) -> Result<bool, NetlinkError> {
        for _ in 0..reads_max {
            self.receive.clear();
            match self.raw.recv(&mut self.receive, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(NetlinkError::Receive(error)),
            }
            let mut rest = &self.receive[..];
            while let Some((header, body, behind)) = split(rest) {
                each(header.kind, body);
                rest = behind;
            }
        }
        Ok(false)
    }

    fn receive_messages(&mut self) -> Result<Vec<(Header, Vec<u8>)>, NetlinkError> {
        loop {
            self.receive.clear();
            match self.raw.recv(&mut self.receive, 0) {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(NetlinkError::Receive(error)),
            }
        }
        let mut messages = Vec::new();
        let mut rest = &self.receive[..];
        while let Some((header, body, behind)) = split(rest) {
            messages.push((header, body.to_vec()));
            rest = behind;
        }
        Ok(messages)
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.raw.as_raw_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor is the socket's, which is borrowed as long.
        unsafe { BorrowedFd::borrow_raw(self.raw.as_raw_fd()) }
    }
}

struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

fn push(bytes: &mut Vec<u8>, request: &Request, flags: u16, sequence: u32) {
    let len = HEADER_LEN + request.body.len();
    bytes.extend_from_slice(&u32::try_from(len).expect("requests are small").to_ne_bytes());
    bytes.extend_from_slice(&request.kind.to_ne_bytes());
    bytes.extend_from_slice(&(request.flags | flags | NLM_F_REQUEST).to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&0u32.to_ne_bytes());
    bytes.extend_from_slice(&request.body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// The first message, and what is behind it.
fn split(bytes: &[u8]) -> Option<(Header, &[u8], &[u8])> {
    let len = u32::from_ne_bytes(bytes.get(0..4)?.try_into().ok()?) as usize;
    let header = Header {
        kind: u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?),
        flags: u16::from_ne_bytes(bytes.get(6..8)?.try_into().ok()?),
        sequence: u32::from_ne_bytes(bytes.get(8..12)?.try_into().ok()?),
    };
    let body = bytes.get(HEADER_LEN..len)?;
    Some((header, body, bytes.get(len.next_multiple_of(4)..).unwrap_or(&[])))
}

/// `None` for an acknowledgement.
fn read_refusal(flags: u16, body: &[u8], index: usize) -> Result<Option<NetlinkError>, NetlinkError> {
    let code = body.get(0..4).and_then(|code| code.try_into().ok()).map(i32::from_ne_bytes);
    let code = code.ok_or(NetlinkError::Malformed)?;
    if code == 0 {
        return Ok(None);
    }
    let mut detail = None;
    if flags & NLM_F_ACK_TLVS != 0 {
        // The request's header follows the code, and its body unless it was capped.
        let echoed = if flags & NLM_F_CAPPED != 0 {
            HEADER_LEN
        } else {
            let echoed_len = body.get(4..8).and_then(|len| len.try_into().ok()).map(u32::from_ne_bytes);
            (echoed_len.ok_or(NetlinkError::Malformed)? as usize).next_multiple_of(4)
        };
        let attributes = crate::attr::Reader::new(body.get(4 + echoed..).unwrap_or(&[]));
        detail = attributes
            .into_iter()
            .find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)
            .map(|(_, text)| String::from_utf8_lossy(text).trim_end_matches('\0').to_owned());
    }
    Ok(Some(NetlinkError::Refused { index, detail, source: io::Error::from_raw_os_error(code.saturating_neg()) }))
}
