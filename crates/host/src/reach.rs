//! Ordinary sockets towards others: what comes back from a connection, a datagram, an echo request.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, connect, recv, send, setsockopt,
    socket, sockopt::ReceiveTimeout,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// What came back.
#[derive(Debug)]
pub enum Came {
    /// An answer.
    Answer,
    /// A refusal.
    Refusal,
    /// An error about the way or the host.
    Unreachable,
    /// Nothing in time.
    Nothing,
    /// It could not be sent.
    Unsent(io::Error),
}

/// A query for the root's name servers: what every resolver understands.
const DNS_QUERY: [u8; 17] = [0x5e, 0x67, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
const DNS_PORT: u16 = 53;
const ANSWER_BYTES_MAX: usize = 1_500;

fn told(error: io::Error) -> Came {
    match error.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Came::Refusal,
        ErrorKind::HostUnreachable => Came::Unreachable,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Came::Nothing,
        // An ICMP error that forbids comes as this, too.
        ErrorKind::PermissionDenied if error.raw_os_error() == Some(libc::EACCES) => Came::Unreachable,
        _ => Came::Unsent(error),
    }
}

/// Opens a TCP connection, and closes it.
#[must_use]
pub fn tcp(to: SocketAddr, patience: Duration) -> Came {
    match TcpStream::connect_timeout(&to, patience) {
        Ok(_) => Came::Answer,
        Err(error) => told(error),
    }
}

/// Sends a datagram: a query to the port of DNS, else an empty one.
#[must_use]
pub fn udp(to: SocketAddr, patience: Duration) -> Came {
    let query: &[u8] = if to.port() == DNS_PORT { &DNS_QUERY } else { &[] };
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let heard = || -> io::Result<()> {
        let socket = UdpSocket::bind(any)?;
        socket.connect(to)?;
        socket.set_read_timeout(Some(patience))?;
        socket.send(query)?;
        socket.recv(&mut [0; ANSWER_BYTES_MAX]).map(drop)
    };
    heard().map_or_else(told, |()| Came::Answer)
}

/// Sends an echo request. The system may not allow it to ordinary users (`net.ipv4.ping_group_range`).
#[must_use]
pub fn ping(to: IpAddr, patience: Duration) -> Came {
    let (family, protocol, kind) = match to {
        IpAddr::V4(_) => (AddressFamily::Inet, SockProtocol::Icmp, 8),
        IpAddr::V6(_) => (AddressFamily::Inet6, SockProtocol::IcmpV6, 128),
    };
    let socket = match socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, protocol) {
        Ok(socket) => socket,
        Err(errno) => return Came::Unsent(errno.into()),
    };
    let heard = || -> nix::Result<bool> {
        let wait = TimeVal::milliseconds(i64::try_from(patience.as_millis()).unwrap_or(i64::MAX));
        setsockopt(&socket, ReceiveTimeout, &wait)?;
        connect(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(to, 0)))?;
        // The kernel fills in identifier and checksum.
        send(socket.as_raw_fd(), &[kind, 0, 0, 0, 0, 0, 0, 1], MsgFlags::empty())?;
        let begun = Instant::now();
        while begun.elapsed() < patience {
            let mut answer = [0; ANSWER_BYTES_MAX];
            let len = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
            // The kernel hands out answers to this socket's own requests only.
            if len > 0 && matches!(answer[0], 0 | 129) {
                return Ok(true);
            }
        }
        Ok(false)
    };
    match heard() {
        Ok(true) => Came::Answer,
        Ok(false) => Came::Nothing,
        Err(errno) => told(errno.into()),
    }
}
