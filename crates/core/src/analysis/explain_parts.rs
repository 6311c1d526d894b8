//! Parts of an explanation: products of classes, the way through the box, reasons in words.

use std::collections::{BTreeMap, BTreeSet};

use segwall_packetset::{Flow, Place};

use super::domain::{is_stand_in, zone_name, zone_of};
use super::explain::Way;
use super::words::rule_words;
use crate::policy::Verdict;
use crate::ruleset::{Reason, Role, Ruleset};

/// Triples as disjoint products of three sets, so that each can be said in one sentence.
pub(super) fn products(triples: &[[usize; 3]]) -> Vec<[BTreeSet<usize>; 3]> {
    let mut by_pair: BTreeMap<(usize, usize), BTreeSet<usize>> = BTreeMap::new();
    for [s, d, n] in triples {
        by_pair.entry((*s, *d)).or_default().insert(*n);
    }
    let mut by_source: BTreeMap<(usize, BTreeSet<usize>), BTreeSet<usize>> = BTreeMap::new();
    for ((s, d), services) in by_pair {
        by_source.entry((s, services)).or_default().insert(d);
    }
    let mut found: BTreeMap<(BTreeSet<usize>, BTreeSet<usize>), BTreeSet<usize>> = BTreeMap::new();
    for ((s, services), destinations) in by_source {
        found.entry((destinations, services)).or_default().insert(s);
    }
    found.into_iter().map(|((destinations, services), sources)| [sources, destinations, services]).collect()
}

/// The way of a flow through the box.
pub(super) fn way(ruleset: &Ruleset, flow: &Flow, verdict: Verdict) -> Way {
    let name = |place| match place {
        Place::Interface(id) => Some(ruleset.interface(id).name.clone()),
        Place::Gateway | Place::Elsewhere => None,
    };
    let uplinks =
        |addr: std::net::IpAddr| if is_stand_in(addr) { "the uplink's address".to_owned() } else { addr.to_string() };
    Way {
        input: name(flow.input),
        output: name(flow.output),
        sent_to: flow.sent.map(|sent| format!("{} port {}", uplinks(sent.dst), sent.dport)),
        masqueraded_as: ruleset.masquerade(flow).filter(|_| verdict == Verdict::Accept).map(|id| {
            let interface = ruleset.interface(id);
            match interface.addresses.iter().find(|addr| addr.is_ipv4() == flow.src.is_ipv4()) {
                Some(addr) => uplinks(*addr),
                None => format!("the address of {}", interface.name),
            }
        }),
    }
}

/// What decided about a flow, in words.
#[must_use]
pub fn reason_words(ruleset: &Ruleset, flow: &Flow, reason: Reason) -> String {
    match reason {
        Reason::Rule(at) => rule_words(ruleset, at),
        Reason::Unnamed => "no rule accepts it".to_owned(),
        Reason::Quarantined => "one of its ends is in quarantine".to_owned(),
        Reason::Broadcast => "broadcast or multicast to the box that no rule names".to_owned(),
        Reason::Spoofed => "its source does not belong to the interface it comes by".to_owned(),
        Reason::Family => {
            let lacking = [flow.input, flow.output].into_iter().find_map(|place| match place {
                Place::Interface(id) if !ruleset.interface(id).carries(flow.family()) => {
                    let interface = ruleset.interface(id);
                    let what = if interface.role == Role::Uplink { "addresses" } else { "subnets" };
                    Some(format!(
                        "{} has no {} {what}",
                        zone_of(ruleset, place).map(|zone| zone_name(ruleset, zone).to_owned())?,
                        flow.family()
                    ))
                }
                _ => None,
            });
            lacking.unwrap_or_else(|| "the interface carries no packets of its family".to_owned())
        }
        Reason::UnknownInterface => "it comes by an interface the policy does not name".to_owned(),
        Reason::Established => "it belongs to an accepted connection".to_owned(),
        Reason::Invalid => "it cannot open a connection".to_owned(),
        Reason::Untracked => "it is not tracked".to_owned(),
        Reason::NotSyn => "it is no bare SYN".to_owned(),
    }
}
