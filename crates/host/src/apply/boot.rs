//! What the boot service does: before the network comes up, the rules of the generation that holds; then, when they are
//! proved, forwarding.

use segwall_core::plan::{Change, FORWARD_V4, FORWARD_V6};

use super::generation::Compiled;
use super::host::{Host, HostError, Verdict};
use super::journal::{Journal, Phase};
use super::recover::{Recovery, Scope, recover};
use super::store::Store;

/// Permissions of files of the system that we have to make.
pub(super) const BOOT_FILES_MODE: u32 = 0o644;

/// How a boot came out.
#[derive(Debug)]
pub enum Booted {
    /// The generation that holds is loaded and proved, and forwards.
    Open(u64),
    /// There is none yet: what may reach the box is loaded, nothing is forwarded.
    Closed,
    /// There is neither a generation nor a policy: nothing was loaded, nothing is forwarded.
    Nothing,
}

/// Loads what holds. Forwarding is off until the kernel's rules are proved, and stays off when they are not.
///
/// `closed` gives the rules for a box without a confirmed generation: the way to the box for its management, and no more.
///
/// # Errors
/// When the rules cannot be loaded or are not what they should be: forwarding is off.
pub fn start<H: Host>(
    host: &mut H,
    closed: impl FnOnce(&mut H) -> Result<Option<Compiled>, HostError>,
) -> Result<(Recovery, Booted), HostError> {
    // Before anything that can fail.
    let off = forward(host, &[], false);
    let end = off.and_then(|()| holding(host, closed));
    if end.is_err() {
        // Whatever is wrong, the box does not come up without rules. What is said is what was wrong first.
        let _ = host.close(true);
    }
    end
}

fn holding<H: Host>(
    host: &mut H,
    closed: impl FnOnce(&mut H) -> Result<Option<Compiled>, HostError>,
) -> Result<(Recovery, Booted), HostError> {
    let now = host.clock()?;
    let waits = |journal: &Journal| journal.phase == Phase::Waiting && journal.began.boot_id == now.boot_id;
    // The service was started again by hand while an apply waits: that one's watchdog sees to it.
    let recovery = match Journal::take(host)? {
        Some(journal) if waits(&journal) => Recovery::Nothing,
        // The service was started again in the same boot: the running box is led back, and not its files alone.
        Some(journal) if journal.began.boot_id == now.boot_id => recover(host, Scope::Live, "it was interrupted")?,
        _ => recover(host, Scope::Boot, "the box was booted before it was confirmed")?,
    };
    if let Some(number) = Store::confirmed(host)? {
        let compiled = host.renewed(number)?;
        load(host, &compiled)?;
        forward(host, &compiled.wanted.forwarding, true)?;
        return Ok((recovery, Booted::Open(number)));
    }
    match closed(host)? {
        Some(rules) => load(host, &rules).map(|()| (recovery, Booted::Closed)),
        None => Ok((recovery, Booted::Nothing)),
    }
}

fn load(host: &mut impl Host, rules: &Compiled) -> Result<(), HostError> {
    host.load(None, Some(rules))?;
    let unlike =
        |shown: Vec<String>| HostError::new("open the box: its rules are not what they should be", shown.join("; "));
    match host.prove(Some(rules))? {
        // At boot other tables are no reason to stay closed: they were there when it was confirmed, or only close more.
        Verdict::Proved | Verdict::Beside(_) => Ok(()),
        Verdict::Refuted(shown) | Verdict::Undetermined(shown) => Err(unlike(shown)),
    }
}

/// Nothing is forwarded any more; the rules stay.
///
/// # Errors
/// When the kernel refuses.
pub fn stop(host: &mut impl Host) -> Result<(), HostError> {
    forward(host, &[], false)
}

/// Packets of a generation whose rules are proved may pass.
///
/// # Errors
/// When the kernel refuses.
pub fn forward_for(host: &mut impl Host, rules: &Compiled) -> Result<(), HostError> {
    forward(host, &rules.wanted.forwarding, true)
}

/// Switches forwarding on for these settings, or off for all.
fn forward(host: &mut impl Host, settings: &[String], on: bool) -> Result<(), HostError> {
    let all = [FORWARD_V4.to_owned(), FORWARD_V6.to_owned()];
    let (list, from, to) = if on { (settings, "0", "1") } else { (&all[..], "1", "0") };
    for key in list {
        host.change(&Change::Sysctl { key: key.clone(), from: from.to_owned(), to: to.to_owned() })?;
    }
    Ok(())
}
