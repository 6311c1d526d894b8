//! Where views come from: the daemon's socket, or this process itself.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use segwall_watch::daemon::Watched;
use segwall_watch::live::Live;
use segwall_watch::view::{SHAPE, View, alone};

/// A view of a million pairs would fit.
const LINE_BYTES_MAX: u64 = 256 << 20;
/// A daemon that is started again is looked for so often.
const AGAIN: Duration = Duration::from_secs(1);
/// `--once` waits so long for rates, which need two listings of the kernel's table.
const RATES: Duration = Duration::from_secs(8);

/// What comes to the screen.
pub enum News {
    /// A view.
    View(Box<View>),
    /// None any more, for this reason; maybe later again.
    Lost(String),
    /// A key, the mouse, another size.
    Terminal(ratatui::crossterm::event::Event),
}

/// Where views come from.
#[derive(Debug)]
pub enum Source {
    /// The daemon.
    Socket(PathBuf, UnixStream),
    /// This process.
    Alone(Box<Watched>, Box<Live>),
}

fn read(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<View> {
    line.clear();
    let read = Read::take(&mut *reader, LINE_BYTES_MAX).read_until(b'\n', line)?;
    if read == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up"));
    }
    let view: View = serde_json::from_slice(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    if view.shape != SHAPE {
        let why = format!("it is Segwall {}, whose views this one does not know", view.segwall);
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(view)
}

fn reader(stream: UnixStream) -> BufReader<UnixStream> {
    BufReader::with_capacity(1 << 18, stream)
}

/// Sends every view to the screen, until that has ended.
pub fn follow(source: Source, screen: SyncSender<News>) -> io::Result<()> {
    thread::Builder::new().name("views".to_owned()).spawn(move || match source {
        Source::Socket(path, stream) => follow_socket(&path, stream, &screen),
        Source::Alone(watched, mut live) => {
            let end = alone(&watched, &mut live, &mut |view| screen.send(News::View(Box::new(view))).is_ok());
            if let Err(error) = end {
                let _ = screen.send(News::Lost(segwall_host::error::chain(&error)));
            }
        }
    })?;
    Ok(())
}

fn follow_socket(path: &Path, stream: UnixStream, screen: &SyncSender<News>) {
    let mut stream = Some(stream);
    let mut line = Vec::new();
    loop {
        let why = match stream.take().map_or_else(|| UnixStream::connect(path), Ok) {
            Ok(open) => {
                let mut reader = reader(open);
                loop {
                    match read(&mut reader, &mut line) {
                        Ok(view) => {
                            if screen.send(News::View(Box::new(view))).is_err() {
                                return;
                            }
                        }
                        Err(error) => break error,
                    }
                }
            }
            Err(error) => error,
        };
        let said = format!("`segwall watch` does not answer ({why}); it is asked again");
        if screen.send(News::Lost(said)).is_err() {
            return;
        }
        thread::sleep(AGAIN);
    }
}

/// Hands over views until one has rates.
pub fn once(source: Source, mut each: impl FnMut(View)) -> io::Result<()> {
    let begun = Instant::now();
    let mut listings = Vec::new();
    // True: it is enough.
    let mut take = |view: View| {
        listings.extend(view.listed_ms);
        listings.dedup();
        let is_enough = listings.len() > 1 || begun.elapsed() >= RATES;
        each(view);
        is_enough
    };
    match source {
        Source::Socket(_, stream) => {
            // A script is not kept waiting by a daemon that hangs.
            stream.set_read_timeout(Some(RATES))?;
            let (mut reader, mut line) = (reader(stream), Vec::new());
            while !take(read(&mut reader, &mut line)?) {}
            Ok(())
        }
        Source::Alone(watched, mut live) => alone(&watched, &mut live, &mut |view| !take(view))
            .map_err(|error| io::Error::other(segwall_host::error::chain(&error))),
    }
}
