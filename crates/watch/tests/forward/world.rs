//! A box and a collector, each in a namespace, with a wire between them; lines to send, and a look at what arrived.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use segwall_host::netns::Netns;
use segwall_host::nft::Nft;
use segwall_host::rtnl::{Change, Rtnl, VethEnd};
use segwall_watch::forward::message::{Facility, Line, Message, Severity};
use segwall_watch::forward::{Forwarder, Numbers, Options, Target, Timing, Transport};

pub const BOX: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const COLLECTOR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
pub const PORT: u16 = 6514;

/// Time-outs for tests: a vanished collector is noticed within two seconds.
pub const SHORT: Timing = Timing {
    connect: Duration::from_secs(1),
    silence: Duration::from_secs(2),
    retry_min: Duration::from_millis(200),
    retry_max: Duration::from_secs(1),
    settle: Duration::from_millis(500),
};

pub fn is_full() -> bool {
    std::env::var_os("SEGWALL_FULL").is_some_and(|value| value == "1")
}

pub struct World {
    pub gateway: Netns,
    pub collector: Netns,
    pub dir: tempfile::TempDir,
}

/// Waits until a datagram comes through, which takes an answer to ARP too. One that nobody listens for would be answered by
/// the kernel, but of those answers it gives six, and then one a second: a test that waits for one found none left.
fn wait_for_wire(gateway: &Netns, collector: &Netns) {
    const DISCARD: u16 = 9;
    let listening = collector.run(|| UdpSocket::bind((COLLECTOR, DISCARD))).unwrap().unwrap();
    listening.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let sending = gateway.run(|| UdpSocket::bind((BOX, 0))).unwrap().unwrap();
    // The kernel notices that the wire is up when it has time, up to a second later; until then it swallows everything, or
    // keeps it for later: the last one is behind all of those.
    let mut sent: u8 = 0;
    wait_for("the wire", Duration::from_secs(20), || {
        sent = sent.wrapping_add(1);
        let mut came = [0];
        let _ = sending.send_to(&[sent], (COLLECTOR, DISCARD));
        while listening.recv(&mut came).is_ok() {
            if came == [sent] {
                return true;
            }
        }
        false
    });
}

