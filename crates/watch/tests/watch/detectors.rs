//! The detectors beside scans: each tells what it is for, and not what comes close.

use std::sync::Arc;

use segwall_core::leases::Vendors;
use segwall_packetset::proto;
use segwall_watch::alert::{Phase, Silence};
use segwall_watch::event::{Counted, Iface, Reading, Reason, Source};
use segwall_watch::{Alert, Event, Network, Options, State};

use super::net::{
    BOX, GUEST, OFFICE, SERVERS, Traffic, WAN, Way, at_ms, because, ip, network, opened, policy, state, syn, udp,
};

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

fn iface(name: &str) -> Iface {
    Iface::new(name.as_bytes())
}

fn step(state: &mut State, ms: i64, event: Event) -> Vec<Alert> {
    state.step(at_ms(ms), &event)
}

#[test]
fn a_source_that_is_refused_more_than_usual() {
    let mut traffic = Traffic::default();
    for n in 0..150i64 {
        traffic.packet(n * 100, syn(Way(OFFICE, SERVERS, "192.168.10.5", "192.168.20.9"), 40_000, 5_432));
    }
    let told = traffic.run(&mut state());
    assert_eq!(opened(&told), ["drops-source 192.168.10.5"], "its pair and segment are not told too");
    assert_eq!(told[0].count, 101);
    assert_eq!(told[0].told, at_ms(10_000), "with the packet above the threshold");
}

#[test]
fn what_is_usual_is_no_spike() {
    let mut state = state();
    let reading = |packets| {
        let counted = Counted::Pair { input: iface(OFFICE), output: iface(SERVERS) };
        Event::Counters(vec![Reading { counted, packets }])
    };
    let mut packets = 0;
    // 90 a minute for hours, then 150: more than the threshold, less than four times the usual.
    for minute in 0..240 {
        packets += if minute < 180 { 90 } else { 150 };
        assert_eq!(step(&mut state, minute * MINUTE, reading(packets)), [], "minute {minute}");
    }
    packets += 3_000;
    let told = step(&mut state, 240 * MINUTE, reading(packets));
    assert_eq!(opened(&told), ["drops-pair office > servers"]);
    assert!(told[0].count >= 3_000, "{}", told[0].count);
}

#[test]
fn counters_are_exact_and_packets_do_not_count_twice() {
    let mut state = state();
    let reading = |pair, broadcast| {
        let counted = Counted::Pair { input: iface(OFFICE), output: iface(BOX) };
        let heard = Counted::Input { input: iface(OFFICE), reason: Reason::Broadcast };
        Event::Counters(vec![Reading { counted: heard, packets: broadcast }, Reading { counted, packets: pair }])
    };
    step(&mut state, 0, reading(1_000_000, 900_000));
    assert_eq!(step(&mut state, 1_000, reading(1_005_000, 904_950)), [], "all but 50 were broadcasts");
    for n in 0..90 {
        let src = format!("192.168.10.{n}");
        let packet = syn(Way(OFFICE, BOX, &src, "192.168.10.1"), 40_000, 80);
        assert_eq!(step(&mut state, 1_001 + n, Event::Packet(packet)), []);
    }
    // The table was loaded anew: counters begin at nothing.
    let told = step(&mut state, 2_000, reading(51, 0));
    assert_eq!((opened(&told), told[0].count), (vec!["drops-pair office > gateway".to_owned()], 101));
}

#[test]
fn broadcasts_count_for_nothing() {
    let mut traffic = Traffic::default();
    for n in 0..1_000i64 {
        let to_all = because(Reason::Broadcast, udp(Way(OFFICE, BOX, "192.168.10.5", "192.168.10.255"), 137, 137));
        traffic.packet(n, to_all);
        traffic.packet(n, udp(Way(OFFICE, BOX, "192.168.10.5", "239.255.255.250"), 40_000, 1_900));
    }
    assert_eq!(traffic.run(&mut state()), []);
}

#[test]
fn management_that_is_denied() {
    for (way, port, told) in [
        (Way(GUEST, BOX, "192.168.30.5", "192.168.30.1"), 22, true),
        (Way(GUEST, SERVERS, "192.168.30.5", "192.168.20.9"), 3_389, true),
        (Way(GUEST, SERVERS, "192.168.30.5", "192.168.20.9"), 443, false),
        (Way(GUEST, BOX, "192.168.30.5", "192.168.30.1"), 80, false),
        (Way(WAN, BOX, "198.51.100.7", "203.0.113.2"), 22, false),
    ] {
        let mut traffic = Traffic::default();
        for ms in [0, 1_000, 3_000, 7_000] {
            traffic.packet(ms, syn(way, 40_000, port));
        }
        let alerts = traffic.run(&mut state());
        let expected: &[&str] = if told { &["management-denied 192.168.30.5"] } else { &[] };
        assert_eq!(opened(&alerts), expected, "{} {port}", way.3);
    }
}

