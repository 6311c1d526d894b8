//! The commands, one file each.

mod completions;
mod man;

use clap::Subcommand;

use crate::exit::{Answer, Failure};

/// Every command. What is not here does not work yet, and is not in `--help`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print completions for a shell
    Completions(completions::Args),
    /// Print the man page, or write one for each command
    Man(man::Args),
}

/// Runs a command.
pub fn run(command: Command) -> Result<Answer, Failure> {
    match command {
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
