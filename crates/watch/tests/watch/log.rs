//! From the lines of a log to alerts, beside what the tutorial's script makes of the same lines.

use std::fmt::Write;

use jiff::tz::TimeZone;
use segwall_watch::klog::{Reader, Splitter, Style, Words};
use segwall_watch::{Alert, Event, Network, Options, State};

use super::net::opened;

fn replay(log: &str) -> Vec<Alert> {
    let mut reader = Reader::new(Style { year: 2026, timezone: TimeZone::UTC, words: Words::default() });
    let mut state = State::new(Network::unknown(), Options::default());
    let mut told = Vec::new();
    let mut line = |line: &[u8]| {
        if let Some((at, packet)) = reader.line(line) {
            told.extend(state.step(at, &Event::Packet(packet)));
        }
    };
    let mut splitter = Splitter::default();
    splitter.feed(log.as_bytes(), &mut line);
    splitter.end(&mut line);
    told
}

fn line(log: &mut String, second: u32, prefix: &str, rest: &str) {
    let time = format!("Nov 26 12:{:02}:{:02}", second / 60 % 60, second % 60);
    let _ = writeln!(log, "{time} router kernel: [{second:5}.000000] {prefix}IN=eth1.30 OUT=eth1.20 {rest}");
}

fn to(dst: &str, proto: &str) -> String {
    format!("SRC=192.168.30.66 DST={dst} LEN=44 TOS=0x00 PREC=0x00 TTL=63 ID=1 PROTO={proto}")
}

/// `tail -100 | grep DROPPED | wc -l` above 10, `tail -100 | grep -E "(SYN|PORT)" | wc -l` above 5.
fn the_tutorial_says(log: &str) -> (bool, bool) {
    let lines: Vec<&str> = log.lines().collect();
    let tail = &lines[lines.len().saturating_sub(100)..];
    let count = |words: &[&str]| tail.iter().filter(|line| words.iter().any(|word| line.contains(word))).count();
    (count(&["DROPPED"]) > 10, count(&["SYN", "PORT"]) > 5)
}

#[test]
fn a_scan_in_the_tutorials_log() {
    let mut log = String::new();
    for port in 1..=50 {
        line(
            &mut log,
            port / 20,
            "DROPPED: ",
            &to("192.168.20.9", &format!("TCP SPT=40000 DPT={port} WINDOW=1024 SYN")),
        );
    }
    let told = replay(&log);
    assert_eq!(opened(&told), ["scan-vertical 192.168.30.66"]);
    assert!(told[0].summary.contains("TCP SYN"), "{}", told[0].summary);
    assert_eq!(the_tutorial_says(&log), (true, true));
}

#[test]
fn scans_that_counting_words_does_not_find() {
    let cases: [(&str, &dyn Fn(u32) -> String); 4] = [
        ("UDP", &|n| to("192.168.20.9", &format!("UDP SPT=40000 DPT={n} LEN=8"))),
        ("NULL", &|n| to("192.168.20.9", &format!("TCP SPT=40000 DPT={n} WINDOW=1024 RES=0x00 URGP=0"))),
        ("ICMP", &|n| to(&format!("192.168.20.{n}"), "ICMP TYPE=8 CODE=0 ID=1 SEQ=1")),
        ("protocols", &|n| to("192.168.20.9", &format!("{}", n + 100))),
    ];
    for (name, packet) in cases {
        let mut log = String::new();
        for n in 1..=30 {
            line(&mut log, n / 20, "DROPPED: ", &packet(n));
        }
        assert_eq!(opened(&replay(&log)).len(), 1, "{name}");
        assert!(!the_tutorial_says(&log).1, "{name}");
    }
}

#[test]
fn a_scan_that_others_talk_over() {
    let mut log = String::new();
    for n in 1..=400 {
        if n <= 20 {
            line(&mut log, 1, "DROPPED: ", &to("192.168.20.9", &format!("TCP SPT=40000 DPT={n} WINDOW=1024 SYN")));
        }
        let _ = writeln!(log, "Nov 26 12:00:02 router kernel: [{n}.0] eth0: renamed");
    }
    assert_eq!(opened(&replay(&log)), ["scan-vertical 192.168.30.66"]);
    assert_eq!(the_tutorial_says(&log), (false, false));
}

#[test]
fn accepted_connections_are_no_scan() {
    for prefix in ["ACCEPT ", "[UFW ALLOW] ", "segwall accept "] {
        let mut log = String::new();
        for n in 1..=300 {
            line(&mut log, n, prefix, &to("192.168.20.9", &format!("TCP SPT=40000 DPT={n} WINDOW=64240 SYN")));
        }
        assert_eq!(opened(&replay(&log)), Vec::<String>::new(), "{prefix}");
        assert!(the_tutorial_says(&log).1, "the script cries wolf");
    }
}

#[test]
fn lines_that_others_wrote_accuse_nobody() {
    let mut log = String::new();
    for n in 1..=300 {
        let forged = to("192.168.20.9", &format!("TCP SPT=40000 DPT={n} WINDOW=1024 SYN"));
        let _ = writeln!(log, "Nov 26 12:00:00 router sshd[99]: Invalid user DROPPED: IN=eth1.30 OUT=eth1.20 {forged}");
    }
    assert_eq!(replay(&log), []);
}
