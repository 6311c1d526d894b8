//! The way back, from wherever a transaction stopped.

use segwall_core::plan::{Change, FileState, Interest, with_block};

use super::boot::BOOT_FILES_MODE;
use super::files::{remove_for_good, temporary, write_whole};
use super::generation::{Compiled, Outcome};
use super::host::{Host, HostError, Verdict};
use super::journal::{Journal, Phase};
use super::store::Store;

/// Where copies are kept of files that somebody edited while an apply waited.
const SAVED: &str = "/etc/segwall/saved";

/// How much of the box a way back is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The running box.
    Live,
    /// A box that is just booting: its files, and what the boot has read from them already. Interfaces, rules and services
    /// come from these files afterwards.
    Boot,
}

/// How a way back ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Back {
    /// The box is what it was.
    Done,
    /// Some of it could not be undone: these sentences say what. The journal stays, and the next attempt goes on.
    Stuck(Vec<String>),
}

/// What was done with a journal that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// There was none.
    Nothing,
    /// Its generation was confirmed already; only the journal was left.
    Finished(u64),
    /// The box went back.
    WentBack {
        /// The generation that was given up.
        generation: u64,
        /// The one that holds.
        previous: Option<u64>,
        /// How it ended.
        back: Back,
    },
}

/// Finishes what a journal tells of, or leads back. The caller holds the lock, so nobody owns the journal.
///
/// # Errors
/// When the journal or the disk cannot be used.
pub fn recover(host: &mut impl Host, scope: Scope, cause: &str) -> Result<Recovery, HostError> {
    let Some(journal) = Journal::take(host)? else { return Ok(Recovery::Nothing) };
    let generation = journal.generation;
    if Store::confirmed(host)? == Some(generation) {
        Store::close(host, generation, Outcome::Confirmed)?;
        Journal::remove(host)?;
        return Ok(Recovery::Finished(generation));
    }
    let previous = journal.previous;
    let back = undo(host, journal, scope, cause)?;
    Ok(Recovery::WentBack { generation, previous, back })
}

/// Leads the box back to what it was before a journal's plan. Every step is tried, whatever became of the others.
///
/// # Errors
/// When the journal cannot be written.
pub fn undo(host: &mut impl Host, mut journal: Journal, scope: Scope, cause: &str) -> Result<Back, HostError> {
    if journal.phase != Phase::Undoing {
        journal.phase = Phase::Undoing;
        journal.cause = Some(cause.to_owned());
        // On a full disk the way back is gone without this note: the journal leads back in every phase.
        let _ = journal.write(host);
    }
    let cause = journal.cause.clone().unwrap_or_else(|| cause.to_owned());
    let mut rules = Known::default();
    let mut failures = Vec::new();
    sweep(host, &journal);
    for change in &journal.plan.inverse().changes {
        if scope == Scope::Boot && !is_for_the_boot(change) {
            continue;
        }
        let done = match change {
            // What held before cannot be compiled any more: nothing is open that need not be.
            Change::Rules { to: None, .. } if journal.previous.is_some() => host.close(false),
            _ => save(host, change).and_then(|()| perform(host, change, &mut rules)),
        };
        if let Err(error) = done {
            failures.push(error.chain());
        }
    }
    if scope == Scope::Live && failures.is_empty() {
        let previous = match journal.previous {
            Some(number) => rules.get(host, number).ok(),
            None => None,
        };
        let proved = if previous.is_none() && journal.previous.is_some() {
            Ok(Verdict::Proved)
        } else {
            host.prove(previous.as_ref())
        };
        match proved {
            Ok(Verdict::Proved | Verdict::Beside(_)) => {}
            Ok(Verdict::Refuted(shown) | Verdict::Undetermined(shown)) => failures.extend(shown),
            Err(error) => failures.push(error.chain()),
        }
    }
    if scope == Scope::Live && failures.is_empty() {
        failures.extend(not_back(host, &journal)?);
    }
    if !failures.is_empty() {
        return Ok(Back::Stuck(failures));
    }
    Journal::remove(host)?;
    Store::close(host, journal.generation, Outcome::WentBack(cause))?;
    Ok(Back::Done)
}

/// What is not what it was, though every step of the way back succeeded: a step may have taken along what an earlier one
/// brought back, as a kernel does with the routes of an address.
fn not_back(host: &mut impl Host, journal: &Journal) -> Result<Vec<String>, HostError> {
    let inverse = journal.plan.inverse().changes;
    let mut interest = Interest::default();
    for change in &inverse {
        interest.add_change(change);
    }
    let there = host.inventory(&interest)?;
    // Where two steps are about one thing, the last of them says what it is to be.
    let is_last = |at: usize, one: &Change| !inverse[at + 1..].iter().any(|later| *later == one.inverse());
    let missed = inverse
        .iter()
        .enumerate()
        .filter(|(at, change)| is_last(*at, change) && change.is_reached(&there) == Some(false));
    Ok(missed.map(|(_, change)| format!("{change}: it was done, and is not so")).collect())
}

