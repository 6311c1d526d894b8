//! The box this program runs on, for the commands that change it or look at it.

mod asker;
mod candidate;
mod duration;
pub mod guard;
mod measure;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use segwall_core::plan::Wanted;
use segwall_core::policy::Policy;
use segwall_core::ruleset::{At, Ruleset};
use segwall_host::apply::{ApplyError, Compiled, Host, HostError, Journal, Phase, Store, Who};
use segwall_host::linux::{Linux, Lock, Root};
use segwall_packetset::Place;

pub use asker::{Asker, may_confirm};
pub use candidate::{candidate, next_number};
pub use duration::Within;
pub use guard::Guarded;
pub use measure::{Measure, held, measure};

use crate::clock;
use crate::exit::Failure;
use crate::input::DEFAULT_POLICY;
use crate::load::{self, Reading};

/// A watchdog or the guard that looks at the box holds the lock for a moment.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
const LOCK_POLL: Duration = Duration::from_millis(20);

/// This box. Only root may look at all of it.
pub fn open() -> Result<Linux, Failure> {
    if !segwall_host::linux::is_root() {
        return Err(Failure::Refused("this needs root: it reads and changes the box's network".to_owned()));
    }
    Ok(Linux::new(Root::real()))
}

/// The lock that only one apply can have.
pub fn lock(linux: &Linux) -> Result<Lock, Failure> {
    let begun = Instant::now();
    loop {
        if let Some(lock) = linux.lock_try().map_err(refused)? {
            return Ok(lock);
        }
        if begun.elapsed() >= LOCK_PATIENCE {
            let busy = "another `segwall apply`, `confirm` or `rollback` is at work; wait until it has ended";
            return Err(Failure::Refused(busy.to_owned()));
        }
        std::thread::sleep(LOCK_POLL);
    }
}

/// In the place of somebody who only looks.
pub fn nobody() -> Who {
    Who { user: String::new(), via: String::new() }
}

/// The box's address, and its SSH port, to which somebody at this address connects as far as the policy tells.
pub fn address_towards(policy: &Policy, ruleset: &Ruleset, peer: IpAddr) -> Option<(IpAddr, u16)> {
    let Place::Interface(id) = ruleset.route(peer) else { return None };
    let own = ruleset.interface(id).addresses.iter().find(|own| own.is_ipv4() == peer.is_ipv4())?;
    Some((*own, policy.gateway.ssh_port))
}

/// What a box that keeps only some of its files has to be told.
pub fn lbu_advice(linux: &Linux) -> String {
    if linux.is_diskless() {
        "this box keeps its files in memory: run `lbu commit`, or a reboot forgets it\n".to_owned()
    } else {
        String::new()
    }
}

/// The rules for a box without a confirmed generation: SSH from management, and no more. None without a policy.
pub fn closed(linux: &mut Linux) -> Result<Option<Compiled>, HostError> {
    // What was applied last, though nobody confirmed it, tells the network as well.
    let applied = match Store::numbers(linux)?.last() {
        Some(number) => Store::policy(linux, *number)?.map(String::into_bytes),
        None => None,
    };
    let bytes = linux.read(DEFAULT_POLICY)?.map(|file| file.bytes).or(applied);
    let Some(bytes) = bytes else { return Ok(None) };
    let Reading::Sound(checked) = load::from_bytes(DEFAULT_POLICY, bytes) else {
        let why = "run `segwall check`; until then only SSH is open";
        return Err(HostError::new(format!("use the policy {DEFAULT_POLICY}, which has errors"), why));
    };
    let policy = checked.policy.closed();
    let ruleset = segwall_core::ruleset::lower(&policy, &checked.source, &clock::timezone());
    let program = segwall_core::emit::nft::compile(&ruleset, At::ClockUnknown);
    Ok(Some(Compiled { number: 0, wanted: Wanted::default(), ruleset, program }))
}

/// Before anybody is asked anything: an apply that waits is told of, and not waited for.
pub fn refuse_while_waiting(linux: &mut Linux) -> Result<(), Failure> {
    let Ok(Some(journal)) = Journal::read(linux) else { return Ok(()) };
    let left_ms = journal.left_ms(&linux.clock().map_err(refused)?);
    if journal.phase == Phase::Waiting && left_ms > Some(0) {
        return Err(failed(&ApplyError::Busy { generation: journal.generation, left_ms }));
    }
    Ok(())
}

/// The box refused.
pub fn refused(error: HostError) -> Failure {
    Failure::Refused(crate::text::escaped_lines(&error.chain()))
}

/// An error of the transaction, with everything that caused it.
pub fn failed(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::Refused(crate::text::escaped_lines(&segwall_host::error::chain(error)))
}
