//! `segwall audit`: what is wrong with rules that nobody wrote as a policy.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use schemars::JsonSchema;
use segwall_core::analysis::foreign::{self, Audit, Interface};
use segwall_core::analysis::service_matrix::ServiceMatrix;
use segwall_core::diag::{Diagnostic, Severity};
use segwall_core::import::{read_addresses, read_interfaces};
use segwall_core::netfilter::{Note, NoteKind};
use segwall_core::source::Source;
use segwall_host::prove;
use segwall_packetset::Space;
use serde::Serialize;

use super::{audit_text, matrix_service};
use crate::args::FindingsFormat;
use crate::draw::Tally;
use crate::exit::{Answer, Failure};
use crate::foreign::Rules;
use crate::input::{self, Location};
use crate::text::Escaped;
use crate::{json, out, sarif};

/// Find what is wrong with rules of iptables or nft
///
/// Reads scripts of iptables calls, iptables-save, ip6tables-save, nft text or JSON; several files hold at once. Every
/// finding has its line and, where a packet can show it, a packet. Only what is true of every packet is claimed; what was
/// read as "perhaps" is listed. Findings exit 0.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall audit /etc/iptables/rules.sh
  segwall audit rules.v4 rules.v6 --addresses /etc/network/interfaces --service tcp/22,tcp/80
  segwall audit rules.v4 --format sarif > rules.sarif
  segwall audit                              what the kernel holds; needs root
  segwall explain SW0904                     what a finding means")]
pub struct Args {
    /// Rules: scripts of iptables calls, iptables-save, ip6tables-save, nft text or JSON [default: what the kernel holds]
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Which interfaces the box has and which networks are behind them: /etc/network/interfaces, or what `ip -j addr` prints
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    addresses: Option<PathBuf>,
    /// Show who reaches whom on these services, too: a name or protocol/port each
    #[arg(long, value_name = "SERVICE,…")]
    service: Option<String>,
    /// Treat these findings as errors
    #[arg(long, value_enum, value_name = "WHAT")]
    deny: Option<Deny>,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: FindingsFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Deny {
    Warnings,
}

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
    /// With `--service`: one matrix for each service, hook and family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_matrices: Option<Vec<ServiceMatrix>>,
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
    let interfaces = args.addresses.map(addresses).transpose()?;
    let asked = args.service.as_deref().map(|words| matrix_service::asked(words, &[])).transpose()?;
    let files: Vec<Rules> = if args.files.is_empty() {
        vec![crate::foreign::kernel_with_text()?]
    } else {
        args.files.into_iter().map(crate::foreign::read).collect::<Result<_, Failure>>()?
    };
    let rules: Vec<foreign::Rules<'_>> =
        files.iter().map(|file| foreign::Rules { source: &file.source, program: &file.program }).collect();
    let mut space = Space::default();
    let audit = foreign::audit(&mut space, &rules, interfaces.as_deref());
    let programs: Vec<_> = files.iter().map(|file| &file.program).collect();
    let matrices = asked.map(|asked| matrix_service::of_rules(&mut space, &programs, &asked)).transpose();
    // A file of which nothing was understood is no file without findings.
    let blank = files.iter().any(|file| rules_of(file) == 0 && prove::missing(&file.program).next().is_some());
    let decided = audit.undecided.is_empty() && matrices.is_ok() && !blank;
    let tally = tally(&audit);
    let denied = args.deny == Some(Deny::Warnings) && tally.warnings > 0;
    let answer = match (denied, decided) {
        (true, _) => Answer::No,
        (false, true) => Answer::Yes,
        (false, false) => Answer::Unknown,
    };
    if let Err(error) = &matrices {
        out::complain(&format!("the service matrix: {error}: too many classes to tell apart\n"));
    }
    let matrices = matrices.ok().flatten();
    match args.format {
        FindingsFormat::Json => {
            let data = Data { service_matrices: matrices, ..data(&files, &audit) };
            json::print("audit", answer, findings(&files, &audit), Some(data))
        }
        FindingsFormat::Sarif => {
            let found = audit.findings.iter().map(|found| (&files[found.file].source, &found.diagnostic));
            sarif::print(answer, found, None)
        }
        FindingsFormat::Text => {
            let data = data(&files, &audit);
            out::print(&audit_text::text(&files, &audit, &data, denied))?;
            if let Some(list) = matrices {
                out::print(&format!("\n{}", matrix_service::text(&list)))?;
            }
            Ok(answer)
        }
    }
}

/// Interfaces and what is behind them, from a file of either kind.
fn addresses(path: PathBuf) -> Result<Vec<Interface>, Failure> {
    let location = Location::of(Some(path));
    let name = location.name();
    let bytes = input::read(&location)?;
    let text = String::from_utf8(bytes).map_err(|error| Failure::Usage {
        what: format!("{}: byte {} is not UTF-8", Escaped(&name), error.utf8_error().valid_up_to()),
        help: ADDRESSES_HELP.to_owned(),
    })?;
    let source = Source::new(name.clone(), text);
    let is_json = source.text().trim_start().starts_with('[');
    let read = if is_json { read_addresses(&source) } else { read_interfaces(&source) };
    let list = read.behind();
    if list.is_empty() {
        let what = format!("{}: names no interface", Escaped(&name));
        return Err(Failure::Usage { what, help: ADDRESSES_HELP.to_owned() });
    }
    for note in read.notes.iter().filter(|note| note.kind == NoteKind::NotUnderstood) {
        let line = source.line(note.span.start);
        out::complain(&format!("not understood: {}:{line}: {}\n", Escaped(&name), Escaped(&note.text)));
    }
    Ok(list)
}

const ADDRESSES_HELP: &str = "it should be /etc/network/interfaces, or what `ip -j addr` prints";

/// How many findings of each kind.
pub fn tally(audit: &Audit) -> Tally {
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
        service_matrices: None,
    }
}

/// Rules of a file.
pub fn rules_of(file: &Rules) -> usize {
    file.program.tables.iter().flat_map(|table| &table.chains).map(|chain| chain.rules.len()).sum()
}

impl Rules {
    fn places_not_understood(&self) -> Vec<PlaceData> {
        let place = |note: &Note| PlaceData {
            file: self.source.name().to_owned(),
            line: self.source.line(note.span.start),
            text: note.text.clone(),
        };
        let notes = self.program.notes.iter();
        notes.filter(|note| note.kind != NoteKind::Aside).map(place).collect()
    }
}
