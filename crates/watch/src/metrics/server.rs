//! Who serves the page: `GET /metrics` and `GET /health`, one request a connection, one connection at a time, each within
//! bounds of time and size. That is all of HTTP/1.1 (RFC 9112) that a scraper needs.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Who asks has this long to ask, and as long for each write.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pages are written once a second; older ones say that the loop hangs.
const STALE: Duration = Duration::from_secs(15);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is served; whoever knows it writes it here now and then.
#[derive(Debug, Default)]
pub struct Pages {
    /// The metrics.
    pub metrics: Mutex<String>,
    /// Why it is not well; `None`: it is.
    pub ill: Mutex<Option<String>>,
    /// When both were written.
    pub written: Mutex<Option<Instant>>,
}

/// The server and its thread.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Begins to serve.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn start(addr: SocketAddr, pages: Arc<Pages>) -> io::Result<Self> {
        let listener = TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let own = Arc::clone(&stop);
        let thread = thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            while !own.load(Ordering::Relaxed) {
                match listener.accept() {
                    // Who breaks off, or is too slow, gets nothing; the next one does.
                    Ok((stream, _)) => drop(serve(stream, &pages)),
                    Err(_) => thread::sleep(ACCEPT_PAUSE),
                }
            }
        })?;
        Ok(Self { addr, stop, thread: Some(thread) })
    }

    /// Where it serves.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, pages: &Pages) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    let begun = Instant::now();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        // One byte now and then keeps nobody else waiting either.
        let left = PATIENCE.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        stream.set_read_timeout(Some(left))?;
        let read = stream.read(&mut piece)?;
        if read == 0 || request.len() + read > REQUEST_BYTES_MAX {
            return Ok(());
        }
        request.extend_from_slice(&piece[..read]);
    }
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or(&[]);
    let mut words = line.split(|byte| *byte == b' ');
    let (method, path) = (words.next().unwrap_or(&[]), words.next().unwrap_or(&[]));
    let path = path.split(|byte| *byte == b'?').next().unwrap_or(&[]);
    let (status, kind, body) = answer(method, path, pages);
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    if method != b"HEAD" {
        stream.write_all(body.as_bytes())?;
    }
    stream.flush()
}

/// Whether whoever writes the pages has stopped to.
fn is_stale(pages: &Pages) -> bool {
    let written = pages.written.lock().map_or(None, |written| *written);
    written.is_some_and(|written| written.elapsed() > STALE)
}

fn answer(method: &[u8], path: &[u8], pages: &Pages) -> (&'static str, &'static str, String) {
    const TEXT: &str = "text/plain; charset=utf-8";
    if method != b"GET" && method != b"HEAD" {
        return ("405 Method Not Allowed", TEXT, "only GET is answered\n".to_owned());
    }
    let held = |page: &Mutex<String>| page.lock().map_or_else(|_| String::new(), |page| page.clone());
    match path {
        b"/metrics" => ("200 OK", "text/plain; version=0.0.4; charset=utf-8", held(&pages.metrics)),
        b"/health" if is_stale(pages) => {
            ("503 Service Unavailable", TEXT, "the daemon does not get on: it hangs\n".to_owned())
        }
        b"/health" => match pages.ill.lock().map_or_else(|_| Some("a thread broke".to_owned()), |ill| ill.clone()) {
            None => ("200 OK", TEXT, "ok\n".to_owned()),
            Some(why) => ("503 Service Unavailable", TEXT, format!("{why}\n")),
        },
        _ => ("404 Not Found", TEXT, "there are /metrics and /health\n".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(addr: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(addr).unwrap();
        let mut said = String::new();
        // Who is hung up on may be told by a reset.
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut said));
        said
    }

    #[test]
    fn pages_are_served_and_nothing_else() {
        let pages = Arc::new(Pages::default());
        *pages.metrics.lock().unwrap() = "segwall_build_info 1\n".to_owned();
        let server = Server::start("127.0.0.1:0".parse().unwrap(), Arc::clone(&pages)).unwrap();
        let get = |path: &str| ask(server.addr(), &format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
        assert!(get("/metrics").ends_with("\r\n\r\nsegwall_build_info 1\n"));
        assert!(get("/metrics?x=1").starts_with("HTTP/1.1 200 OK"));
        assert!(get("/health").starts_with("HTTP/1.1 200 OK"));
        *pages.ill.lock().unwrap() = Some("the table is gone".to_owned());
        assert!(get("/health").starts_with("HTTP/1.1 503") && get("/health").ends_with("the table is gone\n"));
        assert!(get("/../etc/passwd").starts_with("HTTP/1.1 404"));
        assert!(ask(server.addr(), "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
        // Who sends too much, or says nothing, does not keep the next one waiting for long.
        assert_eq!(ask(server.addr(), &"x".repeat(REQUEST_BYTES_MAX + 2_000)), "");
        assert!(get("/health").contains("503"));
    }
}
