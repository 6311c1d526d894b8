//! `segwall rollback`: back to what was before, now; or to an older generation.

use segwall_host::apply::{Back, Journal, Outcome, Recovery, Scope, Store, recover};

use super::apply;
use crate::exit::{Answer, Failure};
use crate::out::{self, GOOD};
use crate::router;

/// Go back: give up what waits to be confirmed, or apply an older generation again
///
/// While an apply waits, the box goes back to what it was, at once. Else the generation before the present one, or the one
/// that is named, is applied again under a new number, with everything that `segwall apply` does.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall rollback
  segwall rollback 7")]
pub struct Args {
    /// The generation whose policy to apply again [default: the one that held before]
    generation: Option<u64>,
    #[command(flatten)]
    how: apply::How,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let mut linux = router::open()?;
    let lock = router::lock(&linux)?;
    if let Some(journal) = Journal::take(&mut linux).map_err(router::refused)? {
        if args.generation.is_some() {
            return Err(Failure::Usage {
                what: format!("generation {} waits to be confirmed", journal.generation),
                help: "`segwall rollback` without a number gives it up; then name the other".to_owned(),
            });
        }
        let end = recover(&mut linux, Scope::Live, "somebody asked for it").map_err(router::refused)?;
        return told(&end);
    }
    let confirmed = Store::confirmed(&mut linux).map_err(router::refused)?;
    let number = match args.generation {
        Some(number) => number,
        None => before(&mut linux, confirmed)?,
    };
    let policy = Store::policy(&mut linux, number).map_err(router::refused)?.ok_or_else(|| Failure::Usage {
        what: format!("there is no generation {number}"),
        help: "`segwall history` lists those that are kept".to_owned(),
    })?;
    drop(lock);
    apply::apply_text(&format!("generation {number}"), policy.into_bytes(), args.how)
}

/// The generation that held before the present one.
fn before(linux: &mut segwall_host::linux::Linux, confirmed: Option<u64>) -> Result<u64, Failure> {
    for number in Store::numbers(linux).map_err(router::refused)?.into_iter().rev() {
        if Some(number) >= confirmed {
            continue;
        }
        let manifest = Store::manifest(linux, number).map_err(router::refused)?;
        if manifest.is_some_and(|manifest| manifest.outcome == Outcome::Confirmed) {
            return Ok(number);
        }
    }
    Err(Failure::Refused("no generation before this one was kept; there is nothing to go back to".to_owned()))
}

fn told(end: &Recovery) -> Result<Answer, Failure> {
    match end {
        Recovery::Nothing => out::print("nothing was to be done\n")?,
        Recovery::Finished(number) => out::print(&format!("generation {number} was kept already\n"))?,
        Recovery::WentBack { generation, previous, back: Back::Done } => {
            let now = previous.map_or_else(|| "what it was before".to_owned(), |number| format!("generation {number}"));
            out::print(&format!("{GOOD}generation {generation} is given up; the box is {now}{GOOD:#}\n"))?;
        }
        Recovery::WentBack { back: Back::Stuck(left), .. } => {
            return Err(Failure::Refused(format!(
                "not all could be undone; mend this and run `segwall rollback` again:\n{}",
                crate::text::escaped_lines(&left.join("\n"))
            )));
        }
    }
    Ok(Answer::Yes)
}
