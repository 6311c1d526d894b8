//! Pipes, and who is at their other end.

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Whether a file that is written to is a pipe that nobody reads any more (`POLLERR`, poll(2)), or a socket or terminal that
/// hung up (`POLLHUP`). Plain files have their reader always.
#[must_use]
pub fn is_reader_gone(file: &impl AsFd) -> bool {
    let mut asked = [PollFd::new(file.as_fd(), PollFlags::empty())];
    let is_told = poll(&mut asked, PollTimeout::ZERO).is_ok_and(|ready| ready > 0);
    is_told && asked[0].revents().is_some_and(|events| events.intersects(PollFlags::POLLERR | PollFlags::POLLHUP))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_reader_is_gone_once_it_is() {
        let (reader, writer) = io::pipe().expect("a pipe");
        assert!(!is_reader_gone(&writer));
        drop(reader);
        assert!(is_reader_gone(&writer));
        let (reader, writer) = UnixStream::pair().expect("a pair");
        assert!(!is_reader_gone(&writer));
        drop(reader);
        assert!(is_reader_gone(&writer));
        assert!(!is_reader_gone(&File::open("/dev/null").expect("it is everywhere")));
    }
}
