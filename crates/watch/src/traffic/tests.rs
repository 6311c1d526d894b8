use proptest::prelude::*;

use super::*;
use crate::event::{Answer, Iface};

fn connection(port: u16, id: u32, bytes: u64) -> Connection {
    let tuple = |src: u8, dst: u8, sport, dport| Tuple {
        src: IpAddr::from([10, 0, 0, src]),
        dst: IpAddr::from([10, 0, 0, dst]),
        proto: 6,
        header: Header::Ports { sport, dport },
    };
    let volume = Volume { packets: bytes / 100, bytes };
    Connection {
        original: tuple(1, 2, port, 80),
        reply: tuple(2, 1, 80, port),
        id,
        mark: 0,
        began: None,
        input: Iface::new(b"a"),
        output: Iface::new(b"b"),
        sent: volume,
        received: Volume { packets: 2 * volume.packets, bytes: 2 * bytes },
        answer: Answer::Answered,
    }
}

fn bytes(traffic: &Traffic) -> u64 {
    traffic.pairs().values().map(|carried| carried.sent.bytes).sum()
}

#[test]
fn each_byte_is_counted_once_and_only_since_the_start() {
    let (mut traffic, network) = (Traffic::default(), Network::unknown());
    let mut event = |event| traffic.event(&network, &event);
    event(Event::Standing(connection(1, 1, 5_000)));
    event(Event::Going(connection(1, 1, 6_000)));
    event(Event::Going(connection(2, 2, 400)));
    event(Event::Listed);
    event(Event::Going(connection(1, 1, 6_000)));
    event(Event::Ended(connection(2, 2, 700)));
    event(Event::Listed);
    // Never listed, and another with the ports of the one that ended.
    event(Event::Ended(connection(3, 3, 10_000)));
    event(Event::Going(connection(2, 9, 100)));
    event(Event::Ended(connection(1, 1, 6_500)));
    assert_eq!(bytes(&traffic), 1_500 + 700 + 10_000 + 100);
    let fresh: Vec<_> = traffic.drain().collect();
    assert_eq!(fresh.len(), 1);
    let (between, carried) = fresh[0];
    assert_eq!((between.dport, carried.sent.bytes, carried.ended), (80, 12_300, 3));
    assert_eq!(carried.received.bytes, 24_600);
    let hosts: BTreeMap<_, _> = traffic.talkers().map(|(_, addr, carried)| (addr, carried.sent.bytes)).collect();
    assert_eq!(hosts[&IpAddr::from([10, 0, 0, 1])], 12_300);
    assert_eq!(hosts[&IpAddr::from([10, 0, 0, 2])], 24_600);
    assert_eq!(traffic.drain().count(), 0);
}

#[test]
fn an_end_that_was_read_after_a_listing_counts_no_byte_twice() {
    let (mut traffic, network) = (Traffic::default(), Network::unknown());
    traffic.event(&network, &Event::Going(connection(1, 1, 400)));
    traffic.event(&network, &Event::Listed);
    traffic.event(&network, &Event::Listed);
    traffic.event(&network, &Event::Ended(connection(1, 1, 500)));
    assert_eq!(bytes(&traffic), 500);
    traffic.event(&network, &Event::Going(connection(2, 2, 100)));
    (0..3).for_each(|_| traffic.event(&network, &Event::Listed));
    assert!(traffic.open.is_empty());
}

#[test]
fn nothing_grows_without_bound() {
    let (mut traffic, network) = (Traffic::default(), Network::unknown());
    for number in 0..u32::try_from(TALKERS_MAX).expect("it fits") + 10 {
        let mut one = connection(1, number, 100);
        one.original.src = IpAddr::from(number.to_be_bytes());
        traffic.event(&network, &Event::Ended(one));
        if number % 1_000 == 0 {
            traffic.event(&network, &Event::Listed);
        }
    }
    assert!(traffic.talkers.len() <= TALKERS_MAX && traffic.lost() > 0);
    assert_eq!(bytes(&traffic), 100 * (TALKERS_MAX as u64 + 10));
}

#[test]
fn pings_between_two_hosts_are_told_apart() {
    let (mut traffic, network) = (Traffic::default(), Network::unknown());
    for round in 1..4 {
        for id in [7, 8] {
            traffic.event(&network, &Event::Going(connection(1, id, round * 100)));
        }
        traffic.event(&network, &Event::Listed);
    }
    assert_eq!(bytes(&traffic), 600);
    // The end of the first is read when the second has begun.
    traffic.event(&network, &Event::Ended(connection(1, 7, 400)));
    traffic.event(&network, &Event::Going(connection(1, 8, 300)));
    assert_eq!(bytes(&traffic), 700);
}

#[test]
fn one_that_finds_no_room_is_counted_once() {
    let (mut traffic, network) = (Traffic::default(), Network::unknown());
    for number in 0..u32::try_from(OPEN_MAX).expect("it fits") {
        traffic.open.insert(
            (connection(1, 0, 0).original, number + 10),
            Open { round: 0, sent: Volume::default(), received: Volume::default() },
        );
    }
    for bytes in [1_000, 2_000, 3_000] {
        traffic.event(&network, &Event::Going(connection(2, 1, bytes)));
    }
    assert_eq!(bytes(&traffic), 0);
    traffic.event(&network, &Event::Ended(connection(2, 1, 4_000)));
    assert_eq!(bytes(&traffic), 4_000);
}

#[test]
fn a_flood_within_one_listing_forgets_not_the_busy_ones() {
    let (mut traffic, network) = (Traffic::default(), Network::unknown());
    traffic.event(&network, &Event::Ended(connection(1, 1, 1_000_000)));
    for number in 0..2 * u32::try_from(TALKERS_MAX).expect("it fits") {
        let mut one = connection(2, number, 100);
        one.original.src = IpAddr::from((number | 0xf000_0000).to_be_bytes());
        one.reply.src = IpAddr::from([10, 9, 9, 9]);
        traffic.event(&network, &Event::Ended(one));
    }
    assert!(traffic.talkers().any(|(_, addr, _)| addr == IpAddr::from([10, 0, 0, 1])));
    assert!(traffic.talkers.len() <= TALKERS_MAX);
}

proptest! {
    /// Whatever is listed in between, the sum is what connections carried when they ended.
    #[test]
    fn listings_change_no_sum(steps in proptest::collection::vec((0..6u16, 0..4u8, 1..1_000u64), 1..120)) {
        let (mut traffic, network) = (Traffic::default(), Network::unknown());
        let mut open: BTreeMap<u16, (u32, u64)> = BTreeMap::new();
        let (mut ids, mut all) = (0, 0);
        for (port, what, more) in steps {
            let (id, carried) = open.entry(port).or_insert_with(|| { ids += 1; (ids, 0) });
            *carried += 100 * more;
            all += 100 * more;
            match what {
                0 => {
                    let ended = connection(port, *id, *carried);
                    open.remove(&port);
                    traffic.event(&network, &Event::Ended(ended));
                }
                1 => {
                    for (port, (id, carried)) in &open {
                        traffic.event(&network, &Event::Going(connection(*port, *id, *carried)));
                    }
                    traffic.event(&network, &Event::Listed);
                }
                _ => {}
            }
        }
        for (port, (id, carried)) in &open {
            traffic.event(&network, &Event::Ended(connection(*port, *id, *carried)));
        }
        prop_assert_eq!(bytes(&traffic), all);
        prop_assert_eq!(traffic.drain().map(|(_, carried)| carried.sent.bytes).sum::<u64>(), all);
    }
}
