//! A whole run: every variant of the ruleset, every group of probes.

use std::collections::BTreeMap;
use std::time::Instant;

use jiff::Timestamp;
use segwall_core::policy::{Limit, Policy, TimeUnit};
use segwall_core::ruleset::{At, Ruleset};
use segwall_packetset::Place;

use crate::connections;
use crate::dhcp::{self, DhcpReport};
use crate::error::LabError;
use crate::limits;
use crate::pairs::{self, Places};
use crate::probe::{Kind, Probe};
use crate::prober::Prober;
use crate::proof::{Load, ProofReport};
use crate::report::{Beside, Report, Tally};
use crate::session::Session;
use crate::topology::Topology;
use crate::trial::Ground;

/// Turns a ruleset into texts for `nft -f`, each a transaction of its own: first a closed table with empty sets, then
/// elements, at most a few thousand in each text.
pub type Emit<'a> = dyn Fn(&Ruleset, At) -> Vec<String> + 'a;

/// How a lab is run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The present. Schedules are moved around it; expiry is compared with it.
    pub now: Timestamp,
    /// Tells this run's packets from all others.
    pub run: u64,
    /// Chooses the sample where a pair has too many combinations.
    pub seed: u64,
    /// Run the DHCP server, and ask it in every segment.
    pub leases: bool,
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// What is being done.
    pub phase: &'a str,
    /// Steps done.
    pub done: u64,
    /// Steps in all.
    pub total: u64,
}

/// A rate that no run of probes reaches; the rules keep their shape.
const UNREACHED: Limit = Limit { rate: 1_000_000, per: TimeUnit::Second, burst: 1_000_000, by_source: false };
/// A rate that the first probe uses up: what a second one still passes by does not depend on it.
const SPENT: Limit = Limit { rate: 1, per: TimeUnit::Day, burst: 1, by_source: false };

