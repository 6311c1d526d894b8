//! Lines as kernels, syslogds and journals write them.

use segwall_packetset::{Header, TcpFlags};

use super::*;
use crate::event::{Reason, Verdict};

fn reader() -> Reader {
    Reader::new(Style { year: 2026, timezone: TimeZone::UTC, words: Words::default() })
}

const TCP: &str = "IN=eth0.10 OUT=eth0.20 MAC=52:54:00:00:00:01:02:00:00:00:10:05:08:00 SRC=192.168.10.5 DST=192.168.20.9 \
    LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID=54321 DF PROTO=TCP SPT=40000 DPT=22 WINDOW=64240 RES=0x00 SYN URGP=0 ";

#[test]
fn a_packet_is_read_whole() {
    let line = format!("Nov 26 12:00:00 router kernel: [ 5123.000001] DROPPED: {TCP}");
    let mut reader = reader();
    let (at, packet) = reader.line(line.as_bytes()).expect("it is read");
    assert_eq!(at.to_string(), "2026-11-26T12:00:00.000Z");
    assert_eq!(packet.verdict, Verdict::Refused(Reason::Foreign));
    assert_eq!((packet.input.as_str(), packet.output.as_str()), ("eth0.10", "eth0.20"));
    assert_eq!(packet.src.to_string(), "192.168.10.5");
    assert_eq!(packet.header, Header::Ports { sport: 40_000, dport: 22 });
    assert_eq!((packet.flags, packet.len), (TcpFlags(TcpFlags::SYN), 60));
    assert_eq!(packet.mac, Some([2, 0, 0, 0, 0x10, 5]));
    assert!(!packet.to_all);
    assert_eq!(reader.tally(), Tally { lines: 1, packets: 1, ..Tally::default() });
}

#[test]
fn whoever_wrote_the_line_down() {
    for head in [
        "",
        "DROP ",
        "DROP",
        "<4>DROP ",
        "<4>[ 12.000001] DROP ",
        "[ 12.000001] DROP ",
        "Nov 26 12:00:00 router kernel: DROP ",
        "Nov 26 12:00:00 router kernel: [12.1] DROP ",
        "<4>Nov 26 12:00:00 router kernel: DROP ",
        "2026-11-26T12:00:00.123+00:00 router kernel: DROP ",
        "2026-11-26T12:00:00+0000 router kernel: DROP ",
        "<4>1 2026-11-26T12:00:00Z router kernel - - - DROP ",
        "Nov 26 12:00:00.000123 router kernel: DROP ",
        "[Thu Nov 26 12:00:00 2026] DROP ",
        "2026-11-26 12:00:00 kernel: DROP ",
        "26/11/2026 12:00 router kernel: DROP ",
        "Nov 26 12:00:00 router kernel: Shorewall:loc-srv:DROP:",
        "Nov 26 12:00:00 router kernel: [UFW BLOCK] ",
    ] {
        let line = format!("{head}{TCP}");
        let mut reader = reader();
        let packet = reader.line(line.as_bytes()).unwrap_or_else(|| panic!("{head}: {:?}", reader.tally())).1;
        assert_eq!(packet.input.as_str(), "eth0.10", "{head}");
        assert_eq!(reader.tally().unsaid, u64::from(head.is_empty()), "{head}");
    }
}

#[test]
fn other_programs_accuse_nobody() {
    for head in [
        "Nov 26 12:00:00 router sshd[812]: Invalid user ",
        "Nov 26 12:00:00 router sshd[812]: Invalid user kernel: ",
        "2026-11-26T12:00:00Z router dnsmasq: query ",
        "<30>Nov 26 12:00:00 router named[1]: DROP ",
        "router sshd[812]: Invalid user DROP ",
        "router sshd[812]: Invalid user kernel: DROP ",
        "router cron: what DROP ",
    ] {
        let mut reader = reader();
        assert_eq!(reader.line(format!("{head}{TCP}").as_bytes()), None, "{head}");
        assert_eq!(reader.tally().not_kernel, 1, "{head}");
    }
}

