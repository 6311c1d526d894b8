//! SW0902: IPv4 is filtered, IPv6 is not, or the other way round.

use segwall_packetset::{Family, Field, GaveUp};

use super::at_rule;
use crate::analysis::foreign::view::{View, is_deciding};
use crate::analysis::foreign::{Found, codes};
use crate::diag::Severity;
use crate::netfilter::meaning::RuleAt;
use crate::netfilter::{Hook, Table, TableFamily};

pub(super) fn check(view: &mut View<'_>, found: &mut Vec<Found>) -> Result<(), GaveUp> {
    for missing in Family::BOTH {
        let seen = if missing == Family::V6 { Family::V4 } else { Family::V6 };
        if view.programs.iter().flat_map(|program| &program.tables).any(|table| filters(table, missing)) {
            continue;
        }
        let Some(at) = first(view, seen) else { continue };
        let mut open = Vec::new();
        let mut packet = None;
        for (hook, words) in [(Hook::Input, "to the box"), (Hook::Forward, "through it")] {
            let Some(place) = view.place_of(hook) else { continue };
            let (accepts, opens) = (view.hooks[place].accepts, view.hooks[place].opens);
            let number = u128::from(missing == Family::V6);
            let own = view.space.range(Field::Family, number, number)?;
            let all = view.space.intersect(opens, own)?;
            if view.space.minus(all, accepts)?.is_empty() {
                open.push(words);
                packet = packet.or(view.packet(all, &link_local(missing)));
            }
        }
        if open.is_empty() {
            continue;
        }
        let tool = if missing == Family::V6 { "ip6tables" } else { "iptables" };
        let message = format!("no rule sees {missing}: nothing here keeps any of it from going {}", open.join(" or "));
        found.push(
            at_rule(view, codes::FAMILY_MISSING, Severity::Warning, at, message)
                .label(format!("of {seen} only"))
                .shown_by(packet)
                .help(format!(
                    "give {tool} rules of its own, at the least `{tool} -P INPUT DROP` and `{tool} -P FORWARD DROP` with \
                     what must pass; if they stand in another file, audit both together"
                )),
        );
    }
    Ok(())
}

/// A neighbour that asks for SSH, where there are addresses that every interface has.
fn link_local(family: Family) -> Vec<(Field, u128)> {
    const FIRST: u128 = 0xfe80 << 112;
    let mut wishes = vec![(Field::Dport, 22)];
    if family == Family::V6 {
        wishes.extend([(Field::Src, FIRST + 0x10), (Field::Dst, FIRST + 1)]);
    }
    wishes
}

/// Whether a table decides about packets of a family that come to the box or pass it.
fn filters(table: &Table, family: Family) -> bool {
    let sees = match table.family {
        TableFamily::Ip => family == Family::V4,
        TableFamily::Ip6 => family == Family::V6,
        TableFamily::Inet => true,
        TableFamily::Arp | TableFamily::Bridge | TableFamily::Netdev => false,
    };
    let decides = |hook| move |base: crate::netfilter::Base| is_deciding(base.kind, base.hook, hook);
    sees && !matches!(table.name.as_str(), "mangle" | "raw")
        && table
            .chains
            .iter()
            .filter_map(|chain| chain.base)
            .any(|base| decides(Hook::Input)(base) || decides(Hook::Forward)(base))
}

/// The policy of the forward chain of the family that is seen, or of its first chain that decides.
fn first(view: &View<'_>, seen: Family) -> Option<RuleAt> {
    let mut places = Vec::new();
    for (program, one) in view.programs.iter().enumerate() {
        for (table, tables) in one.tables.iter().enumerate().filter(|(_, table)| filters(table, seen)) {
            for (chain, chains) in tables.chains.iter().enumerate() {
                if let Some(base) = chains.base.filter(|base| matches!(base.hook, Hook::Forward | Hook::Input)) {
                    let at = RuleAt { program, table, chain, rule: chains.rules.len() };
                    places.push((base.hook != Hook::Forward, at));
                }
            }
        }
    }
    places.into_iter().min().map(|(_, at)| at)
}
