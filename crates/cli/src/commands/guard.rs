//! `segwall guard`: the rules stay loaded; a service runs it.

use segwall_host::linux::guard;

use crate::exit::{Answer, Failure};
use crate::router;

/// Keep the rules loaded; the service segwall-guard runs it
///
/// When somebody flushes them, forwarding is switched off at once, the generation that holds is loaded and proved, and only
/// then packets pass again. Rules whose meaning moves with the clock are loaded anew when it does. Runs until it is stopped.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  segwall guard")]
pub struct Args {}

/// Runs it.
pub fn run(_args: &Args) -> Result<Answer, Failure> {
    let mut linux = router::open()?;
    guard::keep(&mut linux).map_err(router::refused)?;
    Ok(Answer::Yes)
}
