//! 1,000 segments and 29,970 entries in the kernel: single faults are refuted, each by a packet that the kernel then treats
//! as the proof says, and what changes nothing is proved.

use std::collections::BTreeSet;
use std::time::Instant;

use segwall_core::emit::nft::{Key, Part, Program, Set, SetKind, compile};
use segwall_core::ruleset::{At, Ruleset};
use segwall_core::testing::{Seeded, scale_policy};
use segwall_lab::{Emit, ProofReport, Tried};

use crate::common::{count, load, options};
use crate::harness::Case;
use crate::mutations::edit::Edit;
use crate::mutations::texts;

pub const ALL: &[Case] = &[("faults_among_thirty_thousand_entries_are_refuted", faults_are_refuted)];

const SEGMENTS: usize = 1000;
/// Ten services' worth of pairs, but for the first segment, which needs none of its own.
const ENTRIES: usize = 29_970;
const SEED: u64 = 0x5e6_1a96;

/// How a program is changed, and whether that changes what it means.
struct Change {
    words: String,
    edit: Box<dyn Fn(&mut Program)>,
    is_fault: bool,
}

fn faults_are_refuted() {
    let large = scale_policy(SEGMENTS);
    let (_, ruleset) = load("large", &large);
    let program = compile(&ruleset, At::Instant(options().now));
    let set = program.sets.iter().max_by_key(|set| set.len()).unwrap();
    assert_eq!(set.len(), ENTRIES, "{}", set.name);
    let (changes, segments) = changes(set);
    // A thousand namespaces take minutes: the network has those that the faults speak of.
    let (near, near_ruleset) = load("a part of it", &part(&large, &segments));
    let emits: Vec<Box<Emit<'_>>> = changes
        .iter()
        .map(|change| {
            let emit = |ruleset: &Ruleset, at: At| {
                let mut program = compile(ruleset, at);
                (change.edit)(&mut program);
                texts(&program)
            };
            Box::new(emit) as Box<Emit<'_>>
        })
        .collect();
    let begun = Instant::now();
    let emits: Vec<&Emit<'_>> = emits.iter().map(AsRef::as_ref).collect();
    let proofs = segwall_lab::proofs((&near, &near_ruleset), &ruleset, &emits, &options()).unwrap();
    let (mut refuted, mut proved, mut wrong) = (0, 0, Vec::new());
    for (change, proof) in changes.iter().zip(proofs) {
        let proof = proof.unwrap_or_else(|error| panic!("{}: {}", change.words, crate::common::words(&error)));
        match judge(change, &proof) {
            Ok(()) if change.is_fault => refuted += 1,
            Ok(()) => proved += 1,
            Err(what) => wrong.push(format!("{}: {what}", change.words)),
        }
    }
    println!(
        "{ENTRIES} entries: {refuted} faults refuted and confirmed by the kernel, {proved} that change nothing proved, in \
         {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same uplink and some of the segments, and no rule.
fn part(large: &str, segments: &BTreeSet<usize>) -> String {
    let wanted = |section: &str| match section.strip_prefix("[segments.") {
        Some(rest) => {
            let name = rest.split(']').next().unwrap();
            let number = name.strip_prefix('s').map_or(0, |number| number.parse().unwrap());
            number == 0 || segments.contains(&number)
        }
        None => !section.starts_with("[["),
    };
    large.split("\n\n").filter(|section| wanted(section.trim_start())).collect::<Vec<_>>().join("\n\n")
}

/// Refuted by packets that the kernel treats so, at least one; or proved.
fn judge(change: &Change, proof: &ProofReport) -> Result<(), String> {
    if !proof.undetermined.is_empty() {
        return Err(format!("undetermined: {}", proof.undetermined.join("; ")));
    }
    if !change.is_fault {
        return if proof.is_proved() { Ok(()) } else { Err(format!("refuted: {:?}", proof.refuted)) };
    }
    let confirmed = proof.refuted.iter().filter(|one| one.kernel == Tried::Confirmed).count();
    if confirmed > 0 && confirmed == proof.refuted.len() {
        Ok(())
    } else {
        Err(format!("{confirmed} packets confirmed of {:#?}", proof.refuted))
    }
}

/// Elements removed, added, with another port and with another interface; and what means the same, said otherwise.
fn changes(set: &Set) -> (Vec<Change>, BTreeSet<usize>) {
    let mut choices = Seeded(SEED);
    let mut segments = BTreeSet::new();
    let mut changes = same_meaning(set);
    let name = set.name.clone();
    let of_kind = count(1, 5);
    for number in 0..of_kind * 4 {
        let element = set.elements().nth(choices.below(ENTRIES as u64) as usize).unwrap().to_vec();
        let mut meets = |element: &[Key]| {
            for key in element {
                if let Key::Name(id) = key {
                    segments.insert(*id as usize);
                }
            }
        };
        meets(&element);
        let other_port = |by| {
            let mut other = element.clone();
            let last = other.len() - 1;
            let Key::Ports(first, _) = other[last] else { panic!("{element:?}") };
            other[last] = Key::Ports(first + by, first + by);
            other
        };
        let other_interface = || {
            let mut other = element.clone();
            let Key::Name(id) = other[0] else { panic!("{element:?}") };
            // Half of them away: nobody reaches so far.
            other[0] = Key::Name((id + 500) % SEGMENTS as u32);
            other
        };
        let edit = match number % 4 {
            0 => Edit::Element { set: name.clone(), old: element.clone(), new: None },
            1 => Edit::Add { set: name.clone(), element: other_port(1) },
            2 => Edit::Element { set: name.clone(), old: element.clone(), new: Some(other_port(2)) },
            _ => {
                let other = other_interface();
                meets(&other);
                Edit::Element { set: name.clone(), old: element.clone(), new: Some(other) }
            }
        };
        let words = format!("{edit:?}");
        let edit = Box::new(move |program: &mut Program| assert!(edit.apply(program)));
        changes.push(Change { words, edit, is_fault: true });
    }
    (changes, segments)
}

fn same_meaning(set: &Set) -> Vec<Change> {
    let (name, width) = (set.name.clone(), set.types.len());
    let same = |words: &str, edit: Box<dyn Fn(&mut Program)>| Change { words: words.to_owned(), edit, is_fault: false };
    let as_compiled = same("as compiled", Box::new(|_| {}));
    let of = name.clone();
    let backwards = Box::new(move |program: &mut Program| {
        let set = program.sets.iter_mut().find(|set| set.name == of).unwrap();
        set.keys = set.keys.chunks_exact(width).rev().flatten().copied().collect();
        set.rules.reverse();
    });
    let of = name.clone();
    let repeated = Box::new(move |program: &mut Program| again(program, &of, &of));
    let some: Vec<Key> = set.elements().step_by(1000).flatten().copied().collect();
    let types = set.types.clone();
    let as_ranges = Box::new(move |program: &mut Program| {
        let kind = SetKind::Written { interval: true, counter: false };
        let (keys, types) = (some.clone(), types.clone());
        program.sets.push(Set { name: "said_twice".to_owned(), types, kind, keys, rules: Vec::new() });
        again(program, &name, "said_twice");
    });
    vec![
        as_compiled,
        same("elements in reverse", backwards),
        same("a rule repeated", repeated),
        same("some elements once more, in a set of ranges", as_ranges),
    ]
}

/// Repeats the rule that looks a set up, with another set.
fn again(program: &mut Program, set: &str, instead: &str) {
    let looks = |part: &Part| matches!(part, Part::Lookup { set: known, .. } if known == set);
    for chain in &mut program.chains {
        if let Some(at) = chain.rules.iter().position(|rule| rule.parts.iter().any(looks)) {
            let mut rule = chain.rules[at].clone();
            for part in &mut rule.parts {
                if let Part::Lookup { set: known, .. } = part
                    && known == set
                {
                    *known = instead.to_owned();
                }
            }
            chain.rules.insert(at + 1, rule);
        }
    }
}
