//! Making a connection: a name, an address, a handshake. All of it may take long, so it has a thread of its own.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use segwall_host::stream;
use thiserror::Error;

use super::intake::Bell;
use super::link::{Link, Stream};
use super::tls::{self, TlsError, TlsOptions};
use super::{Options, Target, Transport};

/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;

/// No connection came about.
#[derive(Debug, Error)]
pub enum DialError {
    /// The name has no address.
    #[error("cannot find the address of the collector {host}: {source}; check the name, and the box's DNS")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Nobody is there.
    #[error("cannot connect to the collector at {address}: {source}; does it run, and may the box reach it?")]
    Connect {
        /// The last address that was tried.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The socket cannot be used.
    #[error("cannot use a socket to {address}: {source}")]
    Socket {
        /// Where to.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The thread is not there.
    #[error("the thread that connects has ended by a fault of Segwall's; restart the daemon, and report this")]
    Gone,
    /// TLS cannot be tried.
    #[error(transparent)]
    Options(#[from] TlsError),
    /// The name cannot be in a certificate.
    #[error("{host} is no name that a certificate can have; write an address or a DNS name")]
    Name {
        /// The name.
        host: String,
    },
    /// The handshake failed.
    #[error("{0}")]
    Refused(String),
    /// The handshake was not finished.
    #[error("the TLS handshake with {host} failed: {source}; is this the port of its TLS input?")]
    Handshake {
        /// Whom we spoke to.
        host: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Makes connections, one at a time.
#[derive(Debug)]
pub struct Dialer {
    requests: SyncSender<()>,
    answers: Receiver<Result<Link, DialError>>,
}

impl Dialer {
    /// The thread ends when the dialer is dropped, or when what it does then is done.
    pub fn start(target: Target, options: &Options, bell: Arc<Bell>) -> io::Result<Self> {
        let (requests, asked) = mpsc::sync_channel(1);
        let (answer, answers) = mpsc::sync_channel(1);
        let (connect, silence, tls) = (options.timing.connect, options.timing.silence, options.tls.clone());
        thread::Builder::new().name("forward-dial".to_owned()).spawn(move || {
            while let Ok(()) = asked.recv() {
                let sent = answer.send(dial(&target, connect, silence, &tls));
                bell.ring();
                if sent.is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { requests, answers })
    }

    /// Asks for a connection. The answer rings the bell.
    pub fn ask(&self) {
        // Never full: the next is asked for after the answer.
        let _ = self.requests.try_send(());
    }

    /// The answer, when it is there.
    pub fn answer(&self) -> Option<Result<Link, DialError>> {
        match self.answers.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(DialError::Gone)),
        }
    }
}

pub(super) fn dial(target: &Target, connect: Duration, silence: Duration, tls: &TlsOptions) -> Result<Link, DialError> {
    let resolve = |source| DialError::Resolve { host: target.host.clone(), source };
    // Anew each time: an address may change. The resolver's own bounds hold (resolv.conf(5), `timeout` and `attempts`).
    let addresses: Vec<SocketAddr> = (target.host.as_str(), target.port).to_socket_addrs().map_err(resolve)?.collect();
    let mut last = resolve(io::ErrorKind::NotFound.into());
    for address in addresses.into_iter().take(ADDRESSES_MAX) {
        let made =
            match target.transport {
                Transport::Udp => datagrams(address),
                Transport::Tcp => connected(address, connect, silence)
                    .and_then(|socket| stream_link(target, address, socket, None, 0)),
                Transport::Tls => connected(address, connect, silence)
                    .and_then(|socket| secured(target, address, socket, connect, tls)),
            };
        match made {
            Ok(link) => return Ok(link),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn datagrams(address: SocketAddr) -> Result<Link, DialError> {
    let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let open = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect(address)?;
        socket.set_nonblocking(true)?;
        Ok(Link::Udp(socket))
    };
    open().map_err(|source| DialError::Connect { address, source })
}

fn connected(address: SocketAddr, connect: Duration, silence: Duration) -> Result<TcpStream, DialError> {
    let socket =
        TcpStream::connect_timeout(&address, connect).map_err(|source| DialError::Connect { address, source })?;
    stream::give_up_after(&socket, silence).map_err(|source| DialError::Socket { address, source })?;
    // Batches are whole already.
    socket.set_nodelay(true).map_err(|source| DialError::Socket { address, source })?;
    Ok(socket)
}

fn stream_link(
    target: &Target,
    address: SocketAddr,
    socket: TcpStream,
    tls: Option<ClientConnection>,
    written: u64,
) -> Result<Link, DialError> {
    let stream = Stream::new(&target.host, socket, tls, written);
    stream.map(Link::Stream).map_err(|source| DialError::Socket { address, source })
}

fn secured(
    target: &Target,
    address: SocketAddr,
    mut socket: TcpStream,
    within: Duration,
    options: &TlsOptions,
) -> Result<Link, DialError> {
    let name = ServerName::try_from(target.host.clone()).map_err(|_| DialError::Name { host: target.host.clone() })?;
    let refused = |error: &rustls::Error| DialError::Refused(tls::explain(error, &target.host));
    let broken = |source: io::Error| {
        // What the kernel says when the time given to a read is over.
        let is_late = source.kind() == io::ErrorKind::WouldBlock;
        let source = if is_late { io::ErrorKind::TimedOut.into() } else { source };
        DialError::Handshake { host: target.host.clone(), source }
    };
    let mut tls = ClientConnection::new(tls::config(options)?, name).map_err(|error| refused(&error))?;
    let deadline = Instant::now() + within;
    let mut written = 0;
    while tls.is_handshaking() || tls.wants_write() {
        // Also whoever sends a byte a second is given up then.
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(broken(io::ErrorKind::TimedOut.into()));
        }
        socket.set_read_timeout(Some(left)).and_then(|()| socket.set_write_timeout(Some(left))).map_err(broken)?;
        if tls.wants_write() {
            written += tls.write_tls(&mut socket).map_err(broken)? as u64;
        } else if tls.read_tls(&mut socket).map_err(broken)? == 0 {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        } else if let Err(error) = tls.process_new_packets() {
            // The collector's log should say why, too.
            let _ = tls.write_tls(&mut socket);
            return Err(refused(&error));
        }
    }
    stream_link(target, address, socket, Some(tls), written)
}
