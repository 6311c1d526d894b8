//! A lab that is killed leaves nothing behind: no process, no namespace, no interface.
//!
//! The lab to be killed is this program again, started with [`CHILD`] in its environment.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use segwall_core::ruleset::Ruleset;
use segwall_lab::emit_nft;

use crate::common::{example, load, options};
use crate::harness::{Case, must_run};

pub const ALL: &[Case] = &[("a_killed_lab_leaves_nothing_behind", a_killed_lab_leaves_nothing_behind)];

/// In the environment of a process that is to run labs until it is killed.
pub const CHILD: &str = "SEGWALL_LAB_UNTIL_KILLED";
/// How long the kernel may take to clear away.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// Runs labs for ever, and says what it is doing.
pub fn until_killed() -> ExitCode {
    if let Err(error) = segwall_lab::isolate() {
        println!("cannot: {error}");
        return ExitCode::FAILURE;
    }
    let (policy, ruleset) = load("tutorial.toml", &example("tutorial.toml"));
    let emit = |ruleset: &Ruleset, at| emit_nft(ruleset, at);
    loop {
        segwall_lab::run(&policy, &ruleset, &emit, &options(), &mut |step| println!("{}", step.phase)).unwrap();
    }
}

/// A process of ours, ended whatever happens.
struct Lab(Child);

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn a_killed_lab_leaves_nothing_behind() {
    // Where it is killed: while it builds, while nft loads, while it probes.
    for (phase, skip) in [
        ("building the network", 0),
        ("loading the ruleset", 0),
        ("probing every class of flow", 1),
        ("connections", 0),
    ] {
        let interfaces = interfaces();
        let child = Command::new(std::env::current_exe().unwrap())
            .env(CHILD, "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lab = Lab(child);
        let mut lines = BufReader::new(lab.0.stdout.take().unwrap()).lines();
        let mut seen = 0;
        let started = loop {
            let Some(line) = lines.next().transpose().unwrap() else { break false };
            if line.starts_with("cannot") {
                assert!(!must_run(), "{line}");
                eprintln!("SKIPPED: a_killed_lab_leaves_nothing_behind: {line}");
                return;
            }
            seen += usize::from(line.starts_with(phase));
            if seen > skip {
                break true;
            }
        };
        assert!(started, "the lab ended before {phase}");
        // Somewhere in the middle of it.
        sleep(Duration::from_millis(3));
        let pid = lab.0.id();
        let own = namespaces(std::process::id());
        let family = descendants(pid);
        let left: BTreeSet<String> =
            family.iter().flat_map(|pid| namespaces(*pid)).filter(|one| !own.contains(one)).collect();
        assert!(
            left.iter().any(|one| one.starts_with("user:")) || left.len() > 1,
            "{phase}: it has namespaces: {left:?}"
        );
        let holders = holders(&left);
        lab.0.kill().unwrap();
        lab.0.wait().unwrap();
        await_gone(&format!("{phase}: processes of the lab"), || {
            family.iter().copied().filter(|pid| is_running(*pid)).map(|pid| pid.to_string()).collect()
        });
        await_gone(&format!("{phase}: namespaces of the lab"), || held(&left, &holders));
        assert_eq!(interfaces, self::interfaces(), "{phase}: interfaces of this machine");
        println!("{phase}: {} processes and {} namespaces are gone", family.len(), left.len());
    }
}

/// Waits until nothing is left.
fn await_gone(what: &str, left: impl Fn() -> Vec<String>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = left();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{what} are still there: {left:?}");
        sleep(PAUSE);
    }
}

fn interfaces() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/self/net/dev").unwrap();
    text.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

fn processes() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let mut rest = text.rsplit_once(')')?.1.split_whitespace();
    Some((rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
}

fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// A process and all that it started.
fn descendants(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut at = 0;
    while at < family.len() {
        let parent = family[at];
        family.extend(processes().into_iter().filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent)));
        at += 1;
    }
    family
}

/// Namespaces that a process is in or holds open, as the kernel names them: `net:[4026531840]`.
fn namespaces(pid: u32) -> BTreeSet<String> {
    let links = |folder: &str| {
        let entries = fs::read_dir(Path::new("/proc").join(pid.to_string()).join(folder)).into_iter().flatten();
        entries
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok()?.into_os_string().into_string().ok())
            .collect::<Vec<_>>()
    };
    let is_namespace = |name: &String| ["net:[", "user:[", "mnt:["].iter().any(|kind| name.starts_with(kind));
    links("ns").into_iter().chain(links("fd")).filter(is_namespace).collect()
}

/// When a process was started, in ticks since the boot: with its number that tells it from all others.
fn started(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Who has one of these namespaces.
fn holders(names: &BTreeSet<String>) -> Vec<(u32, u64)> {
    let has = |pid: &u32| !namespaces(*pid).is_disjoint(names);
    processes().into_iter().filter(has).filter_map(|pid| Some((pid, started(pid)?))).collect()
}

/// Who of these still has one of these namespaces. Nobody else is asked: the kernel gives the number of a namespace that is
/// gone to the next one, which may be that of a test beside this one.
fn held(names: &BTreeSet<String>, before: &[(u32, u64)]) -> Vec<String> {
    let mut holders = Vec::new();
    for (pid, since) in before {
        if started(*pid) == Some(*since) {
            holders.extend(namespaces(*pid).intersection(names).map(|name| format!("{name} in {pid}")));
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    holders.extend(names.iter().filter(|name| mounts.contains(name.as_str())).map(|name| format!("{name} is mounted")));
    holders
}
