//! One side at one hook, in terms that both kinds of sides have.

use std::collections::BTreeMap;

use segwall_packetset::{Family, Field, GaveUp, Set, Space, proto};

use super::Party;
use crate::analysis::openings::{Ask, of_intent, of_programs};
use crate::analysis::proof::rates::{lowest_terms, rate_of};
use crate::analysis::proof::terms::address;
use crate::analysis::proof::{destinations, intent, masquerade};
use crate::netfilter::meaning;
use crate::netfilter::{Hook, Nat, NatKind, Rate, Reject};
use crate::ruleset::At;

/// Packets by words.
pub(super) type ByWords = BTreeMap<String, Set>;

/// What a side does with new connections at a hook.
pub(super) struct Facts {
    pub accept: Set,
    pub limited: Set,
    pub undecided: Set,
    /// Refused, by how the sender is told.
    pub answers: ByWords,
    /// Limited, by the limit.
    pub limits: ByWords,
    /// Written down, by what is written.
    pub messages: ByWords,
    /// What is not decided, and about which packets.
    pub unknown: Vec<(String, Set)>,
}

/// Adds packets to those of these words.
fn add(space: &mut Space, list: &mut ByWords, words: String, set: Set) -> Result<(), GaveUp> {
    if !set.is_empty() {
        let known = list.entry(words).or_insert(Set::EMPTY);
        *known = space.union(*known, set)?;
    }
    Ok(())
}

/// The facts of a party about these packets.
pub(super) fn facts(space: &mut Space, party: Party<'_>, hook: Hook, at: At, among: Set) -> Result<Facts, GaveUp> {
    match party {
        Party::Policy(ruleset) => {
            let want = intent(space, ruleset, hook, at)?;
            let openings = of_intent(space, ruleset, hook, &want, among)?;
            let mut answers = ByWords::new();
            let tcp = u128::from(proto::TCP);
            let tcp = space.range(Field::Proto, tcp, tcp)?;
            let refused = space.intersect(want.reject, openings.possible)?;
            let (resets, others) = (space.intersect(refused, tcp)?, space.minus(refused, tcp)?);
            add_answer(space, &mut answers, Reject::TcpReset, resets)?;
            add_answer(space, &mut answers, Reject::Icmp { v4: Some(13), v6: Some(1) }, others)?;
            let mut limits = ByWords::new();
            for (_, limit, set) in &want.limited {
                let set = space.intersect(*set, openings.limited)?;
                add(space, &mut limits, rate_words(&rate_of(limit)), set)?;
            }
            let mut messages = ByWords::new();
            let logged = space.intersect(want.logged, openings.possible)?;
            add(space, &mut messages, "accepted connections".to_owned(), logged)?;
            Ok(Facts {
                accept: openings.accept,
                limited: openings.limited,
                undecided: Set::EMPTY,
                answers,
                limits,
                messages,
                unknown: Vec::new(),
            })
        }
        Party::Rules(programs) => {
            let openings = of_programs(space, programs, hook, Ask { among, limits: true })?;
            let undecided = openings.undecided(space)?;
            let mut answers = ByWords::new();
            for (how, set) in &openings.rejects {
                let set = space.intersect(*set, openings.drop)?;
                add_answer(space, &mut answers, *how, set)?;
            }
            let mut limits = ByWords::new();
            for one in openings.rates.iter().filter(|one| one.decides) {
                let set = space.intersect(one.reached, openings.limited)?;
                add(space, &mut limits, rate_words(&one.rate), set)?;
            }
            let mut messages = ByWords::new();
            for one in &openings.logs {
                let place =
                    one.log.group.map_or_else(|| "the kernel's log".to_owned(), |to| format!("NFLOG group {to}"));
                let prefix = one.log.prefix.as_ref().map_or_else(String::new, |prefix| format!(" as \"{prefix}\""));
                let limited = if one.limited { ", within a limit" } else { "" };
                let set = space.intersect(one.reached, openings.possible)?;
                add(space, &mut messages, format!("to {place}{prefix}{limited}"), set)?;
            }
            let mut unknown: Vec<(String, Set)> =
                openings.unknown.iter().map(|one| (format!("`{}`: {}", one.text, one.why), one.reached)).collect();
            if openings.translation_widened {
                let why = "a translation replaces ports or addresses one by one".to_owned();
                unknown.push((why, openings.possible));
            }
            Ok(Facts {
                accept: openings.accept,
                limited: openings.limited,
                undecided,
                answers,
                limits,
                messages,
                unknown,
            })
        }
    }
}

