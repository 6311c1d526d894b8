//! Reads packets that a rule logs to an NFLOG group (`linux/netfilter/nfnetlink_log.h`).

use std::io;

use netlink_sys::protocols::NETLINK_NETFILTER;
use thiserror::Error;

use crate::attr::{Reader, Writer, be32};
use crate::netlink::{NetlinkError, Request, Socket};

const NFNL_SUBSYS_ULOG: u16 = 4;
const NFULNL_MSG_PACKET: u16 = NFNL_SUBSYS_ULOG << 8;
const NFULNL_MSG_CONFIG: u16 = (NFNL_SUBSYS_ULOG << 8) | 1;

const NFULA_CFG_CMD: u16 = 1;
const NFULA_CFG_MODE: u16 = 2;
const NFULA_CFG_NLBUFSIZ: u16 = 3;
const NFULA_CFG_QTHRESH: u16 = 5;
const NFULNL_CFG_CMD_BIND: u8 = 1;
const NFULNL_COPY_PACKET: u8 = 2;

const NFULA_IFINDEX_INDEV: u16 = 4;
const NFULA_IFINDEX_OUTDEV: u16 = 5;
const NFULA_PAYLOAD: u16 = 9;
const NFULA_PREFIX: u16 = 10;

const NFGENMSG_LEN: usize = 4;

/// Bytes of each packet that are copied.
const COPY_LEN: u32 = 512;
/// The kernel allocates this much for each message; its default would fill the receive buffer after 40.
const MESSAGE_LEN: u32 = 1024;
const RECEIVE_BUFFER_LEN: usize = 4 * 1024 * 1024;

/// The log could not be read.
#[derive(Debug, Error)]
pub enum NflogError {
    /// The group could not be bound.
    #[error("cannot listen to NFLOG group {group}; is nfnetlink_log missing in this kernel?")]
    Bind {
        /// The group.
        group: u16,
        /// What the kernel said.
        source: NetlinkError,
    },
    /// Packets came faster than they were read; some are lost.
    #[error("the kernel lost packets that were to be logged")]
    Lost,
    /// Reading failed.
    #[error("cannot read logged packets")]
    Read(#[source] NetlinkError),
}

/// One logged packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logged<'a> {
    /// The rule's prefix.
    pub prefix: &'a str,
    /// The packet from its IP header on, cut at 512 bytes.
    pub payload: &'a [u8],
    /// Index of the interface it came in by.
    pub input: Option<u32>,
    /// Index of the interface it was to leave by.
    pub output: Option<u32>,
}

/// A reader of one NFLOG group of the namespace it was opened in.
#[derive(Debug)]
pub struct Nflog {
    socket: Socket,
}

impl Nflog {
    /// Binds the group in the current namespace. Every packet is delivered at once.
    ///
    /// # Errors
    /// When somebody else has the group, or the kernel has no NFLOG.
    pub fn open(group: u16) -> Result<Self, NflogError> {
        let bind = |socket: &mut Socket| {
            socket.transact(&[
                config(group, |attrs| {
                    attrs.put(NFULA_CFG_CMD, &[NFULNL_CFG_CMD_BIND]);
                }),
                config(group, |attrs| {
                    let [a, b, c, d] = COPY_LEN.to_be_bytes();
                    attrs.put(NFULA_CFG_MODE, &[a, b, c, d, NFULNL_COPY_PACKET, 0]);
                    attrs.put_be32(NFULA_CFG_NLBUFSIZ, MESSAGE_LEN);
                    attrs.put_be32(NFULA_CFG_QTHRESH, 1);
                }),
            ])
        };
        let mut socket = Socket::open(NETLINK_NETFILTER).map_err(|source| NflogError::Bind { group, source })?;
        socket.ask_receive_buffer(RECEIVE_BUFFER_LEN);
        bind(&mut socket).map_err(|source| NflogError::Bind { group, source })?;
        socket.set_nonblocking().map_err(NflogError::Read)?;
        Ok(Self { socket })
    }

    /// Hands out every packet that waits; returns at once.
    ///
    /// # Errors
    /// [`NflogError::Lost`] when the kernel had to throw some away.
    pub fn receive(&mut self, mut each: impl FnMut(Logged<'_>)) -> Result<(), NflogError> {
        self.socket
            .receive_waiting(|kind, body| {
                if kind == NFULNL_MSG_PACKET {
                    each(read(body));
                }
            })
            .map_err(|error| match &error {
                NetlinkError::Receive(source) if is_overrun(source) => NflogError::Lost,
                _ => NflogError::Read(error),
            })
    }
}

fn is_overrun(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOBUFS)
}

fn config(group: u16, fill: impl FnOnce(&mut Writer)) -> Request {
    let [high, low] = group.to_be_bytes();
    let mut attrs = Writer::after(&[u8::try_from(libc::AF_UNSPEC).expect("0"), 0, high, low]);
    fill(&mut attrs);
    Request { kind: NFULNL_MSG_CONFIG, flags: 0, body: attrs.finish() }
}

fn read(body: &[u8]) -> Logged<'_> {
    let mut logged = Logged { prefix: "", payload: &[], input: None, output: None };
    for (kind, value) in Reader::new(body.get(NFGENMSG_LEN..).unwrap_or(&[])) {
        match kind {
            NFULA_IFINDEX_INDEV => logged.input = be32(value),
            NFULA_IFINDEX_OUTDEV => logged.output = be32(value),
            NFULA_PAYLOAD => logged.payload = value,
            NFULA_PREFIX => {
                let text = value.split(|byte| *byte == 0).next().unwrap_or(&[]);
                logged.prefix = std::str::from_utf8(text).unwrap_or("");
            }
            _ => {}
        }
    }
    logged
}
