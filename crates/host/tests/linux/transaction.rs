//! Applying for real, and the watchdog that leads back when nobody confirms or whoever applies dies.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use segwall_core::plan::{FORWARD_V4, Interest, Inventory};
use segwall_host::apply::{Applied, Compiled, Host, Journal, Phase, Store, apply, confirm};
use segwall_host::linux::{Linux, lock};
use segwall_host::sysctl;

use crate::harness::Case;
use crate::helpers::MARK;
use crate::world::{Dir, policy, request, wired};

pub const ALL: &[Case] = &[
    ("an_apply_is_kept_and_said_to_be_unchanged", an_apply_is_kept_and_said_to_be_unchanged),
    ("nobody_confirms_and_the_box_goes_back", nobody_confirms_and_the_box_goes_back),
    ("whoever_confirms_ends_the_watchdog", whoever_confirms_ends_the_watchdog),
    ("whoever_is_killed_is_led_back", whoever_is_killed_is_led_back),
    ("whoever_is_stopped_does_not_stop_the_clock", whoever_is_stopped_does_not_stop_the_clock),
];

const ONE: &str = "\"tcp/80\"";
const TWO: &str = "\"tcp/443\"";
/// Deaths at random moments; `SEGWALL_KILLS` says otherwise.
const KILLS: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(60);

fn kept(linux: &mut Linux, services: &str) -> u64 {
    let lock = linux.lock_wait().unwrap();
    let applied = apply(linux, &request(&policy(services), None), &mut |_| {});
    drop(lock);
    match applied
        .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error).map(ToString::to_string)))
    {
        Applied::Kept(number) => number,
        other => panic!("{other:?}"),
    }
}

/// Everything that an apply changes.
fn look(linux: &mut Linux, compiled: &Compiled) -> Inventory {
    let mut interest = Interest::default();
    interest.add(&compiled.wanted);
    let mut found = linux.inventory(&interest).unwrap();
    for link in found.links.values_mut() {
        // Given by the kernel, to what is up.
        link.addresses.retain(|(addr, _)| !addr.to_string().starts_with("fe80:"));
        link.addresses.sort_unstable();
    }
    found
}

/// The first policy applied and kept: its number, what it is, and the box as it is then.
fn held(linux: &mut Linux) -> (u64, Compiled, Inventory) {
    let first = kept(linux, ONE);
    let compiled = Store::compiled(linux, first).unwrap();
    let before = look(linux, &compiled);
    (first, compiled, before)
}

fn until(dir: &Dir, what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        let told = || fs::read_to_string(dir.path().join("run/segwall/watchdog.log")).unwrap_or_default();
        assert!(begun.elapsed() < PATIENCE, "{what}; {} watchdogs; {}", watchdogs(dir), told());
        thread::sleep(Duration::from_millis(20));
    }
}

fn an_apply_is_kept_and_said_to_be_unchanged() {
    let dir = Dir::new("kept");
    let (gateway, _far) = wired(&["left", "right"]);
    gateway
        .run(|| {
            let mut linux = dir.linux();
            let number = kept(&mut linux, ONE);
            assert_eq!(Store::confirmed(&mut linux).unwrap(), Some(number));
            let compiled = Store::compiled(&mut linux, number).unwrap();
            let there = look(&mut linux, &compiled);
            assert!(there.table && there.links["left"].up && there.links["left"].addresses.len() == 2);
            assert_eq!(sysctl::get(FORWARD_V4).as_deref(), Some("1"));
            assert!(dir.path().join("etc/network/interfaces.d/segwall").exists());
            let lock = linux.lock_wait().unwrap();
            let mut steps = Vec::new();
            let again = apply(&mut linux, &request(&policy(ONE), None), &mut |step| steps.push(step.to_owned()));
            drop(lock);
            assert_eq!(again.unwrap(), Applied::Unchanged(number), "{steps:?}");
            // Somebody flushed the rules: an apply of the same mends that.
            let nft = segwall_host::nft::Nft::find().unwrap();
            nft.load(&segwall_host::netns::Netns::current().unwrap(), "flush ruleset").unwrap();
            kept(&mut linux, ONE);
            assert!(look(&mut linux, &compiled).table);
        })
        .unwrap();
}

fn nobody_confirms_and_the_box_goes_back() {
    let dir = Dir::new("back");
    let (gateway, _far) = wired(&["left", "right"]);
    gateway
        .run(|| {
            let mut linux = dir.linux();
            let (first, compiled, before) = held(&mut linux);
            let lock = linux.lock_wait().unwrap();
            let moved = policy(TWO).replace("192.0.2.0/24", "203.0.113.0/24");
            let waiting = apply(&mut linux, &request(&moved, Some(1_500)), &mut |_| {}).unwrap();
            drop(lock);
            assert!(matches!(waiting, Applied::Waiting { .. }), "{waiting:?}");
            assert_ne!(look(&mut linux, &compiled), before);
            until(&dir, "the watchdog leads back", || Journal::read(&mut linux).unwrap().is_none());
            assert_eq!(look(&mut linux, &compiled), before);
            assert_eq!(Store::confirmed(&mut linux).unwrap(), Some(first));
            let log = fs::read_to_string(dir.path().join("run/segwall/watchdog.log")).unwrap();
            assert!(log.contains("nobody confirmed it in time"), "{log}");
        })
        .unwrap();
}

