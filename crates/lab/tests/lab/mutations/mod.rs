//! Probes that find every fault: single faults are put into emitted programs, brute force says which of them change
//! what the program means, and the lab must find those.

mod brute;
mod cuts;
pub mod edit;
pub mod faults;
#[allow(dead_code, reason = "the emitter's own test uses all of it")]
#[path = "../../../../core/tests/emit/machine.rs"]
mod machine;
mod trials;

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Instant;

use brute::Brute;
use faults::{Fault, Kind, faults};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_core::emit::nft::{Program, compile};
use segwall_core::policy::{Policy, Verdict};
use segwall_core::ruleset::{At, Rule, Ruleset, lower};
use segwall_core::testing::{Seeded, random_policy, source_of};
use segwall_lab::{LabError, ProofReport, Topology};
use trials::Trials;

use crate::common::{count, example, is_full, load, options, text, words};
use crate::harness::Case;

pub const ALL: &[Case] =
    &[("brute_force_agrees_with_what_is_emitted", brute_force_agrees), ("every_fault_is_found", every_fault_is_found)];

const SEED: u64 = 0x5e6_fa17;
/// Elements in one transaction, as the lab loads them.
const ELEMENTS_MAX: usize = 4000;
/// Combinations that brute force goes through for a random policy.
const SPACE_MAX: u64 = 1_000_000;
/// Further faults of a kind that are tried until one changes the meaning.
const SPARE: usize = 3;
/// Faults that must change the meaning, for the test to say anything: a full run, and a tenth.
const CHANGED_MIN: (usize, usize) = (50, 20);

/// A policy that faults are put into.
struct Subject {
    name: String,
    policy: Policy,
    written: Ruleset,
}

fn subjects() -> Vec<Subject> {
    let example = |name: &str| {
        let (policy, written) = load(name, &example(name));
        Subject { name: name.to_owned(), policy, written }
    };
    let mut list = vec![example("tutorial.toml")];
    let random = (SEED..).map(|seed| {
        let mut choices = Seeded(seed);
        let policy = random_policy(&mut |bound| choices.below(bound));
        let written = lower(&policy, &source_of(&policy), &TimeZone::UTC);
        Subject { name: format!("random {seed:#x}"), policy, written }
    });
    list.extend(random.filter(is_small).take(count(1, 3)));
    // It takes brute force a while.
    if is_full() {
        list.push(example("branch.toml"));
    }
    list
}

/// With everything there is, and small enough for brute force.
fn is_small(subject: &Subject) -> bool {
    let now = Timestamp::now();
    let (topology, list) = variants(subject, now);
    let written = &subject.written;
    let program = compile(written, At::Instant(now));
    let size = Brute { topology: &topology, ruleset: &list[0].known, now }.size(&program);
    let has = |wanted: fn(&Rule) -> bool| written.rules.iter().any(wanted);
    let rich = !written.translations.is_empty()
        && written.interfaces.iter().any(|interface| interface.ipv6)
        && has(|rule| rule.limit.is_some())
        && has(|rule| rule.when.windows.is_some())
        && has(|rule| rule.verdict != Verdict::Accept);
    rich && size <= SPACE_MAX
}

/// A ruleset as it is loaded, and as the oracle of the lab's network has it.
struct Variant {
    written: Ruleset,
    known: Ruleset,
}

/// As the lab does: every window around the present, and none.
fn variants(subject: &Subject, now: Timestamp) -> (Topology, Vec<Variant>) {
    let (topology, known) = Topology::of(&subject.policy, &subject.written);
    let scheduled = subject.written.rules.iter().any(|rule| rule.when.windows.is_some());
    let moved = |hold| Variant {
        written: subject.written.with_windows_around(now, hold),
        known: known.with_windows_around(now, hold),
    };
    let list = if scheduled {
        vec![moved(true), moved(false)]
    } else {
        vec![Variant { written: subject.written.clone(), known: known.clone() }]
    };
    (topology, list)
}

