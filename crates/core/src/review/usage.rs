//! Which rules accepted what was seen, and what would have been enough.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Seen, ends, service_of};
use crate::policy::{Policy, Ports, RuleId, Service, Verdict, Zone};
use crate::ruleset::{Origin, Ruleset};

/// What a rule was used for is told apart up to so many; a rule with more uses is wide because it has to be.
const TOLD_APART_MAX: usize = 4_096;
/// A list longer than this is no narrower rule, but a record.
const LIST_MAX: usize = 8;

/// What an accept was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The rule.
    pub rule: RuleId,
    /// Connections that it accepted.
    pub count: u64,
    /// When it did last, seconds since 1970; `None`: never while it was watched.
    pub last_s: Option<i64>,
    /// What would have been enough for all of them, where that is less.
    pub narrower: Option<Narrower>,
}

/// What would have been enough.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrower {
    /// Instead of its services.
    pub services: Option<Vec<Service>>,
    /// Instead of `to`.
    pub to: Option<Vec<String>>,
    /// Instead of `from`.
    pub from: Option<Vec<String>>,
}

#[derive(Default)]
struct Uses {
    count: u64,
    last_s: Option<i64>,
    services: BTreeSet<Service>,
    sources: BTreeSet<(String, IpAddr)>,
    targets: BTreeSet<(String, IpAddr)>,
    is_full: bool,
}

/// Every accept of the file, in its order, with what was seen of it. Each accept that covers a connection was used by it.
#[must_use]
pub fn usages(policy: &Policy, ruleset: &Ruleset, seen: &[Seen]) -> Vec<Usage> {
    let mut uses: Vec<Uses> = policy.rules.iter().map(|_| Uses::default()).collect();
    for one in seen {
        for index in ruleset.covering(&one.flow, false, one.at()) {
            let rule = &ruleset.rules[index];
            let (Origin::Written(id), Verdict::Accept) = (rule.origin, rule.verdict) else { continue };
            uses[id.0 as usize].add(policy, ruleset, one);
        }
    }
    let accepts = (0..).map(RuleId).zip(policy.rules.iter().zip(uses));
    accepts
        .filter(|(_, (rule, _))| rule.verdict == Verdict::Accept && !rule.learning)
        .map(|(id, (rule, uses))| Usage {
            rule: id,
            count: uses.count,
            last_s: uses.last_s,
            narrower: narrower(policy, rule, &uses),
        })
        .collect()
}

impl Uses {
    fn add(&mut self, policy: &Policy, ruleset: &Ruleset, seen: &Seen) {
        self.count += seen.count;
        self.last_s = self.last_s.max(Some(seen.last_s));
        if self.services.len() >= TOLD_APART_MAX || self.sources.len().max(self.targets.len()) >= TOLD_APART_MAX {
            self.is_full = true;
            return;
        }
        let flow = &seen.flow;
        self.services.insert(service_of(flow));
        self.sources.extend(ends::end(policy, ruleset, flow.input, flow.src).map(|end| (end, flow.src)));
        self.targets.extend(ends::end(policy, ruleset, flow.output, flow.dst).map(|end| (end, flow.dst)));
    }
}

fn narrower(policy: &Policy, rule: &crate::policy::Rule, uses: &Uses) -> Option<Narrower> {
    if uses.count == 0 || uses.is_full {
        return None;
    }
    let is_short = |len: usize| (1..=LIST_MAX).contains(&len);
    let services = is_short(uses.services.len()).then(|| uses.services.iter().copied().collect::<Vec<_>>());
    let services = services.filter(|seen| match &rule.services {
        None => true,
        Some(written) => size(written) > size(seen) && seen.len() <= written.len().max(2),
    });
    let is_whole = |list: &[crate::policy::End]| {
        list.iter().all(|end| end.addresses.is_none() && matches!(end.zone, Zone::Segment(_) | Zone::Segments))
    };
    let names = |ends: &BTreeSet<(String, IpAddr)>| ends.iter().map(|(end, _)| end.clone()).collect::<BTreeSet<_>>();
    let targets = names(&uses.targets);
    let to = (is_whole(&rule.to) && is_short(targets.len())).then(|| targets.into_iter().collect());
    // Clients come and go with their leases: only those that the policy names are worth a list.
    let all_named = uses.sources.iter().all(|(_, addr)| ends::host(policy, *addr).is_some());
    let sources = names(&uses.sources);
    let from = (is_whole(&rule.from) && all_named && is_short(sources.len())).then(|| sources.into_iter().collect());
    let narrower = Narrower { services, to, from };
    (narrower != Narrower::default()).then_some(narrower)
}

/// How many ports, or like, services are.
fn size(services: &[Service]) -> u64 {
    let one = |service: &Service| match service.ports {
        Ports::Range(range) => u64::from(range.last) - u64::from(range.first) + 1,
        Ports::All => 65_536,
        Ports::Icmp { .. } => 1,
    };
    services.iter().map(one).sum()
}
