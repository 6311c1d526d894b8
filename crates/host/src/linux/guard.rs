//! The guard: rules that somebody flushed are loaded again, and nothing is forwarded meanwhile; rules whose meaning moves
//! with the clock are loaded anew when it does.
//!
//! It listens to what nf_tables tells of every change (`NFNLGRP_NFTABLES`, linux/netfilter/nfnetlink.h).

use std::os::fd::AsFd;
use std::time::Duration;

use jiff::Timestamp;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use segwall_core::emit::nft::TABLE;

use super::Linux;
use super::clock::weekday_zone_s;
use super::watchdog::tell;
use crate::apply::boot::{self, Booted};
use crate::apply::{Compiled, HostError, Journal, Manifest, Phase, Store, Verdict};
use crate::nf_tables::Changes;

/// How often it is looked whether the clock moved a rule, and whether what holds is still there.
const ROUND: Duration = Duration::from_secs(30);
/// While an apply is at work it is waited for this long before it is looked again.
const BUSY: Duration = Duration::from_millis(200);

/// Keeps watch until the process ends.
///
/// # Errors
/// When the kernel cannot be listened to. What goes wrong later is told and tried again.
pub fn keep(linux: &mut Linux) -> Result<(), HostError> {
    let mut changes =
        Changes::listen().map_err(|error| HostError::new("listen to changes of the kernel's rules", error))?;
    let mut pause = Duration::ZERO;
    loop {
        wait(&mut changes, pause);
        pause = match look(linux) {
            Ok(true) => ROUND,
            Ok(false) => BUSY,
            Err(error) => {
                tell(linux, &format!("guard: {}", error.chain()));
                ROUND
            }
        };
    }
}

/// Until something changes, or for this long. What was told is thrown away: the rules themselves are looked at, so a
/// message that was lost is no loss.
fn wait(changes: &mut Changes, longest: Duration) {
    let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
    let _ = poll(&mut [PollFd::new(changes.as_fd(), PollFlags::POLLIN)], timeout);
    changes.any();
}

/// Whether it could be looked; not while somebody applies.
fn look(linux: &mut Linux) -> Result<bool, HostError> {
    let Some(number) = Store::confirmed(linux)? else {
        // The first apply waits, or there is none: without rules nothing passes, and the watchdog sees to the rest.
        if Journal::read(linux)?.is_some_and(|journal| journal.phase == Phase::Waiting) && !linux.has_table(TABLE)? {
            boot::stop(linux)?;
        }
        return Ok(true);
    };
    if linux.has_table(TABLE)? {
        return renew(linux, number);
    }
    // Before anything else: without rules nothing may pass.
    boot::stop(linux)?;
    let Some(_lock) = linux.lock_try()? else { return Ok(false) };
    tell(linux, &format!("guard: somebody removed the table inet {TABLE}; nothing is forwarded until it is back"));
    if let (_, Booted::Open(number)) = boot::start(linux, |_| Ok(None))? {
        tell(linux, &format!("guard: the rules of generation {number} are loaded and proved again"));
    }
    Ok(true)
}

/// Loads rules anew whose meaning moved with the clock.
fn renew(linux: &mut Linux, number: u64) -> Result<bool, HostError> {
    let Some(manifest) = Store::manifest(linux, number)? else { return Ok(true) };
    let loaded = Store::compiled(linux, number)?;
    if !has_times(&loaded) {
        return Ok(true);
    }
    let now = Manifest { compiled_s: instant(linux, &manifest), weekday_zone_s: weekday_zone_s(), ..manifest };
    let Some(policy) = Store::policy(linux, number)? else { return Ok(true) };
    let renewed = linux.generation(number, &policy, &now)?;
    if renewed.program.script() == loaded.program.script() {
        return Ok(true);
    }
    let Some(_lock) = linux.lock_try()? else { return Ok(false) };
    // Somebody may have applied since.
    if Store::confirmed(linux)? != Some(number) || Journal::read(linux)?.is_some() {
        return Ok(true);
    }
    linux.replace_rules(Some(&loaded), Some(&renewed))?;
    // Written down as what holds only when it is proved: otherwise the next round tries again.
    let why = match linux.verdict(Some(&renewed)) {
        Ok(Verdict::Proved | Verdict::Beside(_)) => None,
        Ok(Verdict::Refuted(shown) | Verdict::Undetermined(shown)) => Some(shown.join("; ")),
        Err(error) => Some(error.chain()),
    };
    if let Some(why) = why {
        boot::stop(linux)?;
        linux.closed_by_guard = true;
        tell(
            linux,
            &format!("guard: nothing is forwarded; the rules that the clock wants are not in the kernel: {why}"),
        );
        return Ok(true);
    }
    Store::describe(linux, &now)?;
    // Only what a round before this one switched off: somebody else may have had a reason of their own.
    if linux.closed_by_guard {
        boot::forward_for(linux, &renewed)?;
        linux.closed_by_guard = false;
    }
    tell(linux, &format!("guard: generation {number} is loaded anew, for the clock moved some of its rules"));
    Ok(true)
}

/// Whether the clock decides about any rule.
#[must_use]
pub fn has_times(compiled: &Compiled) -> bool {
    compiled.ruleset.rules.iter().any(|rule| !rule.when.is_always())
}

/// The instant that rules are to be for, seconds since 1970; `None` until the clock is known to be right: it was set by
/// the network, or the box has a clock that runs without power and tells no time before the generation was applied.
#[must_use]
pub fn instant(linux: &Linux, manifest: &Manifest) -> Option<i64> {
    let now = Timestamp::now().as_second();
    let runs_on = linux.root.at("/dev/rtc0").exists() && now >= manifest.applied_s;
    (super::clock::is_synchronised() == Some(true) || runs_on).then_some(now)
}

impl Linux {
    /// See [`crate::apply::Host::renewed`].
    pub(super) fn as_the_clock_wants(&mut self, number: u64) -> Result<Compiled, HostError> {
        let compiled = Store::compiled(self, number)?;
        let manifest = Store::manifest(self, number)?.filter(|_| has_times(&compiled));
        let (Some(manifest), Some(policy)) = (manifest, Store::policy(self, number)?) else { return Ok(compiled) };
        let now = Manifest { compiled_s: instant(self, &manifest), weekday_zone_s: weekday_zone_s(), ..manifest };
        let renewed = self.generation(number, &policy, &now)?;
        Store::describe(self, &now)?;
        Ok(renewed)
    }
}
