//! `segwall watchdog`: leads the box back unless what was applied is confirmed. Started by apply, for nobody else.

use crate::exit::{Answer, Failure};
use crate::router;

/// Runs it.
pub fn run() -> Result<Answer, Failure> {
    let mut linux = router::open()?;
    segwall_host::linux::watchdog::watch_over(&mut linux).map_err(router::refused)?;
    Ok(Answer::Yes)
}
