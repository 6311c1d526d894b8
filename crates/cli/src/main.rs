//! `segwall`: what was typed, what it means, and how the answer looks. Everything else is in the other crates.

mod amount;
mod args;
mod bug;
mod clock;
mod commands;
mod draw;
mod edit;
mod exit;
mod foreign;
mod input;
mod journal;
mod json;
mod load;
mod ours;
mod out;
mod router;
mod sarif;
mod seen;
mod side;
mod text;
mod top;
mod watching;

use std::process::ExitCode;

fn main() -> ExitCode {
    bug::catch();
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(said) => {
            // Help and version come this way too; clap knows their stream and code.
            let _ = said.print();
            return ExitCode::from(u8::try_from(said.exit_code()).unwrap_or(2));
        }
    };
    let mut end = commands::run(cli.command);
    if let Err(failure) = out::flush() {
        end = end.and(Err(failure));
    }
    if let Err(failure) = &end {
        out::failure(failure);
    }
    exit::code(&end)
}
