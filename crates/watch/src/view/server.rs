//! Hands views out on a Unix socket: a line of JSON for each, to everybody who is attached. One thread; who reads too
//! slowly misses views, and is cut off when it takes none for a while. The daemon never waits for it.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::View;

/// Those who look on at once; who comes then is hung up on.
pub const WATCHERS_MAX: usize = 16;
/// Who takes nothing of a view for so long is cut off.
const PATIENCE: Duration = Duration::from_secs(10);
/// Its owner and its group: whoever is to look on without being root is put into that group.
const MODE: u32 = 0o660;

/// What the daemon and the thread share.
#[derive(Debug, Default)]
struct Watchers {
    newest: Mutex<Option<Arc<View>>>,
    attached: AtomicUsize,
    stop: AtomicBool,
}

/// The server, and its thread.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    shared: Arc<Watchers>,
    bell: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Begins to serve.
    ///
    /// # Errors
    /// When the socket cannot be made, or another process serves there.
    pub fn start(path: &Path) -> io::Result<Self> {
        retire(path)?;
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
        listener.set_nonblocking(true)?;
        let (bell, rung) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        rung.set_nonblocking(true)?;
        let shared = Arc::new(Watchers::default());
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new().name("view".to_owned()).spawn(move || serve(&listener, &rung, &own))?;
        Ok(Self { path: path.to_owned(), shared, bell, thread: Some(thread) })
    }

    /// Whether somebody looks on.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.shared.attached.load(Ordering::Relaxed) > 0
    }

    /// The newest view.
    pub fn show(&self, view: View) {
        if let Ok(mut newest) = self.shared.newest.lock() {
            *newest = Some(Arc::new(view));
        }
        self.ring();
    }

    /// A bell that was rung and not heard yet is heard.
    fn ring(&self) {
        let _ = (&self.bell).write(&[1]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Takes away what a daemon left that was killed; never what one serves that lives, nor another file.
fn retire(path: &Path) -> io::Result<()> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something that is no socket"));
    }
    if UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another `segwall watch` serves there"));
    }
    std::fs::remove_file(path)
}

struct Watcher {
    stream: UnixStream,
    /// What is being sent, and how far it went.
    line: Arc<Vec<u8>>,
    sent: usize,
    moved: Instant,
}

impl Watcher {
    fn is_idle(&self) -> bool {
        self.sent == self.line.len()
    }

    /// Sends what it takes. False: it is gone, or too slow.
    fn send(&mut self) -> bool {
        while !self.is_idle() {
            match self.stream.write(&self.line[self.sent..]) {
                Ok(0) => return false,
                Ok(more) => {
                    self.sent += more;
                    self.moved = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return self.moved.elapsed() < PATIENCE,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Whoever looks on says nothing; an end is all that there is to hear.
    fn is_there(&mut self) -> bool {
        let heard = self.stream.read(&mut [0; 64]);
        heard.is_err_and(|error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted))
    }
}

fn serve(listener: &UnixListener, rung: &UnixStream, shared: &Watchers) {
    let mut watchers: Vec<Watcher> = Vec::new();
    while !shared.stop.load(Ordering::Relaxed) {
        wait(listener, rung, &watchers);
        let _ = { rung }.read(&mut [0; 64]);
        while let Ok((stream, _)) = listener.accept() {
            // Dropped, and so hung up on.
            if watchers.len() < WATCHERS_MAX && stream.set_nonblocking(true).is_ok() {
                watchers.push(Watcher { stream, line: Arc::default(), sent: 0, moved: Instant::now() });
            }
        }
        if let Some(view) = shared.newest.lock().ok().and_then(|mut newest| newest.take())
            && watchers.iter().any(Watcher::is_idle)
        {
            let mut line = serde_json::to_vec(&*view).unwrap_or_default();
            line.push(b'\n');
            let line = Arc::new(line);
            for watcher in watchers.iter_mut().filter(|watcher| watcher.is_idle()) {
                (watcher.line, watcher.sent, watcher.moved) = (Arc::clone(&line), 0, Instant::now());
            }
        }
        watchers.retain_mut(|watcher| watcher.is_there() && watcher.send());
        shared.attached.store(watchers.len(), Ordering::Relaxed);
    }
}

/// Until somebody comes, goes or can take more, or the bell rings.
fn wait(listener: &UnixListener, rung: &UnixStream, watchers: &[Watcher]) {
    let mut fds = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN), PollFd::new(rung.as_fd(), PollFlags::POLLIN)];
    fds.extend(watchers.iter().map(|watcher| {
        let more = if watcher.is_idle() { PollFlags::empty() } else { PollFlags::POLLOUT };
        PollFd::new(watcher.stream.as_fd(), PollFlags::POLLIN | more)
    }));
    // Now and then, so that who takes nothing is noticed though nothing else happens.
    let _ = poll(&mut fds, PollTimeout::from(5_000u16));
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    fn until(mut done: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it never happened");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn view(at_ms: i64) -> View {
        View { at_ms, policy: "x".repeat(2_000_000), ..View::default() }
    }

    #[test]
    fn everybody_gets_the_newest_and_nobody_holds_anybody_up() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("view.sock");
        let server = Server::start(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert!(!server.is_seen());
        // A second daemon does not take the place of the first.
        assert_eq!(Server::start(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        until(|| !server.is_seen());
        let sleeper = UnixStream::connect(&path).unwrap();
        let mut reader = BufReader::new(UnixStream::connect(&path).unwrap());
        until(|| server.shared.attached.load(Ordering::Relaxed) == 2);
        for at_ms in 1..=3 {
            server.show(view(at_ms));
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let got: View = serde_json::from_str(&line).unwrap();
            assert_eq!(got.at_ms, at_ms);
        }
        drop((sleeper, reader));
        until(|| !server.is_seen());
        drop(server);
        assert!(!path.exists());
        // What one that was killed left is taken away; another file is not.
        drop(UnixListener::bind(&path).unwrap());
        drop(Server::start(&path).unwrap());
        std::fs::write(&path, "mine").unwrap();
        assert!(Server::start(&path).is_err() && path.exists());
    }

    #[test]
    fn who_is_one_too_many_is_hung_up_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("view.sock");
        let server = Server::start(&path).unwrap();
        let all: Vec<UnixStream> = (0..=WATCHERS_MAX).map(|_| UnixStream::connect(&path).unwrap()).collect();
        let mut last = all.last().unwrap();
        assert_eq!(last.read(&mut [0]).unwrap(), 0);
        until(|| server.shared.attached.load(Ordering::Relaxed) == WATCHERS_MAX);
    }
}
