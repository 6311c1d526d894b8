//! The fuzzer's corpus: every kept input through its target, as `make fuzz` does it (fuzz/src/targets). What the fuzzer
//! found once is among them (`found-*`).

#[path = "../../../fuzz/src/targets/mod.rs"]
#[allow(missing_docs)]
mod targets;

use std::panic::catch_unwind;
use std::path::Path;

/// A target with fewer kept inputs has lost them.
const INPUTS_MIN: usize = 10;

fn kept(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("readable").path());
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).expect("named in ASCII").to_owned();
    let mut inputs: Vec<_> = paths.map(|path| (name(&path), std::fs::read(&path).expect("readable"))).collect();
    inputs.sort();
    inputs
}

#[test]
fn what_is_kept_does_no_harm() {
    let mut faults = Vec::new();
    for target in targets::ALL {
        let inputs = kept(target.name);
        assert!(inputs.len() >= INPUTS_MIN, "{}: only {} inputs", target.name, inputs.len());
        assert!(!target.words.is_empty());
        for (name, bytes) in inputs {
            // What it says about itself goes to stderr.
            if catch_unwind(|| (target.run)(&bytes)).is_err() {
                faults.push(format!("fuzz/corpus/{}/{name}", target.name));
            }
        }
    }
    assert!(faults.is_empty(), "these do harm: {faults:#?}");
}

#[test]
fn every_target_has_a_program_and_a_folder() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut programs: Vec<String> = std::fs::read_dir(root.join("fuzz_targets"))
        .expect("committed")
        .map(|entry| {
            entry.expect("readable").path().file_stem().and_then(|stem| stem.to_str()).expect("ASCII").to_owned()
        })
        .collect();
    programs.sort();
    let mut names: Vec<&str> = targets::ALL.iter().map(|target| targets::named(target.name).name).collect();
    names.sort_unstable();
    assert_eq!(programs, names);
}
