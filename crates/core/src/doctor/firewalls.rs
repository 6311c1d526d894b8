//! Other programs that make rules.

use super::check::{Checks, Fault};
use super::{Facts, Subject, Verb, command};
use crate::emit::System;

/// Services that load, flush or save rules.
pub(super) const SERVICES: [&str; 9] =
    ["nftables", "iptables", "ip6tables", "netfilter-persistent", "firewalld", "ufw", "docker", "shorewall", "awall"];
/// Where Alpine's nftables service is told what to do at its end.
const NFTABLES_CONF: &str = "/etc/conf.d/nftables";

pub(super) fn check(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    services(checks, subject, facts);
    tables(checks, facts);
    filters(checks, facts);
}

fn services(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let state = |name: &str| facts.inventory.services.get(name).copied().unwrap_or_default();
    let active = |name: &&&str| state(name).enabled || state(name).running;
    let off = |name: &str| {
        let disable = command(subject.system, Verb::Disable, name);
        format!("{disable}; do not stop it now, for that flushes too: after the next boot it is gone")
    };
    let nftables = SERVICES[..1].iter().filter(active).map(|name| {
        let saves = facts.inventory.files.get(NFTABLES_CONF).is_some_and(|file| saves(&file.bytes));
        let cause = match (subject.system, saves) {
            (System::Alpine, false) => "at stop and at reload it flushes every table, ours too",
            (System::Alpine, true) => {
                "at stop it saves every table, ours too, and flushes them; at boot it loads old ones"
            }
            (System::Debian, _) => "at start, stop and reload it flushes every table, ours too",
        };
        Fault::new("the service nftables is switched on", cause, off(name))
    });
    checks.faults("nftables-service", nftables.collect(), "the nftables service is off: it would flush our table");
    let iptables = SERVICES[1..4].iter().filter(active).map(|name| {
        Fault::new(
            format!("the service {name} is switched on"),
            "it loads rules of its own at boot, which drop or accept beside ours",
            format!("{}; `segwall import` takes its rules over", command(subject.system, Verb::Disable, name)),
        )
    });
    checks.faults("iptables-service", iptables.collect(), "no service loads rules of iptables");
    let managers = SERVICES[4..].iter().filter(active).map(|name| {
        Fault::new(
            format!("{name} is switched on"),
            "it makes rules of its own, whenever it likes",
            format!("{}, or run it on another box", command(subject.system, Verb::Disable, name)),
        )
    });
    checks.faults("firewall-manager", managers.collect(), "no other program manages a firewall");
}

/// `save_on_stop="yes"`, as shells read it.
fn saves(conf: &[u8]) -> bool {
    String::from_utf8_lossy(conf)
        .lines()
        .filter_map(|line| line.trim().strip_prefix("save_on_stop="))
        .next_back()
        .is_some_and(|value| value.trim_matches(['"', '\'']).eq_ignore_ascii_case("yes"))
}

fn tables(checks: &mut Checks, facts: &Facts) {
    let Some(tables) = &facts.tables else {
        return checks.unknown(
            "foreign-tables",
            "the kernel's tables cannot be listed",
            "run `nft list tables` as root",
        );
    };
    let harmful = tables.iter().filter(|table| table.acts && !table.harmless);
    let faults = harmful
        .map(|table| {
            let maker = match table.name.split_once(' ').map_or("", |(_, name)| name) {
                "filter" | "nat" | "mangle" | "raw" | "security" => "iptables or Docker made it",
                "firewalld" => "firewalld made it",
                _ => "another program, or somebody by hand, made it",
            };
            Fault::new(
                format!("the table {} decides about packets too", table.name),
                format!("{maker}; with it the kernel does not do what the policy says, or that cannot be proved"),
                format!("nft list table {0}; nft delete table {0} takes it away", table.name),
            )
        })
        .collect();
    let good = match tables.iter().filter(|table| table.acts).count() {
        0 => "no other table decides about packets".to_owned(),
        count => format!("{count} tables of others, which change nothing about the proof"),
    };
    checks.faults("foreign-tables", faults, good);
}

fn filters(checks: &mut Checks, facts: &Facts) {
    let Some(filters) = &facts.filters else {
        return checks.unknown(
            "other-filters",
            "whether anything beside nftables drops packets is not known",
            "run as root",
        );
    };
    let (unasked, found): (Vec<&String>, Vec<&String>) = filters.iter().partition(|one| one.starts_with("cannot "));
    if let (true, Some(sentence)) = (found.is_empty(), unasked.first()) {
        return checks.unknown("other-filters", (*sentence).clone(), "run as root, outside of containers");
    }
    let faults = found
        .into_iter()
        .map(|sentence| {
            Fault::new(
                sentence.clone(),
                "it drops or moves packets before or after our rules, and no proof covers it",
                "take it away, or look at it yourself: `iptables-legacy-save`, `bpftool net`, `tc filter`",
            )
        })
        .collect();
    checks.faults("other-filters", faults, "nothing beside nftables decides about packets");
}
