//! `segwall history`: the generations.

use schemars::JsonSchema;
use segwall_host::apply::{Journal, Outcome, Store};
use serde::Serialize;

use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::router;
use crate::text::Escaped;
use crate::{clock, json, out};

/// List the generations: when, by whom, and what became of them
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  segwall history")]
pub struct Args {
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `history`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// The newest first.
    pub generations: Vec<Generation>,
}

/// A generation.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Generation {
    /// Its number.
    pub number: u64,
    /// When it was applied.
    pub applied: String,
    /// Who applied it.
    pub user: String,
    /// From where.
    pub via: String,
    /// Why.
    pub comment: Option<String>,
    /// The policy file.
    pub file: String,
    /// `holds`, `waiting`, `kept` (and replaced since), `went back` or `unknown`.
    pub state: &'static str,
    /// Why the box went back.
    pub cause: Option<String>,
}

/// Runs it.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    let mut linux = router::open()?;
    let confirmed = Store::confirmed(&mut linux).map_err(router::refused)?;
    let waiting = Journal::read(&mut linux).map_err(router::refused)?.map(|journal| journal.generation);
    let mut generations = Vec::new();
    for number in Store::numbers(&mut linux).map_err(router::refused)?.into_iter().rev() {
        let Some(manifest) = Store::manifest(&mut linux, number).map_err(router::refused)? else { continue };
        let (state, cause) = match manifest.outcome {
            _ if confirmed == Some(number) => ("holds", None),
            _ if waiting == Some(number) => ("waiting", None),
            Outcome::Confirmed => ("kept", None),
            Outcome::WentBack(cause) => ("went back", Some(cause)),
            Outcome::Open => ("unknown", None),
        };
        let applied = jiff::Timestamp::from_second(manifest.applied_s).map(clock::second).unwrap_or_default();
        generations.push(Generation {
            number,
            applied,
            user: manifest.who.user,
            via: manifest.who.via,
            comment: manifest.comment,
            file: manifest.file,
            state,
            cause,
        });
    }
    let data = Data { generations };
    match args.format {
        Format::Json => json::print("history", Answer::Yes, Vec::new(), Some(data)),
        Format::Text => {
            out::print(&text(&data))?;
            Ok(Answer::Yes)
        }
    }
}

fn text(data: &Data) -> String {
    if data.generations.is_empty() {
        return "nothing was applied yet\n".to_owned();
    }
    let mut text = String::new();
    for one in &data.generations {
        let words = [&one.user, &one.via, &one.file].map(|word| Escaped(word).to_string());
        text.push_str(&format!("{:>4}  {}  {:<9}  {}\n", one.number, one.applied, one.state, words.join(", ")));
        for why in one.comment.iter().chain(&one.cause) {
            text.push_str(&format!("      {}\n", Escaped(why)));
        }
    }
    text
}
