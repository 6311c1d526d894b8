//! Forward: plan, journal, steps, proof, and then either it is kept or somebody has to confirm it.

use segwall_core::plan::{Change, Foreign, Interest, Obstacle, Plan, Taken, diff, foreign};
use thiserror::Error;

use super::generation::{Candidate, Compiled, Outcome};
use super::host::{Clock, Host, HostError, Verdict};
use super::journal::{Deadline, Journal, Phase};
use super::recover::{Back, Known, Recovery, Scope, perform, recover, undo};
use super::store::Store;

/// What is to be applied, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// The generation.
    pub candidate: Candidate,
    /// Milliseconds that there are to confirm; `None`: it is kept at once.
    pub confirm_within_ms: Option<u64>,
    /// Our table proved by itself is good enough: what other programs' tables do beside it was allowed by name.
    pub allow_unproved: bool,
    /// What others set up where the generation is to rule is retired.
    pub take_over: bool,
}

/// How an apply ended that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The box is what the policy says already.
    Unchanged(u64),
    /// Applied and kept.
    Kept(u64),
    /// Applied; the box goes back unless somebody confirms in time.
    Waiting {
        /// The generation.
        generation: u64,
        /// Milliseconds that there are.
        left_ms: u64,
    },
}

/// Why an apply failed. The box is what it was, but for [`ApplyError::Stuck`].
#[derive(Debug, Error)]
pub enum ApplyError {
    /// Another apply waits to be confirmed, or is at work.
    #[error("generation {generation} is being applied{}", waiting(*left_ms))]
    Busy {
        /// Its generation.
        generation: u64,
        /// Milliseconds that are left to confirm it, where it waits for that.
        left_ms: Option<u64>,
    },
    /// The plan cannot be made.
    #[error("{}", obstacles.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Obstacles {
        /// Why not.
        obstacles: Vec<Obstacle>,
    },
    /// Before anything was touched.
    #[error("nothing was changed")]
    Before(#[source] HostError),
    /// The box refused a step, and was led back.
    #[error("the box refused; it was led back to what it was: {cause}")]
    WentBack {
        /// Why.
        cause: String,
    },
    /// The box refused a step, and could not be led back wholly.
    #[error("the box refused ({cause}), and not all could be undone:\n{}", left.join("\n"))]
    Stuck {
        /// Why it was to go back.
        cause: String,
        /// What could not be undone.
        left: Vec<String>,
    },
}

fn waiting(left_ms: Option<u64>) -> String {
    match left_ms {
        Some(left) => format!(" and waits {} s more for `segwall confirm`", left.div_ceil(1000)),
        None => String::new(),
    }
}

/// What apply would do.
#[derive(Debug)]
pub struct Planned {
    /// The steps.
    pub plan: Plan,
    /// What stands in its way.
    pub obstacles: Vec<Obstacle>,
    /// The generation that holds.
    pub previous: Option<u64>,
    /// What others set up where this generation is to rule.
    pub foreign: Vec<Foreign>,
}

/// Makes the plan from what holds to a compiled policy.
///
/// # Errors
/// When the box does not tell what is on it.
pub fn plan(host: &mut impl Host, compiled: &Compiled, take_over: bool) -> Result<Planned, HostError> {
    let previous = Store::confirmed(host)?;
    // One that an upgrade cannot compile any more must not keep a better one from being applied.
    let old = match previous {
        Some(number) => Store::compilable(host, number)?,
        None => None,
    };
    let mut interest = Interest::default();
    interest.add(&compiled.wanted);
    if let Some(old) = &old {
        interest.add(&old.wanted);
    }
    let inventory = host.inventory(&interest)?;
    let same = match &old {
        Some(old) => old.program.script() == compiled.program.script() && holds(host, old)? && !lets_go(host),
        None => false,
    };
    let to = if same { previous } else { Some(compiled.number) };
    let foreign = foreign(&compiled.wanted, &host.seen()?);
    let taken = if take_over { taken(&foreign) } else { Taken::default() };
    let (plan, obstacles) = diff(
        &compiled.wanted,
        old.as_ref().map(|old| &old.wanted),
        &inventory,
        (old.as_ref().map(|old| old.number), to),
        &taken,
    );
    Ok(Planned { plan, obstacles, previous, foreign })
}

fn taken(foreign: &[Foreign]) -> Taken {
    let all = |list: fn(&Foreign) -> &Vec<Change>| foreign.iter().flat_map(list).cloned().collect();
    Taken { before: all(|one| &one.before), after: all(|one| &one.after) }
}

/// One that does not tell is loaded anew, which says why it cannot be.
fn lets_go(host: &mut impl Host) -> bool {
    host.lets_go().unwrap_or(true)
}

fn holds(host: &mut impl Host, rules: &Compiled) -> Result<bool, HostError> {
    Ok(matches!(host.prove(Some(rules))?, Verdict::Proved | Verdict::Beside(_)))
}

