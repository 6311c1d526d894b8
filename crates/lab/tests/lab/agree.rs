//! Proofs and probes never disagree: random policies, loaded as they are or with a single fault, proved, and probed.
//!
//! What is proved has no difference that a probe could find; what refutes is treated by the kernel as the proof says.

use std::collections::BTreeMap;
use std::io::Write;

use jiff::tz::TimeZone;
use segwall_core::emit::nft::compile;
use segwall_core::policy::Policy;
use segwall_core::ruleset::{At, Ruleset, lower};
use segwall_core::testing::{Seeded, random_policy, source_of, to_toml};
use segwall_lab::{LabError, Report, Tried};

use crate::common::{count, options, text};
use crate::harness::Case;
use crate::mutations::faults::{Fault, faults};
use crate::mutations::texts;

pub const ALL: &[Case] = &[("proofs_and_probes_never_disagree", proofs_and_probes_never_disagree)];

const SEED: u64 = 0x5e6_1ab0;
/// Of so many pairs one is loaded as it was compiled.
const UNCHANGED_EVERY: u64 = 3;

/// What came of all pairs.
#[derive(Default)]
struct Tally {
    proved: usize,
    proved_with_a_fault: usize,
    refuted: usize,
    refuted_and_probed: usize,
    /// Neither nft nor the kernel takes such a text.
    refused: usize,
    /// What must arrive for the lab to work did not.
    failed: usize,
    probes: u64,
    skipped: u64,
    confirmed: usize,
    unsent: BTreeMap<&'static str, usize>,
    /// Refuted, and no packet of it could be tried.
    unshown: usize,
    wrong: Vec<String>,
}

fn proofs_and_probes_never_disagree() {
    let pairs = count(100, 1000) as u64;
    let one = std::env::var("PAIR_SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    let seeds = one.map_or(SEED..SEED + pairs, |seed| seed..seed + 1);
    let mut tally = Tally::default();
    for seed in seeds {
        let mut choices = Seeded(seed);
        let policy = random_policy(&mut |bound| choices.below(bound));
        let ruleset = lower(&policy, &source_of(&policy), &TimeZone::UTC);
        let fault = (choices.below(UNCHANGED_EVERY) > 0).then(|| draw(&ruleset, &mut choices)).flatten();
        pair(&policy, &ruleset, fault.as_ref(), seed, &mut tally);
        print!(".");
        let _ = std::io::stdout().flush();
    }
    println!(
        "\n{pairs} pairs: {} proved ({} of them with a fault that changes nothing), {} refuted ({} of them seen by probes \
         too), {} that the kernel does not take, {} that stop the lab",
        tally.proved, tally.proved_with_a_fault, tally.refuted, tally.refuted_and_probed, tally.refused, tally.failed
    );
    println!("{} probes, {} combinations left out", tally.probes, tally.skipped);
    println!(
        "{} refuting packets confirmed by the kernel; {} refuted pairs of which none could be tried",
        tally.confirmed, tally.unshown
    );
    for (why, count) in &tally.unsent {
        println!("  {count:>4} packets not tried: {why}");
    }
    assert!(tally.wrong.is_empty(), "{} of {pairs} disagree:\n{}", tally.wrong.len(), tally.wrong.join("\n\n"));
    if one.is_none() {
        // A test that sees one answer only shows nothing.
        let pairs = usize::try_from(pairs).unwrap();
        assert!(tally.proved * 5 > pairs && tally.refuted * 5 > pairs, "too few of one kind");
        assert!(tally.unshown * 5 < tally.refuted, "{} of {} were not shown", tally.unshown, tally.refuted);
    }
}

/// Any single fault that can be put into what is compiled.
fn draw(ruleset: &Ruleset, choices: &mut Seeded) -> Option<Fault> {
    let mut all = faults(&compile(ruleset, At::Instant(options().now)));
    (!all.is_empty()).then(|| all.swap_remove(choices.below(all.len() as u64) as usize))
}

fn pair(policy: &Policy, ruleset: &Ruleset, fault: Option<&Fault>, seed: u64, tally: &mut Tally) {
    let emit = |ruleset: &Ruleset, at: At| {
        let mut program = compile(ruleset, at);
        if let Some(fault) = fault {
            fault.edit.apply(&mut program);
        }
        texts(&program)
    };
    let words = |what: &str| {
        let fault = fault.map_or("none".to_owned(), |fault| format!("{}: {:?}", fault.kind.words(), fault.edit));
        format!("PAIR_SEED={seed}: {what}\nfault: {fault}\nthe policy:\n{}", to_toml(policy))
    };
    match segwall_lab::run(policy, ruleset, &emit, &options(), &mut |_| {}) {
        Ok(report) => {
            if let Err(what) = compare(&report, fault.is_some(), tally) {
                tally.wrong.push(words(&what));
            }
        }
        Err(LabError::Sentinel { .. }) if fault.is_some() => tally.failed += 1,
        Err(error) if fault.is_some() && crate::common::words(&error).contains("nft refused") => tally.refused += 1,
        Err(error) => tally.wrong.push(words(&crate::common::words(&error))),
    }
}

/// Whether the proof and the probes of one run agree.
fn compare(report: &Report, has_fault: bool, tally: &mut Tally) -> Result<(), String> {
    tally.probes += report.probes_total;
    tally.skipped += report.skipped;
    let proof = &report.proof;
    if !proof.undetermined.is_empty() {
        return Err(format!("undetermined: {}", proof.undetermined.join("; ")));
    }
    if proof.is_proved() {
        tally.proved += 1;
        tally.proved_with_a_fault += usize::from(has_fault);
        return if report.differences_total == 0 { Ok(()) } else { Err(format!("proved, and yet {}", text(report))) };
    }
    tally.refuted += 1;
    tally.refuted_and_probed += usize::from(report.differences_total > 0);
    let mut confirmed = 0;
    let mut contradicted = Vec::new();
    for one in &proof.refuted {
        match &one.kernel {
            Tried::Confirmed => confirmed += 1,
            Tried::Unsent(why) => *tally.unsent.entry(why).or_default() += 1,
            Tried::Contradicted(how) => contradicted
                .push(format!("{}: {}: declared {}, found {}: {how}", one.hook, one.packet, one.declared, one.found)),
        }
    }
    tally.confirmed += confirmed;
    tally.unshown += usize::from(confirmed == 0);
    if !contradicted.is_empty() {
        return Err(contradicted.join("\n"));
    }
    if has_fault { Ok(()) } else { Err("refuted, without a fault".to_owned()) }
}
