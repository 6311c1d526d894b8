//! Who may know whom: between crates, and between the modules of core.

use crate::tree::{File, files, none};

/// What each crate may use of ours. `packetset ← core ← host ← {lab, watch} ← cli`.
const CRATES: &[(&str, &[&str])] = &[
    ("packetset", &[]),
    ("core", &["packetset"]),
    ("host", &["packetset", "core"]),
    ("lab", &["packetset", "core", "host"]),
    ("watch", &["packetset", "core", "host"]),
    ("cli", &["packetset", "core", "host", "lab", "watch"]),
];

/// What each module of core may use of core.
const MODULES: &[(&str, &[&str])] = &[
    ("source", &[]),
    ("diag", &["source"]),
    ("policy", &["source", "diag"]),
    ("ruleset", &["source", "diag", "policy"]),
    ("analysis", &["source", "diag", "policy", "ruleset", "netfilter"]),
    ("emit", &["source", "diag", "policy", "ruleset"]),
    ("report", &["source", "diag", "policy", "ruleset", "analysis"]),
    ("netfilter", &["source", "diag"]),
    ("import", &["source", "diag", "policy", "ruleset", "netfilter", "analysis"]),
    ("plan", &["source", "diag", "policy", "ruleset", "emit", "import"]),
    ("leases", &["policy"]),
    ("quarantine", &["policy", "ruleset"]),
    ("review", &["policy", "ruleset", "analysis"]),
    ("verify", &["policy", "ruleset"]),
    ("doctor", &["policy", "netfilter", "emit", "plan"]),
    ("testing", &["source", "diag", "policy", "ruleset"]), // random policies, behind a feature that no product turns on
];

#[test]
fn crates_know_only_those_below() {
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml")) {
        let name = file.crate_name().expect("lies in crates/");
        let Some((_, allowed)) = CRATES.iter().find(|(known, _)| *known == name) else {
            faults.push(format!("{}: crate `{name}` is missing in this test's list", file.path));
            continue;
        };
        for line in file.text.lines() {
            if let Some(used) = line.strip_prefix("segwall-").and_then(|rest| rest.split(['.', ' ', '=']).next())
                && used != name
                && !allowed.contains(&used)
            {
                faults.push(format!("{}: {name} may not use {used}", file.path));
            }
        }
    }
    none("crates that know too much", faults);
}

#[test]
fn modules_of_core_know_only_those_before() {
    let mut faults = Vec::new();
    for file in files() {
        let Some(inside) = file.path.strip_prefix("crates/core/src/").filter(|_| file.is_product()) else { continue };
        let module = inside.split('/').next().expect("not empty").trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let Some((_, allowed)) = MODULES.iter().find(|(known, _)| *known == module) else {
            faults.push(format!("{}: module `{module}` is missing in this test's list", file.path));
            continue;
        };
        for used in modules_used(file) {
            if used != module && !allowed.contains(&used.as_str()) {
                faults.push(format!("{}: {module} may not use {used}", file.path));
            }
        }
    }
    none("modules of core that know too much", faults);
}

/// The first segment of every path from the crate's root, `crate::{a, b}` included.
fn modules_used(file: &File) -> Vec<String> {
    let code: String = file.code().map(|(_, line)| format!("{line}\n")).collect();
    // In a file of a top-level module `super::` stays inside it, but for the module's own root.
    let inside = file.path.strip_prefix("crates/core/src/").unwrap_or_default();
    let is_root = !inside.contains('/') || (inside.ends_with("/mod.rs") && inside.matches('/').count() == 1);
    let prefixes: &[&str] = if is_root { &["crate::", "super::"] } else { &["crate::"] };
    let mut used = Vec::new();
    for prefix in prefixes {
        for (at, _) in code.match_indices(prefix) {
            let rest = &code[at + prefix.len()..];
            match rest.strip_prefix('{') {
                Some(list) => used.extend(top_level_names(list)),
                None => used.push(identifier(rest)),
            }
        }
    }
    used.retain(|name| !name.is_empty());
    used.sort();
    used.dedup();
    used
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Names that begin the members of a `{…}` list, the closing brace somewhere behind.
fn top_level_names(list: &str) -> Vec<String> {
    let (mut names, mut depth, mut expect) = (Vec::new(), 0, true);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expect = true,
            c if expect && depth == 0 && !c.is_whitespace() => {
                names.push(identifier(&list[at..]));
                expect = false;
            }
            _ => {}
        }
    }
    names
}

#[test]
fn lists_of_imports_are_read() {
    assert_eq!(top_level_names("policy::{self, End}, source::Span,\n diag};"), ["policy", "source", "diag"]);
    let file = File {
        path: "crates/core/src/emit/x.rs".into(),
        text: "use crate::{analysis::X, ruleset};\nlet a = crate::report::f();\n// crate::plan\n".into(),
    };
    assert_eq!(modules_used(&file), ["analysis", "report", "ruleset"]);
}

/// Words that mean IO, time, environment, processes or randomness.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::io",
    "std::net::Tcp",
    "std::net::Udp",
    "TcpStream",
    "UdpSocket",
    "std::process",
    "std::env",
    "std::os",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "TimeZone::system",
    "std::thread",
    "println!",
    "eprintln!",
    "print!(",
    "rand::",
    "getrandom",
    "tokio",
    "RandomState",
    "HashMap",
    "HashSet",
];

/// Whether a line has the word, not just another one that ends so.
fn holds_word(line: &str, word: &str) -> bool {
    let is_inside =
        |at: usize| line[..at].chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_');
    line.match_indices(word).any(|(at, _)| !is_inside(at))
}

/// Crates that bring them.
const OUTSIDE_CRATES: &[&str] = &["rand", "getrandom", "tokio", "nix", "libc", "ureq", "tempfile", "fastrand"];

#[test]
fn core_and_packetset_touch_nothing_outside() {
    let mut faults = Vec::new();
    for file in files() {
        if !matches!(file.crate_name(), Some("core" | "packetset")) {
            continue;
        }
        if file.is_product() {
            for (number, line) in file.code() {
                for word in OUTSIDE.iter().filter(|word| holds_word(line, word)) {
                    faults.push(format!("{}:{number}: {word}", file.path));
                }
            }
        } else if file.path.ends_with("Cargo.toml") {
            let used = file.text.split("[dev-dependencies]").next().unwrap_or_default();
            for (name, _) in used.lines().filter_map(|line| line.split_once([' ', '.', '='])) {
                if OUTSIDE_CRATES.contains(&name) {
                    faults.push(format!("{}: {name}", file.path));
                }
            }
        }
    }
    none("core does no IO and reads no clock, environment or randomness (unordered maps are random, too)", faults);
}
