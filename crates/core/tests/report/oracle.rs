//! What pages and drawings say is what the oracle says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use segwall_core::analysis::with_stand_ins;
use segwall_core::report::{Network, markdown};
use segwall_core::ruleset::{At, Origin, Reason};
use segwall_core::testing::scale_policy;
use segwall_packetset::{Flow, Header, Place, proto};

use crate::common::{BRANCH, Sound, TUTORIAL, count, noon, random, sound};

/// The cells of the Markdown page's table, or of its lists by sender: (from, to) → words.
fn cells(page: &str) -> BTreeMap<(String, String), String> {
    let section =
        page.split("\n## Who may talk to whom\n").nth(1).expect("there").split("\n## ").next().expect("there");
    let row = |line: &str| -> Vec<String> {
        line.trim_matches('|').split(" |").map(|cell| cell.trim().trim_matches('*').replace('\\', "")).collect()
    };
    let mut cells = BTreeMap::new();
    let mut tables = section.split("\n\n").filter(|block| block.trim_start().starts_with('|'));
    let table: Vec<Vec<String>> = tables.next().expect("a table").trim().lines().map(row).collect();
    let by_sender = table[0][1] == "services";
    for line in &table[2..] {
        if by_sender {
            for to in line[2].split(", ") {
                cells.insert((line[0].clone(), to.to_owned()), line[1].clone());
            }
        } else {
            for (to, words) in
                table[0].iter().zip(line).skip(1).filter(|(_, words)| !matches!(words.as_str(), "–" | "·"))
            {
                cells.insert((line[0].clone(), to.clone()), words.clone());
            }
        }
    }
    cells
}

/// A host in each zone, and the box's address there.
struct Hosts {
    place: Place,
    plain: IpAddr,
    own: IpAddr,
}

fn hosts(sound: &Sound) -> BTreeMap<String, Hosts> {
    let ruleset = with_stand_ins(&sound.ruleset);
    let mut hosts = BTreeMap::new();
    for (id, interface) in ruleset.interface_ids() {
        let own = *interface.addresses.iter().find(|addr| addr.is_ipv4()).expect("IPv4");
        let (name, plain) = if Some(id) == ruleset.uplink() {
            ("internet".to_owned(), "192.0.2.200".parse().expect("a constant"))
        } else {
            (interface.zone.clone(), interface.networks[0].nth(77).expect("large enough"))
        };
        hosts.insert(name, Hosts { place: Place::Interface(id), plain, own });
    }
    hosts
}

/// What a simple cell says: a service (`None` for everything) as protocol and port, towards one host or all.
type Claimed = (Option<(u8, u16)>, Option<String>);

fn claimed(words: &str) -> Vec<Claimed> {
    let mut found = Vec::new();
    for phrase in words.split("; ") {
        let phrase = phrase.trim_end_matches(" (forwarded)");
        let (services, host) = phrase.split_once(" → ").map_or((phrase, None), |(s, host)| (s, Some(host.to_owned())));
        for service in services.split(", ") {
            let of: Vec<Option<(u8, u16)>> = match service {
                "everything" => vec![None],
                "http" => vec![Some((proto::TCP, 80))],
                "https" => vec![Some((proto::TCP, 443))],
                "ssh" => vec![Some((proto::TCP, 22))],
                "mysql" => vec![Some((proto::TCP, 3306))],
                "postgresql" => vec![Some((proto::TCP, 5432))],
                "dns" => vec![Some((proto::TCP, 53)), Some((proto::UDP, 53))],
                "udp/53" => vec![Some((proto::UDP, 53))],
                "ntp" => vec![Some((proto::UDP, 123))],
                "ping" => vec![Some((proto::ICMP, 8))],
                other => panic!("an unknown word: {other:?} in {words:?}"),
            };
            found.extend(of.into_iter().map(|service| (service, host.clone())));
        }
    }
    found
}

