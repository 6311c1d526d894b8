//! SW0816: one end of an accept for which drops and rejects leave nothing.

use segwall_packetset::{GaveUp, Place, Set};

use super::Context;
use super::sample::any_refusal;
use crate::analysis::always::Always;
use crate::analysis::always::targets::says_same;
use crate::analysis::codes;
use crate::analysis::domain::places;
use crate::analysis::words::Words;
use crate::diag::Diagnostic;
use crate::policy::{End, Rule as Written, Verdict, Zone};
use crate::ruleset::{Origin, Reason, Rule};
use segwall_packetset::Flow;

/// What is left of the flows between two ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// There are none.
    Empty,
    Nothing(Flow),
    Something,
}

pub(super) fn check(context: &Context<'_>, always: &mut Always<'_>, found: &mut Vec<Diagnostic>) {
    let ruleset = context.ruleset();
    if ruleset.rules.iter().all(|rule| rule.verdict == Verdict::Accept) {
        return;
    }
    let words = Words::of(context.policy);
    for lowered in ruleset.rules.iter().filter(|rule| rule.verdict == Verdict::Accept) {
        let Origin::Written(id) = lowered.origin else { continue };
        let written = &context.policy.rules[id.0 as usize];
        if written.from.len() * written.to.len() < 2 {
            continue;
        }
        let Ok(table) = table(always, lowered, written) else { continue };
        for (end, flow) in dead(written, &table) {
            let end_words = words.end(end.zone, end.addresses.as_deref());
            let message = format!("of this accept nothing is left for `{end_words}`: other rules refuse all of it");
            let mut finding = Diagnostic::warning(codes::END_REFUSED, end.span, message)
                .label("never used")
                .witness(flow)
                .help("order does not matter: a drop always wins. Take this end out, or narrow the drop");
            if let Reason::Rule(rule) = ruleset.eval(&flow, context.at).reason
                && let Some(span) = ruleset.rules[rule].span.filter(|_| ruleset.rules[rule].verdict != Verdict::Accept)
            {
                finding = finding.also(span, format!("this {} covers it", ruleset.rules[rule].verdict.word()));
            }
            found.push(finding);
        }
    }
}

/// For each sender a row, for each receiver a column.
fn table(always: &mut Always<'_>, lowered: &Rule, written: &Written) -> Result<Vec<Vec<Left>>, GaveUp> {
    written
        .from
        .iter()
        .map(|source| written.to.iter().map(|target| left(always, lowered, source, target)).collect())
        .collect()
}

fn left(always: &mut Always<'_>, rule: &Rule, source: &End, target: &End) -> Result<Left, GaveUp> {
    let beyond = always.beyond(target)?;
    let mut all = Left::Empty;
    for input in places(always.ruleset(), source.zone) {
        if !any_refusal(always.ruleset(), input) {
            return Ok(Left::Something);
        }
        let from = always.sources(input, source)?;
        let to = destination(always, input, (source, target), beyond)?;
        let covered = always.covered(input, rule)?;
        let entry = always.entry(input)?;
        let part = always.space.intersect_all(&[covered, from, to, entry.possible])?;
        if part.is_empty() {
            continue;
        }
        if !always.space.intersect(part, entry.accepted)?.is_empty() {
            return Ok(Left::Something);
        }
        if let Some((flow, _)) = always.example(input, part)? {
            all = Left::Nothing(flow);
        }
    }
    Ok(all)
}

fn destination(
    always: &mut Always<'_>,
    input: Place,
    (source, target): (&End, &End),
    beyond: Set,
) -> Result<Set, GaveUp> {
    if target.zone == Zone::Gateway {
        return always.of_box(input, target, false);
    }
    if says_same(source, target) {
        return Ok(beyond);
    }
    let elsewhere = always.elsewhere(input)?;
    always.space.intersect(beyond, elsewhere)
}

/// Ends that the rule itself names, for which every counterpart is refused; not where that is the whole rule.
fn dead<'w>(written: &'w Written, table: &[Vec<Left>]) -> Vec<(&'w End, Flow)> {
    let something = |cell: &Left| *cell == Left::Something;
    if !table.iter().flatten().any(something) {
        return Vec::new();
    }
    let shown = |cells: Vec<Left>| -> Option<Flow> {
        let none = !cells.iter().any(something);
        none.then(|| cells.iter().find_map(|cell| if let Left::Nothing(flow) = cell { Some(*flow) } else { None }))?
    };
    let rows = written.from.iter().enumerate().filter_map(|(at, end)| Some((end, shown(table[at].clone())?)));
    let columns = written
        .to
        .iter()
        .enumerate()
        .filter_map(|(at, end)| Some((end, shown(table.iter().map(|row| row[at]).collect())?)));
    rows.chain(columns).filter(|(end, _)| end.direct && end.zone != Zone::Segments).collect()
}