#[test]
fn a_new_pair_after_a_day_of_learning() {
    let mut traffic = Traffic::default();
    traffic.talk(0, Way(OFFICE, SERVERS, "192.168.10.5", "192.168.20.9"), proto::TCP, 1, 443);
    traffic.talk(DAY + 1, Way(OFFICE, SERVERS, "192.168.10.6", "192.168.20.9"), proto::TCP, 1, 443);
    traffic.talk(DAY + 2, Way(GUEST, SERVERS, "192.168.30.6", "192.168.20.9"), proto::TCP, 1, 443);
    traffic.talk(DAY + 3, Way(GUEST, SERVERS, "192.168.30.7", "192.168.20.9"), proto::TCP, 1, 443);
    assert_eq!(opened(&traffic.run(&mut state())), ["new-pair guest > servers"]);
}

#[test]
fn cards_that_nobody_knows() {
    let mut state = state();
    let seen =
        |mac: u8| Event::Neighbour { iface: iface(OFFICE), addr: ip("192.168.10.77"), mac: [2, 0, 0, 0, 0, mac] };
    assert_eq!(step(&mut state, 0, seen(1)), []);
    for (ms, event) in [
        (DAY + 1, seen(1)),
        (DAY + 2, seen(2)),
        (DAY + 3, seen(3)),
        (DAY + 4, Event::Neighbour { iface: iface(WAN), addr: ip("203.0.113.1"), mac: [2, 0, 0, 0, 0, 9] }),
        (DAY + 5, Event::Lease { addr: ip("192.168.10.77"), mac: [2, 0, 0, 0, 0, 3] }),
    ] {
        assert_eq!(step(&mut state, ms, event), []);
    }
    let told = step(&mut state, DAY + 2 * MINUTE, Event::Tick);
    assert_eq!(opened(&told), ["unknown-device 02:00:00:00:00:02"]);
    assert_eq!(told[0].source_zone.as_deref(), Some("office"));
}

#[test]
fn a_card_has_a_maker_or_is_made_up() {
    let makers = Vendors::read("28-6F-B9   (hex)\t\tNokia Shanghai Bell\n");
    let mut state = State::new(network().with_makers(Arc::new(makers)), Options::default());
    let seen = |mac| Event::Neighbour { iface: iface(OFFICE), addr: ip("192.168.10.77"), mac };
    step(&mut state, 0, Event::Tick);
    for mac in [[0x28, 0x6f, 0xb9, 0, 0, 1], [2, 0, 0, 0, 0, 2], [0x30, 0, 0, 0, 0, 3]] {
        step(&mut state, DAY + 1, seen(mac));
    }
    let told = step(&mut state, DAY + 2 * MINUTE, Event::Tick);
    let summaries: Vec<&str> = told.iter().map(|alert| alert.summary.as_str()).collect();
    assert_eq!(
        summaries,
        [
            "a card that nobody knows is in office: 02:00:00:00:00:02 (an address that its host made up)",
            "a card that nobody knows is in office: 28:6f:b9:00:00:01 (Nokia Shanghai Bell)",
            "a card that nobody knows is in office: 30:00:00:00:00:03",
        ]
    );
}

#[test]
fn a_rogue_dhcp_server() {
    let reply = |way| Event::Packet(udp(way, 67, 68));
    let mut state = state();
    assert_eq!(step(&mut state, 0, reply(Way(OFFICE, BOX, "192.168.10.1", "192.168.10.5"))), []);
    assert_eq!(step(&mut state, 0, reply(Way(WAN, BOX, "203.0.113.1", "203.0.113.2"))), []);
    let told = step(&mut state, 1, reply(Way(GUEST, BOX, "192.168.30.99", "255.255.255.255")));
    assert_eq!(opened(&told), ["rogue-dhcp 192.168.30.99"]);
    let event = Event::DhcpServer { iface: iface(OFFICE), addr: ip("192.168.10.99"), mac: None };
    assert_eq!(opened(&step(&mut state, 2, event)), ["rogue-dhcp 192.168.10.99"]);
}

