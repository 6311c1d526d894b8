//! An hour of ordinary traffic, with everything in it that looks like a scan to simpler detectors, raises nothing.

use segwall_packetset::proto;
use segwall_watch::event::{Answer, Reason};

use super::net::{
    ACK, BOX, GUEST, OFFICE, SERVERS, Traffic, WAN, Way, because, icmp, opened, other, state, syn, tcp, udp,
};

const MINUTE: i64 = 60_000;
const PC: &str = "192.168.10.5";

fn to_server(src: &str) -> Way<'_> {
    Way(OFFICE, SERVERS, src, "192.168.20.9")
}

/// One program's hour.
type Program = (&'static str, fn(&mut Traffic));

const PROGRAMS: [Program; 27] = [
    ("web browser, QUIC refused", |traffic| {
        for n in 0..600u16 {
            let site = format!("198.51.100.{}", n % 250);
            let way = Way(OFFICE, WAN, PC, &site);
            let ms = i64::from(n) * 6_000;
            traffic.packet(ms, udp(way, 50_000 + n, 443));
            traffic.talk(ms + 50, way, proto::TCP, 50_000 + n, 443);
        }
    }),
    ("DNS", |traffic| {
        for n in 0..1_000u16 {
            traffic.talk(i64::from(n) * 3_600, Way(OFFICE, BOX, PC, "192.168.10.1"), proto::UDP, 20_000 + n, 53);
        }
    }),
    ("late answers of a resolver", |traffic| {
        for n in 0..60u16 {
            let back = Way(SERVERS, OFFICE, "192.168.20.53", PC);
            let ms = i64::from(n) * 30_000;
            traffic.talk(ms, Way(OFFICE, SERVERS, PC, "192.168.20.53"), proto::UDP, 30_000 + n, 53);
            traffic.packet(ms + 40_000, udp(back, 53, 30_000 + n));
        }
    }),
    ("NTP to a pool, refused", |traffic| {
        for n in 0..60u16 {
            let server = format!("198.51.101.{}", n % 8);
            traffic.packet(i64::from(n) * MINUTE, udp(Way(OFFICE, WAN, PC, &server), 123, 123));
        }
    }),
    ("mDNS, SSDP, LLMNR, WS-Discovery", |traffic| {
        for n in 0..360i64 {
            for (group, port) in
                [("224.0.0.251", 5_353), ("239.255.255.250", 1_900), ("224.0.0.252", 5_355), ("239.255.255.250", 3_702)]
            {
                traffic.packet(n * 10_000, udp(Way(OFFICE, BOX, PC, group), 50_000, port));
            }
            traffic.packet(n * 10_000, udp(Way(OFFICE, BOX, "fd00:10::5", "ff02::fb"), 5_353, 5_353));
        }
    }),
    ("NetBIOS and other broadcasts", |traffic| {
        for n in 0..3_600i64 {
            for (dst, port) in [("192.168.10.255", 137), ("192.168.10.255", 138), ("255.255.255.255", 17_500)] {
                traffic.packet(n * 1_000, udp(Way(OFFICE, BOX, PC, dst), 137, port));
            }
        }
    }),
    ("answers to discovery", |traffic| {
        for n in 0..100u16 {
            let way = Way(SERVERS, OFFICE, "192.168.20.30", PC);
            traffic.packet(i64::from(n) * 30_000, udp(way, 1_900, 40_000 + n));
            traffic.packet(i64::from(n) * 30_000, udp(way, 3_702, 41_000 + n));
        }
    }),
    ("Windows looks for its file servers of before", |traffic| {
        for n in 0..60i64 {
            for server in ["192.168.20.20", "192.168.20.21", "192.168.20.22"] {
                let way = Way(OFFICE, SERVERS, PC, server);
                traffic.packet(n * MINUTE, syn(way, 50_000, 445));
                traffic.packet(n * MINUTE + 1_000, syn(way, 50_000, 445));
            }
        }
    }),
    ("printer driver asks by SNMP, IPP, raw", |traffic| {
        let way = Way(OFFICE, SERVERS, "192.168.10.6", "192.168.20.31");
        for n in 0..120i64 {
            traffic.packet(n * 30_000, udp(way, 50_001, 161));
            traffic.packet(n * 30_000, syn(way, 50_002, 631));
            traffic.packet(n * 30_000, syn(way, 50_003, 9_100));
        }
    }),
    ("VoIP: calls with ports of their own, some not answered", |traffic| {
        for n in 0..60u16 {
            let way = Way(OFFICE, WAN, "192.168.10.7", "198.51.102.1");
            traffic.fail(i64::from(n) * MINUTE, way, proto::UDP, 16_384 + 2 * n, 20_000 + 2 * n, Answer::None);
        }
    }),
    ("backup", |traffic| {
        for n in 0..60u16 {
            traffic.talk(i64::from(n) * MINUTE, to_server("192.168.10.8"), proto::TCP, 40_000 + n, 873);
        }
    }),
    ("SSH for hours, forgotten by the box", |traffic| {
        traffic.talk(0, to_server("192.168.10.9"), proto::TCP, 40_000, 22);
        for n in 0..300i64 {
            let way = to_server("192.168.10.9");
            traffic.packet(n * 10_000, because(Reason::NotSyn, tcp(way, 40_000, 22, ACK, 52)));
        }
    }),
    ("monitoring, whose targets went down", |traffic| {
        for n in 0..20u8 {
            let host = format!("192.168.20.{}", 100 + n);
            let way = Way(OFFICE, SERVERS, "192.168.10.10", &host);
            traffic.talk(i64::from(n) * 100, way, proto::TCP, 40_000, 9_100);
            for minute in 10..50 {
                traffic.fail(minute * MINUTE + i64::from(n), way, proto::TCP, 41_000, 9_100, Answer::None);
            }
        }
    }),
    ("retransmissions", |traffic| {
        for n in 0..80i64 {
            traffic.packet(n * 40_000, syn(to_server("192.168.10.11"), 40_000, 8_443));
        }
    }),
    ("a laptop wakes up: late packets to all it knew", |traffic| {
        for n in 0..50u16 {
            let (site, ms) = (format!("198.51.103.{n}"), i64::from(n) * 20);
            for flags in [0x11, 0x10, 0x04, 0x14, 0x18] {
                let late = tcp(Way(OFFICE, WAN, "192.168.10.12", &site), 50_000 + n, 443, flags, 52);
                traffic.packet(ms, because(Reason::NotSyn, late));
            }
        }
    }),
    ("a server answers a scan: its resets and errors", |traffic| {
        for n in 0..60u16 {
            let way = Way(SERVERS, GUEST, "192.168.20.9", "192.168.30.7");
            let ms = i64::from(n) * 1_000;
            traffic.packet(ms, because(Reason::Invalid, tcp(way, n, 40_000, 0x14, 40)));
            traffic.packet(ms, because(Reason::Invalid, tcp(way, n, 40_000, 0x12, 44)));
            traffic.packet(ms, because(Reason::Invalid, icmp(way, 3)));
            traffic.packet(ms, because(Reason::Invalid, icmp(way, 0)));
        }
    }),
    ("many users behind one address", |traffic| {
        for n in 0..2_000u16 {
            let site = format!("198.51.{}.{}", 104 + n / 200, n % 200);
            let way = Way(GUEST, WAN, "192.168.30.2", &site);
            let ms = i64::from(n) * 1_800;
            if n % 10 == 0 {
                traffic.fail(ms, way, proto::TCP, n, [25, 80, 853, 5_228, 993][usize::from(n / 10 % 5)], Answer::None);
            } else {
                traffic.talk(ms, way, proto::TCP, n, 443);
            }
        }
    }),
    ("a client stuck on one closed port", |traffic| {
        for n in 0..3_600u16 {
            let way = to_server("192.168.10.13");
            traffic.fail(i64::from(n) * 1_000, way, proto::TCP, 10_000 + n, 5_432, Answer::Refused);
        }
    }),
    ("clients of a port forward to a server that reboots", |traffic| {
        for n in 0..300u16 {
            let client = format!("198.51.{}.{}", 120 + n / 200, n % 200);
            let way = Way(WAN, SERVERS, &client, "192.168.20.80");
            traffic.fail(i64::from(n) * 200, way, proto::TCP, 40_000, 443, Answer::None);
        }
    }),
    ("IPv6 neighbour discovery", |traffic| {
        for n in 0..600u16 {
            let host = format!("fd00:10::{:x}", 0x100 + n);
            for kind in [133, 135, 136] {
                traffic.packet(i64::from(n) * 5_000, icmp(Way(OFFICE, BOX, "fe80::5", &host), kind));
            }
        }
    }),
    ("traceroute by an admin, twenty hops", |traffic| {
        for n in 0..60u16 {
            let way = Way(OFFICE, SERVERS, "192.168.10.14", "192.168.20.9");
            traffic.packet(i64::from(n) * 100, udp(way, 50_000, 33_434 + n));
        }
    }),
    ("apt and its mirrors", |traffic| {
        for n in 0..10u16 {
            let mirror = format!("198.51.130.{n}");
            let way = Way(SERVERS, WAN, "192.168.20.9", &mirror);
            traffic.fail(i64::from(n) * 500, way, proto::TCP, 40_000, 80, Answer::None);
            traffic.talk(i64::from(n) * 500 + 200, way, proto::TCP, 40_001, 443);
        }
    }),
    ("torrent: most peers are gone", |traffic| {
        for n in 0..1_500u16 {
            let peer = format!("198.51.{}.{}", 140 + n / 250, n % 250);
            let way = Way(GUEST, WAN, "192.168.30.9", &peer);
            let (ms, port) = (i64::from(n) * 2_400, if n % 15 == 0 { 6_881 } else { 10_000 + n * 7 % 50_000 });
            if n % 5 < 3 {
                traffic.fail(ms, way, proto::TCP, n, port, Answer::None);
            } else {
                traffic.talk(ms, way, proto::TCP, n, port);
            }
        }
    }),
    ("ping of the gateway and of a server that is off", |traffic| {
        for n in 0..3_600i64 {
            if n % 60 == 0 {
                traffic.packet(n * 1_000, icmp(to_server("192.168.10.15"), 8));
            }
        }
    }),
    ("VPN: ESP and its keys, refused", |traffic| {
        for n in 0..40i64 {
            let way = Way(OFFICE, WAN, "192.168.10.16", "198.51.150.1");
            traffic.packet(n * 60_000, other(way, proto::ESP));
            traffic.packet(n * 60_000, udp(way, 500, 500));
            traffic.packet(n * 60_000, udp(way, 4_500, 4_500));
        }
    }),
    ("DHCP", |traffic| {
        for n in 0..120i64 {
            traffic.packet(n * 30_000, udp(Way(OFFICE, BOX, "0.0.0.0", "255.255.255.255"), 68, 67));
            traffic.packet(n * 30_000, udp(Way(OFFICE, SERVERS, PC, "192.168.20.67"), 68, 67));
        }
    }),
    ("noise of the internet", |traffic| {
        for n in 0..400u16 {
            let src = format!("198.51.{}.{}", 160 + n / 200, n % 200);
            let way = Way(WAN, BOX, &src, "203.0.113.2");
            traffic.packet(i64::from(n) * 9_000, tcp(way, 40_000, n * 131 % 60_000, 2, 40));
        }
    }),
];

#[test]
fn each_program_alone_raises_nothing() {
    for (name, program) in PROGRAMS {
        let mut traffic = Traffic::default();
        program(&mut traffic);
        assert!(!traffic.0.is_empty());
        let told = traffic.run(&mut state());
        assert_eq!(opened(&told), Vec::<String>::new(), "{name}: {}", told[0].summary);
    }
}

#[test]
fn all_of_them_together_raise_nothing() {
    let mut traffic = Traffic::default();
    for (_, program) in PROGRAMS {
        program(&mut traffic);
    }
    let events = traffic.0.len();
    assert!(events > 20_000, "{events}");
    let told = traffic.run(&mut state());
    assert_eq!(opened(&told), Vec::<String>::new());
}
