//! Rules that go over others, connections that are cut, and what is said of it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use segwall_core::plan::ForeignTable;
use segwall_host::apply::{Compiled, Host, Verdict};
use segwall_host::conntrack::{Conntrack, Key, Tuple};
use segwall_host::linux::Linux;
use segwall_host::nft::Nft;
use segwall_host::packet::PacketSocket;

use crate::harness::Case;
use crate::wires::Wires;
use crate::world::{Dir, compiled, policy};

pub const ALL: &[Case] = &[
    (
        "a_forbidden_connection_ends_with_the_rules_that_allowed_it",
        a_forbidden_connection_ends_with_the_rules_that_allowed_it,
    ),
    ("what_was_counted_lives_on", what_was_counted_lives_on),
    ("what_others_did_to_our_table_is_mended", what_others_did_to_our_table_is_mended),
    ("the_kernel_is_told_from_what_it_should_hold", the_kernel_is_told_from_what_it_should_hold),
    ("other_tables_are_known_beforehand", other_tables_are_known_beforehand),
];

const OLD: &str = "\"tcp/80\", \"tcp/81\"";
const NEW: &str = "\"tcp/80\", \"udp/90\"";
/// Connections in the table beside the real ones: it takes a while to cut them.
const CROWD: u16 = 2_000;

fn nft(args: &[&str]) -> String {
    Nft::find().unwrap().list(&segwall_host::netns::Netns::current().unwrap(), args).unwrap()
}

fn run_nft(text: &str) {
    Nft::find().unwrap().load(&segwall_host::netns::Netns::current().unwrap(), text).unwrap();
}

fn both(linux: &mut Linux) -> (Compiled, Compiled) {
    (compiled(linux, 1, &policy(OLD)), compiled(linux, 2, &policy(NEW)))
}

/// What a verdict says is different; in a user namespace some filters cannot be asked for, and nothing is certain.
fn differences(verdict: Verdict) -> Vec<String> {
    match verdict {
        Verdict::Proved => Vec::new(),
        Verdict::Refuted(shown) => shown,
        Verdict::Undetermined(all) => all,
        Verdict::Beside(all) => all.into_iter().filter(|one| one.contains("the policy says")).collect(),
    }
}

fn holds(linux: &mut Linux, rules: &Compiled) {
    assert_eq!(differences(linux.prove(Some(rules)).unwrap()), [""; 0]);
}

/// Frames in the order in which they reached the right host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    Allowed,
    Forbidden,
    /// Allowed by the new rules only.
    Marker,
}

fn frame(bytes: &[u8]) -> Option<Frame> {
    let (proto, header) = match bytes.get(12..14)? {
        [0x08, 0x00] => (*bytes.get(23)?, 34),
        [0x86, 0xdd] => (*bytes.get(20)?, 54),
        _ => return None,
    };
    let dport = u16::from_be_bytes(bytes.get(header + 2..header + 4)?.try_into().ok()?);
    match (proto, dport) {
        (6, 80) => Some(Frame::Allowed),
        (6, 81) => Some(Frame::Forbidden),
        (17, 90) => Some(Frame::Marker),
        _ => None,
    }
}

