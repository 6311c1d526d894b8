//! `segwall init`: a commented policy to start from.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::init_questions as questions;
use crate::exit::{Answer, Failure};
use crate::input::{InputError, Why};
use crate::out;

/// Write a commented policy to start from
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall init --template tutorial
  segwall init --template home -o home.toml
  segwall init                        # asks step by step")]
pub struct Args {
    /// The policy to start from; without it, init asks step by step
    #[arg(short, long, value_enum)]
    template: Option<Template>,
    /// The file to write, `-` for standard output; an existing file is never overwritten
    #[arg(short, long, value_name = "FILE", default_value = "segwall.toml", value_hint = clap::ValueHint::FilePath)]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Template {
    /// The five segments of the Alpine tutorial, its holes closed
    Tutorial,
    /// A family, its things and its guests
    Home,
    /// An office with servers, a web server for the internet, guests
    Office,
}

impl Template {
    fn text(self) -> &'static str {
        match self {
            Self::Tutorial => include_str!("../../../../examples/tutorial.toml"),
            Self::Home => include_str!("../../../../examples/home.toml"),
            Self::Office => include_str!("../../../../examples/office.toml"),
        }
    }
}

const EXISTS_HELP: &str = "name another file with -o, or move this one away";

/// Runs it.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    let to_stdout = args.output.as_os_str() == "-";
    // Before any question is asked.
    if !to_stdout && args.output.symlink_metadata().is_ok() {
        return Err(exists(&args.output).into());
    }
    let text = match args.template {
        Some(template) => template.text().to_owned(),
        None => asked(to_stdout)?,
    };
    if to_stdout {
        out::print_plain(&text)?;
        return Ok(Answer::Yes);
    }
    write_new(&args.output, &text)?;
    let name = args.output.display();
    out::print(&format!(
        "{name} written. Next:\n  segwall check {name}\n  segwall matrix {name}\n  segwall lab {name}\n"
    ))?;
    Ok(Answer::Yes)
}

/// The file is somebody's already.
pub(super) fn exists(path: &Path) -> InputError {
    InputError { name: path.display().to_string(), why: Why::Exists { help: EXISTS_HELP } }
}

/// Writes a file that was not there.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), InputError> {
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true) // also when somebody made it since we looked
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => InputError { name: path.display().to_string(), why: Why::Io { doing: "write", error } },
    })
}

fn asked(to_stdout: bool) -> Result<String, Failure> {
    let mut answers = std::io::stdin().lock();
    if !std::io::stdin().is_terminal() || to_stdout {
        return Err(Failure::Usage {
            what: "init asks its questions on a terminal only".to_owned(),
            help: "name a template: --template tutorial, home or office".to_owned(),
        });
    }
    let mut ask = |question: &str, default: &str| -> Option<String> {
        let shown = if default.is_empty() { String::new() } else { format!(" [{default}]") };
        out::complain(&format!("{}{question}{}{shown}: ", out::STRONG, out::STRONG.render_reset()));
        let mut line = String::new();
        let read = answers.read_line(&mut line).ok()?;
        (read > 0).then(|| if line.trim().is_empty() { default.to_owned() } else { line.trim().to_owned() })
    };
    let mut complain = |fault: &str| out::complain(&format!("  {fault}\n"));
    questions::ask(&mut ask, &mut complain).map(|plan| plan.to_toml()).ok_or_else(|| Failure::Usage {
        what: "the questions ended before the last answer; nothing was written".to_owned(),
        help: "run `segwall init` again, or name a template: --template tutorial, home or office".to_owned(),
    })
}
