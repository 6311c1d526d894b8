//! A generation's text → what it wants of this box, and its rules.

use std::fs;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_core::diag::Severity;
use segwall_core::emit::bundle::{Bundle, Facts, System};
use segwall_core::emit::nft;
use segwall_core::plan::wanted;
use segwall_core::policy::{self, Context, Policy};
use segwall_core::ruleset::{self, At, Ruleset};
use segwall_core::source::Source;

use super::services::Init;
use super::{Linux, Root};
use crate::apply::{Compiled, HostError, Manifest};

const MEMINFO: &str = "/proc/meminfo";
/// Faults of a policy that are told.
const FAULTS_SHOWN: usize = 5;

/// What the box runs, and how much memory it has.
pub(super) fn facts(root: &Root, init: &Init) -> Result<Facts, HostError> {
    let by_file = || {
        let is_alpine = root.at("/etc/alpine-release").exists();
        if is_alpine { System::Alpine } else { System::Debian }
    };
    let system = init.system().unwrap_or_else(by_file);
    let text = fs::read_to_string(MEMINFO)
        .map_err(|error| HostError::new(format!("read {MEMINFO}; is /proc mounted?"), error))?;
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    let kib: u64 = kib.ok_or_else(|| HostError::new(format!("find the memory's size in {MEMINFO}"), "it is not there"))?;
    Ok(Facts { system, memory_mib: kib / 1024 })
}

impl Linux {
    /// The instant a generation was compiled for: its rules mean now what they meant then, or are renewed.
    pub(super) fn instant_of(&self, compiled: &Compiled) -> At {
        self.instants.get(&compiled.number).copied().unwrap_or_else(|| At::Instant(Timestamp::now()))
    }

    pub(super) fn generation(&mut self, number: u64, text: &str, manifest: &Manifest) -> Result<Compiled, HostError> {
        let doing = || format!("use the policy of generation {number} ({})", manifest.file);
        let timezone = zone(&manifest.timezone).map_err(|error| HostError::new(doing(), error))?;
        let instant = |seconds| Timestamp::from_second(seconds).map_err(|error| HostError::new(doing(), error));
        let at = match manifest.compiled_s {
            Some(seconds) => At::Instant(instant(seconds)?),
            None => At::ClockUnknown,
        };
        // On the day it was applied: a generation does not become unsound by growing old.
        let today = timezone.to_datetime(instant(manifest.compiled_s.unwrap_or(manifest.applied_s))?).date();
        let unreadable = |fault: Box<policy::Unreadable>| HostError::new(doing(), fault.diagnostic.message.clone());
        let source = policy::read_bytes(&manifest.file, text.as_bytes().to_vec()).map_err(unreadable)?;
        let loaded = policy::load(&source, &Context { today, timezone: timezone.clone() });
        let Some(policy) = loaded.policy else {
            let errors = loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error);
            let words = errors.take(FAULTS_SHOWN).map(|one| format!("line {}: {}", source.line(one.span.start), one.message));
            return Err(HostError::new(doing(), words.collect::<Vec<_>>().join("; ")));
        };
        self.instants.insert(number, at);
        Ok(compiled(number, &policy, &source, &timezone, at, &self.facts))
    }
}

fn compiled(number: u64, policy: &Policy, source: &Source, timezone: &TimeZone, at: At, facts: &Facts) -> Compiled {
    let ruleset = ruleset::lower(policy, source, timezone);
    let program = nft::compile(&ruleset, at);
    let bundle = bundle(policy, &ruleset, at, facts);
    Compiled { number, wanted: wanted(policy, &ruleset, &bundle, facts.system), ruleset, program }
}

/// The one place where the files of a generation are made.
fn bundle(_policy: &Policy, _ruleset: &Ruleset, _at: At, _facts: &Facts) -> Bundle {
    Bundle { artifacts: Vec::new() }
}

/// A zone by its name, or as a POSIX text.
fn zone(name: &str) -> Result<TimeZone, String> {
    if name.is_empty() {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).or_else(|_| TimeZone::posix(name)).map_err(|error| format!("time zone `{name}`: {error}"))
}
