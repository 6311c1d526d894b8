//! Traffic for the tests in virtual machines (`tests/vm`): hosts that send what a policy forbids from before the box has
//! booted, hosts that count what arrives, servers, and clients that say what became of a connection.
//!
//! ```text
//! traffic blast LOG MS ADDR:PORT...   a datagram to each every MS milliseconds; LOG: uptime of the first, how many since
//! traffic count LOG PORT...           counts datagrams by port and sender, and sends them back
//! traffic serve PORT...               accepts TCP connections and closes them; says `serving` once it does
//! traffic try (tcp|udp) ADDR:PORT     one word: answered, refused, or silent after two seconds
//! ```
//!
//! The standard library only, so that `rustc` alone makes a static program of it.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How long a client waits before it says that nothing came back.
const SILENCE: Duration = Duration::from_secs(2);
/// Logs are written this often, whole, so that a reader never sees half of one.
const LOG_EVERY: Duration = Duration::from_millis(200);
/// More than any datagram of ours.
const DATAGRAM_BYTES_MAX: usize = 2048;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["blast", log, every_ms, targets @ ..] if !targets.is_empty() => blast(log, every_ms, targets),
        ["count", log, ports @ ..] if !ports.is_empty() => count(log, ports),
        ["serve", ports @ ..] if !ports.is_empty() => serve(ports),
        ["try", protocol, target] => attempt(protocol, target),
        _ => {
            Err("usage: traffic blast LOG MS ADDR:PORT... | count LOG PORT... | serve PORT... | try tcp ADDR:PORT"
                .into())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("traffic: {}: {error}", words.join(" "));
            ExitCode::from(2)
        }
    }
}

/// Everywhere, on this port.
fn everywhere(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
}

/// Writes a file so that a reader sees the old or the new one.
fn write_whole(path: &str, text: &str) -> io::Result<()> {
    let fresh = format!("{path}.new");
    fs::write(&fresh, text)?;
    fs::rename(&fresh, path)
}

/// Sends for ever. What the network says against it is expected and changes nothing.
fn blast(log: &str, every_ms: &str, targets: &[&str]) -> Outcome {
    let every = Duration::from_millis(every_ms.parse()?);
    let targets: Vec<SocketAddr> = targets.iter().map(|target| target.parse()).collect::<Result<_, _>>()?;
    let socket = UdpSocket::bind(everywhere(0))?;
    let begun = fs::read_to_string("/proc/uptime")?;
    let begun = begun.split(' ').next().unwrap_or_default();
    let (mut sent, mut since_log) = (0u64, LOG_EVERY);
    loop {
        for target in &targets {
            sent += u64::from(socket.send_to(b"forbidden or not, here it comes", target).is_ok());
        }
        if since_log >= LOG_EVERY {
            write_whole(log, &format!("{begun} {sent}\n"))?;
            since_log = Duration::ZERO;
        }
        thread::sleep(every);
        since_log += every;
    }
}

/// Counts for ever; the log has a line `PORT SENDER HOW-MANY` for each.
fn count(log: &str, ports: &[&str]) -> Outcome {
    let counts: Arc<Mutex<BTreeMap<(u16, IpAddr), u64>>> = Arc::default();
    for port in ports {
        let port: u16 = port.parse()?;
        let socket = UdpSocket::bind(everywhere(port))?;
        let counts = Arc::clone(&counts);
        thread::spawn(move || {
            let mut datagram = [0; DATAGRAM_BYTES_MAX];
            loop {
                if let Ok((len, sender)) = socket.recv_from(&mut datagram) {
                    // A reply that is lost shows at the client.
                    let _ = socket.send_to(&datagram[..len], sender);
                    *counts.lock().expect("nobody panics with it").entry((port, sender.ip())).or_default() += 1;
                }
            }
        });
    }
    loop {
        let text: String = counts
            .lock()
            .expect("nobody panics with it")
            .iter()
            .map(|((port, sender), count)| format!("{port} {sender} {count}\n"))
            .collect();
        write_whole(log, &text)?;
        thread::sleep(LOG_EVERY);
    }
}

/// Serves for ever.
fn serve(ports: &[&str]) -> Outcome {
    let mut servers = Vec::new();
    for port in ports {
        let listener = TcpListener::bind(everywhere(port.parse()?))?;
        servers.push(thread::spawn(move || listener.incoming().for_each(drop)));
    }
    // Whoever started this waits for the word: on a slow machine the first client was quicker than the server.
    println!("serving");
    for server in servers {
        server.join().map_err(|_| "a server stopped")?;
    }
    Ok(())
}

/// Says what became of one connection.
fn attempt(protocol: &str, target: &str) -> Outcome {
    let target: SocketAddr = target.parse()?;
    let result = match protocol {
        "tcp" => TcpStream::connect_timeout(&target, SILENCE).map(drop),
        "udp" => ask(target),
        _ => return Err("a protocol is tcp or udp".into()),
    };
    match result {
        Ok(()) => println!("answered"),
        Err(error) => match error.kind() {
            ErrorKind::ConnectionRefused => println!("refused"),
            ErrorKind::TimedOut | ErrorKind::WouldBlock => println!("silent"),
            _ => return Err(error.into()),
        },
    }
    Ok(())
}

fn ask(target: SocketAddr) -> io::Result<()> {
    let socket = UdpSocket::bind(everywhere(0))?;
    socket.set_read_timeout(Some(SILENCE))?;
    socket.connect(target)?;
    socket.send(b"is anybody there?")?;
    socket.recv(&mut [0; DATAGRAM_BYTES_MAX]).map(drop)
}
