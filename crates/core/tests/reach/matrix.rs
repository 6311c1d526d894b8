//! Every cell against packets taken one at a time.

use segwall_core::analysis::service_matrix::{Reach, ServiceMatrix, asked, service_matrices};
use segwall_core::analysis::sets::own_names;
use segwall_core::netfilter::{Hook, Program};
use segwall_core::testing::{Seeded, iptables_save};
use segwall_packetset::{Field, Point, Space};

use crate::full;
use crate::naive::{Fate, fate};
use crate::packets::{MACS, PORTS, edges, opening, read, with_mac};

const SEED: u64 = 0x5e6_3a7c;
const PROGRAMS: u64 = 12;
const RULES: usize = 70;
const CHAINS: usize = 7;
const PAIRS: usize = 80;

fn matrices(program: &Program, services: &str) -> Vec<ServiceMatrix> {
    let asked = asked(services, &[]).expect("services");
    service_matrices(&mut Space::default(), &[program], &asked, &own_names).expect("small")
}

fn services() -> String {
    PORTS.map(|port| format!("tcp/{port}")).join(",")
}

fn of(list: &[ServiceMatrix], hook: Hook, port: u128) -> &ServiceMatrix {
    let service = format!("tcp/{port}");
    list.iter().find(|matrix| matrix.hook == hook.word() && matrix.service == service).expect("asked for")
}

/// What the matrix says of a packet's pair.
fn said(list: &[ServiceMatrix], hook: Hook, point: &Point) -> Reach {
    let at = |field| point.get(field);
    of(list, hook, at(Field::Dport)).reach(at(Field::In), at(Field::Src), at(Field::Out), at(Field::Dst))
}

/// What it should say: all that a pair's packets differ in, and a generated file looks at, is tried.
fn expected(program: &Program, hook: Hook, point: &Point) -> Reach {
    let mut fates = Vec::new();
    for mac in 0..MACS {
        for sport in [1023, 1024] {
            fates.push(fate(program, hook, &with_mac(point, mac).with(Field::Sport, sport)));
        }
    }
    let has = |accept, drop| fates.contains(&Fate { accept, drop });
    match (has(true, true), has(true, false), has(false, true)) {
        (true, _, _) => Reach::May,
        (false, true, false) => Reach::Accept,
        (false, false, true) => Reach::Drop,
        (false, true, true) => Reach::Partly,
        (false, false, false) => panic!("a packet without a fate"),
    }
}

#[test]
fn cells_of_small_programs_are_what_each_packet_meets() {
    let mut seen = std::collections::BTreeMap::new();
    for seed in SEED..SEED + full(PROGRAMS) {
        let mut choices = Seeded(seed);
        let text = iptables_save(&mut |bound| choices.below(bound), RULES, CHAINS);
        let program = read(&text);
        let list = matrices(&program, &services());
        let edges = edges(&text);
        for number in 0..PAIRS {
            let hook = [Hook::Forward, Hook::Input][number % 2];
            let point = opening(&mut choices, hook, &edges, PORTS[number / 2 % PORTS.len()]);
            let (said, expected) = (said(&list, hook, &point), expected(&program, hook, &point));
            assert_eq!(said, expected, "{hook:?} {point:?}\nseed {seed:#x}\n{text}");
            *seen.entry(said).or_insert(0) += 1;
        }
    }
    for reach in [Reach::Accept, Reach::Drop, Reach::May] {
        assert!(seen.get(&reach).is_some_and(|count| *count >= 5), "too few pairs were {reach:?}: {seen:?}");
    }
}

#[test]
fn cells_of_a_busy_firewall_contradict_no_packet() {
    let mut choices = Seeded(SEED);
    let text = iptables_save(&mut |bound| choices.below(bound), 5_000, 60);
    let program = read(&text);
    let list = matrices(&program, &services());
    let edges = edges(&text);
    let mut decided = 0;
    for number in 0..2_000 {
        let hook = [Hook::Forward, Hook::Input][number % 2];
        let point = opening(&mut choices, hook, &edges, PORTS[number / 2 % PORTS.len()]);
        let point = with_mac(&point, choices.below(MACS));
        let Fate { accept, drop } = fate(&program, hook, &point);
        match said(&list, hook, &point) {
            Reach::Accept => assert!(accept && !drop, "{hook:?} {point:?}"),
            Reach::Drop => assert!(drop && !accept, "{hook:?} {point:?}"),
            Reach::Partly => assert!(accept != drop, "{hook:?} {point:?}"),
            Reach::May => continue,
            Reach::Limited => panic!("limits of foreign rules are not told apart"),
        }
        decided += 1;
    }
    assert!(decided >= 500, "only {decided} packets were decided");
    assert!(of(&list, Hook::Forward, 22).cells.len() > 1, "the firewall tells nobody apart");
}

#[test]
fn classes_do_not_overlap_and_no_two_are_treated_alike() {
    let mut choices = Seeded(SEED + 1);
    let text = iptables_save(&mut |bound| choices.below(bound), 400, 10);
    for matrix in matrices(&read(&text), "tcp/22") {
        let rows: Vec<Vec<(usize, Reach)>> = (0..matrix.senders.len())
            .map(|from| matrix.cells.iter().filter(|c| c.from == from).map(|c| (c.to, c.reach)).collect())
            .collect();
        for (one, sender) in matrix.senders.iter().enumerate() {
            for (two, other) in matrix.senders.iter().enumerate().skip(one + 1) {
                let meet = |a: &[(u128, u128)], b: &[(u128, u128)]| {
                    a.iter().any(|x| b.iter().any(|y| x.0 <= y.1 && y.0 <= x.1))
                };
                let interfaces = meet(&sender.interface_ranges, &other.interface_ranges);
                assert!(!interfaces || !meet(&sender.ranges, &other.ranges), "{sender:?}\n{other:?}");
                assert!(sender.interface_ranges != other.interface_ranges || rows[one] != rows[two], "{sender:?}");
            }
        }
    }
}

#[test]
fn a_translated_connection_is_told_in_both_coordinates() {
    let program = read(concat!(
        "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n",
        "-A PREROUTING -i eth1 -d 203.0.113.2/32 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80\n",
        "COMMIT\n*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n",
        "-A FORWARD -d 10.0.0.2/32 -p tcp -m tcp --dport 80 -j ACCEPT\n",
        "-A FORWARD -s 192.168.1.0/24 -p tcp -m tcp --dport 80 -m limit --limit 5/min -j ACCEPT\n",
        "COMMIT\n",
    ));
    let list = matrices(&program, "tcp/80");
    let forward = of(&list, Hook::Forward, 80);
    assert_eq!(forward.translated, ["accept: tcp any → 10.0.0.2 port 80, sent to 203.0.113.2 port 8080, in eth1"]);
    let names = |classes: &[segwall_core::analysis::service_matrix::AddressClass]| -> Vec<String> {
        classes.iter().map(|class| class.name.clone()).collect()
    };
    assert_eq!(names(&forward.senders), ["not 192.168.1.0/24", "192.168.1.0/24"]);
    assert_eq!(names(&forward.receivers), ["not 10.0.0.2", "10.0.0.2"]);
    let reaches: Vec<(usize, usize, Reach)> = forward.cells.iter().map(|c| (c.from, c.to, c.reach)).collect();
    assert_eq!(reaches, [(0, 1, Reach::Accept), (1, 0, Reach::May), (1, 1, Reach::Accept)]);
    assert_eq!(forward.undecided, ["`limit 5 in 60 s`: depends on earlier packets"]);
    assert!(list.iter().all(|matrix| matrix.family == "IPv4"), "no table sees IPv6");
}
