//! From a location to a checked policy, for every command that needs one.

use segwall_core::diag::{Diagnostic, Severity};
use segwall_core::policy::{self, Context, Policy};
use segwall_core::ruleset::{self, Ruleset};
use segwall_core::source::Source;
use serde::Serialize;

use crate::args::Format;
use crate::draw::{self, Tally};
use crate::exit::{Answer, Failure};
use crate::input::{self, Location};
use crate::{clock, json, out, text};

/// A policy without errors, with what it means.
pub struct Checked {
    /// Its text.
    pub source: Source,
    /// What it says.
    pub policy: Policy,
    /// What that means.
    pub ruleset: Ruleset,
    /// Warnings and notes of reading it.
    pub findings: Vec<Diagnostic>,
}

impl Checked {
    /// For rules that the kernel under us is to hold: it may count weekdays in a zone of its own.
    pub fn for_this_kernel(mut self: Box<Self>) -> Box<Self> {
        self.ruleset.weekday_zone_s = segwall_host::linux::weekday_zone_s();
        self
    }
}

/// What reading a policy came to.
pub enum Reading {
    /// It can be used.
    Sound(Box<Checked>),
    /// It cannot, for these reasons.
    Faulty {
        /// Its text.
        source: Source,
        /// At least one error.
        findings: Vec<Diagnostic>,
    },
}

/// Reads and checks a policy.
pub fn read(location: &Location) -> Result<Reading, Failure> {
    Ok(from_bytes(&location.name(), input::read(location)?))
}

/// Checks the text of a policy.
pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Reading {
    let source = match policy::read_bytes(name, bytes) {
        Ok(source) => source,
        Err(unreadable) => {
            return Reading::Faulty { source: unreadable.source, findings: vec![unreadable.diagnostic] };
        }
    };
    let timezone = clock::timezone();
    let context = Context { today: timezone.to_datetime(clock::now()).date(), timezone: timezone.clone() };
    let mut loaded = policy::load(&source, &context);
    draw::sort(&mut loaded.diagnostics);
    match loaded.policy {
        Some(policy) => {
            let ruleset = ruleset::lower(&policy, &source, &timezone);
            Reading::Sound(Box::new(Checked { source, policy, ruleset, findings: loaded.diagnostics }))
        }
        None => Reading::Faulty { source, findings: loaded.diagnostics },
    }
}

/// A policy for a command that only works on a sound one; otherwise its errors are shown and the answer is no.
pub fn sound<T: Serialize>(
    command: &'static str,
    location: &Location,
    format: Format,
) -> Result<Result<Box<Checked>, Answer>, Failure> {
    or_findings::<T>(command, read(location)?, format)
}

/// A sound policy; otherwise its errors are shown and the answer is no.
pub fn or_findings<T: Serialize>(
    command: &'static str,
    reading: Reading,
    format: Format,
) -> Result<Result<Box<Checked>, Answer>, Failure> {
    let (source, findings) = match reading {
        Reading::Sound(checked) => return Ok(Ok(checked)),
        Reading::Faulty { source, findings } => (source, findings),
    };
    match format {
        Format::Json => {
            json::print::<T>(command, Answer::No, json::findings(&source, None, &findings), None)?;
        }
        Format::Text => {
            // Warnings are for `check`; here only what keeps the command from its answer.
            let errors: Vec<Diagnostic> =
                findings.into_iter().filter(|finding| finding.severity == Severity::Error).collect();
            let name = text::Escaped(source.name());
            let tally = Tally::of(&errors).words();
            out::complain(&format!("{}{name}: {tally}\n", draw::findings(&source, &errors)));
        }
    }
    Ok(Err(Answer::No))
}
