//! `segwall render`: what the box would load and run, as files.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use schemars::JsonSchema;
use segwall_core::emit::{self, Artifact, Facts, Input, System, Target};
use segwall_core::ruleset::At;
use serde::Serialize;

use crate::args::{Format, PolicyArg};
use crate::exit::{Answer, Failure};
use crate::input::{InputError, Location, Why};
use crate::text::Escaped;
use crate::{clock, json, load, ours, out};

/// Print or write what the box would load and run
///
/// The same policy at the same time gives the same bytes. Nothing on this machine is changed but the files in --output.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall render --target nft segwall.toml
  segwall render --target dnsmasq segwall.toml
  segwall render --output out --system debian --memory 2048 segwall.toml")]
#[command(group = clap::ArgGroup::new("where").required(true).multiple(true).args(["target", "output"]))]
pub struct Args {
    #[command(flatten)]
    policy: PolicyArg,
    /// Print this one; with --output, write only this one
    #[arg(short, long, value_parser = target_parser())]
    target: Option<Target>,
    /// Write every target below this directory as it would lie on the box, what the box does not need too; a file that
    /// Segwall did not write is never overwritten
    #[arg(short, long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    output: Option<PathBuf>,
    /// How the box starts services and interfaces: alpine is OpenRC and ifupdown-ng, debian systemd and ifupdown
    #[arg(long, value_enum, value_name = "SYSTEM", default_value = "alpine")]
    system: SystemArg,
    /// The box's memory: how many connections it can follow
    #[arg(long, value_name = "MIB", default_value_t = MEMORY_MIB, value_parser = clap::value_parser!(u64).range(1..))]
    memory: u64,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// What a small router has.
const MEMORY_MIB: u64 = 1024;

fn target_parser() -> impl TypedValueParser<Value = Target> {
    let of = |word: String| Target::ALL.into_iter().find(|target| target.word() == word).ok_or("not a target");
    PossibleValuesParser::new(Target::ALL.map(Target::word)).try_map(of)
}

/// `--system`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SystemArg {
    Alpine,
    Debian,
}

impl SystemArg {
    fn system(self) -> System {
        match self {
            Self::Alpine => System::Alpine,
            Self::Debian => System::Debian,
        }
    }
}

/// `render`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// What was rendered.
    artifacts: Vec<ArtifactShape>,
}

/// One rendered file.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ArtifactShape {
    /// Who reads it: `nft`, `dnsmasq`, `openrc` and so on.
    target: &'static str,
    /// Where it lies on the box.
    place: String,
    /// Its permissions there, in octal digits.
    mode: String,
    /// The file it was written to; null when it is printed only.
    path: Option<String>,
    /// The text.
    text: String,
}

impl ArtifactShape {
    fn of(artifact: Artifact) -> Self {
        Self {
            target: artifact.target.word(),
            place: artifact.path,
            mode: format!("{:04o}", artifact.mode),
            path: None,
            text: String::from_utf8_lossy(&artifact.bytes).into_owned(),
        }
    }
}

const FOREIGN: &str = "Segwall did not write it: name another directory, or move it away";

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let location = Location::of(args.policy.policy);
    let checked = match load::sound::<Data>("render", &location, args.format)? {
        Ok(checked) => checked,
        Err(answer) => return Ok(answer),
    };
    let facts = Facts { system: args.system.system(), memory_mib: args.memory };
    let at = At::Instant(clock::now());
    let input = Input { policy: &checked.policy, ruleset: &checked.ruleset, at, facts };
    let list = match args.target {
        Some(target) => emit::artifacts(target, &input),
        None => emit::everything(&input).artifacts,
    };
    let paths = match &args.output {
        Some(dir) => write(dir, &list)?,
        None => vec![None; list.len()],
    };
    let nothing = list.is_empty();
    let artifacts: Vec<ArtifactShape> = list
        .into_iter()
        .map(ArtifactShape::of)
        .zip(paths)
        .map(|(shape, path)| ArtifactShape { path, ..shape })
        .collect();
    match args.format {
        Format::Json => return json::print("render", Answer::Yes, Vec::new(), Some(Data { artifacts })),
        Format::Text if nothing => {
            out::complain("note: nothing to render: no segment of this policy needs it\n");
        }
        Format::Text => {
            let several = artifacts.len() > 1;
            for artifact in &artifacts {
                match &artifact.path {
                    Some(path) => out::print(&format!("{} written\n", Escaped(path)))?,
                    None if several => out::print_plain(&format!("==> {} <==\n{}\n", artifact.place, artifact.text))?,
                    None => out::print_plain(&artifact.text)?,
                }
            }
        }
    }
    Ok(Answer::Yes)
}

/// Writes each file below a directory, and says where.
fn write(dir: &Path, list: &[Artifact]) -> Result<Vec<Option<String>>, Failure> {
    let paths: Vec<PathBuf> = list.iter().map(|artifact| dir.join(artifact.path.trim_start_matches('/'))).collect();
    // All are looked at before one is written.
    paths.iter().try_for_each(|path| ours::refuse_foreign(path, FOREIGN))?;
    for (path, artifact) in paths.iter().zip(list) {
        let fault = |path: &Path, error| InputError {
            name: path.display().to_string(),
            why: Why::Io { doing: "write", error },
        };
        let folder = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(folder).map_err(|error| fault(folder, error))?;
        std::fs::write(path, &artifact.bytes)
            .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(artifact.mode)))
            .map_err(|error| fault(path, error))?;
    }
    Ok(paths.iter().map(|path| Some(path.display().to_string())).collect())
}
