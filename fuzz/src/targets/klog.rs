//! Lines of a kernel log, cut into lines and folded into a state.

use std::net::IpAddr;

use jiff::tz::TimeZone;
use segwall_watch::alert::{EVIDENCE_MAX, PORTS_MAX, Subject, TARGETS_MAX};
use segwall_watch::klog::{Reader, Splitter, Style, Words};
use segwall_watch::{Event, Network, Options, State};

/// Lines, packets and the rest add up; nobody is accused who cannot be; what is told can be shown on a terminal.
pub fn run(bytes: &[u8]) {
    let mut reader = Reader::new(Style { year: 2026, timezone: TimeZone::UTC, words: Words::default() });
    let mut state = State::new(Network::unknown(), Options::default());
    let mut line = |line: &[u8]| {
        let Some((at, packet)) = reader.line(line) else { return };
        for alert in state.step(at, &Event::Packet(packet)) {
            assert!(!matches!(alert.subject, Subject::Addr(addr) if is_nobody(addr)), "{}", alert.summary);
            assert!(!alert.summary.chars().any(char::is_control), "{:?}", alert.summary);
            assert!(alert.targets.len() <= TARGETS_MAX && alert.ports.len() <= PORTS_MAX);
            assert!(alert.evidence.len() <= EVIDENCE_MAX);
        }
    };
    let mut splitter = Splitter::default();
    splitter.feed(bytes, &mut line);
    splitter.end(&mut line);
    let tally = reader.tally();
    assert_eq!(tally.lines, tally.packets + tally.other + tally.broken + tally.not_kernel);
}

fn is_nobody(addr: IpAddr) -> bool {
    addr.is_loopback() || addr.is_unspecified() || addr.is_multicast()
}

/// Words of such lines.
pub const WORDS: &[&str] = &[
    "Nov 26 12:00:00 router kernel: ",
    "2026-11-26T12:00:00.123456+01:00 router kernel: ",
    "<4>[  123.456789] ",
    "<4>1 2026-11-26T12:00:00Z router kernel - - - ",
    "[Thu Nov 26 12:00:00 2026] ",
    "Dec 31 23:59:60 ",
    "router sshd[812]: ",
    "DROPPED: ",
    "[UFW BLOCK] ",
    "[UFW AUDIT] ",
    "segwall drop not-syn ",
    "segwall drop spoofed ",
    "segwall reject rule ",
    "segwall accept ",
    "IN=eth0.10 OUT=eth0.20 ",
    "IN=eth0 OUT= ",
    "IN= OUT=eth0 ",
    "PHYSIN=eth1 ",
    "MAC=ff:ff:ff:ff:ff:ff:02:00:00:00:10:05:08:00 ",
    "SRC=192.168.10.5 ",
    "DST=192.168.20.9 ",
    "SRC=127.0.0.1 ",
    "DST=255.255.255.255 ",
    "SRC=fe80:0000:0000:0000:0000:0000:0000:0001 ",
    "DST=fd00:0020:0000:0000:0000:0000:0000:0005 ",
    "LEN=44 ",
    "FRAG:1480 ",
    "PROTO=TCP ",
    "PROTO=UDP ",
    "PROTO=ICMP TYPE=8 CODE=0 ",
    "PROTO=ICMPv6 TYPE=128 CODE=0 ",
    "PROTO=253 ",
    "SPT=40000 DPT=22 ",
    "SYN ",
    "ACK FIN RST PSH URG ",
    "INCOMPLETE [8 bytes] ",
    "[SRC=10.0.0.2 DST=10.0.0.1 ] ",
    "MARK=0x1 ",
    "\n",
    "\r\n",
    "65536",
    "-1",
    "\u{1b}[2J",
];