/// Keeps a copy of a file that somebody edited since we wrote it, before it is written over.
fn save(host: &mut impl Host, change: &Change) -> Result<(), HostError> {
    let Change::File { path, from, to } = change else { return Ok(()) };
    match host.read(path)? {
        Some(now) if Some(&now) != from.as_ref() && Some(&now) != to.as_ref() => {
            write_whole(host, &format!("{SAVED}/{}", path.trim_start_matches('/').replace('/', "_")), &now)
        }
        _ => Ok(()),
    }
}

/// Removes what a crash left of files that were being written. It means nothing, and may stay where it cannot be removed.
fn sweep(host: &mut impl Host, journal: &Journal) {
    for change in &journal.plan.changes {
        if let Change::File { path, .. } | Change::Block { path, .. } = change {
            let beside = temporary(path);
            if matches!(host.read(&beside), Ok(Some(_))) {
                let _ = remove_for_good(host, &beside);
            }
        }
    }
}

/// What the boot takes from the disk by itself, and so has to be put right there; and what it brings back for nobody.
fn is_for_the_boot(change: &Change) -> bool {
    match change {
        Change::File { .. } | Change::Block { .. } | Change::Enabled { .. } | Change::Sysctl { .. } => true,
        // Nobody else brings it back in this boot.
        Change::Table { present, .. } => *present,
        Change::Module { .. }
        | Change::Vlan { .. }
        | Change::Up { .. }
        | Change::Address { .. }
        | Change::Route { .. }
        | Change::Ifup { .. }
        | Change::Rules { .. }
        | Change::Running { .. }
        | Change::Renew { .. } => false,
    }
}

/// Generations that were compiled already.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<Compiled>);

impl Known {
    pub(super) fn add(&mut self, compiled: Compiled) {
        self.0.push(compiled);
    }

    pub(super) fn get(&mut self, host: &mut impl Host, number: u64) -> Result<Compiled, HostError> {
        if let Some(known) = self.0.iter().find(|known| known.number == number) {
            return Ok(known.clone());
        }
        let compiled = Store::compiled(host, number)?;
        self.0.push(compiled.clone());
        Ok(compiled)
    }
}

/// The lines of others stay as they are, byte for byte, in whatever encoding they are.
fn with_block_in_bytes(file: &[u8], block: Option<&str>) -> Vec<u8> {
    // One char for each byte, there and back; our marks are ASCII.
    let widened = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
    let text = with_block(&widened(file), block.map(|block| widened(block.as_bytes())).as_deref());
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("each came from a byte")).collect()
}

/// Performs one change.
pub(super) fn perform(host: &mut impl Host, change: &Change, known: &mut Known) -> Result<(), HostError> {
    match change {
        Change::File { path, to: Some(to), .. } => match host.read(path)? {
            Some(file) if file == *to => Ok(()),
            _ => write_whole(host, path, to),
        },
        Change::File { path, to: None, .. } => remove_for_good(host, path),
        Change::Block { path, to, .. } => {
            let file = host.read(path)?;
            let mode = file.as_ref().map_or(BOOT_FILES_MODE, |file| file.mode);
            let before = file.map(|file| file.bytes).unwrap_or_default();
            let after = with_block_in_bytes(&before, to.as_deref());
            if after == before {
                return Ok(());
            }
            write_whole(host, path, &FileState { mode, bytes: after })
        }
        Change::Rules { from, to } => {
            let from = from.map(|number| known.get(host, number)).transpose()?;
            let to = to.map(|number| known.get(host, number)).transpose()?;
            host.load(from.as_ref(), to.as_ref()).map(drop)
        }
        Change::Module { .. }
        | Change::Vlan { .. }
        | Change::Up { .. }
        | Change::Address { .. }
        | Change::Route { .. }
        | Change::Ifup { .. }
        | Change::Sysctl { .. }
        | Change::Table { .. }
        | Change::Enabled { .. }
        | Change::Running { .. }
        | Change::Renew { .. } => host.change(change),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_others_keep_their_bytes() {
        let old = b"# r\xe9seau\nauto lo\n".to_vec();
        let with = with_block_in_bytes(&old, Some("source /etc/network/interfaces.d/x\n"));
        assert!(with.starts_with(&old) && with.len() > old.len());
        assert_eq!(with_block_in_bytes(&with, None), old);
    }
}