/// Builds the network, loads what `emit` makes of the ruleset, probes every class of flow, and compares.
///
/// The process must be isolated: [`crate::isolate`].
///
/// # Errors
/// When the lab cannot be built, or the ruleset cannot be loaded.
pub fn run(
    policy: &Policy,
    ruleset: &Ruleset,
    emit: &Emit<'_>,
    options: &Options,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Report, LabError> {
    let started = Instant::now();
    let written = ruleset;
    let (topology, ruleset) = Topology::of(policy, written);
    let at = At::Instant(options.now);
    let variants = variants(&ruleset, options.now);
    // What is loaded never knows the addresses that an uplink is given later.
    let loaded = self::variants(written, options.now);
    let places = Places::of(&ruleset, &topology);
    let inputs: Vec<Place> = topology.ids().map(Place::Interface).chain([Place::Gateway]).collect();
    // For each variant: load, every input, connections; at last limits and leases.
    let steps = u64::try_from(variants.len() * (inputs.len() + 2) + 3).expect("counted in 64 bits");
    let mut done = 0;
    let mut step = |phase: &str| {
        progress(Progress { phase, done, total: steps });
        done += 1;
    };
    step("building the network");
    let mut prober = Prober::new(&topology, options.run)?;
    let mut tally = Tally::default();
    let mut proof = ProofReport::default();
    for ((variant, ruleset), (_, loaded)) in variants.iter().zip(&loaded) {
        step("loading the ruleset");
        prober.load(&topology, &emit(loaded, at))?;
        let ground = Ground { topology: &topology, ruleset, now: options.now };
        proof.add(&mut prober, &ground, &Load { ruleset: loaded, at, variant, reload: None })?;
        let mut session = Session {
            topology: &topology,
            ruleset,
            at,
            variant,
            prober: &mut prober,
            tally: &mut tally,
            accepted: BTreeMap::new(),
            refused: BTreeMap::new(),
            used_up: false,
        };
        for input in &inputs {
            step("probing every class of flow");
            let generated = pairs::from(ruleset, &topology, &places, *input, options.seed);
            session.tally.skipped += generated.skipped;
            session.run(&generated.probes)?;
        }
        step("connections, strays, spoofed sources");
        connections::run(&mut session, options.seed)?;
    }
    step("limits");
    let mut notes = notes(policy, &prober);
    if ruleset.rules.iter().any(|rule| rule.limit.is_some()) {
        let hold = |ruleset: &Ruleset| match has_windows(ruleset) {
            true => ruleset.with_windows_around(options.now, true),
            false => ruleset.clone(),
        };
        let (held, loaded) = (hold(&ruleset), hold(written));
        prober.load(&topology, &emit(&with_limits(&loaded, SPENT), at))?;
        let mut session = Session {
            topology: &topology,
            ruleset: &held,
            at,
            variant: "every limit is used up",
            prober: &mut prober,
            tally: &mut tally,
            accepted: BTreeMap::new(),
            refused: BTreeMap::new(),
            used_up: true,
        };
        for input in &inputs {
            let generated = pairs::from(&held, &topology, &places, *input, options.seed);
            let probes: Vec<Probe> =
                generated.probes.into_iter().map(|probe| Probe { kind: Kind::Limit, ..probe }).collect();
            session.run(&probes)?;
        }
        let texts = emit(&loaded, at);
        prober.load(&topology, &texts)?;
        let ground = Ground { topology: &topology, ruleset: &held, now: options.now };
        proof.add(&mut prober, &ground, &Load { ruleset: &loaded, at, variant: "limits", reload: Some(&texts) })?;
        let mut session = Session {
            topology: &topology,
            ruleset: &held,
            at,
            variant: "limits",
            prober: &mut prober,
            tally: &mut tally,
            accepted: BTreeMap::new(),
            refused: BTreeMap::new(),
            used_up: false,
        };
        limits::run(&mut session, &texts, &places, &inputs, options.seed, &mut notes)?;
    }
    step("asking for leases");
    let dhcp = match options.leases {
        true => dhcp::run(policy, written, &topology, &mut prober, options.run)?,
        false => DhcpReport::default(),
    };
    Ok(tally.finish(&topology, Beside { proof, dhcp, notes }, started.elapsed().as_secs_f64()))
}

/// Builds the network of a policy; loads what each of `emits` makes of a ruleset, one after the other, and proves it.
/// Nothing is probed but what refutes. The network may be a part of the ruleset's: then refutations show packets of that.
///
/// The process must be isolated: [`crate::isolate`].
///
/// # Errors
/// When the lab cannot be built; of each text, when it cannot be loaded.
pub fn proofs(
    (policy, near): (&Policy, &Ruleset),
    ruleset: &Ruleset,
    emits: &[&Emit<'_>],
    options: &Options,
) -> Result<Vec<Result<ProofReport, LabError>>, LabError> {
    let (topology, known) = Topology::of(policy, near);
    let at = At::Instant(options.now);
    let loaded = with_limits(ruleset, UNREACHED);
    let mut prober = Prober::new(&topology, options.run)?;
    let ground = Ground { topology: &topology, ruleset: &known, now: options.now };
    let mut one = |emit: &Emit<'_>| {
        let mut proof = ProofReport::default();
        prober.load(&topology, &emit(&loaded, at))?;
        proof.add(&mut prober, &ground, &Load { ruleset: &loaded, at, variant: "", reload: None })?;
        Ok(proof)
    };
    Ok(emits.iter().map(|emit| one(emit)).collect())
}

/// The same with another rate wherever there is one.
fn with_limits(ruleset: &Ruleset, limit: Limit) -> Ruleset {
    let mut changed = ruleset.clone();
    for own in changed.rules.iter_mut().filter_map(|rule| rule.limit.as_mut()) {
        *own = Limit { by_source: own.by_source, ..limit };
    }
    changed
}

fn has_windows(ruleset: &Ruleset) -> bool {
    ruleset.rules.iter().any(|rule| rule.when.windows.is_some())
}

/// The ruleset as it is probed for verdicts: limits out of reach, since probes come in bursts; with every weekly
/// window around the present, and with none.
fn variants(ruleset: &Ruleset, now: Timestamp) -> Vec<(&'static str, Ruleset)> {
    let plain = with_limits(ruleset, UNREACHED);
    if has_windows(&plain) {
        vec![
            ("every schedule holds", plain.with_windows_around(now, true)),
            ("no schedule holds", plain.with_windows_around(now, false)),
        ]
    } else {
        vec![("", plain)]
    }
}

fn notes(policy: &Policy, prober: &Prober) -> Vec<String> {
    let mut notes = Vec::new();
    let is_tagged = |wiring: &segwall_core::policy::Wiring| matches!(wiring, segwall_core::policy::Wiring::Vlan { .. });
    let tagged = policy.segments.iter().any(|segment| is_tagged(&segment.wiring))
        || policy.uplinks.iter().any(|uplink| is_tagged(&uplink.wiring));
    if tagged {
        notes.push(if prober.has_real_vlans() {
            "tagged segments run over real VLAN devices".to_owned()
        } else {
            "this kernel has no 8021q: a veth pair of the same name stands for each VLAN device".to_owned()
        });
    }
    notes.push(
        "not probed: traffic that stays on the wire inside a segment, and a false address behind its own interface"
            .to_owned(),
    );
    notes
}

/// Elements in one transaction: in a user namespace the kernel takes 5,000 to 6,000.
const ELEMENTS_MAX: usize = 4000;

/// What the nft emitter makes of a ruleset, in pieces that a user namespace can load.
#[must_use]
pub fn emit_nft(ruleset: &Ruleset, at: At) -> Vec<String> {
    let program = segwall_core::emit::nft::compile(ruleset, at);
    let mut texts = vec![program.closed_base()];
    texts.extend(program.pieces(ELEMENTS_MAX));
    texts
}
