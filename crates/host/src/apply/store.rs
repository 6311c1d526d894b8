//! Generations on the disk: `/etc/segwall`, which diskless boxes keep.

use segwall_core::plan::FileState;

use super::files::{dir_of, remove_for_good, write_whole};
use super::generation::{Candidate, Compiled, Manifest, Outcome};
use super::host::{Host, HostError};

/// Where everything is kept.
pub const ROOT: &str = "/etc/segwall";
/// What is being done.
pub(super) const JOURNAL: &str = "/etc/segwall/journal.json";
const CONFIRMED: &str = "/etc/segwall/confirmed";
const LAST: &str = "/etc/segwall/last";
const GENERATIONS: &str = "/etc/segwall/generations";
const POLICY: &str = "policy.toml";
const MANIFEST: &str = "manifest.json";

/// Generations that are kept; the confirmed one always is.
pub const GENERATIONS_MAX: usize = 50;

/// Of those that were kept, the newest that are never forgotten: the one that holds, and those before it.
const WAY_BACK: usize = 5;

/// The store; all its state is on the disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Store;

impl Store {
    /// The generation that holds, if one was ever confirmed.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn confirmed(host: &mut impl Host) -> Result<Option<u64>, HostError> {
        number(host, CONFIRMED)
    }

    /// From here on this generation holds: the one moment at which a transaction is decided.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn set_confirmed(host: &mut impl Host, generation: u64) -> Result<(), HostError> {
        write_number(host, CONFIRMED, generation)
    }

    /// Numbers of the generations that are kept, rising.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub fn numbers(host: &mut impl Host) -> Result<Vec<u64>, HostError> {
        let mut numbers: Vec<u64> = host.list(GENERATIONS)?.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Writes a generation down under the next number, which no other ever had.
    ///
    /// # Errors
    /// When the disk refuses; nothing refers to what was written so far.
    pub fn add(host: &mut impl Host, candidate: &Candidate) -> Result<Manifest, HostError> {
        let last = [number(host, LAST)?, Self::confirmed(host)?, Self::numbers(host)?.last().copied()];
        let number = last.into_iter().flatten().max().unwrap_or(0) + 1;
        write_number(host, LAST, number)?;
        let manifest = Manifest { number, ..candidate.manifest.clone() };
        let policy = FileState { mode: 0o600, bytes: candidate.policy.clone().into_bytes() };
        write_whole(host, &path(number, POLICY), &policy)?;
        Self::describe(host, &manifest)?;
        host.sync_dir(GENERATIONS)?;
        Ok(manifest)
    }

    /// Writes down what is known of a generation.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn describe(host: &mut impl Host, manifest: &Manifest) -> Result<(), HostError> {
        let bytes = serde_json::to_vec_pretty(manifest).map_err(|error| HostError::new("write a manifest", error))?;
        write_whole(host, &path(manifest.number, MANIFEST), &FileState { mode: 0o600, bytes })
    }

    /// Writes down what became of a generation.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn close(host: &mut impl Host, number: u64, outcome: Outcome) -> Result<(), HostError> {
        match Self::manifest(host, number)? {
            Some(manifest) if manifest.outcome != outcome => Self::describe(host, &Manifest { outcome, ..manifest }),
            _ => Ok(()),
        }
    }

    /// What is known of a generation.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn manifest(host: &mut impl Host, number: u64) -> Result<Option<Manifest>, HostError> {
        let path = path(number, MANIFEST);
        let Some(file) = host.read(&path)? else { return Ok(None) };
        serde_json::from_slice(&file.bytes)
            .map(Some)
            .map_err(|error| HostError::new(format!("understand {path}; was it edited?"), error))
    }

    /// A generation's policy.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn policy(host: &mut impl Host, number: u64) -> Result<Option<String>, HostError> {
        let file = host.read(&path(number, POLICY))?;
        Ok(file.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()))
    }

    /// A generation as values.
    ///
    /// # Errors
    /// When it is not there, or its policy cannot be used any more.
    pub fn compiled(host: &mut impl Host, number: u64) -> Result<Compiled, HostError> {
        let lost = || HostError { doing: format!("find generation {number} in {GENERATIONS}"), source: None };
        let manifest = Self::manifest(host, number)?.ok_or_else(lost)?;
        let policy = Self::policy(host, number)?.ok_or_else(lost)?;
        host.compile(number, &policy, &manifest)
    }

    /// A generation as values; `None` where its policy cannot be used any more, or is lost.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn compilable(host: &mut impl Host, number: u64) -> Result<Option<Compiled>, HostError> {
        let (Some(manifest), Some(policy)) = (Self::manifest(host, number)?, Self::policy(host, number)?) else {
            return Ok(None);
        };
        Ok(host.compile(number, &policy, &manifest).ok())
    }

    /// Forgets the oldest generations beyond [`GENERATIONS_MAX`].
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn prune(host: &mut impl Host) -> Result<(), HostError> {
        let numbers = Self::numbers(host)?;
        let surplus = numbers.len().saturating_sub(GENERATIONS_MAX);
        if surplus == 0 {
            return Ok(());
        }
        let mut kept = Vec::new();
        let mut given_up = Vec::new();
        for number in numbers {
            let outcome = Self::manifest(host, number)?.map(|manifest| manifest.outcome);
            let list = if outcome == Some(Outcome::Confirmed) { &mut kept } else { &mut given_up };
            list.push(number);
        }
        // What was given up goes first; of what was kept the last ones are the way back.
        kept.truncate(kept.len().saturating_sub(WAY_BACK));
        for number in given_up.into_iter().chain(kept).take(surplus) {
            Self::forget(host, number)?;
        }
        Ok(())
    }

    /// Forgets a generation; its number is not given again.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn forget(host: &mut impl Host, number: u64) -> Result<(), HostError> {
        for file in [POLICY, MANIFEST] {
            remove_for_good(host, &path(number, file))?;
        }
        host.remove(dir_of(&path(number, POLICY)))
    }
}

fn path(number: u64, file: &str) -> String {
    format!("{GENERATIONS}/{number:06}/{file}")
}

fn number(host: &mut impl Host, path: &str) -> Result<Option<u64>, HostError> {
    let Some(file) = host.read(path)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&file.bytes);
    let number = text.trim().parse();
    number
        .map(Some)
        .map_err(|error| HostError::new(format!("understand {path}: it should hold a generation's number"), error))
}

fn write_number(host: &mut impl Host, path: &str, number: u64) -> Result<(), HostError> {
    write_whole(host, path, &FileState { mode: 0o600, bytes: format!("{number}\n").into_bytes() })
}
