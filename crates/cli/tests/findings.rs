//! `docs/findings.md` tells of every code, with an example that was really found in a case of `core/tests/lints`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p segwall --test findings` writes the page anew and keeps the words between a heading and
//! its example, which people write.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use segwall_core::policy::{self, Context, codes};

const HEAD: &str = "# What findings mean

Every finding of `segwall check` has a code that is never given to another. `segwall explain SW0201` prints its part of this
page. A test holds that each example is found as it stands here.
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

struct Example {
    /// Findings in its case: the fewer, the clearer.
    crowd: usize,
    text: String,
}

/// For each code the clearest example among the cases.
fn examples() -> BTreeMap<&'static str, Example> {
    let folder = root().join("crates/core/tests/lints");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the cases are committed")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    let context = Context { today: jiff::civil::date(2026, 11, 22), timezone: jiff::tz::TimeZone::UTC };
    let mut examples: BTreeMap<&'static str, Example> = BTreeMap::new();
    for case in cases {
        let Ok(source) = policy::read_bytes("x", std::fs::read(&case).expect("readable")) else { continue };
        let found = policy::load(&source, &context).diagnostics;
        for finding in &found {
            let line = source.line(finding.span.start) as usize;
            let shown = source.text().lines().nth(line - 1).unwrap_or_default().trim();
            // A page is for reading: no walls of text, nothing invisible.
            if shown.len() > 100 || shown.chars().any(char::is_control) {
                continue;
            }
            let mut text = String::new();
            if !shown.is_empty() {
                let _ = writeln!(text, "```toml\n{shown}\n```\n");
            }
            let _ = writeln!(text, "> {}", finding.message);
            if let Some(help) = &finding.help {
                let _ = writeln!(text, "> help: {}", help.lines().next().unwrap_or_default());
            }
            let example = Example { crowd: found.len(), text };
            match examples.get(finding.code.0) {
                Some(known) if known.crowd <= example.crowd => {}
                _ => {
                    examples.insert(finding.code.0, example);
                }
            }
        }
    }
    examples
}

/// The words that people wrote, by heading.
fn written(page: &str) -> BTreeMap<String, String> {
    page.split("\n## ")
        .skip(1)
        .filter_map(|section| {
            let (heading, rest) = section.split_once('\n')?;
            let end = [rest.find("\n```toml"), rest.find("\n> ")].into_iter().flatten().min().unwrap_or(rest.len());
            Some((heading.to_owned(), rest[..end].trim().to_owned()))
        })
        .collect()
}

#[test]
fn every_code_has_its_part_of_the_page() {
    let path = root().join("docs/findings.md");
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let (words, examples) = (written(&before), examples());
    let mut page = HEAD.to_owned();
    for (code, title) in codes::ALL {
        let heading = format!("{}: {title}", code.0);
        let _ = write!(page, "\n## {heading}\n");
        if let Some(words) = words.get(&heading).filter(|words| !words.is_empty()) {
            let _ = write!(page, "\n{words}\n");
        }
        if let Some(example) = examples.get(code.0) {
            let _ = write!(page, "\n{}", example.text);
        }
    }
    page.push_str("\n## Findings of analysis\n\nA page each, with an example and its mend:\n\n");
    for (code, title) in segwall_core::analysis::codes::ALL {
        let _ = writeln!(page, "- [{}](lints/{}.md): {title}", code.0, code.0);
    }
    page.push_str("\n## Findings of audit\n\nIn rules that nobody wrote as a policy; a page each, with an example and its mend:\n\n");
    for (code, title) in segwall_core::analysis::foreign::codes::ALL {
        let _ = writeln!(page, "- [{}](lints/{}.md): {title}", code.0, code.0);
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &page).expect("a writable folder");
        return;
    }
    for (before, now) in before.lines().zip(page.lines()) {
        assert_eq!(before, now, "docs/findings.md; write it anew as this file's first lines say");
    }
    assert_eq!(before, page, "docs/findings.md; write it anew as this file's first lines say");
}

#[test]
fn the_policy_reference_is_one_good_policy_and_names_every_service() {
    let page = std::fs::read_to_string(root().join("docs/policy.md")).expect("committed");
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let source = segwall_core::source::Source::new("docs/policy.md", blocks.collect::<Vec<_>>().join("\n"));
    let context = Context { today: jiff::civil::date(2026, 11, 22), timezone: jiff::tz::TimeZone::UTC };
    let found = policy::load(&source, &context).diagnostics;
    assert_eq!(found, []);
    for (name, _) in policy::built_in_service_names() {
        assert!(page.contains(&format!("| `{name}` |")), "docs/policy.md does not list the service {name}");
    }
}
