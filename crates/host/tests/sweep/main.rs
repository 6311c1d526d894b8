//! Every fault at every step of an apply, and of the way back from it: the box ends in the old or in the new generation,
//! and is never more open than both.

#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use std::collections::BTreeMap;

use segwall_core::plan::FileState;
use segwall_host::apply::boot::{self, Booted};
use segwall_host::apply::{Applied, ApplyError, Journal, Recovery, Scope, Store, apply, confirm, recover};
use segwall_host::sim::{Fault, Sim};
use world::{CLOSED, MOVED, OFFICE, by_hand, fresh, request};

/// What a box is, as words: everything but our own books.
type State = BTreeMap<String, String>;

fn text(file: &FileState) -> String {
    format!("{:o} {}", file.mode, String::from_utf8_lossy(&file.bytes))
}

fn state(sim: &Sim) -> State {
    let kernel = &sim.kernel;
    let mut state = State::new();
    for (path, file) in sim.files() {
        // What is left of a file that was being written means nothing (see apply::temporary).
        if path.ends_with(".segwall~") {
            continue;
        }
        if !path.starts_with("/etc/segwall/") || path == "/etc/segwall/dnsmasq.conf" {
            state.insert(path, text(&file));
        }
    }
    state.insert("rules".to_owned(), format!("{:?} {} {}", kernel.rules, kernel.spoilt, kernel.closing));
    for (name, link) in &kernel.net.links {
        state.insert(format!("link {name}"), format!("{link:?}"));
    }
    state.insert("routes".to_owned(), format!("{:?}", kernel.net.routes));
    for (key, value) in &kernel.sysctls {
        state.insert(format!("setting {key}"), value.clone());
    }
    for (name, service) in &kernel.services {
        let read = |files: &BTreeMap<String, FileState>| files.values().map(text).collect::<String>();
        state
            .insert(format!("service {name}"), format!("{} {:?}", service.enabled, service.running.as_ref().map(read)));
    }
    state.insert("tables of others".to_owned(), format!("{:?}", kernel.tables));
    // A module that is loaded does no harm, and is not unloaded: it is left out.
    state
}

/// What differs, for people.
fn differences(found: &State, wanted: &State) -> String {
    let keys: std::collections::BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
    let unlike = keys.into_iter().filter(|key| found.get(*key) != wanted.get(*key));
    unlike.map(|key| format!("  {key}: {:?}, not {:?}\n", found.get(key), wanted.get(key))).collect()
}

/// From one box to another, once without a fault.
struct Case {
    name: &'static str,
    before: Sim,
    policy: &'static str,
}

fn applied(mut sim: Sim, policy: &str) -> Sim {
    sim.safe = vec![sim.kernel.rules];
    let number = Store::numbers(&mut sim).unwrap().last().copied().unwrap_or(0) + 1;
    sim.safe.push(Some(number));
    let end = apply(&mut sim, &request(policy, None), &mut |_| {}).unwrap();
    assert_eq!(end, Applied::Kept(number));
    assert_eq!(sim.breaches, Vec::<String>::new());
    sim
}

fn cases() -> Vec<Case> {
    let office = || applied(fresh(false, 7), OFFICE);
    vec![
        Case { name: "the first on a fresh box", before: fresh(false, 1), policy: OFFICE },
        Case { name: "the first on a box that forwards", before: fresh(true, 2), policy: OFFICE },
        Case { name: "over what was set up by hand", before: by_hand(4), policy: OFFICE },
        Case { name: "another network", before: office(), policy: MOVED },
        Case { name: "less", before: office(), policy: CLOSED },
        Case { name: "more", before: applied(fresh(false, 3), CLOSED), policy: OFFICE },
        Case { name: "back to one before", before: applied(office(), MOVED), policy: OFFICE },
    ]
}

/// Old, new, or a fault of ours.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ended {
    Old,
    New,
}

struct Run {
    old: State,
    new: State,
    /// The old and the new one as a boot brings them up.
    old_booted: State,
    new_booted: State,
}

impl Run {
    fn of(case: &Case) -> Self {
        let after = applied(case.before.clone(), case.policy);
        Self {
            old: state(&case.before),
            new: state(&after),
            old_booted: state(&rebooted(case.before.clone())),
            new_booted: state(&rebooted(after)),
        }
    }

    fn ended(&self, sim: &Sim, booted: bool, at: &str) -> Ended {
        let found = state(sim);
        let (old, new) = if booted { (&self.old_booted, &self.new_booted) } else { (&self.old, &self.new) };
        if found == *old {
            Ended::Old
        } else if found == *new {
            Ended::New
        } else {
            panic!("{at}: not old:\n{}not new:\n{}", differences(&found, old), differences(&found, new))
        }
    }
}

fn booted(sim: &mut Sim) -> Result<(Recovery, Booted), segwall_host::apply::HostError> {
    boot::start(sim, |_| Ok(None))
}

fn rebooted(mut sim: Sim) -> Sim {
    sim.power_on();
    booted(&mut sim).unwrap();
    sim.start_the_rest();
    sim
}