/// Applies a policy. The caller holds the lock.
///
/// # Errors
/// See [`ApplyError`].
pub fn apply(host: &mut impl Host, request: &Request, progress: &mut dyn FnMut(&str)) -> Result<Applied, ApplyError> {
    let before = ApplyError::Before;
    settle(host)?;
    // Compiled under a number that is only its own once something is to be written.
    let number = Store::add(host, &request.candidate).map_err(before)?.number;
    match prepared(host, request, number) {
        Ok(Prepared::Unchanged(previous)) => {
            let _ = Store::forget(host, number);
            Ok(Applied::Unchanged(previous))
        }
        Ok(Prepared::Ready(journal, compiled)) => run(host, request, *journal, *compiled, progress),
        Err(error) => {
            give_up(host, number, &error.to_string());
            Err(error)
        }
    }
}

/// Nothing else is being applied. A journal without an owner (we hold the lock) is led to its end first.
fn settle(host: &mut impl Host) -> Result<(), ApplyError> {
    let before = ApplyError::Before;
    let Some(journal) = Journal::take(host).map_err(before)? else { return Ok(()) };
    let left_ms = journal.left_ms(&host.clock().map_err(before)?);
    let is_kept = Store::confirmed(host).map_err(before)? == Some(journal.generation);
    if journal.phase == Phase::Waiting && left_ms > Some(0) && !is_kept {
        return Err(ApplyError::Busy { generation: journal.generation, left_ms });
    }
    match recover(host, Scope::Live, "it was interrupted").map_err(before)? {
        Recovery::WentBack { back: Back::Stuck(left), .. } => {
            Err(ApplyError::Stuck { cause: "an apply before this one was interrupted".to_owned(), left })
        }
        Recovery::Nothing | Recovery::Finished(_) | Recovery::WentBack { .. } => Ok(()),
    }
}

/// A generation that nothing refers to: what became of it is written down where that is possible.
fn give_up(host: &mut impl Host, number: u64, why: &str) {
    let _ = Store::close(host, number, Outcome::WentBack(why.to_owned()));
}

enum Prepared {
    Unchanged(u64),
    Ready(Box<Journal>, Box<Compiled>),
}

fn prepared(host: &mut impl Host, request: &Request, number: u64) -> Result<Prepared, ApplyError> {
    let before = ApplyError::Before;
    let compiled = Store::compiled(host, number).map_err(before)?;
    let Planned { plan, obstacles, previous, .. } = plan(host, &compiled, request.take_over).map_err(before)?;
    if !obstacles.is_empty() {
        return Err(ApplyError::Obstacles { obstacles });
    }
    // A module that a kernel has without saying so is asked for each time.
    let is_idle = plan.changes.iter().all(|change| matches!(change, Change::Module { .. }));
    if let (true, Some(previous)) = (is_idle, previous) {
        return Ok(Prepared::Unchanged(previous));
    }
    let began = host.clock().map_err(before)?;
    let journal = Journal {
        generation: number,
        previous,
        plan,
        phase: Phase::Applying,
        began,
        applied: None,
        deadline: None,
        confirm_within_ms: request.confirm_within_ms,
        allow_unproved: request.allow_unproved,
        cause: None,
    };
    Ok(Prepared::Ready(Box::new(journal), Box::new(compiled)))
}

fn run(
    host: &mut impl Host,
    request: &Request,
    mut journal: Journal,
    compiled: Compiled,
    progress: &mut dyn FnMut(&str),
) -> Result<Applied, ApplyError> {
    let number = journal.generation;
    // The watchdog comes first: from the journal on there is somebody who leads back.
    if let Err(error) = host.start_watchdog().and_then(|()| journal.write(host)) {
        // It may lie there all the same. Should it stay, whoever finds it undoes what was never done, which changes nothing.
        let _ = Journal::remove(host);
        return Err(ApplyError::Before(error));
    }
    match steps(host, request, &journal, compiled, progress).and_then(|()| finish(host, &mut journal)) {
        Ok(None) => Ok(Applied::Kept(number)),
        Ok(Some(left_ms)) => Ok(Applied::Waiting { generation: number, left_ms }),
        Err(cause) => match undo(host, journal, Scope::Live, &cause) {
            Ok(Back::Done) => Err(ApplyError::WentBack { cause }),
            Ok(Back::Stuck(left)) => Err(ApplyError::Stuck { cause, left }),
            Err(error) => Err(ApplyError::Stuck { cause, left: vec![error.chain()] }),
        },
    }
}

