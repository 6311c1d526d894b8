//! A few messages over a connection of their own: those about alerts, which somebody else keeps until they are taken.

use std::thread;
use std::time::{Duration, Instant};

use super::dial::dial;
use super::link::{Link, LinkError, Stream};
use super::message::{Line, cut_for_datagram};
use super::{Target, TlsOptions};

/// Between two looks at a socket.
const POLL: Duration = Duration::from_millis(10);
/// A collector that is told of the end has this long to say the same.
const PARTING: Duration = Duration::from_secs(1);

/// Sends lines; `tls` says what TLS needs. Over UDP they are delivered when they are sent. Over TCP and TLS when the peer's TCP
/// has acknowledged them all, and it then ended the connection as it should, or kept it for another second: syslog has no
/// answer that would tell more.
///
/// # Errors
/// A sentence, when they are not acknowledged within this time, or the collector ends the connection before, or resets it.
pub fn once(target: &Target, tls: &TlsOptions, lines: &[Line], within: Duration) -> Result<(), String> {
    let mut stream = match dial(target, within, within, tls).map_err(|error| error.to_string())? {
        Link::Udp(socket) => {
            for line in lines {
                socket
                    .send(cut_for_datagram(line.as_ref()))
                    .map_err(|error| format!("the datagram was not sent: {error}"))?;
            }
            return Ok(());
        }
        Link::Stream(stream) => stream,
    };
    let begun = Instant::now();
    let frames: Vec<u8> =
        lines.iter().flat_map(|line| format!("{} {}", line.as_str().len(), line.as_str()).into_bytes()).collect();
    let mut attempt = || {
        stream.queue(&frames)?;
        loop {
            let is_sent = stream.flush()?;
            if is_sent && stream.acknowledged()? == stream.written() {
                // A collector that wants a certificate of this box ends the connection now, and has read nothing.
                thread::sleep(POLL);
                stream.receive()?;
                return end(&mut stream).map(|()| true);
            }
            // One that ends the connection, or never had it, says so here, and not by silence.
            stream.receive()?;
            if begun.elapsed() >= within {
                return Ok(false);
            }
            thread::sleep(POLL);
        }
    };
    match attempt() {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("nothing was acknowledged within {} s", within.as_secs())),
        Err(error) => Err(error.to_string()),
    }
}

/// Ends the connection, and waits for the collector to end it too, as one does that has read everything. One that takes its
/// time has the lines all the same, for its kernel has acknowledged them; one that resets it may have thrown them away, and
/// they are told again.
fn end(stream: &mut Stream) -> Result<(), LinkError> {
    stream.finish()?;
    let begun = Instant::now();
    while begun.elapsed() < PARTING {
        match stream.receive() {
            Err(LinkError::Closed { .. }) => break,
            other => other?,
        }
        thread::sleep(POLL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, UdpSocket};

    use super::*;
    use crate::forward::Transport;
    use crate::forward::message::{Facility, Message, Severity};

    fn line(text: &str) -> Line {
        let message = Message {
            facility: Facility::AuthPriv,
            severity: Severity::Warning,
            at: jiff::Timestamp::UNIX_EPOCH,
            is_clock_set: None,
            hostname: "box",
            process: 1,
            kind: "ALERT",
            data: &[],
            text,
        };
        message.line()
    }

    #[test]
    fn over_tcp_octets_are_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = thread::spawn(move || {
            let mut text = String::new();
            listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
            text
        });
        let target = Target { transport: Transport::Tcp, host: "127.0.0.1".to_owned(), port };
        once(&target, &TlsOptions::default(), &[line("one"), line("two")], Duration::from_secs(10)).unwrap();
        let text = heard.join().unwrap();
        let (first, second) = (line("one"), line("two"));
        let frame = |line: &Line| format!("{} {}", line.as_str().len(), line.as_str());
        assert_eq!(text, frame(&first) + &frame(&second));
    }

    #[test]
    fn a_collector_that_throws_them_away_unread_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thrown = thread::spawn(move || {
            let stream = listener.accept().unwrap().0;
            stream.peek(&mut [0]).unwrap();
            // By now all is acknowledged, and the other side waits for our end. Theirs are unread: the kernel resets it.
            thread::sleep(10 * POLL);
        });
        let target = Target { transport: Transport::Tcp, host: "127.0.0.1".to_owned(), port };
        let why = once(&target, &TlsOptions::default(), &[line("one")], Duration::from_secs(10)).unwrap_err();
        thrown.join().unwrap();
        assert!(why.contains("broke"), "{why}");
    }

    #[test]
    fn over_udp_each_is_a_datagram_and_nobody_there_is_an_error_over_tcp() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let target = |transport| Target { transport, host: "127.0.0.1".to_owned(), port };
        once(&target(Transport::Udp), &TlsOptions::default(), &[line("one")], Duration::from_secs(10)).unwrap();
        let mut bytes = [0; 512];
        let len = socket.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..len], line("one").as_ref());
        let why =
            once(&target(Transport::Tcp), &TlsOptions::default(), &[line("one")], Duration::from_secs(10)).unwrap_err();
        assert!(why.contains("127.0.0.1"), "{why}");
    }
}
