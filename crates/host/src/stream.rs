//! What the kernel knows of a TCP connection and std does not say: what the peer has acknowledged, and how long a dead
//! one is believed.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};

/// Probes without an answer until a silent peer is given up.
const KEEPALIVE_PROBES: u32 = 3;

/// Bytes written to a TCP socket that its peer has not acknowledged (`SIOCOUTQ`, `linux/sockios.h`).
///
/// # Errors
/// When it is not a connected TCP socket.
pub fn unacknowledged(socket: &impl AsFd) -> io::Result<u64> {
    let mut len: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as it is borrowed, and the kernel writes one int to a living one. SIOCOUTQ
    // has the number of TIOCOUTQ.
    let done = unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut len) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    u64::try_from(len).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Ends a TCP connection whose peer acknowledges nothing for `silence` (`TCP_USER_TIMEOUT`, RFC 5482), and asks an idle
/// peer after the same time whether it is still there.
///
/// # Errors
/// When the kernel does not take an option.
pub fn give_up_after(socket: &impl AsFd, silence: Duration) -> io::Result<()> {
    let silence_ms = u32::try_from(silence.as_millis()).unwrap_or(u32::MAX);
    let silence_s = u32::try_from(silence.as_secs()).unwrap_or(u32::MAX).max(1);
    let socket = &socket.as_fd();
    setsockopt(socket, sockopt::TcpUserTimeout, &silence_ms)?;
    setsockopt(socket, sockopt::TcpKeepIdle, &silence_s)?;
    setsockopt(socket, sockopt::TcpKeepInterval, &(silence_s / KEEPALIVE_PROBES).max(1))?;
    setsockopt(socket, sockopt::TcpKeepCount, &KEEPALIVE_PROBES)?;
    setsockopt(socket, sockopt::KeepAlive, &true)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let near = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        (near, listener.accept().expect("it connected").0)
    }

    /// Waits at most two seconds.
    fn settles(near: &TcpStream, wanted: impl Fn(u64) -> bool) -> u64 {
        for _ in 0..200 {
            if wanted(unacknowledged(near).expect("connected")) {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        unacknowledged(near).expect("connected")
    }

    #[test]
    fn what_a_peer_took_is_acknowledged() {
        let (mut near, mut far) = pair();
        give_up_after(&near, Duration::from_secs(5)).expect("the kernel has the options");
        near.write_all(&[7; 1000]).expect("there is room");
        far.read_exact(&mut [0; 1000]).expect("it arrives");
        assert_eq!(settles(&near, |len| len == 0), 0);
    }

    #[test]
    fn what_a_peer_never_took_stays_open_also_after_a_reset() {
        let (mut near, far) = pair();
        near.set_nonblocking(true).expect("a socket");
        // The peer reads nothing: its buffer fills, then ours.
        let mut written = 0;
        while let Ok(len) = near.write(&[7; 65536]) {
            written += u64::try_from(len).expect("a length");
        }
        let open = settles(&near, |len| len > 0 && len < written);
        assert!(open > 0 && open < written, "{open} of {written}");
        // Closing with unread data sends a reset.
        drop(far);
        thread::sleep(Duration::from_millis(100));
        assert!(near.write(&[7]).is_err(), "the connection is gone");
        let after = unacknowledged(&near);
        assert!(after.as_ref().map_or(true, |len| *len > 0), "nothing looks delivered by a reset: {after:?} of {open}");
    }

    #[test]
    fn other_descriptors_are_refused() {
        let file = std::fs::File::open("/proc/self/stat").expect("there is a /proc");
        assert!(unacknowledged(&file).is_err());
    }
}
