//! What time it is.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

use crate::apply::{Clock, HostError};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// By the calendar, and since this boot, sleep included.
pub(super) fn now() -> Result<Clock, HostError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let unix_s = since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    let boot_id = fs::read_to_string(BOOT_ID)
        .map_err(|error| HostError::new(format!("read {BOOT_ID}; is /proc mounted?"), error))?;
    Ok(Clock { unix_s, boot_ms: boot_ms()?, boot_id: boot_id.trim().to_owned() })
}

/// Milliseconds since the boot, sleep included.
pub(super) fn boot_ms() -> Result<u64, HostError> {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map_err(|error| HostError::new("read the clock that counts from the boot", error))?;
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec()), u64::try_from(time.tv_nsec()));
    Ok(seconds.unwrap_or(0) * 1000 + nanoseconds.unwrap_or(0) / 1_000_000)
}

/// Whether something keeps the calendar right; `None`: the kernel does not tell.
pub(super) fn is_synchronised() -> Option<bool> {
    // SAFETY: plain numbers; zeroes ask and set nothing.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer leads to `state`, which the kernel fills.
    let answer = unsafe { libc::adjtimex(&raw mut state) };
    (answer >= 0).then_some(answer != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0)
}
