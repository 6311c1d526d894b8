//! The report of an import, for people.

use std::fmt::Write;
use std::path::Path;

use super::import::{Data, DifferenceShape};
use crate::out::{BAD, CARE, GOOD, QUIET, STRONG};
use crate::text::{Escaped, count};

/// The report. `written`: the file that the policy went to.
pub fn report(data: &Data, written: Option<&Path>) -> String {
    let mut text = String::new();
    if data.policy.is_none() {
        let _ = writeln!(text, "{BAD}no policy:{BAD:#} these files do not make one");
        list(&mut text, &data.reasons);
        list(&mut text, &data.not_read);
        return text;
    }
    let files: Vec<String> = data.files.iter().map(|one| format!("{} ({})", Escaped(&one.file), one.kind)).collect();
    let _ = writeln!(text, "{STRONG}read{STRONG:#} {}", files.join(", "));
    if let Some(path) = written {
        let _ = writeln!(text, "{STRONG}written{STRONG:#} {}", Escaped(&path.display().to_string()));
    }
    let rules = count(data.rules, "rule");
    let _ = match data.answer {
        "equal" => writeln!(
            text,
            "{GOOD}equal{GOOD:#}: {rules} that accept what the rules accepted, for every first packet whose source and \
             destination\nlie behind the interfaces they use"
        ),
        "different" => writeln!(text, "{BAD}not equal{BAD:#}: {rules} do not do what the rules did"),
        _ => writeln!(text, "{CARE}undetermined{CARE:#}: whether {rules} do what the rules did is not certain"),
    };
    list(&mut text, &data.reasons);
    let (inside, outside): (Vec<_>, Vec<_>) = data.differences.iter().partition(|one| one.promised);
    section(&mut text, "not expressed: these are treated otherwise", &inside);
    let (closed, other): (Vec<_>, Vec<_>) = outside.into_iter().partition(|one| one.direction == "closed");
    section(&mut text, "closed: the rules accepted these", &closed);
    let (opened, other): (Vec<_>, Vec<_>) = other.into_iter().partition(|one| one.direction == "opened");
    section(&mut text, "opened: the rules dropped these", &opened);
    section(&mut text, "otherwise", &other);
    if !data.holes.is_empty() {
        let _ = writeln!(text, "\n{STRONG}choices{STRONG:#}");
        for hole in &data.holes {
            let word = if hole.kept { "kept" } else { "not kept; --keep-differences keeps it" };
            let _ = writeln!(text, "  {}: {word}", hole.words);
        }
    }
    heading(&mut text, "notes", &data.notes);
    heading(&mut text, "not read", &data.not_read);
    text
}

fn heading(text: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = writeln!(text, "\n{STRONG}{title}{STRONG:#}");
        list(text, lines);
    }
}

fn list(text: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(text, "  {}", Escaped(line));
    }
}

fn section(text: &mut String, title: &str, list: &[&DifferenceShape]) {
    if list.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{STRONG}{title}{STRONG:#}");
    let mut before = "";
    for one in list {
        // One class at several hooks is one thing to read.
        if one.words != before {
            let _ = writeln!(text, "  {}", one.words);
        }
        before = one.words;
        for line in &one.boxes {
            let _ = writeln!(text, "      {line}");
        }
        let by = if one.rules.is_empty() {
            String::new()
        } else {
            let rules: Vec<String> = one.rules.iter().map(|rule| Escaped(rule).to_string()).collect();
            format!(" {QUIET}({}){QUIET:#}", rules.join(", "))
        };
        let _ = writeln!(text, "    {}: {}\n      {}{by}, now {}", one.way, one.packet, one.before, one.now);
    }
}
