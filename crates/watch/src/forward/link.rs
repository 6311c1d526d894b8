//! A connection to the collector, never waiting.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use rustls::ClientConnection;
use segwall_host::stream;
use thiserror::Error;

use super::tls;

/// Bytes that are read of what the collector says, at a time. Syslog has no answers.
const READ_LEN: usize = 4096;
/// Reads at a time: whoever talks without end does not keep us from sending.
const READS_MAX: usize = 16;

/// What may be the matter when a connection ends.
pub const MAY_BE_AWAY: &str = "is it being restarted, and is there a way to it?";

/// The connection is over.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The collector ended it.
    #[error("the collector {host} closed the connection; {hint}")]
    Closed {
        /// Whom we spoke to.
        host: String,
        /// What may be the matter.
        hint: &'static str,
    },
    /// The kernel gave it up.
    #[error("the connection to the collector {host} broke: {source}; {hint}")]
    Broken {
        /// Whom we spoke to.
        host: String,
        /// What may be the matter.
        hint: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// TLS gave it up.
    #[error("{0}")]
    Tls(String),
    /// It takes nothing any more.
    #[error("the collector {host} has acknowledged nothing for {silence_s} s; connecting anew")]
    Silent {
        /// Whom we spoke to.
        host: String,
        /// For how long.
        silence_s: u64,
    },
}

/// Where messages go.
#[derive(Debug)]
pub enum Link {
    /// Datagrams.
    Udp(UdpSocket),
    /// A connection.
    Stream(Stream),
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Udp(socket) => socket.as_fd(),
            Self::Stream(stream) => stream.socket.as_fd(),
        }
    }
}

/// A TCP connection, perhaps with TLS on it.
#[derive(Debug)]
pub struct Stream {
    host: String,
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// Without TLS: what is not written yet, from `unsent_at` on.
    unsent: Vec<u8>,
    unsent_at: usize,
    /// Bytes written to the socket, of whatever kind.
    written: u64,
}

impl Stream {
    /// A connection that is ready; `written` bytes went over it for the handshake.
    pub fn new(host: &str, socket: TcpStream, tls: Option<ClientConnection>, written: u64) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let mut tls = tls.map(Box::new);
        if let Some(tls) = &mut tls {
            // Our batches are the limit.
            tls.set_buffer_limit(None);
        }
        Ok(Self { host: host.to_owned(), socket, tls, unsent: Vec::new(), unsent_at: 0, written })
    }

    fn broken(&self, source: io::Error) -> LinkError {
        LinkError::Broken { host: self.host.clone(), hint: self.hint(), source }
    }

    fn closed(&self) -> LinkError {
        LinkError::Closed { host: self.host.clone(), hint: self.hint() }
    }

    /// In TLS 1.3 we may send before the collector has looked at our certificate, and many say nothing when they end it.
    fn hint(&self) -> &'static str {
        match &self.tls {
            Some(_) => {
                "is it being restarted, or does it want a certificate of this box (`tls` of [log]), or another one? Its log says"
            }
            None => MAY_BE_AWAY,
        }
    }

    /// Takes bytes to be sent. Only after [`Stream::flush`] said that everything is: so what waits here is bounded.
    pub fn queue(&mut self, bytes: &[u8]) -> Result<(), LinkError> {
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes).map_err(|source| self.broken(source)),
            None => {
                self.unsent.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Whether bytes wait for room in the socket.
    pub fn has_unsent(&self) -> bool {
        self.tls.as_ref().map_or(self.unsent_at < self.unsent.len(), |tls| tls.wants_write())
    }

    /// Writes as much as the socket takes: whether that was everything.
    pub fn flush(&mut self) -> Result<bool, LinkError> {
        while self.has_unsent() {
            let written = match &mut self.tls {
                Some(tls) => tls.write_tls(&mut self.socket),
                None => self.socket.write(&self.unsent[self.unsent_at..]),
            };
            match written {
                Ok(0) => return Err(self.broken(io::ErrorKind::WriteZero.into())),
                Ok(len) => {
                    self.written += len as u64;
                    if self.tls.is_none() {
                        self.unsent_at += len;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(error)),
            }
        }
        self.unsent.clear();
        self.unsent_at = 0;
        Ok(true)
    }

    /// Reads what is there and throws it away, but for TLS's own messages.
    pub fn receive(&mut self) -> Result<(), LinkError> {
        let mut bytes = [0; READ_LEN];
        for _ in 0..READS_MAX {
            let read = match &mut self.tls {
                Some(tls) => tls.read_tls(&mut self.socket),
                None => self.socket.read(&mut bytes),
            };
            match read {
                Ok(0) => return Err(self.closed()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(error)),
            }
            if let Some(tls) = &mut self.tls {
                let state =
                    tls.process_new_packets().map_err(|error| LinkError::Tls(tls::explain(&error, &self.host)))?;
                let (has_ended, mut left) = (state.peer_has_closed(), state.plaintext_bytes_to_read());
                while left > 0 {
                    match tls.reader().read(&mut bytes) {
                        Ok(len) if len > 0 => left = left.saturating_sub(len),
                        _ => break,
                    }
                }
                if has_ended {
                    return Err(self.closed());
                }
            }
        }
        Ok(())
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Bytes of them that the peer's TCP has acknowledged.
    pub fn acknowledged(&self) -> Result<u64, LinkError> {
        let open = stream::unacknowledged(&self.socket).map_err(|source| self.broken(source))?;
        Ok(self.written.saturating_sub(open))
    }

    /// Says that nothing more comes, once everything is sent. The collector's own end of it, read by
    /// [`Stream::receive`], then says that it has read everything.
    pub fn finish(&mut self) -> Result<(), LinkError> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        if self.flush()? {
            self.socket.shutdown(Shutdown::Write).map_err(|source| self.broken(source))?;
        }
        Ok(())
    }
}