fn whoever_confirms_ends_the_watchdog() {
    let dir = Dir::new("confirm");
    let (gateway, _far) = wired(&["left", "right"]);
    gateway
        .run(|| {
            let mut linux = dir.linux();
            kept(&mut linux, ONE);
            let lock = linux.lock_wait().unwrap();
            apply(&mut linux, &request(&policy(TWO), Some(60_000)), &mut |_| {}).unwrap();
            drop(lock);
            until(&dir, "a watchdog waits", || watchdogs(&dir) > 0);
            let lock = linux.lock_wait().unwrap();
            let number = confirm(&mut linux, |_, _| Ok(())).unwrap();
            drop(lock);
            assert_eq!(Store::confirmed(&mut linux).unwrap(), Some(number));
            until(&dir, "the watchdog ends", || watchdogs(&dir) == 0);
        })
        .unwrap();
}

/// Watchdogs of this box that are running.
fn watchdogs(dir: &Dir) -> usize {
    let wanted = ["watchdog", dir.path().to_str().unwrap()];
    let is_one = |entry: fs::DirEntry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        wanted.iter().all(|word| words.contains(&word.as_bytes()))
    };
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().join("cmdline").exists())
        .map(is_one)
        .filter(|one| *one)
        .count()
}

fn applying(dir: &Dir, services: &str) -> Child {
    Command::new("/proc/self/exe")
        .args([MARK, "apply", dir.path().to_str().unwrap(), services, "600"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Ctrl-Z, or a SIGSTOP where Ctrl-Z is not taken: the lock is held by somebody who does not go on.
fn whoever_is_stopped_does_not_stop_the_clock() {
    let dir = Dir::new("stopped");
    let (gateway, _far) = wired(&["left", "right"]);
    gateway
        .run(|| {
            let mut linux = dir.linux();
            let (_, compiled, before) = held(&mut linux);
            let lock = linux.lock_wait().unwrap();
            apply(&mut linux, &request(&policy(TWO), Some(1_000)), &mut |_| {}).unwrap();
            drop(lock);
            let mut child = Command::new("/proc/self/exe")
                .args([MARK, "hold", dir.path().to_str().unwrap()])
                .stdin(Stdio::null())
                .spawn()
                .unwrap();
            let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
            until(&dir, "it holds the lock", || lock::holder(linux.root()) == Some(pid));
            // Ctrl-Z itself is not taken.
            kill(pid, Signal::SIGTSTP).unwrap();
            thread::sleep(Duration::from_millis(50));
            assert!(!lock::is_stopped(pid));
            kill(pid, Signal::SIGSTOP).unwrap();
            until(&dir, "it is stopped", || lock::is_stopped(pid));
            until(&dir, "the watchdog leads back", || Journal::read(&mut linux).unwrap().is_none());
            assert!(!child.wait().unwrap().success());
            assert_eq!(look(&mut linux, &compiled), before);
            let log = fs::read_to_string(dir.path().join("run/segwall/watchdog.log")).unwrap();
            assert!(log.contains("was stopped halfway; it is ended"), "{log}");
        })
        .unwrap();
}

fn whoever_is_killed_is_led_back() {
    let dir = Dir::new("killed");
    let (gateway, _far) = wired(&["left", "right"]);
    let kills = std::env::var("SEGWALL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    gateway
        .run(|| {
            let mut linux = dir.linux();
            let (first, compiled, before) = held(&mut linux);
            let mut interrupted = 0;
            let mut span = Duration::from_millis(400);
            for kill in 0..kills {
                let begun = Instant::now();
                let mut child = applying(&dir, TWO);
                // Spread over the time that an apply takes; it is learned from those that were too late.
                let moment = span.mul_f64((kill as f64 * 0.618_034).fract());
                while begun.elapsed() < moment && child.try_wait().unwrap().is_none() {
                    thread::sleep(Duration::from_millis(1));
                }
                let _ = child.kill();
                if child.wait().unwrap().success() {
                    span = begun.elapsed();
                }
                let phase = Journal::read(&mut linux).unwrap().map(|journal| journal.phase);
                interrupted += usize::from(phase == Some(Phase::Applying));
                until(&dir, "it is led back", || Journal::read(&mut linux).unwrap().is_none() && watchdogs(&dir) == 0);
                assert_eq!(Store::confirmed(&mut linux).unwrap(), Some(first), "kill {kill} after {moment:?}");
                assert_eq!(look(&mut linux, &compiled), before, "kill {kill} after {moment:?}, {phase:?}");
                assert!(matches!(
                    linux.prove(Some(&compiled)).unwrap(),
                    segwall_host::apply::Verdict::Proved | segwall_host::apply::Verdict::Beside(_)
                ));
            }
            assert!(interrupted > 0, "no kill met an apply at work");
        })
        .unwrap();
}
