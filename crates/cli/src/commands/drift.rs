//! `segwall drift`: in what the box differs from the generation that holds.

use std::fmt::Write;
use std::net::IpAddr;

use schemars::JsonSchema;
use segwall_core::doctor::Rules;
use segwall_host::apply;
use segwall_host::linux::Linux;
use serde::Serialize;

use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::out::{BAD, CARE, GOOD, QUIET};
use crate::router::{self, Measure};
use crate::text::Escaped;
use crate::{json, out};

/// Show in what the box differs from the generation that holds
///
/// Rules are compared by what they mean, for every packet; files, interfaces, addresses, settings and services by what they
/// are; and who is on the quarantine's list with whom the kernel holds. Exit codes: 0 no drift, 1 drift, 3 it cannot be proved
/// that there is none.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall drift
  segwall drift --format json")]
pub struct Args {
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `drift`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// The generation that holds; null before the first apply.
    pub generation: Option<u64>,
    /// `equal`, `different` or `undetermined`: the rules.
    pub rules: &'static str,
    /// Packets that the kernel treats otherwise; or why it cannot be proved.
    pub packets: Vec<String>,
    /// Rules that were added or taken away by hand, whatever it means.
    pub edited: Vec<String>,
    /// Addresses on the quarantine's list that the kernel lets pass.
    pub let_go: Vec<IpAddr>,
    /// What else differs, as what `segwall apply` would do about it.
    pub steps: Vec<String>,
    /// What would keep `segwall apply` from doing it.
    pub obstacles: Vec<String>,
}

/// Runs it.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    let mut linux = router::open()?;
    let Some(measure) = router::held(&mut linux)? else {
        return Err(Failure::Refused(
            "nothing was applied yet, so there is nothing to differ from; `segwall plan` shows what apply would do"
                .to_owned(),
        ));
    };
    let data = look(&mut linux, &measure)?;
    let answer = data.answer();
    match args.format {
        Format::Json => json::print("drift", answer, Vec::new(), Some(data)),
        Format::Text => {
            out::print(&text(&data))?;
            Ok(answer)
        }
    }
}

impl Data {
    fn answer(&self) -> Answer {
        match self.rules {
            "different" => Answer::No,
            _ if !self.steps.is_empty() => Answer::No,
            "equal" => Answer::Yes,
            _ => Answer::Unknown,
        }
    }
}

fn look(linux: &mut Linux, measure: &Measure) -> Result<Data, Failure> {
    let number = measure.compiled.number;
    let found = linux.kernel_rules(Some(&measure.compiled));
    let planned = apply::plan(linux, &measure.compiled, false).map_err(router::refused)?;
    let mut steps: Vec<String> = planned.plan.changes.iter().map(ToString::to_string).collect();
    let (rules, packets) = match found.rules {
        Rules::Proved => ("equal", Vec::new()),
        Rules::Refuted(packets) => ("different", packets),
        Rules::Undetermined(reasons) => ("undetermined", reasons),
        Rules::Unread(why) => ("undetermined", vec![why]),
        Rules::NoGeneration => ("undetermined", vec![format!("generation {number} cannot be read")]),
    };
    let (let_go, rules, packets) = match linux.let_go() {
        Ok(let_go) => (let_go.into_iter().collect(), rules, packets),
        // What is known to be wrong is said all the same.
        Err(error) if rules == "equal" => (Vec::new(), "undetermined", vec![error.chain()]),
        Err(error) => (Vec::new(), rules, [packets, vec![error.chain()]].concat()),
    };
    // The plan compares numbers of generations, and this one is the same.
    let load = format!("load the rules of generation {number}");
    if rules == "different" && !steps.contains(&load) {
        steps.push(format!("{load} over what was changed"));
    }
    if !let_go.is_empty() {
        steps.push("hold in quarantine who is on its list".to_owned());
    }
    Ok(Data {
        generation: Some(number),
        rules,
        packets,
        edited: found.edited,
        let_go,
        steps,
        obstacles: planned.obstacles.iter().map(ToString::to_string).collect(),
    })
}

fn text(data: &Data) -> String {
    let mut text = String::new();
    let number = data.generation.unwrap_or_default();
    let _ = match data.rules {
        "equal" => writeln!(text, "{GOOD}rules: proved{GOOD:#}, the kernel holds what generation {number} says"),
        "different" => writeln!(text, "{BAD}rules: the kernel does not do what generation {number} says{BAD:#}"),
        _ => writeln!(
            text,
            "{CARE}rules: it cannot be proved that the kernel does what generation {number} says{CARE:#}"
        ),
    };
    for packet in &data.packets {
        let _ = writeln!(text, "  {}", Escaped(packet));
    }
    if !data.edited.is_empty() {
        let meaning = if data.rules == "equal" { "; it changes nothing about any packet" } else { "" };
        let _ = writeln!(text, "{CARE}somebody edited our table{CARE:#}{meaning}");
        for one in &data.edited {
            let _ = writeln!(text, "  {}", Escaped(one));
        }
    }
    if !data.let_go.is_empty() {
        let _ = writeln!(text, "{BAD}on the quarantine's list, and not held{BAD:#}");
        for one in &data.let_go {
            let _ = writeln!(text, "  {one}");
        }
    }
    if data.steps.is_empty() {
        let _ = writeln!(text, "{GOOD}files, interfaces, addresses, settings, services: as they should be{GOOD:#}");
    } else {
        let _ = writeln!(text, "{BAD}drift{BAD:#}: `segwall apply` would");
        for step in &data.steps {
            let _ = writeln!(text, "  {}", Escaped(step));
        }
    }
    for obstacle in &data.obstacles {
        let _ = writeln!(text, "{BAD}in its way:{BAD:#} {}", Escaped(obstacle));
    }
    if data.answer() == Answer::Yes {
        let _ = writeln!(text, "{QUIET}no drift{QUIET:#}");
    }
    text
}