/// The first packet whose fate the fault changes, and how many were looked at.
fn changed(topology: &Topology, list: &[Variant], now: Timestamp, fault: &Fault) -> (Option<String>, u64) {
    let mut compared = 0;
    for variant in list {
        let original = compile(&variant.written, At::Instant(now));
        let mut program = original.clone();
        if !fault.edit.apply(&mut program) {
            continue;
        }
        let (difference, packets) = Brute { topology, ruleset: &variant.known, now }.difference(&program, &original);
        compared += packets;
        if difference.is_some() {
            return (difference, compared);
        }
    }
    (None, compared)
}

/// What the lab loads of a program.
pub fn texts(program: &Program) -> Vec<String> {
    let mut texts = vec![program.closed_base()];
    texts.extend(program.pieces(ELEMENTS_MAX));
    texts
}

/// What the lab made of a fault.
enum Found {
    Differences(String),
    /// Packets that must arrive for the lab to work at all did not.
    Failure,
    Nothing,
    /// Neither nft nor kernel takes such a program.
    Refused,
}

fn lab(subject: &Subject, fault: &Fault) -> (Found, Option<ProofReport>) {
    let emit = |ruleset: &Ruleset, at: At| {
        let mut program = compile(ruleset, at);
        fault.edit.apply(&mut program);
        texts(&program)
    };
    match segwall_lab::run(&subject.policy, &subject.written, &emit, &options(), &mut |_| {}) {
        Ok(report) if report.differences_total > 0 => (Found::Differences(text(&report)), Some(report.proof)),
        Ok(report) => (Found::Nothing, Some(report.proof)),
        Err(LabError::Sentinel { .. }) => (Found::Failure, None),
        Err(error) if words(&error).contains("nft refused") => (Found::Refused, None),
        Err(error) => panic!("{}: {}", subject.name, words(&error)),
    }
}

/// Without a fault brute force finds nothing: what it calls a change is one.
fn brute_force_agrees() {
    let now = Timestamp::now();
    for subject in subjects() {
        let begun = Instant::now();
        let (topology, list) = variants(&subject, now);
        let mut packets = 0;
        for variant in &list {
            let program = compile(&variant.written, At::Instant(now));
            let (difference, compared) =
                Brute { topology: &topology, ruleset: &variant.known, now }.difference(&program, &program);
            assert_eq!(difference, None, "{}\n{}", subject.name, program.script());
            packets += compared;
        }
        println!("{}: {packets} packets in {:.2}s", subject.name, begun.elapsed().as_secs_f64());
    }
}

#[derive(Default)]
struct Row {
    tried: usize,
    refused: usize,
    changed: usize,
    caught: usize,
}