/// A rejection as its packet says it: each family has its own code.
fn add_answer(space: &mut Space, list: &mut ByWords, how: Reject, set: Set) -> Result<(), GaveUp> {
    match how {
        Reject::TcpReset => add(space, list, "TCP reset".to_owned(), set),
        Reject::Icmp { v4, v6 } => {
            for (family, number, code) in [(Family::V4, 0, v4), (Family::V6, 1, v6)] {
                let here = space.range(Field::Family, number, number)?;
                let set = space.intersect(set, here)?;
                let name = if family == Family::V4 { "ICMP" } else { "ICMPv6" };
                let words = match code {
                    Some(code) => format!("{name} unreachable, code {code}"),
                    None => format!("{name} unreachable"),
                };
                add(space, list, words, set)?;
            }
            Ok(())
        }
    }
}

fn rate_words(rate: &Rate) -> String {
    let Rate { packets, per_s, burst, .. } = lowest_terms(rate);
    let each = if rate.by.contains(&Field::Src) { " for each source" } else { "" };
    let over = if rate.over { "beyond " } else { "" };
    format!("{over}{packets} in {per_s} s, {burst} at once{each}")
}

/// Translations at a hook, in words, and what is not decided about them.
pub(super) fn translations(
    space: &mut Space,
    party: Party<'_>,
    hook: Hook,
) -> Result<(ByWords, Vec<(String, Set)>), GaveUp> {
    let mut list = ByWords::new();
    match party {
        Party::Policy(ruleset) => {
            if hook == Hook::Prerouting {
                for ((to, port), set) in destinations(space, ruleset)? {
                    let words = match port {
                        Some(port) => format!("to {to} port {port}"),
                        None => format!("to {to}"),
                    };
                    add(space, &mut list, words, set)?;
                }
            } else if hook == Hook::Postrouting {
                let set = masquerade(space, ruleset)?;
                add(space, &mut list, "masquerade".to_owned(), set)?;
            }
            Ok((list, Vec::new()))
        }
        Party::Rules(programs) => {
            let found = meaning::translation(space, programs, hook)?;
            for (nat, set) in found.uses {
                for family in [0, 1] {
                    let here = space.range(Field::Family, family, family)?;
                    let here = space.intersect(set, here)?;
                    add(space, &mut list, nat_words(&nat, family), here)?;
                }
            }
            let unknown = found.unknown.iter().map(|one| (format!("`{}`: {}", one.text, one.why), one.reached));
            Ok((list, unknown.collect()))
        }
    }
}

fn nat_words(nat: &Nat, family: u128) -> String {
    let at = |value| address(family, value);
    let to = nat.to.map(|(first, last)| match first == last {
        true => format!("{}", at(first)),
        false => format!("{}-{}", at(first), at(last)),
    });
    let ports = nat.ports.map(|(first, last)| match first == last {
        true => format!(" port {first}"),
        false => format!(" ports {first}-{last}"),
    });
    let target = format!("{}{}", to.unwrap_or_else(|| "the box".to_owned()), ports.clone().unwrap_or_default());
    match nat.kind {
        NatKind::Destination => format!("to {target}"),
        NatKind::Redirect => format!("to the box{}", ports.unwrap_or_default()),
        NatKind::Source => format!("source to {target}"),
        NatKind::Masquerade => format!("masquerade{}", ports.map_or_else(String::new, |ports| format!(" to{ports}"))),
        NatKind::Netmap => format!("network to {target}"),
    }
}