/// Applies with a fault, and then does what happens on a real box after it, with a second fault in that.
fn run(case: &Case, run: &Run, fault: (usize, Fault), second: Option<(usize, Fault)>) -> Ended {
    let at = format!("{}: {fault:?} then {second:?}", case.name);
    let mut sim = case.before.clone();
    sim.safe = vec![sim.kernel.rules];
    let number = Store::numbers(&mut sim).unwrap().last().copied().unwrap_or(0) + 1;
    sim.safe.push(Some(number));
    sim.steps = 0;
    sim.fault = Some(fault);
    let end = apply(&mut sim, &request(case.policy, None), &mut |_| {});
    let mut cause = sim.gone;
    let mut power = false;
    let settled = match (&end, cause) {
        (_, Some(_)) => false,
        (Ok(Applied::Kept(_)), None) => {
            assert_eq!(run.ended(&sim, false, &at), Ended::New, "{at}: it said that it was kept");
            true
        }
        (Err(ApplyError::WentBack { .. } | ApplyError::Before(_)), None) => {
            assert_eq!(run.ended(&sim, false, &at), Ended::Old, "{at}: it said that it went back");
            true
        }
        (Err(ApplyError::Stuck { .. }), None) => false,
        (other, None) => panic!("{at}: {other:?}"),
    };
    // As long as nothing is settled somebody comes: after a power cut the boot, else the watchdog.
    let mut second = second;
    for _ in 0..4 {
        if settled {
            break;
        }
        let next = second.take();
        // A boot service that did not come to its end is tried again by the next boot; nothing was forwarded meanwhile.
        if power || matches!(cause, Some(Fault::PowerBefore | Fault::PowerAfter)) {
            power = true;
            sim.power_on();
            sim.fault = next;
            // Only a service that is enabled is run by a boot; else it is the next command that finds the journal.
            if sim.kernel.services["segwall"].enabled {
                let _ = booted(&mut sim);
            }
            if sim.gone.is_none() {
                sim.start_the_rest();
            }
            if sim.gone.is_none() && !sim.kernel.services["segwall"].enabled {
                let _ = recover(&mut sim, Scope::Live, "found");
            }
        } else {
            sim.next_process();
            sim.fault = next;
            let _ = recover(&mut sim, Scope::Live, "found");
        }
        cause = sim.gone;
        sim.next_process();
        if cause.is_none() && next.is_none() {
            break;
        }
    }
    sim.next_process();
    // What is left of a journal whose generation is decided, the next command takes away.
    let rest = recover(&mut sim, Scope::Live, "found").unwrap();
    assert!(matches!(rest, Recovery::Nothing | Recovery::Finished(_)), "{at}: {rest:?}");
    assert_eq!(Journal::read(&mut sim).unwrap(), None, "{at}: the journal is left");
    let ended = run.ended(&sim, power, &at);
    let confirmed = Store::confirmed(&mut sim).unwrap();
    assert_eq!(confirmed == Some(number), ended == Ended::New, "{at}: the books say otherwise");
    assert_eq!(sim.breaches, Vec::<String>::new(), "{at}");
    // Numbers never go down.
    sim.safe = vec![sim.kernel.rules, None, Some(number), Some(number + 1)];
    let other = if case.policy == MOVED { OFFICE } else { MOVED };
    match apply(&mut sim, &request(other, None), &mut |_| {}) {
        Ok(Applied::Kept(next)) => assert!(next > confirmed.unwrap_or(0), "{at}: {next} after {confirmed:?}"),
        Ok(Applied::Unchanged(_)) => assert_eq!(ended, Ended::Old, "{at}: it is not the other policy that holds"),
        end => panic!("{at}: the next apply: {end:?}"),
    }
    ended
}

fn steps_of(case: &Case) -> usize {
    let mut sim = case.before.clone();
    sim.steps = 0;
    sim.safe = vec![sim.kernel.rules, None, Some(1), Some(2), Some(3)];
    apply(&mut sim, &request(case.policy, None), &mut |_| {}).unwrap();
    sim.steps
}

#[test]
fn every_fault_at_every_step_ends_in_the_old_or_the_new_generation() {
    let (mut runs, mut old) = (0, 0);
    for case in cases() {
        let all = Run::of(&case);
        for at in 0..steps_of(&case) {
            for fault in Fault::ALL {
                old += usize::from(run(&case, &all, (at, fault), None) == Ended::Old);
                runs += 1;
            }
        }
    }
    println!("{runs} runs: {old} ended in the old generation, {} in the new one", runs - old);
    assert!(runs >= 1000, "{runs} runs");
    assert!(old > 0 && old < runs);
}

