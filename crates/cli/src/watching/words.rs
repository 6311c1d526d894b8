//! What the process that watches and the one that keeps it say to each other: JSON objects, a line each, over a pair of
//! sockets. The one that watches may have been taken over by whoever it reads of: what it asks is looked at.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Shutdown};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Something that is said.
pub trait Word: Serialize + DeserializeOwned {
    /// Bytes of a line.
    const BYTES_MAX: u64;
}

/// The longest policy, each byte of it escaped.
impl Word for Tell {
    const BYTES_MAX: u64 = 8 * segwall_core::source::SOURCE_BYTES_MAX as u64;
}

/// A hundred alerts with all their evidence are some 500,000. It may be meant to use up memory.
impl Word for Ask {
    const BYTES_MAX: u64 = 2 << 20;
}

/// Who does not read for so long is not waited for any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// Said to the one that watches.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "snake_case")]
pub enum Tell {
    /// Watch by this policy from now on.
    Watch {
        /// What it is called.
        name: String,
        /// Its text.
        policy: String,
    },
    /// The command that was asked for has ended.
    Ran {
        /// Of which [`Ask::Run`].
        number: u64,
        /// Why it did not do what it should; none: it did.
        why: Option<String>,
    },
    /// In so many places the box differs from what holds.
    Drift {
        /// How many.
        differences: u32,
    },
    /// End.
    Stop,
}

/// Said by the one that watches.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// It watches.
    Ready,
    /// It lives.
    Alive,
    /// Run a command of the policy.
    Run {
        /// For the answer.
        number: u64,
        /// The program and its arguments.
        words: Vec<String>,
        /// Its standard input.
        input: String,
    },
    /// Quarantine whoever scans.
    Quarantine {
        /// This address.
        addr: IpAddr,
        /// Why.
        because: String,
    },
}

/// One end.
#[derive(Debug)]
pub struct End(Mutex<UnixStream>);

impl End {
    /// Over this socket.
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(Mutex::new(socket)))
    }

    /// Says something. When it was not taken nothing is said any more, to either: half of a line is none.
    pub fn say<T: Word>(&self, what: &T) -> io::Result<()> {
        let mut line = serde_json::to_vec(what)?;
        if line.len() as u64 >= T::BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is too long"));
        }
        line.push(b'\n');
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        socket.write_all(&line).inspect_err(|_| {
            let _ = socket.shutdown(Shutdown::Both);
        })
    }

    /// What is said at the other end, until it is gone or talks nonsense.
    pub fn heard<T: Word>(&self) -> io::Result<Heard<T>> {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner).try_clone()?;
        Ok(Heard { reader: BufReader::new(socket), _of: std::marker::PhantomData })
    }
}

/// See [`End::heard`].
pub struct Heard<T> {
    reader: BufReader<UnixStream>,
    _of: std::marker::PhantomData<T>,
}

impl<T: Word> Iterator for Heard<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let mut line = Vec::new();
        self.reader.by_ref().take(T::BYTES_MAX).read_until(b'\n', &mut line).ok()?;
        serde_json::from_slice(&line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_over_whole_and_nonsense_ends_it() {
        let (here, there) = UnixStream::pair().unwrap();
        let (here, mut raw) = (End::new(here).unwrap(), there.try_clone().unwrap());
        let there = End::new(there).unwrap();
        let mut heard = here.heard::<Ask>().unwrap();
        there.say(&Ask::Run { number: 7, words: vec!["a\nb".to_owned()], input: "x".repeat(1 << 16) }).unwrap();
        there.say(&Ask::Alive).unwrap();
        assert!(matches!(heard.next(), Some(Ask::Run { number: 7, words, .. }) if words == ["a\nb"]));
        assert!(matches!(heard.next(), Some(Ask::Alive)));
        raw.write_all(b"{\"ask\":\"shell\"}\n").unwrap();
        assert!(heard.next().is_none());
    }

    #[test]
    fn a_line_without_end_ends_it() {
        let (here, mut raw) = UnixStream::pair().unwrap();
        let here = End::new(here).unwrap();
        let endless = std::thread::spawn(move || {
            let piece = vec![b' '; 1 << 20];
            while raw.write_all(&piece).is_ok() {}
        });
        let mut heard = here.heard::<Ask>().unwrap();
        assert!(heard.next().is_none());
        drop((heard, here));
        endless.join().unwrap();
    }
}
