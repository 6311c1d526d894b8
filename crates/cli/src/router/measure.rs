//! What a box is held against: the generation that holds, or another policy.

use std::path::PathBuf;

use segwall_core::doctor::Subject;
use segwall_host::apply::{Compiled, Host, Store};
use segwall_host::linux::Linux;
use serde::Serialize;

use super::{candidate, next_number, nobody, refused};
use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::load::{self, Checked, Reading};

/// What a box is held against.
pub struct Measure {
    /// The policy.
    pub checked: Box<Checked>,
    /// What it wants of the box.
    pub compiled: Compiled,
}

impl Measure {
    /// For the checks.
    pub fn subject(&self, linux: &Linux) -> Subject<'_> {
        Subject { policy: &self.checked.policy, wanted: &self.compiled.wanted, system: linux.facts().system }
    }
}

/// The generation that holds; `None` before the first apply.
pub fn held(linux: &mut Linux) -> Result<Option<Measure>, Failure> {
    let Some(number) = Store::confirmed(linux).map_err(refused)? else { return Ok(None) };
    let compiled = Store::compiled(linux, number).map_err(refused)?;
    let text = Store::policy(linux, number).map_err(refused)?.unwrap_or_default();
    let name = Store::manifest(linux, number).map_err(refused)?.map_or_else(String::new, |manifest| manifest.file);
    match load::from_bytes(&name, text.into_bytes()) {
        Reading::Sound(checked) => Ok(Some(Measure { checked, compiled })),
        // It was sound when it was applied: what has become an error since is a matter of the day.
        Reading::Faulty { findings, .. } => {
            let why = findings.first().map_or_else(String::new, |finding| finding.message.clone());
            let why = crate::text::Escaped(&why).to_string();
            Err(Failure::Refused(format!("the policy of generation {number} is no sound policy any more: {why}")))
        }
    }
}

/// The policy that was named; else the generation that holds; else the policy where it usually lies. And the rules that
/// are loaded, whichever it is.
pub fn measure<T: Serialize>(
    linux: &mut Linux,
    command: &'static str,
    named: Option<PathBuf>,
    format: Format,
) -> Result<Result<(Measure, Option<Compiled>), Answer>, Failure> {
    let held = held(linux)?;
    if let (None, Some(measure)) = (&named, &held) {
        let rules = Some(measure.compiled.clone());
        return Ok(Ok((held.expect("looked at above"), rules)));
    }
    let checked = match load::sound::<T>(command, &Location::of(named), format)? {
        Ok(checked) => checked,
        Err(answer) => return Ok(Err(answer)),
    };
    let number = next_number(linux).map_err(refused)?;
    let candidate = candidate(&checked, nobody(), None);
    let compiled = linux.compile(number, &candidate.policy, &candidate.manifest).map_err(refused)?;
    Ok(Ok((Measure { checked, compiled }, held.map(|held| held.compiled))))
}
