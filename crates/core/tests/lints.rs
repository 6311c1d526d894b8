//! One file a fault: `lints/NAME.toml` is checked and compared with `lints/NAME.expected`.
//! `UPDATE_GOLDEN=1 cargo test -p segwall-core --test lints` writes what is found now; the diff is the review.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use segwall_core::diag::{Diagnostic, Severity};
use segwall_core::policy::{Context, codes, load, read_bytes};
use segwall_core::source::Source;

fn context() -> Context {
    Context { today: jiff::civil::date(2026, 11, 22), timezone: jiff::tz::TimeZone::UTC }
}

fn severity(of: Severity) -> &'static str {
    match of {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// `line:column-end CODE severity message | label | place: label … | help`.
fn written(source: &Source, found: &Diagnostic) -> String {
    let place = |span: segwall_core::source::Span| {
        let (from, to) = (source.position(span.start), source.position(span.end));
        let end = if from.line == to.line { to.column.to_string() } else { format!("{}:{}", to.line, to.column) };
        format!("{}:{}-{end}", from.line, from.column)
    };
    let mut line = format!(
        "{} {} {} {} `{}`",
        place(found.span),
        found.code.0,
        severity(found.severity),
        found.message,
        source.slice(found.span).replace('\n', "⏎"),
    );
    if !found.label.is_empty() {
        write!(line, " | {}", found.label).expect("a string takes all");
    }
    for label in &found.labels {
        write!(line, " | {}: {}", place(label.span), label.text).expect("a string takes all");
    }
    if let Some(help) = &found.help {
        write!(line, " | help: {help}").expect("a string takes all");
    }
    line
}

fn check(name: &str, bytes: Vec<u8>) -> String {
    let (source, diagnostics) = match read_bytes(name, bytes) {
        Ok(source) => {
            let loaded = load(&source, &context());
            let errors = loaded.diagnostics.iter().any(|found| found.severity == Severity::Error);
            assert_eq!(loaded.policy.is_none(), errors, "{name}: a policy exactly where there is no error");
            (source, loaded.diagnostics)
        }
        Err(unreadable) => (unreadable.source, vec![unreadable.diagnostic]),
    };
    diagnostics.iter().fold(String::new(), |text, found| text + &written(&source, found) + "\n")
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lints");
    let entries = std::fs::read_dir(&folder).expect("the folder of cases");
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    cases.sort();
    cases
}

#[test]
fn every_case_finds_what_is_expected() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut differences = String::new();
    for case in cases() {
        let name = case.file_name().expect("a file").to_string_lossy().into_owned();
        let found = check(&name, std::fs::read(&case).expect("a readable case"));
        let golden = case.with_extension("expected");
        if update {
            std::fs::write(&golden, &found).expect("a writable folder");
            continue;
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if expected != found {
            write!(differences, "\n{name}\nexpected:\n{expected}found:\n{found}").expect("a string takes all");
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn every_code_of_the_front_end_has_a_case() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return; // the expectations are being written
    }
    // These need more than a small file: they have tests of their own, or belong to the analysis.
    let elsewhere =
        [codes::TOO_LARGE, codes::TOO_MANY_ENDS, codes::RESOLVER_UNREACHABLE, codes::NUL_BYTE, codes::NOT_UTF8];
    let all: String = cases()
        .iter()
        .map(|case| std::fs::read_to_string(case.with_extension("expected")).expect("each case has its expectation"))
        .collect();
    for (code, title) in codes::ALL {
        let shown = all.contains(&format!(" {} ", code.0));
        assert!(shown || elsewhere.contains(code), "{} ({title}) is in no case", code.0);
    }
}

#[test]
fn codes_are_given_once_and_in_order() {
    assert!(codes::ALL.is_sorted_by(|a, b| a.0 < b.0));
}
