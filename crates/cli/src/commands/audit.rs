//! `segwall audit`: what is wrong with rules that nobody wrote as a policy.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use schemars::JsonSchema;
use segwall_core::analysis::foreign::{self, Audit};
use segwall_core::diag::{Diagnostic, Severity};
use segwall_packetset::Space;
use serde::Serialize;

use crate::draw::{self, Tally};
use crate::exit::{Answer, Failure};
use crate::foreign::Rules;
use crate::out::{CARE, STRONG};
use crate::text::{Escaped, count};
use crate::{json, out};

/// Find what is wrong with rules of iptables or nft
///
/// Reads scripts of iptables calls, iptables-save, ip6tables-save, nft text or JSON; several files hold at once. Every
/// finding has its line and, where a packet can show it, a packet. Only what is true of every packet is claimed; what was
/// read as "perhaps" is listed. Findings exit 0.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall audit /etc/iptables/rules.sh
  segwall audit rules.v4 rules.v6 --addresses /etc/network/interfaces
  segwall audit                              what the kernel holds; needs root
  segwall explain SW0904                     what a finding means")]
pub struct Args {
    /// Rules: scripts of iptables calls, iptables-save, ip6tables-save, nft text or JSON [default: what the kernel holds]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Treat these findings as errors
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Deny {
    Warnings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
}

/// Findings of one code that text shows; the rest is counted.
const SHOWN_PER_CODE_MAX: usize = 10;
/// What was read as "perhaps": lines that text shows.
const APPROXIMATED_SHOWN_MAX: usize = 20;

/// `audit`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// What was read.
    pub files: Vec<FileData>,
    /// Number of warnings.
    pub warnings: usize,
    /// Number of notes.
    pub notes: usize,
    /// Findings that were too many to keep, by code.
    pub more: BTreeMap<String, usize>,
    /// What was read as "perhaps", so that nothing is claimed of packets that it decides.
    pub approximated: Vec<ApproximationData>,
    /// What was not understood, or would be refused by the kernel's own tools.
    pub not_understood: Vec<PlaceData>,
    /// Codes that were not looked for to the end: the sets of packets grew too large.
    pub undecided: Vec<String>,
}

/// A file that was read.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FileData {
    /// As it was named.
    pub file: String,
    /// What it is.
    pub kind: String,
    /// Rules in it.
    pub rules: usize,
}

/// Something that may match, or need not.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ApproximationData {
    /// The file.
    pub file: String,
    /// The line, where the file is text.
    pub line: Option<u32>,
    /// As it was written.
    pub text: String,
    /// Why it is not decided.
    pub why: String,
}

/// A sentence about a line.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PlaceData {
    /// The file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// What there is to say.
    pub text: String,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let files: Result<Vec<Rules>, Failure> = args.files.into_iter().map(crate::foreign::read).collect();
    let files = files?;
    let rules: Vec<foreign::Rules<'_>> =
        files.iter().map(|file| foreign::Rules { source: &file.source, program: &file.program }).collect();
    let mut space = Space::default();
    let audit = foreign::audit(&mut space, &rules, None);
    let tally = tally(&audit);
    let denied = args.deny == Some(Deny::Warnings) && tally.warnings > 0;
    let answer = if denied {
        Answer::No
    } else if audit.undecided.is_empty() {
        Answer::Yes
    } else {
        Answer::Unknown
    };
    match args.format {
        Format::Json => json::print("audit", answer, findings(&files, &audit), Some(data(&files, &audit))),
        Format::Text => {
            out::print(&text(&files, &audit, denied))?;
            Ok(answer)
        }
    }
}

fn tally(audit: &Audit) -> Tally {
    let mut tally = Tally::default();
    for found in &audit.findings {
        match found.diagnostic.severity {
            Severity::Error => tally.errors += 1,
            Severity::Warning => tally.warnings += 1,
            Severity::Note => tally.notes += 1,
        }
    }
    tally
}

fn of_file(audit: &Audit, file: usize) -> Vec<Diagnostic> {
    audit.findings.iter().filter(|found| found.file == file).map(|found| found.diagnostic.clone()).collect()
}

fn findings(files: &[Rules], audit: &Audit) -> Vec<json::Finding> {
    let of = |(number, file): (usize, &Rules)| json::findings(&file.source, None, &of_file(audit, number));
    files.iter().enumerate().flat_map(of).collect()
}