/// Performs the steps. What lets packets pass comes after the rules are in and proved.
fn steps(
    host: &mut impl Host,
    request: &Request,
    journal: &Journal,
    compiled: Compiled,
    progress: &mut dyn FnMut(&str),
) -> Result<(), String> {
    let mut known = Known::default();
    known.add(compiled.clone());
    // At once where it can be told: when our rules are in, and tables of others that are to go are gone.
    let decides = |change: &Change| matches!(change, Change::Rules { .. } | Change::Table { .. });
    let last = journal.plan.changes.iter().rposition(decides);
    for (at, change) in journal.plan.changes.iter().enumerate() {
        if change.opens() && last.is_none() {
            prove(host, &compiled, request.allow_unproved)?;
        }
        progress(&change.to_string());
        perform(host, change, &mut known).map_err(|error| error.chain())?;
        if Some(at) == last {
            prove(host, &compiled, request.allow_unproved)?;
        }
    }
    progress("read the kernel back and prove it");
    prove(host, &compiled, request.allow_unproved)
}

fn prove(host: &mut impl Host, compiled: &Compiled, allow_unproved: bool) -> Result<(), String> {
    match host.prove(Some(compiled)).map_err(|error| error.chain())? {
        Verdict::Proved => Ok(()),
        Verdict::Refuted(shown) => {
            Err(format!("what the kernel holds is not what the policy says: {}", shown.join("; ")))
        }
        Verdict::Beside(_) if allow_unproved => Ok(()),
        Verdict::Beside(why) | Verdict::Undetermined(why) => {
            Err(format!("it cannot be proved what the kernel does: {}", why.join("; ")))
        }
    }
}

/// Keeps it, or begins to wait. Gives the milliseconds that there are to confirm.
fn finish(host: &mut impl Host, journal: &mut Journal) -> Result<Option<u64>, String> {
    let words = |error: HostError| error.chain();
    let Some(within) = journal.confirm_within_ms else {
        keep(host, journal.generation).map_err(words)?;
        return Ok(None);
    };
    let now = host.clock().map_err(words)?;
    journal.phase = Phase::Waiting;
    journal.deadline = Some(Deadline { boot_id: now.boot_id.clone(), boot_ms: now.boot_ms.saturating_add(within) });
    journal.applied = Some(now);
    journal.write(host).map_err(words)?;
    Ok(Some(within))
}

/// From here on the generation holds. What fails after the first line is only tidying up.
fn keep(host: &mut impl Host, generation: u64) -> Result<(), HostError> {
    if let Err(error) = Store::set_confirmed(host, generation) {
        // It may have been refused after the file was in its place; then it holds.
        if Store::confirmed(host)? != Some(generation) {
            return Err(error);
        }
    }
    // Should the journal stay, whoever finds it sees that its generation is the confirmed one, and goes on from here.
    let _ = Store::close(host, generation, Outcome::Confirmed);
    let _ = Journal::remove(host);
    let _ = Store::prune(host);
    Ok(())
}

/// Why a generation was not confirmed.
#[derive(Debug, Error)]
pub enum ConfirmError {
    /// Nothing waits.
    #[error("nothing waits to be confirmed")]
    Nothing,
    /// It is too late: the box goes back.
    #[error("the time to confirm generation {0} is over; the box goes back")]
    Late(u64),
    /// It may not be confirmed from here.
    #[error("{0}")]
    NotFromHere(String),
    /// Somebody changed the rules since.
    #[error("the kernel no longer holds generation {0}: {1}; `segwall rollback` gives it up, then apply again")]
    Changed(u64, String),
    /// The disk refused.
    #[error("generation {0} waits still")]
    Disk(u64, #[source] HostError),
    /// The journal cannot be read.
    #[error("cannot tell what waits to be confirmed")]
    Journal(#[source] HostError),
}

/// Keeps the generation that waits. The caller holds the lock; `may` says whether it comes from where it may.
///
/// # Errors
/// See [`ConfirmError`].
pub fn confirm(
    host: &mut impl Host,
    may: impl FnOnce(&Journal, &Clock) -> Result<(), String>,
) -> Result<u64, ConfirmError> {
    let journal = Journal::read(host).map_err(ConfirmError::Journal)?.ok_or(ConfirmError::Nothing)?;
    let now = host.clock().map_err(ConfirmError::Journal)?;
    let generation = journal.generation;
    if journal.phase != Phase::Waiting || journal.left_ms(&now) == Some(0) {
        return Err(ConfirmError::Late(generation));
    }
    may(&journal, &now).map_err(ConfirmError::NotFromHere)?;
    let proved = Store::compiled(host, generation).and_then(|compiled| host.prove(Some(&compiled)));
    match proved.map_err(ConfirmError::Journal)? {
        Verdict::Proved => {}
        Verdict::Beside(_) if journal.allow_unproved => {}
        Verdict::Beside(shown) | Verdict::Refuted(shown) | Verdict::Undetermined(shown) => {
            return Err(ConfirmError::Changed(generation, shown.join("; ")));
        }
    }
    keep(host, generation).map_err(|error| ConfirmError::Disk(generation, error))?;
    Ok(generation)
}