impl World {
    pub fn new() -> Self {
        let (gateway, collector) = (Netns::create().unwrap(), Netns::create().unwrap());
        let end = |mac, netns| VethEnd { name: "wire".to_owned(), mac, netns };
        let mut base = Rtnl::open().unwrap();
        base.apply(&[Change::Veth(
            end([2, 0, 0, 0, 0, 1], gateway.as_fd()),
            end([2, 0, 0, 0, 0, 2], collector.as_fd()),
        )])
        .unwrap();
        for (netns, addr) in [(&gateway, BOX), (&collector, COLLECTOR)] {
            let mut rtnl = netns.run(Rtnl::open).unwrap().unwrap();
            let links = rtnl.links().unwrap();
            let (wire, lo) = (links["wire"].index, links["lo"].index);
            let address = Change::Address { link: wire, addr: IpAddr::V4(addr), prefix_len: 24 };
            rtnl.apply(&[address, Change::Up(lo), Change::Up(wire)]).unwrap();
        }
        wait_for_wire(&gateway, &collector);
        Self { gateway, collector, dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    pub fn options(&self) -> Options {
        Options { timing: SHORT, ..Options::new(self.path("spool")) }
    }

    /// In the box's namespace; its threads stay there.
    pub fn forward(&self, transport: Transport, options: &Options) -> Forwarder {
        let target = Target { transport, host: COLLECTOR.to_string(), port: PORT };
        self.gateway.run(|| Forwarder::start(target, options)).unwrap().unwrap()
    }

    /// From now on the collector's side of the wire swallows everything, both ways. Nothing is refused.
    pub fn blackhole(&self) {
        let rules = "table ip hole {\n\
             chain in { type filter hook input priority 0; policy drop; }\n\
             chain out { type filter hook output priority 0; policy drop; }\n}\n";
        Nft::find().unwrap().load(&self.collector, rules).unwrap();
    }

    /// From now on the collector takes everything, and no answer comes back.
    pub fn mute(&self) {
        let rules = "table ip hole {\n chain out { type filter hook output priority 0; policy drop; }\n}\n";
        Nft::find().unwrap().load(&self.collector, rules).unwrap();
    }

    pub fn open(&self) {
        Nft::find().unwrap().load(&self.collector, "delete table ip hole\n").unwrap();
    }
}

/// Line `number`, as every test sends it.
pub fn line(number: u64) -> Line {
    let words = format!("drop {number} {}", "x".repeat(usize::try_from(number % 90).unwrap()));
    Message {
        facility: Facility::Local0,
        severity: Severity::Warning,
        at: jiff::Timestamp::from_microsecond(1_790_000_000_000_000 + i64::try_from(number).unwrap()).unwrap(),
        is_clock_set: Some(true),
        hostname: "gw",
        process: 4711,
        kind: "DROP",
        data: &[("in", "guests"), ("out", "servers"), ("n", &number.to_string())],
        text: &words,
    }
    .line()
}

/// What arrived of the lines from 0 on.
#[derive(Debug, PartialEq, Eq)]
pub struct Arrived {
    /// So many different ones, in order from 0, none left out.
    pub lines: u64,
    /// Those that came again.
    pub again: u64,
    /// Places where the order goes back.
    pub seams: u64,
}

/// Reads the collector's file; fails when a line is not one that was sent, or not in order: after each line comes the next,
/// or at a seam an earlier one, from which it goes on.
pub fn arrived(file: &Path) -> Arrived {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut arrived = Arrived { lines: 0, again: 0, seams: 0 };
    let mut next = 0;
    // The last one may be half written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for found in whole.lines() {
        let number: u64 = found.split(" n=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        assert_eq!(found, line(number).as_str());
        if number != next {
            assert!(number < next, "{number} came where {next} was due: something is left out");
            arrived.seams += 1;
        }
        next = number + 1;
        if next > arrived.lines {
            arrived.lines = next;
        } else {
            arrived.again += 1;
        }
    }
    arrived
}

/// Waits for something, with a limit.
pub fn wait_for(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < within, "waited {} s for: {what}", within.as_secs());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until so many lines arrived.
pub fn wait_for_lines(file: &Path, lines: u64, within: Duration) -> Arrived {
    let begun = Instant::now();
    loop {
        let found = arrived(file);
        if found.lines >= lines {
            return found;
        }
        assert!(begun.elapsed() < within, "waited {} s for {lines} lines: {found:?}", within.as_secs());
        thread::sleep(Duration::from_millis(20));
    }
}

/// How long one hand-over took.
#[derive(Clone, Copy)]
pub struct Handed {
    pub took: Duration,
    /// Whether the kernel gave the core to somebody else meanwhile.
    pub was_preempted: bool,
}

/// Hands lines over, and how long each took.
pub fn hand_over(forwarder: &Forwarder, numbers: std::ops::Range<u64>, pause: Duration) -> Vec<Handed> {
    let preempted = || getrusage(UsageWho::RUSAGE_THREAD).unwrap().involuntary_context_switches();
    let mut all = Vec::new();
    for number in numbers {
        let line = line(number);
        let (begun, before) = (Instant::now(), preempted());
        assert!(forwarder.hand_over(line), "line {number} found no room");
        all.push(Handed { took: begun.elapsed(), was_preempted: preempted() != before });
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }
    all
}

/// Nothing was lost, and it is known.
pub fn lost_nothing(numbers: &Numbers, sent: u64) {
    assert_eq!(numbers.lost.messages(), 0, "{numbers:?}");
    assert_eq!(numbers.sent, sent, "{numbers:?}");
    assert_eq!(numbers.queued, 0, "{numbers:?}");
}
