//! `segwall matrix`: who reaches whom on what.

use clap::ValueEnum;
use schemars::JsonSchema;
use segwall_core::analysis::service_matrix::ServiceMatrix;
use segwall_core::analysis::{self, Matrix};
use segwall_core::ruleset::At;
use serde::Serialize;

use super::{grid, matrix_service};
use crate::args::{self, PolicyArg};
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::{clock, json, load, out};

/// Show who reaches whom on what
///
/// Cells say what the sender (row) may open to the receiver (column) at the present time. Replies follow by themselves.
/// With --service: addresses that are treated alike, and who reaches whom on that service; then the file may be a rule
/// set of nft or iptables, too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall matrix segwall.toml
  segwall matrix --service tcp/22,https segwall.toml
  segwall matrix --service tcp/22 /etc/iptables/rules.v4
  segwall matrix --format csv segwall.toml > matrix.csv")]
pub struct Args {
    #[command(flatten)]
    policy: PolicyArg,
    /// Show classes of addresses for these services instead: a name or protocol/port each
    #[arg(long, value_name = "SERVICE,…")]
    service: Option<String>,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    #[default]
    Table,
    Csv,
    Json,
}

/// `matrix`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// The instant it is given for.
    at: String,
    /// The matrix; left out with `--service`.
    #[serde(flatten)]
    matrix: Option<Matrix>,
    /// With `--service`: one for each service, hook and family.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_matrices: Option<Vec<ServiceMatrix>>,
    /// Lines of a rule set that were not understood: the matrices speak of the others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    not_understood: Vec<String>,
}

impl Data {
    /// Service matrices, given for an instant.
    pub fn of_services(at: String, list: Vec<ServiceMatrix>, not_understood: Vec<String>) -> Self {
        Self { at, matrix: None, service_matrices: Some(list), not_understood }
    }
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let location = Location::of(args.policy.policy);
    if let Some(words) = &args.service {
        return matrix_service::run(&location, words, args.format);
    }
    let on_fault = if args.format == Format::Json { args::Format::Json } else { args::Format::Text };
    let checked = match load::sound::<Data>("matrix", &location, on_fault)? {
        Ok(checked) => checked,
        Err(answer) => return Ok(answer),
    };
    let now = clock::now();
    let matrix = analysis::matrix(&checked.policy, &checked.ruleset, At::Instant(now));
    match args.format {
        Format::Json => {
            let data = Data {
                at: clock::second(now),
                matrix: Some(matrix),
                service_matrices: None,
                not_understood: Vec::new(),
            };
            return json::print("matrix", Answer::Yes, Vec::new(), Some(data));
        }
        Format::Csv => out::print_plain(&csv(&matrix))?,
        Format::Table => out::print(&(grid::draw(&matrix, &|_, _| None) + &grid::needs(&matrix)))?,
    }
    Ok(Answer::Yes)
}

const CSV_HEADER: &str =
    "from,to,verdict,service,senders,receivers,limited,schedule,expires,in_force,port_forward,line\n";

/// One line for each rule of a pair, and a service.
fn csv(matrix: &Matrix) -> String {
    let mut text = CSV_HEADER.to_owned();
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    for cell in &matrix.cells {
        let mut line = |fields: [String; 10]| {
            let all = [cell.from.clone(), cell.to.clone()].into_iter().chain(fields);
            text.push_str(&all.map(|field| quoted(&field)).collect::<Vec<_>>().join(","));
            text.push('\n');
        };
        for grant in &cell.grants {
            for service in &grant.services {
                line([
                    "accept".to_owned(),
                    service.clone(),
                    or_empty(&grant.from),
                    or_empty(&grant.to),
                    yes(grant.limited),
                    or_empty(&grant.schedule),
                    or_empty(&grant.expires),
                    yes(grant.active),
                    yes(grant.forward),
                    grant.line.to_string(),
                ]);
            }
        }
        for refusal in &cell.refusals {
            for service in &refusal.services {
                line([
                    refusal.verdict.to_owned(),
                    service.clone(),
                    or_empty(&refusal.from),
                    or_empty(&refusal.to),
                    yes(false),
                    or_empty(&refusal.schedule),
                    or_empty(&refusal.expires),
                    yes(refusal.active),
                    yes(false),
                    refusal.line.to_string(),
                ]);
            }
        }
    }
    text
}

/// A field as RFC 4180 wants it; a spreadsheet must not take it for a formula.
pub(super) fn quoted(field: &str) -> String {
    let field = if field.starts_with(['=', '+', '-', '@']) { format!("'{field}") } else { field.to_owned() };
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn fields_stay_fields() {
        assert_eq!(quoted("http"), "http");
        assert_eq!(quoted("a, \"b\""), "\"a, \"\"b\"\"\"");
        assert_eq!(quoted("=1+1"), "'=1+1");
    }
}