fn a_forbidden_connection_ends_with_the_rules_that_allowed_it() {
    // Frames are handled in the order in which they are sent.
    segwall_host::pin::to_cpu(0).unwrap();
    let dir = Dir::new("closing");
    let wires = Wires::new();
    let mut linux = dir.linux();
    let (old, new) = both(&mut linux);
    wires.gateway.run(|| linux.load(None, Some(&old)).unwrap()).unwrap();
    let (mut allowed, mut allowed_far) = wires.connect(0, 80);
    let (forbidden, mut forbidden_far) = wires.connect(0, 81);
    let (forbidden6, _far6) = wires.connect(1, 81);
    let (marker, _marker_far) = wires.udp(90);
    let mut conntrack = wires.gateway.run(Conntrack::open).unwrap().unwrap();
    let crowd = |n: u16| Tuple {
        proto: 6,
        src: [192, 0, 2, 77].into(),
        dst: [198, 51, 100, 77].into(),
        key: Key::Ports { src: 10_000 + n, dst: 81 },
    };
    conntrack.establish(&(0..CROWD).map(crowd).collect::<Vec<_>>()).unwrap();
    assert_eq!(wires.gateway.run(|| linux.count_forbidden(&new).unwrap()).unwrap(), usize::from(CROWD) + 2);

    let stop = AtomicBool::new(false);
    let mut sending: Vec<TcpStream> = [&allowed, &forbidden, &forbidden6].map(|one| one.try_clone().unwrap()).into();
    sending.iter().for_each(|stream| stream.set_nonblocking(true).unwrap());
    let blast = || {
        while !stop.load(Ordering::Relaxed) {
            for stream in &mut sending {
                let _ = stream.write(b"x");
            }
            let _ = marker.send(b"y");
            thread::sleep(Duration::from_micros(200));
        }
    };
    let collect = || {
        let mut wire = wires.right.run(|| PacketSocket::open(wires.right_link, 4096)).unwrap().unwrap();
        let mut seen = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            wire.receive(|bytes| seen.extend(frame(bytes)));
            thread::sleep(Duration::from_micros(500));
        }
        wire.receive(|bytes| seen.extend(frame(bytes)));
        (seen, wire.lost().unwrap())
    };
    let (cut, (seen, lost)) = thread::scope(|scope| {
        let collector = scope.spawn(collect);
        scope.spawn(blast);
        thread::sleep(Duration::from_millis(300));
        let cut = wires.gateway.run(|| linux.load(Some(&old), Some(&new)).unwrap()).unwrap();
        thread::sleep(Duration::from_millis(500));
        stop.store(true, Ordering::Relaxed);
        (cut, collector.join().unwrap())
    });

    assert_eq!(cut, usize::from(CROWD) + 2);
    let at = seen.iter().position(|one| *one == Frame::Marker).expect("the new rules came in");
    let count = |frames: &[Frame], kind| frames.iter().filter(|one| **one == kind).count();
    assert!(count(&seen[..at], Frame::Forbidden) > 100, "it was open before: {}", seen.len());
    assert_eq!(
        count(&seen[at..], Frame::Forbidden),
        0,
        "of {} after the first packet under the new rules",
        seen.len() - at
    );
    assert!(count(&seen[at..], Frame::Allowed) > 100, "what is allowed goes on");
    assert_eq!(lost, 0);

    // The other direction as well.
    forbidden_far.write_all(b"z").unwrap();
    forbidden.set_nonblocking(false).unwrap();
    forbidden.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let silent = (&forbidden).read(&mut [0]).unwrap_err();
    assert!(matches!(silent.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silent}");
    allowed.set_nonblocking(false).unwrap();
    allowed_far.write_all(b"z").unwrap();
    allowed.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    allowed.read_exact(&mut [0]).unwrap();
    let left = conntrack.list().unwrap();
    let to =
        |port| left.iter().filter(|entry| matches!(entry.original.key, Key::Ports { dst, .. } if dst == port)).count();
    assert_eq!((to(81), to(80)), (0, 1));
    wires
        .gateway
        .run(|| {
            assert_eq!(nft(&["list", "tables"]), "table inet segwall\n", "the closing table is gone");
            holds(&mut linux, &new);
            assert_eq!(linux.count_forbidden(&new).unwrap(), 0);
        })
        .unwrap();
}

fn what_was_counted_lives_on() {
    let dir = Dir::new("counters");
    let wires = Wires::new();
    let mut linux = dir.linux();
    let (old, new) = both(&mut linux);
    wires.gateway.run(|| linux.load(None, Some(&old)).unwrap()).unwrap();
    assert!(!wires.connects(82));
    let counted = || {
        let text = wires.gateway.run(|| nft(&["list", "counter", "inet", "segwall", "drop_unnamed"])).unwrap();
        let line = text.lines().find(|line| line.contains("packets")).unwrap().trim().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u32>().unwrap()
    };
    let before = counted();
    assert!(before > 0);
    for (from, to) in [(&old, &new), (&new, &old), (&old, &old)] {
        wires.gateway.run(|| linux.load(Some(from), Some(to)).unwrap()).unwrap();
        assert!(counted() >= before);
    }
    assert!(wires.connects(81));
}

