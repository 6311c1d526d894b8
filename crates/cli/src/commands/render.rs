//! `segwall render`: what the box would load, as text.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use schemars::JsonSchema;
use segwall_core::emit;
use segwall_core::report::OURS;
use segwall_core::ruleset::{At, Ruleset};
use serde::Serialize;

use crate::args::{Format, PolicyArg};
use crate::exit::{Answer, Failure};
use crate::input::{InputError, Location, Why};
use crate::text::Escaped;
use crate::{clock, json, load, ours, out};

/// Print or write what the box would load
///
/// The same policy at the same time gives the same bytes. Nothing on this machine is changed but the files in --output.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall render --target nft segwall.toml
  segwall render --output out segwall.toml")]
#[command(group = clap::ArgGroup::new("where").required(true).multiple(true).args(["target", "output"]))]
pub struct Args {
    #[command(flatten)]
    policy: PolicyArg,
    /// Print this one; with --output, write only this one
    #[arg(short, long, value_enum)]
    target: Option<Target>,
    /// Write every target into this directory; a file that Segwall did not write is never overwritten
    #[arg(short, long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    output: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// A form in which a ruleset can be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    Nft,
    Iptables,
    Ip6tables,
}

impl Target {
    const ALL: [Self; 3] = [Self::Nft, Self::Iptables, Self::Ip6tables];

    fn word(self) -> &'static str {
        match self {
            Self::Nft => "nft",
            Self::Iptables => "iptables",
            Self::Ip6tables => "ip6tables",
        }
    }

    fn file_name(self) -> &'static str {
        match self {
            Self::Nft => "segwall.nft",
            Self::Iptables => "iptables.rules",
            Self::Ip6tables => "ip6tables.rules",
        }
    }

    /// The program that loads it.
    fn loader(self) -> &'static str {
        match self {
            // nft reads hours and dates in its own time zone; the text is in UTC.
            Self::Nft => "TZ=UTC nft -f",
            Self::Iptables => "iptables-restore",
            Self::Ip6tables => "ip6tables-restore",
        }
    }

    fn render(self, ruleset: &Ruleset, at: At) -> String {
        let text = match self {
            Self::Nft => {
                let program = emit::nft::compile(ruleset, at);
                let until = program.valid_until.map_or_else(String::new, |until| {
                    format!("# Make it again by {until}: a schedule's offset from UTC changes, or a rule expires.\n")
                });
                until + &program.script()
            }
            Self::Iptables => emit::iptables::v4(ruleset, at),
            Self::Ip6tables => emit::iptables::v6(ruleset, at),
        };
        format!("# {OURS} {}; loaded by {} FILE\n{text}", Escaped(&ruleset.file), self.loader())
    }
}

/// `render`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// What was rendered.
    artifacts: Vec<ArtifactShape>,
}

/// One rendered text.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ArtifactShape {
    /// `nft`, `iptables` or `ip6tables`.
    target: &'static str,
    /// The file it was written to; null when it is printed only.
    path: Option<String>,
    /// The text.
    text: String,
}

const FOREIGN: &str = "Segwall did not write it: name another directory, or move it away";

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let location = Location::of(args.policy.policy);
    let checked = match load::sound::<Data>("render", &location, args.format)? {
        Ok(checked) => checked,
        Err(answer) => return Ok(answer),
    };
    let at = At::Instant(clock::now());
    let targets: Vec<Target> = args.target.map_or_else(|| Target::ALL.to_vec(), |target| vec![target]);
    let mut artifacts: Vec<ArtifactShape> = targets
        .iter()
        .map(|target| ArtifactShape { target: target.word(), path: None, text: target.render(&checked.ruleset, at) })
        .collect();
    if let Some(dir) = &args.output {
        let paths: Vec<PathBuf> = targets.iter().map(|target| dir.join(target.file_name())).collect();
        // All are looked at before one is written.
        paths.iter().try_for_each(|path| ours::refuse_foreign(path, FOREIGN))?;
        let fault = |path: &Path, error| InputError {
            name: path.display().to_string(),
            why: Why::Io { doing: "write", error },
        };
        std::fs::create_dir_all(dir).map_err(|error| fault(dir, error))?;
        for (path, artifact) in paths.iter().zip(&mut artifacts) {
            std::fs::write(path, &artifact.text).map_err(|error| fault(path, error))?;
            artifact.path = Some(path.display().to_string());
        }
    }
    match args.format {
        Format::Json => json::print("render", Answer::Yes, Vec::new(), Some(Data { artifacts })),
        Format::Text => {
            for artifact in &artifacts {
                match &artifact.path {
                    Some(path) => out::print(&format!("{} written\n", Escaped(path)))?,
                    None => out::print_plain(&artifact.text)?,
                }
            }
            Ok(Answer::Yes)
        }
    }
}
