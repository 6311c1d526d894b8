//! A generation's text → what it wants of this box, and its rules.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_core::diag::Severity;
use segwall_core::emit::{Facts, bundle, nft};
use segwall_core::plan::wanted;
use segwall_core::policy::{self, Context, Policy};
use segwall_core::ruleset::{self, At};
use segwall_core::source::Source;

use super::Linux;
use crate::apply::{Compiled, HostError, Manifest};

/// Faults of a policy that are told.
const FAULTS_SHOWN: usize = 5;

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
            let words =
                errors.take(FAULTS_SHOWN).map(|one| format!("line {}: {}", source.line(one.span.start), one.message));
            return Err(HostError::new(doing(), words.collect::<Vec<_>>().join("; ")));
        };
        self.instants.insert(number, at);
        let compiled = compiled(number, &policy, &source, (&timezone, manifest.weekday_zone_s), at, &self.facts);
        self.asked_modules.extend(compiled.wanted.modules.iter().cloned());
        Ok(compiled)
    }
}

fn compiled(
    number: u64,
    policy: &Policy,
    source: &Source,
    (timezone, weekday_zone_s): (&TimeZone, i32),
    at: At,
    facts: &Facts,
) -> Compiled {
    let mut ruleset = ruleset::lower(policy, source, timezone);
    ruleset.weekday_zone_s = weekday_zone_s;
    let program = nft::compile(&ruleset, at);
    let bundle = bundle(policy, &ruleset, at, facts);
    Compiled { number, wanted: wanted(policy, &ruleset, &bundle), ruleset, program }
}

/// A zone by its name, or as a POSIX text.
fn zone(name: &str) -> Result<TimeZone, String> {
    if name.is_empty() {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).or_else(|_| TimeZone::posix(name)).map_err(|error| format!("time zone `{name}`: {error}"))
}
