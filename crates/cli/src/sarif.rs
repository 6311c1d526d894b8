//! `--format sarif`: findings for code hosts and editors.

use segwall_core::diag::{Code, Diagnostic};
use segwall_core::report::sarif::{About, Located, sarif};
use segwall_core::ruleset::Ruleset;
use segwall_core::source::Source;

use crate::commands::about;
use crate::exit::{Answer, Failure};
use crate::json;

/// Prints findings, each with its file.
pub fn print<'f>(
    answer: Answer,
    findings: impl Iterator<Item = (&'f Source, &'f Diagnostic)>,
    ruleset: Option<&Ruleset>,
) -> Result<Answer, Failure> {
    let witness = |found: &Diagnostic| {
        let shape = found.witness.as_ref().and_then(|witness| json::shape(ruleset, witness));
        shape.map(|shape| serde_json::to_value(shape).expect("a shape is JSON"))
    };
    let located: Vec<Located<'_>> =
        findings.map(|(source, diagnostic)| Located { source, diagnostic, witness: witness(diagnostic) }).collect();
    let page = |code: Code| about(code.0).map(|(title, page)| About { title, page });
    json::print_value(&sarif(env!("CARGO_PKG_VERSION"), &located, &page))?;
    Ok(answer)
}
