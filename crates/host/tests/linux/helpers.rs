//! What this program does when a test starts it: whoever has to be killed, or to be somebody's child.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use segwall_host::apply;
use segwall_host::linux::{session, watchdog};

use crate::world;

/// The first argument of such a call.
pub const MARK: &str = "--as-helper";

pub fn run(args: &[String]) -> ExitCode {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["watchdog", dir] => {
            let mut linux = world::linux(Path::new(dir));
            let done = watchdog::watch_over(&mut linux);
            if let Err(error) = done {
                eprintln!("{}", error.chain());
                return ExitCode::FAILURE;
            }
        }
        ["hold", dir] => {
            let lock = world::linux(Path::new(dir)).lock_wait().unwrap();
            thread::sleep(Duration::from_secs(60));
            drop(lock);
        }
        ["apply", dir, services, within] => {
            let mut linux = world::linux(Path::new(dir));
            let lock = linux.lock_wait().unwrap();
            let request = world::request(&world::policy(services), within.parse().ok());
            let applied = apply::apply(&mut linux, &request, &mut |_| {});
            drop(lock);
            println!("{applied:?}");
        }
        ["serve", who] => serve(who),
        ["session"] => println!("{:?}", session::find()),
        _ => {
            eprintln!("no such helper: {words:?}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Serves one connection as a remote shell does: a child of the process that holds it asks who is there. `stranger` gives
/// the connection up first.
fn serve(who: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    std::io::stdout().flush().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut wake = [0];
    stream.read_exact(&mut wake).unwrap();
    let stream = (who != "stranger").then_some(stream);
    let exe = std::env::current_exe().unwrap();
    // With a shell in between, as sudo would be, and nothing in the environment.
    let shell = Command::new("/bin/sh")
        .args(["-c", "\"$0\" \"$@\"; true"])
        .arg(exe)
        .args([MARK, "session"])
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    print!("{}", String::from_utf8_lossy(&shell.stdout));
    drop(stream);
}
