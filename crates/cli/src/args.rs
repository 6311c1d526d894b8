//! What can be typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, ValueEnum};

use crate::commands::Command;

/// Keeps network segments apart on a Linux router, and proves it.
#[derive(Debug, Parser)]
#[command(name = "segwall", version, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "Start with:
  segwall init --template tutorial
  segwall check segwall.toml
  segwall lab segwall.toml")]
pub struct Cli {
    /// Colour the output: auto is on terminals only, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Color,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    // Not doc comments: the values explain themselves, and help stays one line.
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    fn apply(self) {
        match self {
            Self::Auto => anstream::ColorChoice::Auto,
            Self::Always => anstream::ColorChoice::Always,
            Self::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }

    /// For clap's own messages.
    fn choice(self) -> ColorChoice {
        match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
    }
}

/// The optional argument of commands that are about a policy.
#[derive(Debug, clap::Args)]
pub struct PolicyArg {
    /// The policy file, `-` for standard input [default: /etc/segwall/segwall.toml]
    #[arg(value_name = "POLICY", value_hint = clap::ValueHint::FilePath)]
    pub policy: Option<PathBuf>,
}

/// The option of commands whose arguments are something else.
#[derive(Debug, clap::Args)]
pub struct PolicyOption {
    /// The policy file, `-` for standard input [default: /etc/segwall/segwall.toml]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub policy: Option<PathBuf>,
}

/// `--format` of commands that print for people or machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    // `segwall schema --output COMMAND` describes it.
    Json,
}

/// `--format` of commands whose findings a code host may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum FindingsFormat {
    #[default]
    Text,
    // `segwall schema --output COMMAND` describes it.
    Json,
    // 2.1.0
    Sarif,
}

/// The whole command line's description: what help, completions and man pages are made from.
pub fn description() -> clap::Command {
    Cli::command()
}

/// Reads the command line, and sets the colour.
pub fn parse() -> Result<Cli, clap::Error> {
    let args: Vec<OsString> = std::env::args_os().collect();
    let colour = colour_before_parsing(&args);
    colour.apply();
    let matches = description().color(colour.choice()).try_get_matches_from(args)?;
    let cli = Cli::from_arg_matches(&matches)?;
    cli.color.apply();
    Ok(cli)
}

/// Messages about a bad command line obey `--color` too, and they come before it is parsed.
fn colour_before_parsing(args: &[OsString]) -> Color {
    let mut words = args.iter().map(|arg| arg.to_string_lossy()).take_while(|arg| arg != "--");
    let mut found = Color::Auto;
    while let Some(word) = words.next() {
        let value = match word.strip_prefix("--color") {
            Some("") => words.next().map(|value| value.into_owned()),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        if let Some(colour) = value.and_then(|value| Color::from_str(&value, false).ok()) {
            found = colour;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_sound() {
        description().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in description().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("segwall "), "{} has no example in its help", command.get_name());
        }
    }

    #[test]
    fn colour_is_known_before_the_rest() {
        let of = |words: &[&str]| colour_before_parsing(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of(&["segwall", "--color", "never", "check"]), Color::Never);
        assert_eq!(of(&["segwall", "check", "--color=always"]), Color::Always);
        assert_eq!(of(&["segwall", "lab", "shell", "guest", "--", "ls", "--color=always"]), Color::Auto);
    }
}