#[test]
fn other_protocols_and_families() {
    let of = |text: &str| {
        let mut reader = reader();
        reader.line(format!("Nov 26 12:00:00 r kernel: DROP {text}").as_bytes()).map(|(_, packet)| packet)
    };
    let echo =
        of("IN=a OUT= MAC= SRC=fe80:0000:0000:0000:0000:0000:0000:0001 DST=fd00:0020:0000:0000:0000:0000:0000:0005 \
        LEN=104 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=ICMPv6 TYPE=128 CODE=0 ID=3 SEQ=1 ")
        .expect("it is read");
    assert_eq!(echo.header, Header::Icmp { kind: 128, code: 0 });
    assert_eq!(echo.dst.to_string(), "fd00:20::5");
    let error =
        of("IN=a OUT=b SRC=10.0.0.1 DST=10.0.0.2 LEN=88 TOS=0x00 PREC=0xC0 TTL=64 ID=1 PROTO=ICMP TYPE=3 CODE=3 \
        [SRC=10.0.0.2 DST=10.0.0.1 LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID=2 DF PROTO=UDP SPT=9 DPT=10 LEN=40 ] MARK=0x1 ")
        .expect("it is read");
    assert_eq!((error.src.to_string().as_str(), error.header), ("10.0.0.1", Header::Icmp { kind: 3, code: 3 }));
    let udp =
        of("IN=a OUT=b SRC=10.0.0.1 DST=10.0.0.2 LEN=40 PROTO=UDP SPT=1 DPT=2 LEN=20 MARK=0x5").expect("it is read");
    assert_eq!((udp.len, udp.header), (40, Header::Ports { sport: 1, dport: 2 }));
    let fragment = of("IN=a OUT=b SRC=10.0.0.1 DST=10.0.0.2 LEN=40 ID=7 MF FRAG:1480 PROTO=TCP ").expect("it is read");
    assert_eq!(fragment.header, Header::Other);
    let other = of("IN=a OUT=b SRC=10.0.0.1 DST=10.0.0.2 LEN=20 PROTO=253 ").expect("it is read");
    assert_eq!((other.proto, other.header), (253, Header::Other));
    let bridge = of("IN=br0 OUT= PHYSIN=eth1 SRC=10.0.0.1 DST=10.0.0.2 LEN=20 PROTO=2 ").expect("it is read");
    assert_eq!(bridge.input.as_str(), "br0");
    let to_all = of("IN=a OUT= MAC=ff:ff:ff:ff:ff:ff:02:00:00:00:00:01:08:00 SRC=0.0.0.0 DST=255.255.255.255 LEN=328 \
        PROTO=UDP SPT=68 DPT=67 LEN=308")
    .expect("it is read");
    assert!(to_all.to_all);
    for broken in [
        "IN=a OUT=b",
        "IN=a OUT=b SRC=10.0.0 DST=10.0.0.2 PROTO=TCP",
        "IN=a OUT=b SRC=10.0.0.1 DST=fd00::1 PROTO=TCP",
        "IN=a OUT=b SRC=10.0.0.1 DST=10.0.0.256 PROTO=TCP",
        "IN=a OUT=b SRC=10.0.0.1 DST=10.0.0.2 PROTO=TCP SPT=70000 DPT=1",
        "IN=a OUT=b SRC=10.0.0.1 DST=10.0.0.2 PROTO=300",
    ] {
        assert_eq!(of(broken), None, "{broken}");
    }
}

#[test]
fn lines_of_other_things_are_counted() {
    let mut reader = reader();
    let long = "x".repeat(LINE_BYTES_MAX + 1);
    for line in ["", "Nov 26 12:00:00 r kernel: eth0: link up", "LOGIN=root OUT=of order", &long] {
        assert_eq!(reader.line(line.as_bytes()), None);
    }
    assert_eq!(reader.tally(), Tally { lines: 4, other: 2, broken: 2, ..Tally::default() });
}

proptest::proptest! {
    #[test]
    fn any_bytes_do_no_harm(bytes: Vec<u8>) {
        reader().line(&bytes);
    }

    #[test]
    fn a_packet_with_any_bytes_changed_does_no_harm(at in 0..200usize, with: u8, cut in 0..260usize) {
        let mut line = format!("Nov 26 12:00:00 router kernel: DROP {TCP}").into_bytes();
        line[at] = with;
        line.truncate(cut);
        reader().line(&line);
    }
}
