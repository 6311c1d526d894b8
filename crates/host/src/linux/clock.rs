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

/// The kernel's own time zone (`sys_tz`), seconds east of UTC. `hwclock` sets it at boot, to the box's zone on Alpine; nft
/// counts weekdays by it.
#[must_use]
pub fn weekday_zone_s() -> i32 {
    #[repr(C)]
    #[derive(Default)]
    struct TimeZone {
        minutes_west: libc::c_int,
        dst_time: libc::c_int,
    }
    let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut zone = TimeZone::default();
    // The C libraries no longer ask the kernel for it.
    // SAFETY: both pointers lead to values of the layout that gettimeofday(2) fills.
    let done = unsafe { libc::syscall(libc::SYS_gettimeofday, &raw mut time, &raw mut zone) };
    if done == 0 { zone.minutes_west.saturating_mul(-60) } else { 0 }
}

/// Whether something keeps the calendar right; `None`: the kernel does not tell.
pub(super) fn is_synchronised() -> Option<bool> {
    // SAFETY: plain numbers; zeroes ask and set nothing.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer leads to `state`, which the kernel fills.
    let answer = unsafe { libc::adjtimex(&raw mut state) };
    (answer >= 0).then_some(answer != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0)
}
