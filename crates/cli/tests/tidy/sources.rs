//! What a reader of the sources may rely on.

use crate::tree::{File, files, none};

/// A file is one thought that a person can see whole.
const LINES_MAX: usize = 400;
/// Longer ones, each with its reason.
const LONGER: &[(&str, &str)] = &[
    ("crates/core/src/policy/model.rs", "types and their documentation, nothing to follow"),
    ("crates/core/src/analysis/explain.rs", "one question from its words to its parts"),
    ("crates/lab/src/frame.rs", "packets made by hand, and the tests of every one"),
    ("crates/core/src/policy/schema.rs", "one struct for each table of the policy file, with what editors show"),
    ("crates/core/tests/oracle/reading.rs", "the naive reading of a policy, told from top to bottom"),
];

#[test]
fn files_can_be_read_whole() {
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        let lines = file.text.lines().count();
        let allowed = LONGER.iter().any(|(path, _)| *path == file.path);
        if lines > LINES_MAX && !allowed {
            faults.push(format!("{}: {lines} lines, at most {LINES_MAX}", file.path));
        }
    }
    none("files that are too long", faults);
}

#[test]
fn unsafe_lives_in_host_only() {
    let word = concat!("un", "safe");
    let is_use = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|token| token == word)
    };
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| file.is_rust() && file.crate_name() != Some("host")) {
        faults
            .extend(file.code().filter(|(_, line)| is_use(line)).map(|(number, _)| format!("{}:{number}", file.path)));
    }
    none("outside of host", faults);
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [
        concat!(".unw", "rap()"),
        concat!("todo", "!"),
        concat!("unimplemented", "!"),
        concat!("FIX", "ME"),
        concat!("dbg", "!("),
    ];
    let later = [concat!("FIX", "ME"), concat!("todo", "!("), concat!("#[ign", "ore")];
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        if file.is_product() {
            for (number, line) in file.code() {
                faults.extend(marks.iter().filter(|mark| line.contains(**mark)).map(|mark| at(file, number, mark)));
            }
        }
        for (number, line) in (1..).zip(file.text.lines()) {
            faults.extend(later.iter().filter(|mark| line.contains(**mark)).map(|mark| at(file, number, mark)));
        }
    }
    faults.sort();
    faults.dedup();
    none("left for later, or able to panic on a user", faults);
}

fn at(file: &File, number: usize, what: &str) -> String {
    format!("{}:{number}: {what}", file.path)
}

#[test]
fn lines_end_where_they_end() {
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| !file.path.ends_with(".md") && !file.path.ends_with(".trycmd")) {
        for (number, line) in (1..).zip(file.text.lines()) {
            if line.ends_with(' ') || line.ends_with('\t') {
                faults.push(at(file, number, "white space at the end of the line"));
            }
        }
    }
    none("trailing white space", faults);
}

#[test]
fn no_path_belongs_to_one_machine() {
    let paths = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("../sha", "red")];
    // What stands behind a variable or a folder's name is not the machine's root.
    let begins = |line: &str, path: &str| {
        line.match_indices(path)
            .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '}' | '.' | '-')))
    };
    let mut faults = Vec::new();
    for file in files() {
        for (number, line) in (1..).zip(file.text.lines()) {
            faults.extend(paths.iter().filter(|path| begins(line, path)).map(|path| at(file, number, path)));
        }
    }
    none("paths that a stranger does not have", faults);
}

#[test]
fn lock_file_names_the_public_registry_only() {
    let locks: Vec<&File> = files().iter().filter(|file| file.path.ends_with("Cargo.lock")).collect();
    assert_eq!(locks.len(), 2, "the workspace's and the fuzzer's");
    let is_elsewhere = |line: &str| {
        line.starts_with("source = ") && line != "source = \"registry+https://github.com/rust-lang/crates.io-index\""
    };
    let lines = |lock: &'static File| (1..).zip(lock.text.lines()).map(move |(number, line)| (lock, number, line));
    let faults = locks
        .into_iter()
        .flat_map(lines)
        .filter(|(_, _, line)| is_elsewhere(line))
        .map(|(lock, number, line)| at(lock, number, line))
        .collect();
    none("dependencies from elsewhere", faults);
}
