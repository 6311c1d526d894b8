//! The network of the tutorial, and packets in it.

use std::net::IpAddr;

use segwall_core::policy::{Context, Policy, load};
use segwall_core::ruleset::lower;
use segwall_core::source::Source;
use segwall_packetset::{Header, TcpFlags, proto};
use segwall_watch::event::{Answer, Connection, Iface, Packet, Reason, Tuple, Verdict, Volume};
use segwall_watch::{Alert, At, Event, Network, Options, State};

const POLICY: &str = r#"
[gateway]
trunk = "eth1"
management = ["servers"]

[uplinks.wan]
interface = "eth0"
addresses = ["203.0.113.2/24"]
gateways = ["203.0.113.1"]
nat = true

[segments.office]
vlan = 10
subnets = ["192.168.10.0/24", "fd00:10::/64"]

[segments.servers]
vlan = 20
subnets = ["192.168.20.0/24", "fd00:20::/64"]

[segments.guest]
vlan = 30
subnets = ["192.168.30.0/24"]
"#;

pub const SYN: u8 = 0x02;
pub const ACK: u8 = 0x10;
pub const FIN: u8 = 0x01;
pub const XMAS: u8 = 0x29;

pub const OFFICE: &str = "eth1.10";
pub const SERVERS: &str = "eth1.20";
pub const GUEST: &str = "eth1.30";
pub const WAN: &str = "eth0";
pub const BOX: &str = "";

/// A state that knows the policy. Instants of tests are seconds behind this.
pub fn state() -> State {
    State::new(network(), Options::default())
}

pub fn network() -> Network {
    Network::of(&policy(""))
}

/// The network's policy, and more.
pub fn policy(more: &str) -> Policy {
    read(&source(more))
}

/// The network, and what the policy's rules say.
pub fn network_with_rules(more: &str) -> Network {
    let (source, policy) = (source(more), policy(more));
    Network::of(&policy).with_rules(lower(&policy, &source, &jiff::tz::TimeZone::UTC), "t.toml")
}

/// The same, with an uplink whose address comes by DHCP.
pub fn network_of_a_changing_uplink(more: &str) -> Network {
    let fixed = "addresses = [\"203.0.113.2/24\"]\ngateways = [\"203.0.113.1\"]\n";
    assert!(POLICY.contains(fixed), "it has such an uplink");
    let source = Source::new("t.toml", format!("{}{more}", POLICY.replace(fixed, "addresses = [\"dhcp\"]\n")));
    let policy = read(&source);
    Network::of(&policy).with_rules(lower(&policy, &source, &jiff::tz::TimeZone::UTC), "t.toml")
}

/// The line of the policy that begins so.
pub fn line_of(more: &str, begins: &str) -> usize {
    let text = source(more).text().to_owned();
    text.lines().position(|line| line.starts_with(begins)).expect("it is there") + 1
}

fn source(more: &str) -> Source {
    Source::new("t.toml", format!("{POLICY}{more}"))
}

fn read(source: &Source) -> Policy {
    let context = Context { today: jiff::civil::date(2026, 11, 26), timezone: jiff::tz::TimeZone::UTC };
    let loaded = load(source, &context);
    loaded.policy.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

/// Milliseconds behind noon.
pub fn at_ms(ms: i64) -> At {
    At(1_795_694_400_000_000 + ms * 1_000)
}

/// Path, source, destination.
#[derive(Clone, Copy)]
pub struct Way<'a>(pub &'a str, pub &'a str, pub &'a str, pub &'a str);

fn packet(way: Way<'_>, proto: u8, header: Header, flags: u8, len: u16) -> Packet {
    Packet {
        verdict: Verdict::Refused(Reason::Unnamed),
        input: Iface::new(way.0.as_bytes()),
        output: Iface::new(way.1.as_bytes()),
        src: ip(way.2),
        dst: ip(way.3),
        proto,
        header,
        flags: TcpFlags(flags),
        len,
        mac: None,
        to_all: false,
    }
}

pub fn tcp(way: Way<'_>, sport: u16, dport: u16, flags: u8, len: u16) -> Packet {
    packet(way, proto::TCP, Header::Ports { sport, dport }, flags, len)
}

/// A SYN as a system's own TCP sends it.
pub fn syn(way: Way<'_>, sport: u16, dport: u16) -> Packet {
    tcp(way, sport, dport, SYN, 60)
}

pub fn udp(way: Way<'_>, sport: u16, dport: u16) -> Packet {
    packet(way, proto::UDP, Header::Ports { sport, dport }, 0, 60)
}

pub fn icmp(way: Way<'_>, kind: u8) -> Packet {
    let proto = if ip(way.3).is_ipv4() { proto::ICMP } else { proto::ICMPV6 };
    packet(way, proto, Header::Icmp { kind, code: 0 }, 0, 84)
}

pub fn other(way: Way<'_>, proto: u8) -> Packet {
    packet(way, proto, Header::Other, 0, 20)
}

pub fn because(reason: Reason, packet: Packet) -> Packet {
    Packet { verdict: Verdict::Refused(reason), ..packet }
}

pub fn connection(way: Way<'_>, proto: u8, sport: u16, dport: u16, answer: Answer) -> Connection {
    let (src, dst) = (ip(way.2), ip(way.3));
    let header = if proto == proto::ICMP || proto == proto::ICMPV6 {
        Header::Icmp { kind: if proto == proto::ICMP { 8 } else { 128 }, code: 0 }
    } else {
        Header::Ports { sport, dport }
    };
    let back = match header {
        Header::Ports { sport, dport } => Header::Ports { sport: dport, dport: sport },
        same => same,
    };
    Connection {
        original: Tuple { src, dst, proto, header },
        reply: Tuple { src: dst, dst: src, proto, header: back },
        id: 0,
        mark: 0,
        began: None,
        input: Iface::new(way.0.as_bytes()),
        output: Iface::new(way.1.as_bytes()),
        sent: Volume { packets: 5, bytes: 500 },
        received: Volume::default(),
        answer,
    }
}

/// Events in the order of their time.
#[derive(Default)]
pub struct Traffic(pub Vec<(At, Event)>);

impl Traffic {
    pub fn packet(&mut self, ms: i64, packet: Packet) {
        self.0.push((at_ms(ms), Event::Packet(packet)));
    }

    /// A connection that is answered and ends.
    pub fn talk(&mut self, ms: i64, way: Way<'_>, proto: u8, sport: u16, dport: u16) {
        self.0.push((at_ms(ms), Event::Began(connection(way, proto, sport, dport, Answer::Unknown))));
        self.0.push((at_ms(ms + 900), Event::Ended(connection(way, proto, sport, dport, Answer::Answered))));
    }

    /// A connection that is accepted and fails.
    pub fn fail(&mut self, ms: i64, way: Way<'_>, proto: u8, sport: u16, dport: u16, answer: Answer) {
        self.0.push((at_ms(ms), Event::Began(connection(way, proto, sport, dport, Answer::Unknown))));
        self.0.push((at_ms(ms + 900), Event::Ended(connection(way, proto, sport, dport, answer))));
    }

    /// Everything that is told.
    pub fn run(mut self, state: &mut State) -> Vec<Alert> {
        self.0.sort_by_key(|(at, _)| *at);
        self.0.iter().flat_map(|(at, event)| state.step(*at, event)).collect()
    }
}

/// Alerts that begin, as `kind source`.
pub fn opened(told: &[Alert]) -> Vec<String> {
    let opened = told.iter().filter(|alert| alert.phase == segwall_watch::alert::Phase::Open);
    opened.map(|alert| format!("{} {}", alert.kind.word(), alert.source)).collect()
}