#[test]
fn a_second_fault_on_the_way_back_changes_nothing_of_that() {
    let full = std::env::var_os("SEGWALL_FULL").is_some();
    let mut random = 0x5e6_0001_u64;
    let mut pick = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % below
    };
    let cases = cases();
    let worlds: Vec<(Run, usize)> = cases.iter().map(|case| (Run::of(case), steps_of(case))).collect();
    let interrupting =
        [Fault::KilledBefore, Fault::KilledAfter, Fault::PowerBefore, Fault::PowerAfter, Fault::DiskFull];
    for _ in 0..if full { 20_000 } else { 2_000 } {
        let which = pick(cases.len());
        let (world, steps) = &worlds[which];
        let first = (pick(*steps), Fault::ALL[pick(Fault::ALL.len())]);
        let second = (pick(*steps), interrupting[pick(interrupting.len())]);
        run(&cases[which], world, first, Some(second));
    }
}

#[test]
fn who_does_not_confirm_goes_back() {
    for case in cases() {
        let world = Run::of(&case);
        let mut sim = case.before.clone();
        sim.safe = vec![sim.kernel.rules, Some(1), Some(2), Some(3)];
        let end = apply(&mut sim, &request(case.policy, Some(120_000)), &mut |_| {}).unwrap();
        let Applied::Waiting { generation, left_ms: 120_000 } = end else { panic!("{end:?}") };
        assert_eq!(world.ended(&sim, false, case.name), Ended::New);
        // A second one is refused meanwhile.
        let busy = apply(&mut sim, &request(MOVED, None), &mut |_| {}).unwrap_err();
        assert!(matches!(busy, ApplyError::Busy { left_ms: Some(1..), .. }), "{busy:?}");
        // Confirmed in time, from where it may:
        let mut in_time = sim.clone();
        assert!(confirm(&mut in_time, |_, _| Err("not from here".to_owned())).is_err());
        assert_eq!(confirm(&mut in_time, |_, _| Ok(())).unwrap(), generation);
        assert_eq!(world.ended(&in_time, false, case.name), Ended::New);
        assert_eq!(recover(&mut in_time, Scope::Live, "x").unwrap(), Recovery::Nothing);
        // Or too late:
        sim.wait_ms(120_001);
        assert!(confirm(&mut sim, |_, _| Ok(())).is_err());
        let mut live = sim.clone();
        assert!(matches!(recover(&mut live, Scope::Live, "nobody confirmed").unwrap(), Recovery::WentBack { .. }));
        assert_eq!(world.ended(&live, false, case.name), Ended::Old);
        // Or the box was booted:
        let booted = rebooted(sim);
        assert_eq!(world.ended(&booted, true, case.name), Ended::Old);
    }
}

#[test]
fn the_same_policy_again_changes_nothing() {
    let mut sim = applied(fresh(false, 5), OFFICE);
    let before = state(&sim);
    sim.safe.push(Some(2));
    assert_eq!(apply(&mut sim, &request(OFFICE, None), &mut |_| {}).unwrap(), Applied::Unchanged(1));
    assert_eq!(state(&sim), before);
    // Somebody removed our table: it is loaded again.
    sim.kernel.rules = None;
    sim.safe = vec![None, Some(3)];
    assert_eq!(apply(&mut sim, &request(OFFICE, None), &mut |_| {}).unwrap(), Applied::Kept(3));
    assert_eq!(sim.kernel.rules, Some(3));
}

#[test]
fn what_cannot_be_read_stands_in_nobodys_way() {
    let unreadable = FileState { mode: 0o600, bytes: b"{ half".to_vec() };
    // A journal: put aside, and the generation that holds is loaded.
    let mut sim = applied(fresh(true, 11), OFFICE);
    sim.add_file("/etc/segwall/journal.json", unreadable.clone());
    sim.power_on();
    let (_, booted) = booted(&mut sim).unwrap();
    assert!(matches!(booted, Booted::Open(1)), "{booted:?}");
    assert!(sim.files().contains_key("/etc/segwall/journal.unreadable"));
    // The number of the generation that holds: the box is closed, whatever its settings let pass.
    let mut sim = applied(fresh(true, 12), OFFICE);
    sim.add_file("/etc/segwall/confirmed", unreadable);
    sim.power_on();
    sim.kernel.sysctls.insert("net/ipv4/ip_forward".to_owned(), "1".to_owned());
    boot::start(&mut sim, |_| Ok(None)).unwrap_err();
    assert!(!sim.kernel.forwards());
    assert_eq!(sim.kernel.rules, Some(segwall_host::sim::CLOSED));
    // A generation that an upgrade cannot compile any more: a good policy is applied over it.
    let mut sim = applied(fresh(false, 13), OFFICE);
    sim.policies.remove(OFFICE);
    sim.safe = vec![Some(1), Some(2)];
    assert_eq!(apply(&mut sim, &request(MOVED, None), &mut |_| {}).unwrap(), Applied::Kept(2));
    assert_eq!(sim.breaches, Vec::<String>::new());
}

#[test]
fn what_is_in_the_way_is_said_before_anything_is_touched() {
    let mut sim = fresh(false, 9);
    sim.kernel.net.links.remove("eth0");
    let before = state(&sim);
    let error = apply(&mut sim, &request(OFFICE, None), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("no interface eth0"), "{error}");
    assert_eq!(state(&sim), before);
}