/// Asks the oracle about every cell, empty ones included, and every service that any cell names, and one that none does.
fn every_cell_is_true(sound: &Sound) -> usize {
    let network = sound.network();
    let cells = cells(&markdown(&network, None));
    let ruleset = with_stand_ins(&sound.ruleset);
    let hosts = hosts(sound);
    let named: BTreeMap<String, (String, IpAddr)> = sound
        .policy
        .hosts
        .iter()
        .map(|h| (h.name.clone(), (sound.policy.segments[h.segment.index()].name.clone(), h.addresses[0])))
        .collect();
    let mut services: BTreeSet<(u8, u16)> =
        cells.values().flat_map(|words| claimed(words)).filter_map(|(service, _)| service).collect();
    services.insert((proto::TCP, 4711));
    let zones = network.reach.zones.clone();
    let mut asked = 0;
    for (from, to) in zones.iter().flat_map(|from| zones.iter().map(move |to| (from, to))).filter(|(f, t)| f != t) {
        let claims = cells.get(&(from.clone(), to.clone())).map_or_else(Vec::new, |words| claimed(words));
        let gateway = Place::Gateway;
        let mut targets: Vec<(Option<&str>, IpAddr)> = match to.as_str() {
            "gateway" => vec![(None, hosts[from].own)],
            zone => vec![(None, hosts[zone].plain)],
        };
        targets.extend(
            named.iter().filter(|(_, (zone, _))| zone == to).map(|(name, (_, addr))| (Some(name.as_str()), *addr)),
        );
        for ((proto, number), (name, dst)) in services.iter().flat_map(|s| targets.iter().map(move |t| (*s, *t))) {
            let header = if proto == proto::ICMP {
                Header::Icmp { kind: 8, code: 0 }
            } else {
                Header::Ports { sport: 40_000, dport: number }
            };
            let input = hosts.get(from).map_or(gateway, |host| host.place);
            let src = match (from.as_str(), to.as_str()) {
                ("gateway", to) => hosts[to].own,
                (from, _) => hosts[from].plain,
            };
            let output = hosts.get(to).map_or(gateway, |host| host.place);
            let forwarded = cells.get(&(from.clone(), to.clone())).is_some_and(|words| words.contains("(forwarded)"));
            let sent = (forwarded && proto != proto::ICMP)
                .then(|| segwall_packetset::Sent { dst: hosts[from].own, dport: number });
            // Only what a port forward translates comes to its target that way.
            let sent = sent.filter(|sent| ruleset.translate(input, src, *sent, proto).map(|(dst, _)| dst) == Some(dst));
            let flow = Flow { input, output, proto, src, dst, header, sent };
            let decision = ruleset.eval(&flow, At::Instant(noon()));
            let by_need =
                matches!(decision.reason, Reason::Rule(at) if matches!(ruleset.rules[at].origin, Origin::Need(_)));
            let accepted = decision.verdict == segwall_core::policy::Verdict::Accept && (!by_need || from == "gateway");
            let told = claims.iter().any(|(service, host)| {
                service.is_none_or(|service| service == (proto, number))
                    && host.as_deref().is_none_or(|host| Some(host) == name)
            });
            assert_eq!(told, accepted, "{from} → {to}: {flow:?} {decision:?}");
            asked += 1;
        }
    }
    asked
}

#[test]
fn every_cell_of_the_tutorial() {
    let asked = every_cell_is_true(&sound("tutorial.toml", TUTORIAL));
    assert!(asked > 7 * 6 * 10, "{asked}");
}

#[test]
fn every_cell_of_fifty_segments() {
    let asked = every_cell_is_true(&sound("fifty.toml", &scale_policy(50)));
    assert!(asked >= 52 * 51 * 5, "{asked}");
}

fn drawn_is_told(name: &str, network: &Network<'_>) {
    let classes = network.reach.classes();
    let mut drawn: Vec<((usize, usize), String)> = Vec::new();
    for group in network.reach.groups() {
        drawn.extend(group.pairs().map(|pair| (pair, classes[group.class].clone())));
    }
    drawn.sort();
    let told: Vec<((usize, usize), String)> =
        network.reach.pairs.iter().map(|pair| ((pair.from, pair.to), pair.text())).collect();
    assert_eq!(drawn, told, "{name}");
}

#[test]
fn groups_are_the_pairs_no_more_and_no_less() {
    for (name, text) in [("tutorial", TUTORIAL), ("branch", BRANCH)] {
        drawn_is_told(name, &sound(name, text).network());
    }
    for size in [2, 7, 50] {
        drawn_is_told("scale", &sound("scale", &scale_policy(size)).network());
    }
    for seed in 0..count(3_000) {
        drawn_is_told(&format!("seed {seed}"), &random(seed).network());
    }
}
