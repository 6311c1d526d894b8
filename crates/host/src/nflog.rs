//! Reads packets that a rule logs to an NFLOG group (`linux/netfilter/nfnetlink_log.h`).

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netlink_sys::protocols::NETLINK_NETFILTER;
use thiserror::Error;

use crate::attr::{Reader, Writer, be16, be32, be64, text};
use crate::netlink::{NetlinkError, Request, Socket};

const NFNL_SUBSYS_ULOG: u16 = 4;
const NFULNL_MSG_PACKET: u16 = NFNL_SUBSYS_ULOG << 8;
const NFULNL_MSG_CONFIG: u16 = (NFNL_SUBSYS_ULOG << 8) | 1;

const NFULA_CFG_CMD: u16 = 1;
const NFULA_CFG_MODE: u16 = 2;
const NFULA_CFG_NLBUFSIZ: u16 = 3;
const NFULA_CFG_TIMEOUT: u16 = 4;
const NFULA_CFG_QTHRESH: u16 = 5;
const NFULA_CFG_FLAGS: u16 = 6;
const NFULNL_CFG_CMD_BIND: u8 = 1;
const NFULNL_COPY_PACKET: u8 = 2;
const NFULNL_CFG_F_SEQ: u16 = 1;

const NFULA_PACKET_HDR: u16 = 1;
const NFULA_MARK: u16 = 2;
const NFULA_TIMESTAMP: u16 = 3;
const NFULA_IFINDEX_INDEV: u16 = 4;
const NFULA_IFINDEX_OUTDEV: u16 = 5;
const NFULA_HWADDR: u16 = 8;
const NFULA_PAYLOAD: u16 = 9;
const NFULA_PREFIX: u16 = 10;
const NFULA_SEQ: u16 = 12;

const NFGENMSG_LEN: usize = 4;
const MAC_LEN: usize = 6;

/// How packets are handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Bytes of each packet that are copied; a rule's `snaplen` may say fewer.
    pub copy_len: u32,
    /// Packets that the kernel gathers before it hands them over; a rule's `queue-threshold` may say fewer.
    pub gather_max: u32,
    /// It hands over what it gathered after this many hundredths of a second at the latest.
    pub wait_cs: u32,
    /// Bytes of one handed-over message, which the kernel allocates whole.
    pub message_len: u32,
    /// Bytes that may wait to be read.
    pub receive_buffer_len: usize,
}

impl Options {
    /// Every packet at once: for those who wait for one.
    pub const AT_ONCE: Self = Self {
        copy_len: 512,
        gather_max: 1,
        wait_cs: 1,
        // The default would fill the receive buffer after 40.
        message_len: 1024,
        receive_buffer_len: 4 * 1024 * 1024,
    };
    /// Many packets at a time: for those who read all day. 256 records of about 230 bytes fill one message.
    pub const GATHERED: Self = Self {
        copy_len: 96,
        gather_max: 256,
        wait_cs: 10,
        // With the kernel's own overhead it stays below 64 KiB, which is what one read takes.
        message_len: 60 * 1024,
        receive_buffer_len: 16 * 1024 * 1024,
    };
}

/// The log could not be read.
#[derive(Debug, Error)]
pub enum NflogError {
    /// The group could not be bound.
    #[error(
        "cannot listen to NFLOG group {group}; does another program read it, or is nfnetlink_log missing in this kernel?"
    )]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Logged<'a> {
    /// The group it was logged to.
    pub group: u16,
    /// How many the kernel logged to this group before: a gap tells of packets that are lost.
    pub sequence: Option<u32>,
    /// The rule's prefix.
    pub prefix: &'a str,
    /// The packet from its IP header on, cut at [`Options::copy_len`].
    pub payload: &'a [u8],
    /// Its protocol above Ethernet (`ETH_P_…`).
    pub ether_type: u16,
    /// The hook (`NF_INET_…`): 1 input, 2 forward, 3 output.
    pub hook: u8,
    /// Its mark.
    pub mark: Option<u32>,
    /// Since 1970, where the kernel noted it.
    pub time: Option<Duration>,
    /// The hardware address that it came from, where that is Ethernet's.
    pub mac: Option<[u8; MAC_LEN]>,
    /// Index of the interface it came in by.
    pub input: Option<u32>,
    /// Index of the interface it was to leave by.
    pub output: Option<u32>,
}

