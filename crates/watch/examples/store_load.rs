//! What a store costs: `cargo run --release -p segwall-watch --example store_load -- DIR [FLOWS]` stores ten million flows of
//! the last ten hours, with their sums, and says how long it took, in how much memory, on how much disk.
//!
//! Then `segwall flows --top talkers --store-dir DIR` answers from it.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use segwall_packetset::{Header, proto};
use segwall_watch::event::{Answer, Volume};
use segwall_watch::live::now;
use segwall_watch::network::Zone;
use segwall_watch::store::{Flow, Options, Store};
use segwall_watch::traffic::{Between, Carried};
use segwall_watch::{At, Network};

const HOURS: i64 = 10;
/// Flows on their way at once, fewer than the queue holds: as fast as the store takes them, and no faster.
const AHEAD_MAX: u64 = 12_000;
/// How often it writes; more often than in the field, so that the example need not wait.
const EVERY: Duration = Duration::from_millis(50);

/// A stream of numbers (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// Few are frequent, many are rare.
    fn skewed(&mut self, end: u64) -> u64 {
        let limit = self.below(end) + 1;
        self.below(limit)
    }
}

fn flow(random: &mut Random, at: At) -> Flow {
    let client = IpAddr::V4(Ipv4Addr::from(0xc0a8_1400 + u32::try_from(random.skewed(250)).unwrap()));
    let server = IpAddr::V4(Ipv4Addr::from(0x5db8_0000 + u32::try_from(random.skewed(20_000)).unwrap()));
    let ports = [(proto::TCP, 443), (proto::UDP, 443), (proto::UDP, 53), (proto::TCP, 80), (proto::TCP, 22)];
    let (proto, dport) = ports[usize::try_from(random.skewed(5)).unwrap()];
    let sport = 32_768 + u16::try_from(random.below(28_000)).unwrap();
    let packets = 1 + random.skewed(400);
    Flow {
        ended: at,
        began: Some(At(at.0 - i64::try_from(random.skewed(90_000_000)).unwrap())),
        from: ["office", "guest", "iot"][usize::try_from(random.below(3)).unwrap()].to_owned(),
        to: "internet".to_owned(),
        proto,
        src: client,
        dst: server,
        header: Header::Ports { sport, dport },
        server: None,
        sent: Volume { packets, bytes: packets * 120 + random.below(1_000) },
        received: Volume { packets: packets * 2, bytes: packets * 1_400 + random.below(1_000) },
        answer: Answer::Answered,
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let dir = args.get(1).expect("a directory");
    let count: u64 = args.get(2).map_or(10_000_000, |count| count.parse().expect("a number"));
    let network = Network::unknown();
    let store = Store::start(Options { linger: Duration::ZERO, every: EVERY, ..Options::new(dir) }).unwrap();
    let (begun, end) = (Instant::now(), now());
    let span = HOURS * 3_600_000_000;
    let mut random = Random(1);
    let mut went = Vec::new();
    for number in 0..count {
        let at = At(end.0 - span + i64::try_from(i128::from(span) * i128::from(number) / i128::from(count)).unwrap());
        let flow = flow(&mut random, at);
        let between = Between {
            from: Zone::Gateway,
            to: Zone::Internet,
            src: flow.src,
            dst: flow.dst,
            proto: flow.proto,
            dport: flow.dport().unwrap(),
        };
        went.push((between, Carried { ended: 1, sent: flow.sent, received: flow.received }));
        store.flow(flow);
        if number % 1_000 == 999 {
            store.traffic(&network, at, went.drain(..));
            while number.saturating_sub(store.numbers().flows) > AHEAD_MAX {
                assert_eq!(store.numbers().lost, 0, "{:?}", store.ill());
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
    while store.numbers().flows < count {
        assert_eq!(store.numbers().lost, 0, "{:?}", store.ill());
        thread::sleep(Duration::from_millis(10));
    }
    let stored = begun.elapsed();
    // What is still to become files.
    let mut files = u64::MAX;
    while files != store.numbers().files {
        files = store.numbers().files;
        thread::sleep(Duration::from_secs(61));
    }
    let numbers = store.stop(Duration::from_secs(60));
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    println!("{numbers:?}");
    println!(
        "{count} flows within {:.1} s; {:.1} s of a core (with making them up), {} MiB at most, {} MiB on the disk in {} files",
        stored.as_secs_f64(),
        seconds(usage.user_time()) + seconds(usage.system_time()),
        usage.max_rss() / 1024,
        numbers.bytes >> 20,
        numbers.files,
    );
}
