//! Floods: memory stays within its bounds, nobody is accused who cannot be, and the fold is a function.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use segwall_packetset::{Header, TcpFlags, proto};
use segwall_watch::alert::{EVIDENCE_MAX, OPEN_OF_KIND_MAX, PORTS_MAX, Subject, TARGETS_MAX};
use segwall_watch::event::{Answer, Iface, Mac, Packet, Reason, Verdict};
use segwall_watch::{At, Event, limits};

use super::net::{GUEST, SERVERS, Way, at_ms, connection, ip, network, opened, state, syn};

/// Numbers that are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn flood(numbers: &mut Numbers, iface: Iface) -> Packet {
    let bits = numbers.next();
    let address = |bits: u64| IpAddr::V4(Ipv4Addr::from(u32::try_from(bits & 0xffff_ffff).expect("32 bits")));
    Packet {
        verdict: Verdict::Refused(Reason::Unnamed),
        input: iface,
        output: Iface::new(SERVERS.as_bytes()),
        src: address(bits),
        dst: address(0xc0a8_1400 | bits >> 56),
        proto: proto::TCP,
        header: Header::Ports { sport: 1, dport: u16::try_from(bits >> 40 & 0xffff).expect("16 bits") },
        flags: TcpFlags(TcpFlags::SYN),
        len: 40,
        mac: None,
        to_all: false,
    }
}

#[test]
fn a_million_packets_from_random_sources() {
    let mut state = state();
    let (mut numbers, iface) = (Numbers(7), Iface::new(GUEST.as_bytes()));
    // Somebody scans slowly all the while, and is not forgotten for it.
    let mut told = Vec::new();
    for n in 0..1_000_000i64 {
        told.extend(state.step(at_ms(n / 10), &Event::Packet(flood(&mut numbers, iface))));
        // Three contacts at first: with one it is as good as any of them.
        if n < 3 || n % 50_000 == 0 {
            let port = u16::try_from(if n < 3 { n } else { n / 50_000 + 20 }).unwrap();
            let packet = syn(Way(GUEST, SERVERS, "192.168.30.66", "192.168.20.9"), 40_000, port);
            told.extend(state.step(at_ms(n / 10), &Event::Packet(packet)));
        }
    }
    let (sources, contacts, rates) = state.size();
    assert!(sources <= limits::SOURCES_MAX && contacts <= limits::CONTACTS_ALL_MAX && rates <= limits::RATES_MAX);
    assert!(state.lost().scans > 900_000, "what was forgotten is counted: {:?}", state.lost());
    assert!(state.standing().len() <= 18 * 2 * OPEN_OF_KIND_MAX);
    let opened = opened(&told);
    assert!(opened.iter().any(|alert| alert.starts_with("drops-pair guest > servers")), "{opened:?}");
    assert!(opened.iter().any(|alert| alert == "scan-vertical 192.168.30.66" || alert == "scan-slow 192.168.30.66"));
    assert!(told.len() < 1_000, "a flood of packets is no flood of alerts: {}", told.len());
}

#[derive(Debug, Clone)]
enum Step {
    Packet(Packet),
    Connection(u8, u8, u16, bool),
    Neighbour(Mac),
}

fn any_addr() -> impl Strategy<Value = IpAddr> {
    let near = (0..8u8, 0..4u8).prop_map(|(host, net)| IpAddr::from([192, 168, net * 10, host]));
    let nobody = prop::sample::select(vec![
        "127.0.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.168.10.1",
        "192.168.10.255",
        "203.0.113.2",
    ])
    .prop_map(ip);
    prop_oneof![3 => near, 2 => nobody, 1 => any::<u32>().prop_map(|bits| IpAddr::V4(bits.into()))]
}

fn any_packet() -> impl Strategy<Value = Packet> {
    let names = prop::sample::select(vec!["eth0", "eth1.10", "eth1.20", "eth1.30", "", "x"]);
    let verdict = prop_oneof![
        8 => prop::sample::select(Reason::ALL.to_vec()).prop_map(Verdict::Refused),
        1 => Just(Verdict::Accepted),
        1 => Just(Verdict::Noted),
    ];
    let rest = (prop::sample::select(vec![1u8, 2, 6, 17, 47, 132, 200]), any::<[u16; 2]>(), any::<u8>(), any::<bool>());
    (names.clone(), names, any_addr(), any_addr(), verdict, rest).prop_map(
        |(input, output, src, dst, verdict, (proto, ports, flags, to_all))| Packet {
            verdict,
            input: Iface::new(input.as_bytes()),
            output: Iface::new(output.as_bytes()),
            src,
            dst,
            proto,
            header: match proto {
                6 | 17 => Header::Ports { sport: ports[0], dport: ports[1] % 64 },
                1 => Header::Icmp { kind: flags % 20, code: 0 },
                _ => Header::Other,
            },
            flags: TcpFlags(flags),
            len: ports[0],
            mac: None,
            to_all,
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => any_packet().prop_map(Step::Packet),
        3 => (0..4u8, 0..4u8, 0..20u16, any::<bool>()).prop_map(|(a, b, port, ok)| Step::Connection(a, b, port, ok)),
        1 => any::<Mac>().prop_map(Step::Neighbour),
    ]
}

fn events(steps: &[(i64, Step)]) -> Vec<(At, Event)> {
    let mut now = 0;
    let event = |step: &Step| match step {
        Step::Packet(packet) => Event::Packet(*packet),
        Step::Connection(a, b, port, ok) => {
            let (src, dst) = (format!("192.168.10.{a}"), format!("192.168.20.{b}"));
            let answer = if *ok { Answer::Answered } else { Answer::None };
            Event::Ended(connection(Way("", "", &src, &dst), proto::TCP, 1, *port, answer))
        }
        Step::Neighbour(mac) => {
            Event::Neighbour { iface: Iface::new(GUEST.as_bytes()), addr: ip("192.168.30.3"), mac: *mac }
        }
    };
    let mut at = |gap: &i64| {
        now += gap;
        at_ms(now)
    };
    steps.iter().map(|(gap, step)| (at(gap), event(step))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_fold_is_a_function_and_accuses_nobody_it_must_not(
        steps in prop::collection::vec((-50..2_000i64, any_step()), 0..600)
    ) {
        let (mut one, mut two) = (state(), state());
        let network = network();
        for (at, event) in events(&steps) {
            let told = one.step(at, &event);
            prop_assert_eq!(&told, &two.step(at, &event));
            for alert in told {
                if let Subject::Addr(addr) = alert.subject {
                    let bad = addr.is_loopback() || addr.is_multicast() || addr.is_unspecified() || network.is_own(addr);
                    prop_assert!(!bad, "{}", alert.summary);
                }
                prop_assert!(alert.targets.len() <= TARGETS_MAX && alert.ports.len() <= PORTS_MAX);
                prop_assert!(alert.evidence.len() <= EVIDENCE_MAX && alert.summary.len() < 400);
            }
        }
    }
}