/// A reader of NFLOG groups of the namespace it was opened in.
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
        Self::open_with(&[group], &Options::AT_ONCE)
    }

    /// Binds groups in the current namespace.
    ///
    /// # Errors
    /// When somebody else has one of them, or the kernel has no NFLOG.
    pub fn open_with(groups: &[u16], options: &Options) -> Result<Self, NflogError> {
        let first = groups.first().copied().unwrap_or_default();
        let mut socket = Socket::open(NETLINK_NETFILTER).map_err(|source| NflogError::Bind { group: first, source })?;
        socket.ask_receive_buffer(options.receive_buffer_len);
        for group in groups {
            socket.transact(&bind(*group, options)).map_err(|source| NflogError::Bind { group: *group, source })?;
        }
        socket.set_nonblocking().map_err(NflogError::Read)?;
        Ok(Self { socket })
    }

    /// Hands out every packet that waits; returns at once.
    ///
    /// # Errors
    /// [`NflogError::Lost`] when the kernel had to throw some away.
    pub fn receive(&mut self, each: impl FnMut(Logged<'_>)) -> Result<(), NflogError> {
        self.receive_some(usize::MAX, each).map(drop)
    }

    /// As [`Nflog::receive`], but reads so many messages of the kernel at most; says whether nothing waits any more.
    ///
    /// # Errors
    /// [`NflogError::Lost`] when the kernel had to throw some away.
    pub fn receive_some(&mut self, reads_max: usize, mut each: impl FnMut(Logged<'_>)) -> Result<bool, NflogError> {
        self.socket
            .receive_some(reads_max, |kind, body| {
                if kind == NFULNL_MSG_PACKET {
                    each(read(body));
                }
            })
            .map_err(|error| if error.is_overrun() { NflogError::Lost } else { NflogError::Read(error) })
    }
}

impl AsFd for Nflog {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn bind(group: u16, options: &Options) -> [Request; 2] {
    [
        config(group, |attrs| {
            attrs.put(NFULA_CFG_CMD, &[NFULNL_CFG_CMD_BIND]);
        }),
        config(group, |attrs| {
            let [a, b, c, d] = options.copy_len.to_be_bytes();
            attrs.put(NFULA_CFG_MODE, &[a, b, c, d, NFULNL_COPY_PACKET, 0]);
            attrs.put_be32(NFULA_CFG_NLBUFSIZ, options.message_len);
            attrs.put_be32(NFULA_CFG_TIMEOUT, options.wait_cs);
            attrs.put_be32(NFULA_CFG_QTHRESH, options.gather_max);
            attrs.put_be16(NFULA_CFG_FLAGS, NFULNL_CFG_F_SEQ);
        }),
    ]
}

fn config(group: u16, fill: impl FnOnce(&mut Writer)) -> Request {
    let [high, low] = group.to_be_bytes();
    let mut attrs = Writer::after(&[u8::try_from(libc::AF_UNSPEC).expect("0"), 0, high, low]);
    fill(&mut attrs);
    Request { kind: NFULNL_MSG_CONFIG, flags: 0, body: attrs.finish() }
}

fn read(body: &[u8]) -> Logged<'_> {
    let group = body.get(2..4).and_then(be16).unwrap_or_default();
    let mut logged = Logged { group, ..Logged::default() };
    for (kind, value) in Reader::new(body.get(NFGENMSG_LEN..).unwrap_or(&[])) {
        match kind {
            NFULA_PACKET_HDR => {
                logged.ether_type = value.get(0..2).and_then(be16).unwrap_or_default();
                logged.hook = value.get(2).copied().unwrap_or_default();
            }
            NFULA_MARK => logged.mark = be32(value),
            NFULA_TIMESTAMP => logged.time = time(value),
            NFULA_IFINDEX_INDEV => logged.input = be32(value),
            NFULA_IFINDEX_OUTDEV => logged.output = be32(value),
            NFULA_HWADDR => logged.mac = mac(value),
            NFULA_PAYLOAD => logged.payload = value,
            NFULA_PREFIX => logged.prefix = text(value).unwrap_or(""),
            NFULA_SEQ => logged.sequence = be32(value),
            _ => {}
        }
    }
    logged
}

/// `struct nfulnl_msg_packet_timestamp`: seconds and microseconds.
fn time(value: &[u8]) -> Option<Duration> {
    let (seconds, micros) = (be64(value.get(0..8)?)?, be64(value.get(8..16)?)?);
    Some(Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros)))
}

/// `struct nfulnl_msg_packet_hw`: length, padding, address.
fn mac(value: &[u8]) -> Option<[u8; MAC_LEN]> {
    let len = be16(value.get(0..2)?)?;
    (usize::from(len) == MAC_LEN).then(|| value.get(4..4 + MAC_LEN)?.try_into().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_records_do_no_harm() {
        let mut attrs = Writer::after(&[2, 0, 0, 100]);
        attrs.put(NFULA_PACKET_HDR, &[8, 0, 2, 0]).put(NFULA_HWADDR, &[0, 6, 0, 0, 2, 0, 0, 0, 0, 1, 0, 0]);
        attrs.put(NFULA_TIMESTAMP, &[0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1]).put_be32(NFULA_SEQ, 7);
        let body = attrs.finish();
        let logged = read(&body);
        assert_eq!((logged.group, logged.hook, logged.ether_type, logged.sequence), (100, 2, 0x800, Some(7)));
        assert_eq!(logged.mac, Some([2, 0, 0, 0, 0, 1]));
        assert_eq!(logged.time, Some(Duration::from_micros(5_000_001)));
        for len in 0..body.len() {
            read(&body[..len]);
        }
        assert_eq!(time(&[0xff; 16]).map(|time| time > Duration::from_secs(1)), Some(true), "no overflow");
        assert_eq!(mac(&[0, 8, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]), None, "no Ethernet address");
    }
}
