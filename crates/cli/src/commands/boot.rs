//! `segwall boot`: what the boot service runs.

use clap::Subcommand;
use segwall_host::apply::boot::{self, Booted};
use segwall_host::apply::{Back, Recovery};

use crate::exit::{Answer, Failure};
use crate::out;
use crate::router;

/// Load what holds and let packets pass, or stop that; the boot service runs it
///
/// `start` finishes or undoes what a reboot interrupted, loads the generation that was last confirmed, proves what the kernel
/// holds, and only then switches forwarding on. `stop` switches forwarding off; the rules stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall boot start
  segwall boot stop")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Action {
    /// Load, prove, and then let packets pass
    Start,
    /// Let no packets pass any more
    Stop,
}

/// Runs it.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    let mut linux = router::open()?;
    let _lock = linux.lock_wait().map_err(router::refused)?;
    match args.action {
        Action::Stop => {
            boot::stop(&mut linux).map_err(router::refused)?;
            out::print("nothing is forwarded any more\n")?;
        }
        Action::Start => {
            let closed = |linux: &mut segwall_host::linux::Linux| router::closed(linux);
            let (recovery, booted) = boot::start(&mut linux, closed).map_err(router::refused)?;
            out::print(&words(&recovery, &booted))?;
        }
    }
    Ok(Answer::Yes)
}

fn words(recovery: &Recovery, booted: &Booted) -> String {
    let mut text = match recovery {
        Recovery::Nothing => String::new(),
        Recovery::Finished(number) => format!("generation {number} was confirmed, and is finished\n"),
        Recovery::WentBack { generation, back: Back::Done, .. } => {
            format!("generation {generation} was not confirmed: the box went back\n")
        }
        Recovery::WentBack { generation, back: Back::Stuck(left), .. } => {
            let left = crate::text::escaped_lines(&left.join("\n"));
            format!("generation {generation} was not confirmed, and not all of it could be undone:\n{left}\n")
        }
    };
    text.push_str(&match booted {
        Booted::Open(number) => format!("generation {number} is loaded and proved; packets are forwarded\n"),
        Booted::Closed => {
            "no generation was confirmed yet: only SSH from management is open, nothing is forwarded; run `segwall apply`\n"
                .to_owned()
        }
        Booted::Nothing => "there is no policy yet: nothing is forwarded; run `segwall init` and `segwall apply`\n".to_owned(),
    });
    text
}
