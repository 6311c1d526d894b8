//! Entries of the connection tracking table (`linux/netfilter/nfnetlink_conntrack.h`).

use std::net::IpAddr;

use netlink_sys::protocols::NETLINK_NETFILTER;
use thiserror::Error;

use crate::attr::Writer;
use crate::netlink::{NLM_F_CREATE, NLM_F_EXCL, NetlinkError, Request, Socket};

mod events;
mod read;

pub use events::{Event, Events, Heard};

const SUBSYS: u16 = 1 << 8;
const IPCTNL_MSG_CT_NEW: u16 = SUBSYS;
const IPCTNL_MSG_CT_GET: u16 = SUBSYS | 1;
const IPCTNL_MSG_CT_DELETE: u16 = SUBSYS | 2;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_PROTOINFO: u16 = 4;
const CTA_TIMEOUT: u16 = 7;

const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
const CTA_PROTO_ICMP_ID: u16 = 4;
const CTA_PROTO_ICMPV6_ID: u16 = 7;

const CTA_PROTOINFO_TCP: u16 = 1;
const CTA_PROTOINFO_TCP_STATE: u16 = 1;
const CTA_PROTOINFO_TCP_FLAGS_ORIGINAL: u16 = 4;
const CTA_PROTOINFO_TCP_FLAGS_REPLY: u16 = 5;
const TCP_CONNTRACK_ESTABLISHED: u8 = 3;
/// Sequence numbers are not looked at.
const IP_CT_TCP_FLAG_BE_LIBERAL: u8 = 8;

/// Answered, not to be evicted early, in the table. The kernel refuses an entry that does not say the last.
const IPS_SEEN_REPLY: u32 = 1 << 1;
const IPS_ASSURED: u32 = 1 << 2;
const IPS_CONFIRMED: u32 = 1 << 3;

const TIMEOUT_S: u32 = 600;
const NFGENMSG_LEN: usize = 4;

const ICMP_ECHO: u8 = 8;
const ICMPV6: u8 = 58;
const ICMPV6_ECHO: u8 = 128;

/// The table could not be used.
#[derive(Debug, Error)]
pub enum ConntrackError {
    /// No socket.
    #[error("cannot talk to connection tracking; is nf_conntrack_netlink missing in this kernel?")]
    Open(#[source] NetlinkError),
    /// The table was not emptied.
    #[error("cannot empty the table of connections")]
    Flush(#[source] NetlinkError),
    /// Entries were not taken out.
    #[error("cannot take connections out of the table")]
    Remove(#[source] NetlinkError),
    /// An entry was not made.
    #[error("cannot enter a connection into the table")]
    Create(#[source] NetlinkError),
    /// The table was not read.
    #[error("cannot list connections")]
    List(#[source] NetlinkError),
    /// Changes were not heard.
    #[error("cannot hear of new and ended connections")]
    Listen(#[source] NetlinkError),
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// IP protocol.
    pub proto: u8,
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
    /// What tells connections between the same hosts apart.
    pub key: Key,
}

/// What tells connections between the same hosts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Ports.
    Ports {
        /// Source port.
        src: u16,
        /// Destination port.
        dst: u16,
    },
    /// An echo's identifier.
    EchoId(u16),
    /// Nothing.
    None,
}

/// A connection in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// As it was opened.
    pub original: Tuple,
    /// As it is answered.
    pub reply: Tuple,
    /// Status bits (`IPS_…`).
    pub status: u32,
    /// Its mark.
    pub mark: u32,
    /// The kernel's number of it, which no other entry has at the same time.
    pub id: u32,
    /// TCP's state (`TCP_CONNTRACK_…` of `linux/netfilter/nf_conntrack_tcp.h`).
    pub tcp_state: Option<u8>,
    /// Seconds until it is forgotten, if no packet comes.
    pub expires_s: Option<u32>,
    /// What went as it was opened; `None` where the kernel does not count (`net.netfilter.nf_conntrack_acct`).
    pub sent: Option<Volume>,
    /// What went back.
    pub answered: Option<Volume>,
    /// When it began, nanoseconds since 1970, where the kernel notes it (`net.netfilter.nf_conntrack_timestamp`).
    pub began_ns: Option<u64>,
    /// When it ended.
    pub ended_ns: Option<u64>,
}

/// What went one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Volume {
    /// Packets.
    pub packets: u64,
    /// Bytes, counted from the IP header on.
    pub bytes: u64,
}

impl Entry {
    /// Whether it has been answered, so that its packets are `established`.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.status & IPS_SEEN_REPLY != 0
    }
}

/// A socket to the table of the namespace it was opened in.
#[derive(Debug)]
pub struct Conntrack {
    socket: Socket,
}

impl Conntrack {
    /// Opens it in the current namespace.
    ///
    /// # Errors
    /// When the kernel has no ctnetlink.
    pub fn open() -> Result<Self, ConntrackError> {
        Socket::open(NETLINK_NETFILTER).map(|socket| Self { socket }).map_err(ConntrackError::Open)
    }

    /// Empties the table, both families.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn flush(&mut self) -> Result<(), ConntrackError> {
        let request = Request { kind: IPCTNL_MSG_CT_DELETE, flags: 0, body: header(libc::AF_UNSPEC) };
        self.socket.transact(&[request]).map_err(ConntrackError::Flush)
    }

    /// Enters connections as answered, so that the next packet of each, in either direction, is `established`.
    ///
    /// # Errors
    /// When the kernel refuses one, as when it is there already.
    pub fn establish(&mut self, tuples: &[Tuple]) -> Result<(), ConntrackError> {
        let requests: Vec<Request> = tuples.iter().map(establish_request).collect();
        self.socket.transact(&requests).map_err(ConntrackError::Create)
    }

    /// Takes connections out of the table; one that is not there any more is no fault.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&mut self, tuples: &[Tuple]) -> Result<(), ConntrackError> {
        let requests: Vec<Request> = tuples.iter().map(remove_request).collect();
        self.socket.transact_tolerating(&requests, &[libc::ENOENT]).map_err(ConntrackError::Remove)
    }