fn every_fault_is_found() {
    let now = Timestamp::now();
    let subjects = subjects();
    let mut rows: BTreeMap<Kind, Row> = BTreeMap::new();
    let (mut same, mut missed, mut failures) = (Vec::new(), Vec::new(), 0);
    // What the proof said of what was loaded.
    let (mut refuted, mut proved, mut beyond) = (0, 0, Vec::new());
    let mut trials = Trials::default();
    let mut choices = Seeded(SEED);
    for (number, subject) in subjects.iter().enumerate() {
        let (topology, list) = variants(subject, now);
        let mut all: BTreeMap<Kind, Vec<Fault>> = BTreeMap::new();
        for fault in faults(&compile(&list[0].written, At::Instant(now))) {
            all.entry(fault.kind).or_default().push(fault);
        }
        for (of, kind) in Kind::ALL.into_iter().enumerate() {
            let Some(mut pool) = all.remove(&kind) else { continue };
            let row = rows.entry(kind).or_default();
            // A tenth: kinds take turns, each at least once.
            let wanted = count(usize::from(row.changed == 0 || (of + number) % 2 == 0), 2);
            let mut left = wanted;
            let mut spare = SPARE;
            // One that changes nothing says nothing about its kind.
            while (left > 0 || wanted > 0 && row.changed == 0 && spare > 0) && !pool.is_empty() {
                spare -= usize::from(left == 0);
                let fault = pool.swap_remove(choices.below(pool.len() as u64) as usize);
                left = left.saturating_sub(1);
                let (change, packets) = changed(&topology, &list, now, &fault);
                let (found, proof) = lab(subject, &fault);
                if let Some(proof) = proof.as_ref().filter(|proof| !proof.refuted.is_empty()) {
                    trials.note(&format!("{}: {}: {:?}", subject.name, kind.words(), fault.edit), proof);
                }
                match (&change, proof) {
                    (Some(packet), Some(proof)) if proof.refuted.is_empty() => {
                        let why = proof.undetermined.join("; ");
                        let fault = format!("{}: {}: {:?}", subject.name, kind.words(), fault.edit);
                        missed.push(format!("{fault}\n  not refuted ({why}), though {packet}"));
                    }
                    (Some(_), Some(_)) => refuted += 1,
                    (None, Some(proof)) if proof.is_proved() => proved += 1,
                    (None, Some(proof)) => {
                        let words = proof.refuted.first().map(|one| {
                            format!("{}: {}: declared {}, found {}", one.hook, one.packet, one.declared, one.found)
                        });
                        let fault = format!("{}: {}: {:?}", subject.name, kind.words(), fault.edit);
                        beyond.push(format!("{fault}\n  {}", words.unwrap_or_else(|| proof.undetermined.join("; "))));
                    }
                    (_, None) => {}
                }
                // A miss is told at once: a full run takes a while.
                if change.is_some() != matches!(found, Found::Differences(_) | Found::Failure | Found::Refused) {
                    println!("\n{}: {}: {:?}\n  {change:?}", subject.name, kind.words(), fault.edit);
                }
                print!(".");
                let _ = std::io::stdout().flush();
                row.tried += 1;
                match (&change, found) {
                    (_, Found::Refused) => row.refused += 1,
                    (None, Found::Nothing) => {
                        same.push(format!("{}: {}: {:?} ({packets} packets)", subject.name, kind.words(), fault.edit));
                    }
                    // The lab may see more than brute force; what it sees is a difference all the same.
                    (None, Found::Differences(words)) => {
                        missed.push(format!(
                            "{}: {}: {:?}\n  found by the lab, not by brute force:\n{words}",
                            subject.name,
                            kind.words(),
                            fault.edit
                        ));
                    }
                    (None, Found::Failure) => {
                        missed.push(format!("{}: {}: {:?}\n  the lab failed", subject.name, kind.words(), fault.edit));
                    }
                    (Some(_), Found::Differences(_)) => {
                        row.changed += 1;
                        row.caught += 1;
                    }
                    (Some(_), Found::Failure) => {
                        row.changed += 1;
                        row.caught += 1;
                        failures += 1;
                    }
                    (Some(packet), Found::Nothing) => {
                        row.changed += 1;
                        missed.push(format!("{}: {}: {:?}\n  {packet}", subject.name, kind.words(), fault.edit));
                    }
                }
            }
        }
    }
    println!("\n{:<42} {:>6} {:>8} {:>8} {:>7}", "fault", "tried", "refused", "changed", "caught");
    for (kind, row) in &rows {
        println!("{:<42} {:>6} {:>8} {:>8} {:>7}", kind.words(), row.tried, row.refused, row.changed, row.caught);
    }
    let total = |pick: fn(&Row) -> usize| rows.values().map(pick).sum::<usize>();
    let (tried, refused, changed, caught) =
        (total(|row| row.tried), total(|row| row.refused), total(|row| row.changed), total(|row| row.caught));
    println!("{:<42} {tried:>6} {refused:>8} {changed:>8} {caught:>7}", "all");
    println!(
        "{failures} of those caught stopped the lab's own sentinels; refused: nft or the kernel took no such text"
    );
    println!("the proof: {refuted} that change the meaning were refuted, {proved} that change nothing proved");
    trials.print();
    missed.extend(trials.contradicted.iter().map(|one| format!("{one} (the kernel)")));
    println!("\nRefuted by packets that brute force leaves out:");
    for line in &beyond {
        println!("  {line}");
    }
    println!("\nThese change nothing that a packet could show:");
    for line in &same {
        println!("  {line}");
    }
    assert!(missed.is_empty(), "{} faults were judged differently:\n{}", missed.len(), missed.join("\n"));
    assert!(changed >= count(CHANGED_MIN.1, CHANGED_MIN.0), "{changed} faults changed the meaning");
    let kinds = rows.values().filter(|row| row.changed > 0).count();
    assert!(kinds >= 10, "{kinds} kinds of faults changed the meaning");
}
