//! `kill -9` at random moments, over and over on one store: what is older than a second is there, once, and it always opens.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use segwall_watch::At;
use segwall_watch::live::now;
use segwall_watch::store::read::{Period, Reader};
use segwall_watch::store::{Options, Store};

use crate::flow;
use crate::harness::Case;

pub const ALL: &[Case] = &[("killed_at_random_moments_it_loses_the_last_second_at_most", killed)];

/// The first argument of a process that is to be killed.
pub const MARK: &str = "--as-helper";

/// Small files, so that many are begun, named and finished while somebody kills. The pause between writes is the field's.
fn options(dir: &Path) -> Options {
    Options { pending_max: 1_500, linger: Duration::from_millis(100), ..Options::new(dir) }
}

/// Hands flows over until it is killed, and says which number it came to, and how many are on the disk.
pub fn helper(dir: &str, first: u64) {
    let store = Store::start(options(Path::new(dir))).unwrap();
    for number in first.. {
        store.flow(flow(number, now()));
        if number % 40 == 0 {
            println!("{number} {} {}", now().0, store.numbers().flows);
            std::io::stdout().flush().unwrap();
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A stream of numbers from a seed (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

fn found(dir: &Path) -> Vec<u64> {
    let mut found = Vec::new();
    let period = Period { since: At(i64::MIN), until: At(i64::MAX) };
    Reader::open(dir).unwrap().flows(period, |_| true, |flow| found.push(flow.sent.bytes)).unwrap();
    found.sort_unstable();
    found
}

fn killed() {
    let dir = tempfile::tempdir().unwrap();
    let seed = std::env::var("STORE_SEED").map_or(20_261_126, |seed| seed.parse().unwrap());
    let mut random = Random(seed);
    let rounds = if std::env::var_os("SEGWALL_FULL").is_some_and(|value| value == "1") { 100 } else { 10 };
    // Gaps are what was on its way when it was killed: each begins where a life ended.
    let mut kept: Vec<std::ops::Range<u64>> = Vec::new();
    let (mut next, mut worst, mut held) = (1, Duration::ZERO, Duration::ZERO);
    for round in 0..rounds {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(MARK).arg(dir.path()).arg(next.to_string()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<String>>());
        thread::sleep(Duration::from_micros(50_000 + random.below(2_600_000)));
        let moment = now();
        child.kill().unwrap();
        child.wait().unwrap();
        let said: Vec<(u64, At, u64)> = said
            .join()
            .unwrap()
            .iter()
            .filter_map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                let [number, at, stored] = words[..] else { return None };
                Some((number.parse().ok()?, At(at.parse().ok()?), stored.parse().ok()?))
            })
            .collect();
        let found = if dir.path().join("store.db").exists() && round > 0 || !said.is_empty() {
            match Reader::open(dir.path()) {
                Ok(_) => found(dir.path()),
                // Killed while the very first start made its tables.
                Err(error) => {
                    assert!(kept.is_empty() && error.to_string().contains("nothing was stored yet"), "{error}");
                    Vec::new()
                }
            }
        } else {
            Vec::new()
        };
        // What earlier lives left is untouched, and this life left numbers without a gap, each once.
        let before: Vec<u64> = kept.iter().cloned().flatten().collect();
        assert_eq!(found.get(..before.len()), Some(&before[..]), "round {round} of seed {seed}");
        let own = &found[before.len()..];
        let whole: Vec<u64> = (next..next + own.len() as u64).collect();
        assert_eq!(own, whole, "round {round} of seed {seed}");
        // What it said is on the disk is; and what is older than a second is.
        let end = next + own.len() as u64;
        if let Some((.., stored)) = said.last() {
            assert!(own.len() as u64 >= *stored, "round {round}: said {stored}, found {}", own.len());
        }
        if let Some((_, handed, _)) = said.iter().find(|(number, ..)| *number >= end) {
            let age = |at: &At| Duration::from_micros(u64::try_from(moment.0 - at.0).unwrap_or(0));
            // A loaded machine may keep the process from running at all: it speaks every 10 ms, else it was held.
            let late = said.iter().map(|(_, at, _)| *at).filter(|at| at >= handed).chain([moment]);
            let times: Vec<At> = late.collect();
            let gaps =
                times.windows(2).map(|pair| Duration::from_micros(u64::try_from(pair[1].0 - pair[0].0).unwrap_or(0)));
            let stopped: Duration = gaps.map(|gap| gap.saturating_sub(Duration::from_millis(20))).sum();
            held = held.max(stopped);
            worst = worst.max(age(handed).saturating_sub(stopped));
        }
        kept.push(next..end);
        next = said.last().map_or(end, |(number, ..)| number + 100).max(end) + 1;
    }
    let files = std::fs::read_dir(dir.path().join("flows")).unwrap().count();
    let rows: u64 = kept.iter().map(|range| range.end - range.start).sum();
    let begun = Instant::now();
    let store = Store::start(options(dir.path())).unwrap();
    while store.numbers().flows == 0 {
        store.flow(flow(next, now()));
        next += 1;
        thread::sleep(Duration::from_millis(20));
        assert!(begun.elapsed() < Duration::from_secs(30) && store.ill().is_none(), "{:?}", store.ill());
    }
    store.stop(Duration::from_secs(10));
    println!(
        "    killed {rounds} times: {rows} flows kept, the oldest that was lost was {:.2} s old, seed {seed}; {files} files; \
         the machine held it for {:.2} s at most",
        worst.as_secs_f64(),
        held.as_secs_f64(),
    );
    assert!(files > 0, "files were written in between");
    assert!(worst <= Duration::from_secs(1), "lost what was {worst:?} old");
}