    /// Every connection of both families that we can read: TCP, UDP and like, ICMP, and others without ports.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn list(&mut self) -> Result<Vec<Entry>, ConntrackError> {
        let mut entries = Vec::new();
        self.each(|entry| entries.push(entry))?;
        Ok(entries)
    }

    /// As [`Conntrack::list`], one after the other: a table may hold a million.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn each(&mut self, mut each: impl FnMut(Entry)) -> Result<(), ConntrackError> {
        self.socket
            .dump(IPCTNL_MSG_CT_GET, header(libc::AF_UNSPEC), |body| {
                if let Some(entry) = read::entry(body) {
                    each(entry);
                }
            })
            .map_err(ConntrackError::List)
    }
}

impl Tuple {
    /// The other direction.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let key = match self.key {
            Key::Ports { src, dst } => Key::Ports { src: dst, dst: src },
            Key::EchoId(id) => Key::EchoId(id),
            Key::None => Key::None,
        };
        Self { proto: self.proto, src: self.dst, dst: self.src, key }
    }
}

/// `nfgenmsg`: family, version, resource.
fn header(family: libc::c_int) -> Vec<u8> {
    vec![u8::try_from(family).expect("families are small"), 0, 0, 0]
}

fn remove_request(tuple: &Tuple) -> Request {
    let family = if tuple.src.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut attrs = Writer::after(&header(family));
    attrs.nest(CTA_TUPLE_ORIG, |attrs| write_tuple(attrs, tuple, false));
    Request { kind: IPCTNL_MSG_CT_DELETE, flags: 0, body: attrs.finish() }
}

fn establish_request(tuple: &Tuple) -> Request {
    let family = if tuple.src.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut attrs = Writer::after(&header(family));
    attrs.nest(CTA_TUPLE_ORIG, |attrs| write_tuple(attrs, tuple, false));
    attrs.nest(CTA_TUPLE_REPLY, |attrs| write_tuple(attrs, &tuple.reversed(), true));
    attrs.put_be32(CTA_STATUS, IPS_SEEN_REPLY | IPS_ASSURED | IPS_CONFIRMED);
    attrs.put_be32(CTA_TIMEOUT, TIMEOUT_S);
    if i32::from(tuple.proto) == libc::IPPROTO_TCP {
        let liberal = [IP_CT_TCP_FLAG_BE_LIBERAL, IP_CT_TCP_FLAG_BE_LIBERAL];
        attrs.nest(CTA_PROTOINFO, |attrs| {
            attrs.nest(CTA_PROTOINFO_TCP, |attrs| {
                attrs.put(CTA_PROTOINFO_TCP_STATE, &[TCP_CONNTRACK_ESTABLISHED]);
                attrs.put(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, &liberal);
                attrs.put(CTA_PROTOINFO_TCP_FLAGS_REPLY, &liberal);
            });
        });
    }
    Request { kind: IPCTNL_MSG_CT_NEW, flags: NLM_F_CREATE | NLM_F_EXCL, body: attrs.finish() }
}

fn write_tuple(attrs: &mut Writer, tuple: &Tuple, is_reply: bool) {
    attrs.nest(CTA_TUPLE_IP, |attrs| match (tuple.src, tuple.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            attrs.put(CTA_IP_V4_SRC, &src.octets()).put(CTA_IP_V4_DST, &dst.octets());
        }
        (src, dst) => {
            let octets = |addr| match addr {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                IpAddr::V6(v6) => v6.octets(),
            };
            attrs.put(CTA_IP_V6_SRC, &octets(src)).put(CTA_IP_V6_DST, &octets(dst));
        }
    });
    attrs.nest(CTA_TUPLE_PROTO, |attrs| {
        attrs.put(CTA_PROTO_NUM, &[tuple.proto]);
        match tuple.key {
            Key::Ports { src, dst } => {
                attrs.put_be16(CTA_PROTO_SRC_PORT, src).put_be16(CTA_PROTO_DST_PORT, dst);
            }
            Key::EchoId(id) => {
                let (base, request) = match tuple.proto {
                    ICMPV6 => (CTA_PROTO_ICMPV6_ID, ICMPV6_ECHO),
                    _ => (CTA_PROTO_ICMP_ID, ICMP_ECHO),
                };
                // An echo reply is type 0, or 129: one above the request.
                let kind = match (is_reply, tuple.proto) {
                    (false, _) => request,
                    (true, ICMPV6) => ICMPV6_ECHO + 1,
                    (true, _) => 0,
                };
                attrs.put_be16(base, id).put(base + 1, &[kind]).put(base + 2, &[0]);
            }
            Key::None => {}
        }
    });
}
