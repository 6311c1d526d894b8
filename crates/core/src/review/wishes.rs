//! What was refused, or passed only because a segment learns, as rules that would accept it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use segwall_packetset::{CtState, Place};

use super::{Seen, ends, service_of};
use crate::analysis::unlearned;
use crate::policy::{Policy, Service, Verdict, write_service};
use crate::ruleset::{Reason, Ruleset};

/// Sources that are told apart.
const SOURCES_MAX: usize = 1_000;
/// Somebody who tries more services of one end than this looks around; no rule is made of that.
const SERVICES_MAX: usize = 12;

/// A rule that seems to be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Who opens: a segment, or a host of the policy where it was alone.
    pub from: String,
    /// Towards whom: a host of the policy, an address in a segment, or a zone.
    pub to: String,
    /// On which services.
    pub services: Vec<Service>,
    /// Packets or connections.
    pub count: u64,
    /// Who they were of.
    pub sources: BTreeSet<IpAddr>,
    /// Seconds since 1970.
    pub first_s: i64,
    /// Seconds since 1970.
    pub last_s: i64,
}

/// What is wished for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Rules that seem to be missing, the most wanted first.
    pub rules: Vec<Wish>,
    /// Ends between which so many services were tried that it looks like a scan: who, towards whom, how many.
    pub scans: Vec<(String, String, usize)>,
    /// What came from the internet: nothing is proposed for that.
    pub from_internet: u64,
}

#[derive(Default)]
struct Row {
    services: BTreeMap<Service, u64>,
    sources: BTreeSet<IpAddr>,
    first_s: i64,
    last_s: i64,
}

/// What the policy does not name, of what was seen at least so often between two ends on a service. Explicit drops and
/// rejects are answers, not gaps; broadcasts, and what opens no connection, want no rule.
#[must_use]
pub fn wishes(policy: &Policy, ruleset: &Ruleset, seen: &[Seen], at_least: u64) -> Wishes {
    let after = unlearned(policy, ruleset);
    let mut found = Wishes::default();
    let mut rows: BTreeMap<(String, String), Row> = BTreeMap::new();
    for one in seen {
        let flow = &one.flow;
        let decision = after.eval(flow, one.at());
        let opens = flow.first_state() == CtState::New && !flow.dst.is_multicast() && !after.is_broadcast(flow.dst);
        if decision.verdict == Verdict::Accept || decision.reason != Reason::Unnamed || !opens {
            continue;
        }
        if is_internet(&after, flow.input) {
            found.from_internet += one.count;
            continue;
        }
        let (Some(from), Some(to)) = (ends::zone(&after, flow.input), ends::end(policy, &after, flow.output, flow.dst))
        else {
            continue;
        };
        let row = rows.entry((from.to_owned(), to)).or_insert_with(|| Row { first_s: i64::MAX, ..Row::default() });
        *row.services.entry(service_of(flow)).or_default() += one.count;
        if row.sources.len() < SOURCES_MAX {
            row.sources.insert(flow.src);
        }
        row.first_s = row.first_s.min(one.first_s);
        row.last_s = row.last_s.max(one.last_s);
    }
    for ((from, to), mut row) in rows {
        // Before what is rare is left out: a scan tries each port once.
        if row.services.len() > SERVICES_MAX {
            found.scans.push((from, to, row.services.len()));
            continue;
        }
        row.services.retain(|_, count| *count >= at_least);
        let count: u64 = row.services.values().sum();
        if count == 0 {
            continue;
        }
        let alone = row.sources.first().filter(|_| row.sources.len() == 1);
        let from = alone.and_then(|addr| ends::host(policy, *addr)).map_or(from, str::to_owned);
        let Row { services, sources, first_s, last_s } = row;
        let services = services.into_keys().collect();
        found.rules.push(Wish { from, to, services, count, sources, first_s, last_s });
    }
    found.rules.sort_by(|one, other| (other.count, &one.from, &one.to).cmp(&(one.count, &other.from, &other.to)));
    found
}

fn is_internet(ruleset: &Ruleset, place: Place) -> bool {
    ends::zone(ruleset, place) == Some("internet")
}

impl Wish {
    /// The rule as a policy file has it.
    #[must_use]
    pub fn toml(&self) -> String {
        let services: Vec<String> = self.services.iter().map(|one| format!("\"{}\"", write_service(one))).collect();
        let services = match services.as_slice() {
            [one] => one.clone(),
            list => format!("[{}]", list.join(", ")),
        };
        format!("[[accept]]\nfrom = \"{}\"\nto = \"{}\"\nservice = {services}\n", self.from, self.to)
    }
}