fn data(files: &[Rules], audit: &Audit) -> Data {
    let tally = tally(audit);
    let name = |file: usize| files[file].source.name().to_owned();
    let line = |file: usize, at: u32| files[file].source.line(at);
    Data {
        files: files
            .iter()
            .map(|file| FileData {
                file: file.source.name().to_owned(),
                kind: file.kind.words().to_owned(),
                rules: rules_of(file),
            })
            .collect(),
        warnings: tally.warnings,
        notes: tally.notes,
        more: audit.more.iter().map(|(code, count)| (code.0.to_owned(), *count)).collect(),
        approximated: audit
            .approximated
            .iter()
            .map(|one| ApproximationData {
                file: name(one.file),
                line: one.span.map(|span| line(one.file, span.start)),
                text: one.text.clone(),
                why: one.why.to_owned(),
            })
            .collect(),
        not_understood: files.iter().flat_map(Rules::places_not_understood).collect(),
        undecided: audit.undecided.iter().map(|code| code.0.to_owned()).collect(),
    }
}

fn rules_of(file: &Rules) -> usize {
    file.program.tables.iter().flat_map(|table| &table.chains).map(|chain| chain.rules.len()).sum()
}

impl Rules {
    fn places_not_understood(&self) -> Vec<PlaceData> {
        let place = |note: &segwall_core::netfilter::Note| PlaceData {
            file: self.source.name().to_owned(),
            line: self.source.line(note.span.start),
            text: note.text.clone(),
        };
        let notes = self.program.notes.iter();
        notes.filter(|note| note.kind != segwall_core::netfilter::NoteKind::Aside).map(place).collect()
    }
}

fn text(files: &[Rules], audit: &Audit, denied: bool) -> String {
    let mut text = String::new();
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    for found in &audit.findings {
        let count = shown.entry(found.diagnostic.code.0).or_default();
        *count += 1;
        if *count <= SHOWN_PER_CODE_MAX {
            text.push_str(&draw::one(&files[found.file].source, &found.diagnostic));
            text.push_str("\n\n");
        }
    }
    for (code, number) in shown {
        let more = audit.more.iter().find(|(known, _)| known.0 == code).map_or(0, |(_, more)| *more);
        if let Some(left) = (number + more).checked_sub(SHOWN_PER_CODE_MAX).filter(|left| *left > 0) {
            let _ = writeln!(text, "{STRONG}and {left} more of {code}{STRONG:#}; `--format json` shows them\n");
        }
    }
    let data = data(files, audit);
    approximated(&data, &mut text);
    let names: Vec<String> = files.iter().map(|file| Escaped(file.source.name()).to_string()).collect();
    let rules: usize = files.iter().map(rules_of).sum();
    let denied = if denied { ", denied" } else { "" };
    let _ = writeln!(
        text,
        "{STRONG}{}{STRONG:#}: {}; {}{denied}",
        names.join(", "),
        count(rules, "rule"),
        tally(audit).words()
    );
    text
}

/// What limits the answer.
fn approximated(data: &Data, text: &mut String) {
    if !data.not_understood.is_empty() {
        let _ = writeln!(text, "{CARE}not understood{CARE:#}:");
        for one in &data.not_understood {
            let _ = writeln!(text, "  {}:{}: {}", Escaped(&one.file), one.line, Escaped(&one.text));
        }
        text.push('\n');
    }
    if !data.approximated.is_empty() {
        let _ = writeln!(text, "read as \"may match\", {}:", count(data.approximated.len(), "use"));
        for one in data.approximated.iter().take(APPROXIMATED_SHOWN_MAX) {
            let line = one.line.map_or_else(String::new, |line| format!(":{line}"));
            let _ = writeln!(text, "  {}{line}: {} ({})", Escaped(&one.file), Escaped(&one.text), one.why);
        }
        if let Some(left) = data.approximated.len().checked_sub(APPROXIMATED_SHOWN_MAX).filter(|left| *left > 0) {
            let _ = writeln!(text, "  and {left} more; `--format json` shows them");
        }
        text.push('\n');
    }
    if !data.undecided.is_empty() {
        let codes = data.undecided.join(", ");
        let _ = writeln!(text, "{CARE}not looked for to the end{CARE:#}, too many packets to tell apart: {codes}\n");
    }
}
