//! `learn_until` of a segment: what nothing names is accepted, and written down, for a time.
//!
//! It stands for two accepts with a log: from the segment to every segment and the internet, and from every segment to it.
//! So everything that holds for rules holds for it: drops and rejects win, it ends by itself at the end of its day, it is
//! proved and probed, and claims about it are decided. The box itself stays closed, and nothing comes in from the internet.

use jiff::civil::Date;

use super::codes;
use super::faults::Faults;
use super::last_day::last_day;
use super::model::{End, Learning, Policy, Rule, Segment, SegmentId, Verdict, Zone};
use super::reader::Table;
use crate::diag::Diagnostic;

/// The key, and a loud word about it.
pub(super) fn read(table: &Table<'_>, name: &str, today: Date, faults: &mut Faults<'_>) -> Option<Learning> {
    let (until, span) = last_day("learn_until", table, faults)?;
    let finding = if until < today {
        Diagnostic::warning(codes::LEARNING, span, format!("`{name}` learned until {until}"))
            .label("over")
            .help("see what it learned with `segwall learn`, then take this line out")
    } else {
        Diagnostic::warning(codes::LEARNING, span, words(name, until))
            .label("open until the end of that day")
            .help("limits and schedules of its rules hold nothing back either; see what it learned with `segwall learn`, write rules for what is wanted, and take this line out")
    };
    faults.push(finding);
    Some(Learning { until, span })
}

fn words(name: &str, until: Date) -> String {
    format!("`{name}` learns until {until}: what nothing names is accepted to and from it")
}

impl Policy {
    /// Segments that learn on a day, each as a sentence.
    #[must_use]
    pub fn learning(&self, today: Date) -> Vec<String> {
        let learning = self.segments.iter().filter_map(|segment| Some((&segment.name, segment.learning?)));
        learning.filter(|(_, learning)| learning.until >= today).map(|(name, one)| words(name, one.until)).collect()
    }
}

/// The rules that stand for the segments that learn.
pub(super) fn rules(segments: &[Segment]) -> impl Iterator<Item = Rule> + '_ {
    let learning = (0u32..).zip(segments).filter_map(|(at, segment)| Some((SegmentId(at), segment, segment.learning?)));
    learning.flat_map(|(id, segment, learning)| {
        let end = |zone| End { zone, addresses: None, direct: matches!(zone, Zone::Segment(_)), span: learning.span };
        let rule = move |from: Vec<End>, to: Vec<End>| Rule {
            verdict: Verdict::Accept,
            from,
            to,
            services: None,
            log: true,
            limit: None,
            schedule: None,
            expires: Some(learning.until),
            comment: Some(format!("{} learns", segment.name)),
            learning: true,
            span: learning.span,
        };
        let here = end(Zone::Segment(id));
        [
            rule(vec![here.clone()], vec![end(Zone::Segments), end(Zone::Internet)]),
            rule(vec![end(Zone::Segments)], vec![here]),
        ]
    })
}