fn what_others_did_to_our_table_is_mended() {
    let dir = Dir::new("mended");
    let wires = Wires::new();
    let mut linux = dir.linux();
    let (old, new) = both(&mut linux);
    wires
        .gateway
        .run(|| {
            linux.load(None, Some(&old)).unwrap();
            let first = nft(&["-s", "list", "ruleset"]);
            for harm in [
                "flush ruleset",
                "delete table inet segwall",
                "flush table inet segwall",
                "flush chain inet segwall forward",
                "insert rule inet segwall forward accept",
                "add chain inet segwall theirs\nadd rule inet segwall theirs accept\ninsert rule inet segwall forward jump theirs",
                "add chain inet segwall theirs { type filter hook forward priority 10; policy drop; }",
                "flush chain inet segwall forward\ndelete chain inet segwall forward\nadd chain inet segwall forward { type filter hook \
                 forward priority 20; policy accept; }",
                "add table inet segwall_closing\nadd chain inet segwall_closing f { type filter hook forward priority 0; policy drop; }",
            ] {
                run_nft(harm);
                linux.load(Some(&old), Some(&old)).unwrap_or_else(|error| panic!("{harm}: {}", error.chain()));
                holds(&mut linux, &old);
                let mended = nft(&["-s", "list", "ruleset"]);
                assert_eq!(mended.lines().count(), first.lines().count(), "{harm}: {mended}");
                run_nft(harm);
                linux.load(Some(&old), Some(&new)).unwrap_or_else(|error| panic!("{harm}: {}", error.chain()));
                holds(&mut linux, &new);
                linux.load(Some(&new), Some(&old)).unwrap();
            }
            // A boot that finds the rules of whoever ran before.
            linux.load(None, Some(&new)).unwrap();
            holds(&mut linux, &new);
            // Nobody else's tables are touched.
            run_nft("table ip theirs { counter c { packets 3 bytes 4\n}\n}");
            linux.load(Some(&new), None).unwrap();
            assert_eq!(nft(&["list", "tables"]), "table ip theirs\n");
            linux.load(None, None).unwrap();
        })
        .unwrap();
    assert!(wires.connects(82), "without our table nothing is in the way");
}

fn the_kernel_is_told_from_what_it_should_hold() {
    let dir = Dir::new("prove");
    let wires = Wires::new();
    let mut linux = dir.linux();
    let (old, new) = both(&mut linux);
    wires
        .gateway
        .run(|| {
            assert_eq!(linux.prove(None).unwrap(), Verdict::Proved);
            let missing = linux.prove(Some(&old)).unwrap();
            assert!(
                matches!(&missing, Verdict::Refuted(why) if why[0].contains("is not in the kernel")),
                "{missing:?}"
            );
            linux.load(None, Some(&old)).unwrap();
            holds(&mut linux, &old);
            assert!(matches!(linux.prove(None).unwrap(), Verdict::Refuted(_)));
            let unlike = differences(linux.prove(Some(&new)).unwrap());
            assert!(unlike.iter().any(|one| one.contains("forward: ") && one.contains("(line ")), "{unlike:?}");
            run_nft("insert rule inet segwall input accept");
            let unlike = differences(linux.prove(Some(&old)).unwrap());
            assert!(unlike.iter().any(|one| one.contains("by inet segwall input: rule 1 (handle ")), "{unlike:?}");
        })
        .unwrap();
}

fn other_tables_are_known_beforehand() {
    let dir = Dir::new("others");
    let wires = Wires::new();
    let mut linux = dir.linux();
    let (_, new) = both(&mut linux);
    wires
        .gateway
        .run(|| {
            let usual = linux.others(&new).unwrap();
            run_nft("table ip theirs { chain f { type filter hook forward priority 10; tcp dport 80 drop; }\n}");
            let more: Vec<String> = linux.others(&new).unwrap().into_iter().filter(|one| !usual.contains(one)).collect();
            assert!(more.iter().any(|one| one.contains("theirs f: rule 1")), "{more:?}");
            // Beside it ours is proved by itself; what is wrong with ours does not pass as theirs.
            linux.load(None, Some(&new)).unwrap();
            let beside = linux.prove(Some(&new)).unwrap();
            assert!(
                matches!(&beside, Verdict::Beside(why) if why.iter().any(|one| one.contains("the policy says"))),
                "{beside:?}"
            );
            run_nft("insert rule inet segwall forward accept");
            let refuted = linux.prove(Some(&new)).unwrap();
            assert!(
                matches!(&refuted, Verdict::Refuted(why) if why[0].contains("by inet segwall forward: rule 1")),
                "{refuted:?}"
            );
            linux.load(Some(&new), None).unwrap();
            // A copy that would not bring it back is known before it goes.
            let theirs = linux.seen().unwrap().tables.into_iter().find(|table| table.name == "theirs").unwrap();
            assert_eq!(linux.cannot_come_back(&theirs).unwrap(), None);
            let torn = ForeignTable { text: theirs.text[..theirs.text.len() / 2].to_owned(), ..theirs };
            let why = linux.cannot_come_back(&torn).unwrap().unwrap();
            assert!(why.contains("ip theirs could not be brought back"), "{why}");
            // One that only counts is in nobody's way.
            run_nft("delete table ip theirs\ntable ip theirs { chain f { type filter hook forward priority 10; counter; }\n}");
            assert_eq!(linux.others(&new).unwrap(), usual);
            run_nft(
                "delete table ip theirs\ntable ip theirs { chain f { type filter hook forward priority 10; limit rate 1/second drop; }\n}",
            );
            assert!(linux.others(&new).unwrap().len() > usual.len());
        })
        .unwrap();
}
