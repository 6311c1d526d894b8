//! Who asks, found from a real tree of processes over a real connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use segwall_host::apply::Host;
use segwall_host::netns::Netns;
use segwall_host::rtnl::{Change, Rtnl};

use crate::harness::Case;
use crate::helpers::MARK;
use crate::world::Dir;

pub const ALL: &[Case] = &[
    ("the_connection_above_us_is_found", the_connection_above_us_is_found),
    ("a_connection_of_nobody_above_us_is_not_ours", a_connection_of_nobody_above_us_is_not_ours),
];

/// What the helper's grandchild says, and the port that the connection came from.
fn asked(who: &str) -> (String, u16, u16) {
    let lo = Netns::current().unwrap();
    let mut rtnl = lo.run(Rtnl::open).unwrap().unwrap();
    let index = rtnl.links().unwrap()["lo"].index;
    rtnl.apply(&[Change::Up(index)]).unwrap();
    let mut server = Command::new("/proc/self/exe")
        .args([MARK, "serve", who])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let port: u16 = line.trim().parse().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let peer = stream.local_addr().unwrap().port();
    stream.write_all(b"x").unwrap();
    let mut said = String::new();
    out.read_to_string(&mut said).unwrap();
    assert!(server.wait().unwrap().success());
    (said, port, peer)
}

fn the_connection_above_us_is_found() {
    let before = Dir::new("session").linux().clock().unwrap().boot_ms;
    let (said, port, _) = asked("shell");
    let after = Dir::new("session").linux().clock().unwrap().boot_ms;
    let head = format!("Ssh {{ peer: 127.0.0.1, local: 127.0.0.1, port: {port}, began_ms: ");
    let began = said.trim().strip_prefix(&head).unwrap_or_else(|| panic!("{said}"));
    let began: u64 = began.trim_end_matches(" }").parse().unwrap();
    // The server began with the test; ticks are hundredths of a second.
    assert!((before - 10..=after).contains(&began), "{before} {began} {after}");
}

fn a_connection_of_nobody_above_us_is_not_ours() {
    let (said, ..) = asked("stranger");
    assert!(!said.contains("127.0.0.1"), "{said}");
}
