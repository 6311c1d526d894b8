//! `segwall completions`: completions for a shell.

use clap_complete::Shell;

use crate::exit::{Answer, Failure};
use crate::{args, out};

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  segwall completions bash > /usr/share/bash-completion/completions/segwall")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs it.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut args::description(), "segwall", &mut text);
    out::print_plain(&String::from_utf8_lossy(&text))?;
    Ok(Answer::Yes)
}
