//! Every option of iptables-extensions(8): read, and listed in `docs/iptables.md` as it is understood.
//!
//! `UPDATE_GOLDEN=1 cargo test -p segwall-core --test iptables` writes the table anew; the words before it are kept.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use segwall_core::netfilter::{Action, Match, NoteKind, Program, Step, read_iptables_script};
use segwall_core::source::Source;

const MANUAL: &str = include_str!("extensions.txt");
const EXAMPLES: &str = include_str!("examples.txt");
const HEADING: &str = "## Every option\n";

/// What the manual names but its program does not take: there the option is called `--timestamp`.
const REFUSED: &[&str] = &["target SYNPROXY both --timestamps"];

/// Kind, extension, program, option.
fn options() -> Vec<String> {
    let (mut options, mut extension, mut bare) = (Vec::new(), "", true);
    for line in MANUAL.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix("    ") {
            None => {
                if bare && !extension.is_empty() {
                    options.push(extension.to_owned());
                }
                (extension, bare) = (line, true);
            }
            Some(option) => {
                options.push(format!("{extension} {}", option.trim_start_matches("! ")));
                bare = false;
            }
        }
    }
    options
}

fn examples() -> BTreeMap<&'static str, &'static str> {
    EXAMPLES.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" | ")).collect()
}

fn read(option: &str, arguments: &str) -> Program {
    let program = if option.split(' ').nth(2) == Some("6") { "ip6tables" } else { "iptables" };
    let table = arguments.strip_prefix("-t ").and_then(|rest| rest.split(' ').next()).unwrap_or("filter");
    let arguments = arguments.replace('\'', "'\\''").replace('"', "'");
    read_iptables_script(&Source::new("x", format!("{program} -t {table} -F\n{program} {arguments}\n")))
}

/// How a rule is understood, in the words of the table.
fn verdict(option: &str, arguments: &str) -> String {
    let program = read(option, arguments);
    if let Some(note) = program.notes.iter().find(|note| note.kind == NoteKind::Refused) {
        return format!("refused, as by iptables: {}", note.text);
    }
    assert!(program.notes.is_empty(), "{option}: {:?}", program.notes);
    let rules: Vec<_> = program.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules).collect();
    assert!(!rules.is_empty(), "{option}");
    for step in rules.iter().flat_map(|rule| &rule.steps) {
        match step {
            Step::Match(Match::Unknown(unknown)) | Step::Do(Action::Unknown(unknown)) => {
                return format!("unknown: {}", unknown.why);
            }
            Step::Do(Action::ForgetMark) => return "the mark is unknown from here on".into(),
            Step::Match(Match::Rate(_)) => return "a rate, by value".into(),
            Step::Do(Action::Nothing) if option.starts_with("target") => {
                return "exact: without a consequence for what is accepted".into();
            }
            Step::Match(Match::Among { .. }) | Step::Verdicts { .. } | Step::Do(_) => {}
        }
    }
    "exact".into()
}

#[test]
fn every_option_of_the_manual_has_an_example_that_uses_it() {
    let (options, examples) = (options(), examples());
    assert!(options.len() > 330, "only {} options: is the manual still read?", options.len());
    assert_eq!(options.len(), examples.len());
    for option in &options {
        let arguments = examples.get(option.as_str()).unwrap_or_else(|| panic!("no example for {option}"));
        let used = match option.split(' ').nth(3) {
            Some(long) => arguments.split(' ').any(|word| word == long),
            None => arguments.split(' ').any(|word| option.split(' ').nth(1) == Some(word)),
        };
        assert!(used, "{option}: {arguments}");
    }
}

#[test]
fn the_table_in_the_docs_is_what_the_reader_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/iptables.md");
    let before = std::fs::read_to_string(&path).expect("the page is committed");
    let (words, table) = before.split_once(HEADING).expect("the page has the heading of the table");
    let examples = examples();
    let mut now = String::from("\n| extension | option | |\n|---|---|---|\n");
    let mut refused = Vec::new();
    for option in options() {
        let parts: Vec<&str> = option.split(' ').collect();
        let which = match parts[2] {
            "4" => " (IPv4)",
            "6" => " (IPv6)",
            _ => "",
        };
        let long = parts.get(3).map(|long| format!("`{long}`")).unwrap_or_default();
        let extension = if parts[0] == "match" { format!("`-m {}`", parts[1]) } else { format!("`-j {}`", parts[1]) };
        let verdict = verdict(&option, examples[option.as_str()]);
        if verdict.starts_with("refused") {
            refused.push(option.clone());
        }
        let _ = writeln!(now, "| {extension}{which} | {long} | {verdict} |");
    }
    assert_eq!(refused, REFUSED, "what is refused must be refused by iptables too");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{words}{HEADING}{now}")).expect("a writable folder");
        return;
    }
    for (before, now) in table.lines().zip(now.lines()) {
        assert_eq!(before, now, "docs/iptables.md; write it anew as this file's first lines say");
    }
    assert_eq!(
        table.lines().count(),
        now.lines().count(),
        "docs/iptables.md; write it anew as this file's first lines say"
    );
}
