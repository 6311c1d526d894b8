//! By which rules one zone reaches another.

use schemars::JsonSchema;
use segwall_packetset::{Cube, Field, GaveUp, Place, Set};
use serde::Serialize;

use super::always::{Always, output_number};
use super::domain::{zone_name, zone_of};
use super::matrix::{Grant, Matrix};
use super::words::EVERYTHING;
use crate::policy::{End, Verdict};
use crate::ruleset::{Need, Origin, Ruleset};
use crate::source::Span;

/// What one rule, port forward or need of the box opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Inroad {
    /// In the policy's words; `everything` for every protocol.
    pub services: Vec<String>,
    /// Only these receivers.
    pub to: Option<String>,
    /// Only these senders.
    pub from: Option<String>,
    /// Through a port forward.
    pub forward: bool,
    /// Only within a limit.
    pub limited: bool,
    /// Only within a schedule.
    pub schedule: Option<String>,
    /// The last valid day.
    pub expires: Option<String>,
    /// Whether it is in force at the instant asked for.
    pub active: bool,
    /// Lines of drops and rejects that take part of it away.
    pub less: Vec<u32>,
    /// The rule's line; 0 for what the box accepts without a rule.
    pub line: u32,
}

/// The rules by which packets of a set get from one place to another, in the file's order; needs of the box come last.
pub(super) fn ways(
    always: &mut Always<'_>,
    table: &Matrix,
    (from, to): (Place, Place),
    shown: Set,
) -> Result<Vec<Inroad>, GaveUp> {
    let ruleset = always.ruleset();
    let name = |place| zone_of(ruleset, place).map_or("", |zone| zone_name(ruleset, zone));
    let cell = table.cell(name(from), name(to));
    let mut list = Vec::new();
    let mut rules: Vec<usize> = ruleset.boxes_between(from, to).into_iter().map(|(rule, _)| rule).collect();
    rules.dedup();
    // Drops mean addresses wherever they lie: only those that lie there count.
    let there = match zone_of(ruleset, to) {
        Some(zone) if to != Place::Gateway => {
            always.beyond(&End { zone, addresses: None, direct: true, span: Span::default() })?
        }
        _ => always.space.cube(&Cube::all().with_only(Field::Out, output_number(to)))?,
    };
    let refuses = |at: &usize| ruleset.rules[*at].verdict != Verdict::Accept;
    let cutting: Vec<usize> = rules.iter().copied().filter(refuses).collect();
    for at in rules.iter().filter(|at| !refuses(at)) {
        let rule = &ruleset.rules[*at];
        if rule.untracked {
            continue;
        }
        let covered = always.covered(from, rule)?;
        let covered = always.space.intersect(covered, there)?;
        if always.space.intersect(covered, shown)?.is_empty() {
            continue;
        }
        match rule.origin {
            Origin::Need(need) => list.push(unasked(need)),
            Origin::Written(_) | Origin::Forward(_) => {
                let grants = cell.iter().flat_map(|cell| &cell.grants).filter(|grant| grant.line == rule.line);
                let less = less(always, from, covered, &cutting, ruleset)?;
                let mut found: Vec<Inroad> = grants.map(|grant| Inroad::of(grant, less.clone())).collect();
                found.dedup();
                list.extend(found);
            }
        }
    }
    list.sort_by_key(|way| (way.line == 0, way.line));
    Ok(list)
}

/// Drops and rejects that meet what a rule covers.
fn less(
    always: &mut Always<'_>,
    from: Place,
    covered: Set,
    rules: &[usize],
    ruleset: &Ruleset,
) -> Result<Vec<u32>, GaveUp> {
    let mut lines = Vec::new();
    for at in rules {
        let refused = always.covered(from, &ruleset.rules[*at])?;
        if !always.space.intersect(refused, covered)?.is_empty() {
            lines.push(ruleset.rules[*at].line);
        }
    }
    Ok(lines)
}

fn unasked(need: Need) -> Inroad {
    let services = match need {
        Need::Output => vec![EVERYTHING.to_owned()],
        _ => vec![need.describe().to_owned()],
    };
    Inroad {
        services,
        to: None,
        from: None,
        forward: false,
        limited: false,
        schedule: None,
        expires: None,
        active: true,
        less: Vec::new(),
        line: 0,
    }
}

impl Inroad {
    fn of(grant: &Grant, less: Vec<u32>) -> Self {
        let Grant { services, from, to, limited, schedule, expires, active, forward, line } = grant.clone();
        Self { services, to, from, forward, limited, schedule, expires, active, less, line }
    }
}