#[test]
fn spoofed_sources_on_an_uplink_accuse_the_uplink() {
    let mut traffic = Traffic::default();
    for n in 0..30u16 {
        let way = Way(WAN, SERVERS, "192.168.10.5", "192.168.20.9");
        traffic.packet(i64::from(n), because(Reason::Spoofed, syn(way, 40_000, n)));
        let inside = Way(GUEST, SERVERS, "192.168.10.6", "192.168.20.9");
        traffic.packet(i64::from(n), because(Reason::Spoofed, syn(inside, 40_000, n)));
    }
    let told = traffic.run(&mut state());
    assert_eq!(opened(&told), ["uplink-spoof eth0"], "nobody is accused who was only named");
}

#[test]
fn the_box_itself() {
    let mut state = state();
    let cases: [(Event, Event, &str); 4] = [
        (Event::Conntrack { count: 95, max: 100 }, Event::Conntrack { count: 79, max: 100 }, "conntrack-full gateway"),
        (
            Event::Link { iface: iface(OFFICE), up: false },
            Event::Link { iface: iface(OFFICE), up: true },
            "link-down eth1.10",
        ),
        (Event::Table { there: false }, Event::Table { there: true }, "table-gone gateway"),
        (Event::Drift { differences: 2 }, Event::Drift { differences: 0 }, "drift gateway"),
    ];
    for (at, (bad, good, expected)) in (0..).zip(cases) {
        let ms = at * 10_000;
        assert_eq!(step(&mut state, ms, good.clone()), []);
        assert_eq!(opened(&step(&mut state, ms + 1, bad.clone())), [expected]);
        assert_eq!(step(&mut state, ms + 2, bad), [], "told once");
        let told = step(&mut state, ms + 3, good);
        assert_eq!(told.iter().map(|alert| alert.phase).collect::<Vec<_>>(), [Phase::Closed], "{expected}");
    }
    assert_eq!(step(&mut state, 50_000, Event::Conntrack { count: 85, max: 100 }), []);
    assert_eq!(step(&mut state, 50_000, Event::Link { iface: iface("docker0"), up: false }), []);
    let told = step(&mut state, 51_000, Event::Lost { source: Source::Packets, count: 7 });
    assert_eq!((opened(&told), state.lost().records), (vec!["records-lost gateway".to_owned()], 7));
}

#[test]
fn a_silence_keeps_quiet_about_its_source_only() {
    let mut state = state();
    let policy = policy("[[silence]]\nkind = \"scan\"\nfrom = \"guest/192.168.30.5\"\n");
    state.silence(Silence::of(&policy, &jiff::tz::TimeZone::UTC));
    let mut traffic = Traffic::default();
    for port in 0..30u16 {
        for src in ["192.168.30.5", "192.168.30.6"] {
            traffic.packet(i64::from(port), syn(Way(GUEST, SERVERS, src, "192.168.20.9"), 40_000, port));
        }
    }
    assert_eq!(opened(&traffic.run(&mut state)), ["scan-vertical 192.168.30.6"]);
    assert_eq!((state.silenced(), state.standing().len()), (1, 1));
}

#[test]
fn without_a_policy_interfaces_are_the_names() {
    let mut state = State::new(Network::unknown(), Options::default());
    let mut traffic = Traffic::default();
    for port in 0..30u16 {
        traffic.packet(i64::from(port), syn(Way("lan0", "srv0", "10.0.0.5", "10.0.1.9"), 40_000, port));
    }
    let told = traffic.run(&mut state);
    assert_eq!(opened(&told), ["scan-vertical 10.0.0.5"]);
    assert!(told[0].summary.contains("in lan0"), "{}", told[0].summary);
}

/// A battery clock that is ahead, and is put right by the network while the box runs.
#[test]
fn a_clock_that_is_set_back_keeps_nothing_from_being_told() {
    let mut state = state();
    let table = |there| Event::Table { there };
    assert_eq!(opened(&step(&mut state, 300 * DAY, table(false))).len(), 1);
    // The episode of the wrong time would stand in the way of every later one.
    step(&mut state, DAY, Event::Tick);
    assert_eq!(state.now(), at_ms(DAY));
    let told = step(&mut state, DAY + 1_000, table(false));
    assert_eq!(opened(&told).len(), 1, "{told:?}");
    assert_eq!(told[0].told, at_ms(DAY + 1_000));
}
