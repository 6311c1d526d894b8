//! Rules that say the same about the same become one.

use std::collections::BTreeSet;

use super::grants::{End, Grant, Place};
use super::services::joined;

/// Joins rules until nothing changes; the first of each keeps its place.
pub(super) fn merged(mut grants: Vec<Grant>) -> Vec<Grant> {
    loop {
        let before = grants.len();
        for join in [by_services, by_ends as fn(&mut Grant, &Grant) -> bool] {
            let mut kept: Vec<Grant> = Vec::with_capacity(grants.len());
            for grant in grants {
                match kept.iter_mut().find_map(|known| join(known, &grant).then_some(known)) {
                    Some(known) => known.lines.extend(&grant.lines),
                    None => kept.push(grant),
                }
            }
            grants = kept;
        }
        if grants.len() == before {
            return grants;
        }
    }
}

fn alike(a: &Grant, b: &Grant) -> bool {
    a.verdict == b.verdict && a.log == b.log
}

/// The same ends: the services of both.
fn by_services(a: &mut Grant, b: &Grant) -> bool {
    if !alike(a, b) || a.from != b.from || a.to != b.to {
        return false;
    }
    a.services = match (&a.services, &b.services) {
        (Some(mine), Some(theirs)) => Some(joined(mine, theirs)),
        _ => None,
    };
    true
}

/// The same services and one end: the other ends of both, where these are places by their names.
fn by_ends(a: &mut Grant, b: &Grant) -> bool {
    if !alike(a, b) || a.services != b.services {
        return false;
    }
    let together = if a.from == b.from { union(&a.to, &b.to, &a.from) } else { None };
    if let Some(to) = together {
        a.to = to;
        return true;
    }
    let together = if a.to == b.to { union(&a.from, &b.from, &a.to) } else { None };
    if let Some(from) = together {
        a.from = from;
        return true;
    }
    false
}

/// Both lists, unless that would name a place at both ends, or put one beside a word that means many.
fn union(a: &[End], b: &[End], other: &[End]) -> Option<Vec<End>> {
    let is_wide = |end: &End| matches!(end, End::Any | End::Segments);
    if a.iter().chain(b).any(is_wide) {
        return None;
    }
    let all: BTreeSet<&End> = a.iter().chain(b).collect();
    let zone = |end: &End| match end {
        End::Whole(Place::Zone(zone)) | End::Part(Place::Zone(zone), _) => Some(*zone),
        _ => None,
    };
    let others: BTreeSet<usize> = other.iter().filter_map(zone).collect();
    let before_a: BTreeSet<usize> = a.iter().chain(b).filter_map(zone).collect();
    // A rule inside one segment stays by itself.
    if before_a.intersection(&others).next().is_some() {
        return None;
    }
    Some(all.into_iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Ports, Service, Verdict};
    use segwall_packetset::PortRange;

    fn tcp(port: u16) -> Service {
        Service { proto: 6, ports: Ports::Range(PortRange::single(port)) }
    }

    fn grant(from: usize, to: usize, port: u16) -> Grant {
        Grant {
            verdict: Verdict::Accept,
            from: vec![End::Whole(Place::Zone(from))],
            to: vec![End::Whole(Place::Zone(to))],
            services: Some(vec![tcp(port)]),
            lines: BTreeSet::new(),
            log: false,
        }
    }

    #[test]
    fn rules_are_joined_by_services_then_by_ends() {
        let merged = merged(vec![grant(0, 1, 80), grant(2, 1, 80), grant(0, 1, 443), grant(2, 1, 443)]);
        assert_eq!(merged.len(), 1);
        assert_eq!(merged[0].from, [End::Whole(Place::Zone(0)), End::Whole(Place::Zone(2))]);
        assert_eq!(merged[0].services, Some(vec![tcp(80), tcp(443)]));
    }

    #[test]
    fn no_place_comes_to_stand_at_both_ends() {
        assert_eq!(merged(vec![grant(0, 1, 80), grant(1, 2, 80), grant(0, 2, 80)]).len(), 2);
    }
}
