//! Every kind of scan is found: kind, source, targets, technique, and within two seconds.

use segwall_packetset::proto;
use segwall_watch::alert::{Kind, Phase, Technique};
use segwall_watch::event::{Answer, Packet, Reason};
use segwall_watch::{Alert, At, Event};

use super::net::{
    ACK, BOX, FIN, GUEST, OFFICE, SERVERS, SYN, Traffic, WAN, Way, XMAS, at_ms, because, icmp, ip, network, opened,
    other, state, syn, tcp, udp,
};

const SERVER: Way<'_> = Way(GUEST, SERVERS, "192.168.30.66", "192.168.20.9");
const GATEWAY: Way<'_> = Way(GUEST, BOX, "192.168.30.66", "192.168.30.1");
const SERVER6: Way<'_> = Way(OFFICE, SERVERS, "fd00:10::66", "fd00:20::9");
const WAYS: [Way<'_>; 3] = [SERVER, GATEWAY, SERVER6];

/// Ports as nmap begins: the best known first.
const PORTS: [u16; 24] = [
    80, 23, 443, 21, 22, 25, 3389, 110, 445, 139, 143, 53, 135, 3306, 8080, 1723, 111, 995, 993, 5900, 1025, 587, 8888,
    199,
];

/// Ten probes at once, and ten more each second: nmap's default against a host that drops.
fn probes(make: impl Fn(u16) -> Packet) -> Traffic {
    let mut traffic = Traffic::default();
    for (at, port) in (0..).zip(PORTS) {
        traffic.packet(at / 10 * 1_000 + at % 10, make(port));
    }
    traffic
}

fn first(told: &[Alert]) -> &Alert {
    told.iter().find(|alert| alert.phase == Phase::Open).unwrap_or_else(|| panic!("nothing was told"))
}

/// Found as this, alone, and in time.
fn found(traffic: Traffic, kind: Kind, technique: Technique, source: &str) -> Alert {
    let told = traffic.run(&mut state());
    let alert = first(&told).clone();
    assert_eq!((alert.kind, alert.technique), (kind, Some(technique)), "{}", alert.summary);
    assert_eq!(alert.source, source);
    assert!(alert.told.since_s(alert.first) < 2 && alert.first == at_ms(0), "{} {}", alert.first, alert.told);
    assert_eq!(opened(&told).len(), 1, "{:?}", opened(&told));
    assert!(!alert.evidence.is_empty());
    alert
}

#[test]
fn every_technique_against_a_server_the_gateway_and_ipv6() {
    for way in WAYS {
        let bare = if ip(way.2).is_ipv4() { 44 } else { 64 };
        let least = bare - 4;
        let cases: [(Technique, &dyn Fn(u16) -> Packet); 7] = [
            (Technique::Syn, &|port| tcp(way, 40_000, port, SYN, bare)),
            (Technique::Connect, &|port| tcp(way, 40_000 + port, port, SYN, bare + 16)),
            (Technique::Fin, &|port| tcp(way, 40_000, port, FIN, least)),
            (Technique::Null, &|port| tcp(way, 40_000, port, 0, least)),
            (Technique::Xmas, &|port| tcp(way, 40_000, port, XMAS, least)),
            (Technique::Ack, &|port| because(Reason::NotSyn, tcp(way, 40_000, port, ACK, least))),
            (Technique::Udp, &|port| udp(way, 40_000, port)),
        ];
        for (technique, make) in cases {
            let alert = found(probes(make), Kind::ScanVertical, technique, way.2);
            assert_eq!(alert.targets, [ip(way.3)], "{technique:?}");
            assert!(alert.ports.len() >= 3);
        }
        let protocols = probes(|n| other(way, u8::try_from(n % 100 + 100).unwrap()));
        found(protocols, Kind::ScanVertical, Technique::Protocol, way.2);
    }
}

#[test]
fn sweeps_by_ping_and_by_one_port() {
    let host = |n: u16| format!("192.168.20.{}", n % 100 + 10);
    let pings = probes(|n| icmp(Way(GUEST, SERVERS, "192.168.30.66", &host(n)), 8));
    let alert = found(pings, Kind::ScanHorizontal, Technique::Icmp, "192.168.30.66");
    assert_eq!((alert.targets.len(), alert.ports), (9, vec!["icmp/8".to_owned()]));
    let smb = probes(|n| syn(Way(GUEST, SERVERS, "192.168.30.66", &host(n)), n, 445));
    assert_eq!(found(smb, Kind::ScanHorizontal, Technique::Connect, "192.168.30.66").ports, ["tcp/445"]);
    let six = |n: u16| format!("fd00:20::{n:x}");
    let pings6 = probes(|n| icmp(Way(OFFICE, SERVERS, "fd00:10::66", &six(n)), 128));
    found(pings6, Kind::ScanHorizontal, Technique::Icmp, "fd00:10::66");
}

#[test]
fn a_block_is_one_however_it_begins() {
    let mut by_host = Traffic::default();
    let mut by_port = Traffic::default();
    for n in 0..100u16 {
        let way = |host: u16| format!("192.168.20.{}", 10 + host);
        let (a, b) = (way(n / 10), way(n % 10));
        by_host.packet(i64::from(n), syn(Way(GUEST, SERVERS, "192.168.30.66", &a), 40_000, PORTS[usize::from(n % 10)]));
        by_port.packet(i64::from(n), syn(Way(GUEST, SERVERS, "192.168.30.66", &b), 40_000, PORTS[usize::from(n / 10)]));
    }
    for traffic in [by_host, by_port] {
        let told = traffic.run(&mut state());
        assert_eq!(opened(&told).len(), 1, "{:?}", opened(&told));
        let last = told.last().unwrap();
        assert_eq!(last.kind, Kind::ScanBlock, "{}", last.summary);
    }
}

#[test]
fn ports_that_are_allowed_and_closed_count_too() {
    let mut traffic = Traffic::default();
    for (at, port) in (0..).zip(PORTS) {
        let answer = if at % 2 == 0 { Answer::Refused } else { Answer::None };
        traffic.fail(at * 10, SERVER, proto::TCP, 40_000, port, answer);
    }
    let told = traffic.run(&mut state());
    assert_eq!(first(&told).kind, Kind::ScanVertical);
}

#[test]
fn slow_scans_are_slow_scans() {
    // nmap -T1 and -T0: a probe every 15 seconds and every 5 minutes.
    for gap_s in [15, 300] {
        let mut traffic = Traffic::default();
        for (at, port) in (0..).zip(PORTS) {
            traffic.packet(at * gap_s * 1_000, tcp(SERVER, 40_000, port, SYN, 44));
        }
        let told = traffic.run(&mut state());
        let alert = first(&told);
        assert_eq!((alert.kind, alert.technique), (Kind::ScanSlow, Some(Technique::Syn)));
        assert_eq!(alert.told, at_ms(8 * gap_s * 1_000), "with the ninth probe");
        assert_eq!(opened(&told), ["scan-slow 192.168.30.66"], "one episode, however slow");
    }
}

#[test]
fn many_sources_together() {
    let mut traffic = Traffic::default();
    for n in 0..40u16 {
        let src = format!("192.168.30.{}", 10 + n);
        traffic.packet(i64::from(n) * 40, syn(Way(GUEST, SERVERS, &src, "192.168.20.9"), 40_000, 1_000 + n));
    }
    let told = traffic.run(&mut state());
    let alert = first(&told);
    assert_eq!((alert.kind, alert.targets.clone()), (Kind::ScanDistributed, vec![ip("192.168.20.9")]));
    assert!(alert.told.since_s(at_ms(0)) < 2);
    assert_eq!(opened(&told).len(), 1);
}

#[test]
fn good_deeds_do_not_pay_for_a_scan() {
    // A scanner that has a friend: a success between any two probes, at one server or at many.
    for friends in [1u16, 200] {
        let mut traffic = Traffic::default();
        for (at, port) in (0..).zip(PORTS) {
            let n = u16::try_from(at).unwrap();
            let friend = format!("203.0.113.{}", 10 + n % friends);
            let way = Way(GUEST, WAN, "192.168.30.66", &friend);
            traffic.talk(at * 2_000 - 1_500, way, proto::TCP, 50_000 + n, 443);
            traffic.packet(at * 2_000, syn(SERVER, 40_000, port));
        }
        let told = traffic.run(&mut state());
        assert_eq!(opened(&told), ["scan-vertical 192.168.30.66"], "{friends}");
        assert!(first(&told).count <= 13, "four credits are all there are: {}", first(&told).count);
    }
    // Nor is a good name built up before.
    let mut traffic = Traffic::default();
    for n in 0..2_000u16 {
        let friend = format!("203.0.113.{}", n % 250);
        traffic.talk(-3_600_000 + i64::from(n), Way(GUEST, WAN, "192.168.30.66", &friend), proto::TCP, n, 443);
    }
    traffic.0.extend(probes(|port| syn(SERVER, 40_000, port)).0);
    assert_eq!(first(&traffic.run(&mut state())).count, 9);
}

#[test]
fn a_server_port_as_source_hides_nothing_where_connections_are_seen() {
    let mut traffic = probes(|port| udp(SERVER, 53, 20_000 + port));
    traffic.talk(-10_000, Way(OFFICE, SERVERS, "192.168.10.5", "192.168.20.9"), proto::TCP, 40_000, 443);
    assert_eq!(opened(&traffic.run(&mut state())), ["scan-vertical 192.168.30.66"]);
}

#[test]
fn the_same_scan_is_found_again_when_it_is_over() {
    let mut state = state();
    let scan = |begin_ms: i64| {
        let mut traffic = Traffic::default();
        for (at, port) in (0..).zip(PORTS) {
            traffic.packet(begin_ms + at, syn(SERVER, 40_000, port));
        }
        traffic
    };
    let told = scan(0).run(&mut state);
    assert_eq!(opened(&told).len(), 1);
    assert!(state.is_scanning(ip("192.168.30.66")));
    let closed = state.step(at_ms(901_000), &Event::Tick);
    assert_eq!(closed.iter().map(|alert| alert.phase).collect::<Vec<_>>(), [Phase::Closed]);
    assert_eq!(opened(&scan(1_000_000).run(&mut state)).len(), 1);
}

#[test]
fn seventeen_scans_are_all_found() {
    // The tutorial's script counts words in the last hundred lines, and finds ten of the seventeen it was tried with.
    let fast = |way: Way<'static>| move |port: u16| tcp(way, 40_000, port, SYN, 44);
    let sweep = |kind: u8| {
        move |n: u16| icmp(Way(GUEST, SERVERS, "192.168.30.66", &format!("192.168.20.{}", n % 100 + 10)), kind)
    };
    let scans: Vec<Traffic> = vec![
        probes(fast(SERVER)),
        probes(fast(GATEWAY)),
        probes(fast(SERVER6)),
        probes(|port| syn(SERVER, port, port)),
        probes(|port| tcp(SERVER, 1, port, FIN, 40)),
        probes(|port| tcp(SERVER, 1, port, 0, 40)),
        probes(|port| tcp(SERVER, 1, port, XMAS, 40)),
        probes(|port| tcp(SERVER, 1, port, ACK, 40)),
        probes(|port| udp(SERVER, 40_000, port)),
        probes(|port| udp(GATEWAY, 40_000, port)),
        probes(|n| other(SERVER, u8::try_from(n % 100 + 100).unwrap())),
        probes(sweep(8)),
        probes(sweep(13)),
        probes(|n| syn(Way(GUEST, SERVERS, "192.168.30.66", &format!("192.168.20.{}", n % 100)), 40_000, 22)),
        probes(|port| udp(SERVER6, 40_000, port)),
        probes(|port| tcp(GATEWAY, 1, port, ACK, 40)),
        probes(|n| syn(Way(WAN, SERVERS, "198.51.100.7", &format!("192.168.20.{}", n % 3)), 40_000, n)),
    ];
    assert_eq!(scans.len(), 17);
    for (number, scan) in scans.into_iter().enumerate() {
        let told = scan.run(&mut state());
        assert_eq!(opened(&told).len(), 1, "scan {number}: {:?}", opened(&told));
    }
    assert_eq!(At::of_s(1).second(), 1);
    assert!(network().has_policy());
}
