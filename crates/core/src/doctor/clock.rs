//! The time of day: schedules, expiry, leases and logs depend on it.

use super::Facts;
use super::check::{Checks, Fault};

/// The clock may be set back by so much without anybody being wrong.
const TOLERANCE_S: i64 = 300;

pub(super) fn check(checks: &mut Checks, facts: &Facts) {
    let behind = facts.held.as_ref().filter(|held| facts.clock.unix_s + TOLERANCE_S < held.applied_s).map(|held| {
        Fault::new(
            format!("the clock says an earlier time than that of generation {}", held.number),
            "the box has no clock that runs on without power, or nobody set it after the boot",
            "set it (`date -s`, an NTP client such as chrony), then `segwall apply` so that schedules hold",
        )
    });
    let is_behind = behind.is_some();
    checks.faults("clock-behind", behind.into_iter().collect(), "the clock is past the last apply");
    match facts.clock.synchronised {
        // A clock that is plainly wrong is one fault.
        _ if is_behind => checks.not_needed("clock-synchronised", "waits for the clock"),
        Some(true) => checks.faults("clock-synchronised", Vec::new(), "something keeps the clock right"),
        Some(false) => {
            let fault = Fault::new(
                "nothing keeps the clock right",
                "no NTP client is at work: schedules, expiry and the times of logs drift away",
                "install and start one (chrony, `rc-update add ntpd`, systemd-timesyncd)",
            );
            checks.faults("clock-synchronised", vec![fault], "");
        }
        None => checks.unknown(
            "clock-synchronised",
            "the kernel does not tell whether the clock is kept right",
            "date; chronyc tracking",
        ),
    }
}
