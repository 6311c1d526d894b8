//! Limits on accepts: one bucket for a rule, or one for each source in a learned set.

use segwall_packetset::Family;

use super::LIMIT_SOURCES_MAX;
use super::filter::Build;
use super::model::{Chain, Field, Part, Rule, Set, SetKind};
use crate::policy::{Limit, TimeUnit};

/// What a limited source's bucket needs to fill up again, after which forgetting it changes nothing.
fn refill_s(limit: &Limit) -> u32 {
    const FORGET_S_MIN: u64 = 60;
    let unit_s: u64 = match limit.per {
        TimeUnit::Second => 1,
        TimeUnit::Minute => 60,
        TimeUnit::Hour => 3600,
        TimeUnit::Day => 24 * 3600,
    };
    let refill = (u64::from(limit.burst) + 1) * unit_s / u64::from(limit.rate.max(1)) + unit_s;
    u32::try_from(refill.max(FORGET_S_MIN)).unwrap_or(u32::MAX)
}

impl Build<'_> {
    /// The chain that holds a rule's bucket, shared by all its lookups. Over the limit it comes back.
    pub(super) fn limit_chain(&mut self, at: u32, limit: Limit, line: u32, accept: Vec<Part>) -> String {
        let name = format!("limit{at}");
        if self.program.chains.iter().any(|chain| chain.name == name) {
            return name;
        }
        let with = |first: Part| {
            let parts: Vec<Part> = std::iter::once(first).chain(accept.iter().cloned()).collect();
            Rule::new(parts).lines(vec![line])
        };
        let mut rules = Vec::new();
        if limit.by_source {
            for family in Family::BOTH {
                let number = match family {
                    Family::V4 => 4,
                    Family::V6 => 6,
                };
                // The name carries rule and rate: a bucket never changes its rate.
                let set = format!("{name}_sources{number}_{}_{}_{}", limit.rate, limit.per.word(), limit.burst);
                self.program.sets.push(Set {
                    name: set.clone(),
                    types: vec![Field::Src(family).key_type()],
                    kind: SetKind::Learned { size_max: LIMIT_SOURCES_MAX, timeout_s: Some(refill_s(&limit)) },
                    keys: Vec::new(),
                    rules: Vec::new(),
                });
                rules.push(with(Part::SourceRate { set, family, limit }));
            }
        } else {
            rules.push(with(Part::Rate(limit)));
        }
        self.program.chains.push(Chain { name: name.clone(), base: None, rules });
        name
    }
}
