//! `segwall man`: man pages from the same description as `--help`.

use std::path::PathBuf;

use clap_mangen::Man;

use crate::exit::{Answer, Failure};
use crate::input::{InputError, Why};
use crate::{args, out};

/// Print the man page, or write one for each command
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall man | man -l -
  segwall man --output /usr/local/share/man/man1")]
pub struct Args {
    /// Write segwall.1 and a page for each command into this directory
    #[arg(short, long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    output: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    let description = args::description();
    match &args.output {
        None => {
            let mut page = Vec::new();
            Man::new(description)
                .render(&mut page)
                .map_err(|error| Failure::Bug(format!("a man page cannot be written into memory: {error}")))?;
            out::print_plain(&String::from_utf8_lossy(&page))?;
        }
        Some(dir) => {
            let written = std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(description, dir));
            written.map_err(|error| InputError {
                name: dir.display().to_string(),
                why: Why::Io { doing: "write into it", error },
            })?;
        }
    }
    Ok(Answer::Yes)
}
