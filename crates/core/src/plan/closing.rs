//! Which open connections a ruleset forbids: those that it would not let be opened now.
//!
//! Connection tracking remembers addresses and not interfaces. So a connection is placed where the ruleset routes its ends;
//! where an address can be behind any interface (link-local, broadcast), every one of them is tried.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use segwall_packetset::{Family, Flow, Header, Packet, Place, Sent, proto};

use crate::policy::Verdict;
use crate::ruleset::{At, Ruleset};

const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;

/// A connection as connection tracking knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection {
    /// IP protocol.
    pub proto: u8,
    /// Who opened it.
    pub src: IpAddr,
    /// Where it was sent.
    pub sent_to: IpAddr,
    /// Who answers: the destination as delivered.
    pub dst: IpAddr,
    /// Source port, 0 where there are none.
    pub sport: u16,
    /// Destination port as sent, 0 where there are none.
    pub sent_dport: u16,
    /// Destination port as delivered, 0 where there are none.
    pub dport: u16,
}

/// What a ruleset says of connections, on a box with these addresses.
#[derive(Debug)]
pub struct Judge {
    ruleset: Ruleset,
    own: BTreeSet<IpAddr>,
    at: At,
}

impl Judge {
    /// `addresses` are those that the box has now, by interface.
    #[must_use]
    pub fn new(ruleset: &Ruleset, addresses: &BTreeMap<String, Vec<IpAddr>>, at: At) -> Self {
        let mut ruleset = ruleset.clone();
        for interface in ruleset.interfaces.iter_mut().filter(|interface| interface.dynamic) {
            let known = addresses.get(&interface.name).into_iter().flatten();
            let new: Vec<IpAddr> = known.filter(|addr| !interface.addresses.contains(addr)).copied().collect();
            interface.addresses.extend(new);
        }
        let own = addresses.values().flatten().copied().collect();
        Self { ruleset, own, at }
    }

    /// Whether it may not be opened now. A limit forbids nothing, and what stays on the box is not looked at.
    ///
    /// Where it is open which interfaces it uses, it is forbidden only when `before`, the rules under which it was opened,
    /// allowed one of these ways that are forbidden now: what did not change is not cut.
    #[must_use]
    pub fn forbids(&self, connection: &Connection, before: Option<&Self>) -> bool {
        let (inputs, outputs) = (self.entries(connection), self.exits(connection));
        let open = inputs.len() * outputs.len() > 1;
        let ways = inputs.iter().flat_map(|input| outputs.iter().map(move |output| (*input, *output)));
        let mut ways = ways.filter(|way| *way != (Place::Gateway, Place::Gateway));
        ways.any(|way| {
            self.refuses(connection, way) && (!open || before.is_none_or(|before| !before.refuses(connection, way)))
        })
    }

    fn refuses(&self, connection: &Connection, (input, output): (Place, Place)) -> bool {
        let translated = (connection.sent_to, connection.sent_dport) != (connection.dst, connection.dport);
        let flow = Flow {
            input,
            output,
            proto: connection.proto,
            src: connection.src,
            dst: connection.dst,
            header: header(connection),
            sent: translated.then_some(Sent { dst: connection.sent_to, dport: connection.sent_dport }),
        };
        self.ruleset.judge(&Packet::first_of(flow), self.at).verdict != Verdict::Accept
    }

    fn is_own(&self, addr: IpAddr) -> bool {
        addr.is_loopback() || self.own.contains(&addr) || self.ruleset.route(addr) == Place::Gateway
    }

    fn entries(&self, connection: &Connection) -> Vec<Place> {
        if self.is_own(connection.src) {
            return vec![Place::Gateway];
        }
        if is_anywhere(connection.src) {
            return self.interfaces();
        }
        vec![self.ruleset.route(connection.src)]
    }

    fn exits(&self, connection: &Connection) -> Vec<Place> {
        if self.is_own(connection.dst) {
            return vec![Place::Gateway];
        }
        let from_box = self.is_own(connection.src);
        if self.ruleset.is_broadcast(connection.dst) && !from_box {
            return vec![Place::Gateway];
        }
        if self.ruleset.is_broadcast(connection.dst) || is_anywhere(connection.dst) {
            return self.interfaces();
        }
        vec![self.ruleset.route(connection.dst)]
    }

    fn interfaces(&self) -> Vec<Place> {
        self.ruleset.interface_ids().map(|(id, _)| Place::Interface(id)).collect()
    }
}

/// Whether an address says nothing about the interface it is behind.
fn is_anywhere(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(v4) => v4.is_unspecified() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_unicast_link_local(),
    }
}

/// Of ICMP only echo requests are remembered by their identifier, and hardly anything else opens a connection.
fn header(connection: &Connection) -> Header {
    match (Family::of(connection.dst), connection.proto) {
        (_, number) if proto::has_ports(number) => Header::Ports { sport: connection.sport, dport: connection.dport },
        (Family::V4, proto::ICMP) => Header::Icmp { kind: ECHO_REQUEST_V4, code: 0 },
        (Family::V6, proto::ICMPV6) => Header::Icmp { kind: ECHO_REQUEST_V6, code: 0 },
        _ => Header::Other,
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::policy::{self, Context};
    use crate::source::Source;

    const POLICY: &str = r#"
[uplinks.wan]
interface = "eth1"
addresses = ["203.0.113.2/24"]
gateways = ["203.0.113.1"]
[segments.a]
interface = "eth2"
subnets = ["192.0.2.0/24", "2001:db8:a::/64"]
[segments.b]
interface = "eth3"
subnets = ["198.51.100.0/24", "2001:db8:b::/64"]
[hosts.web]
address = "198.51.100.10"
[[accept]]
from = "a"
to = "b"
service = "tcp/80"
[[accept]]
from = "a"
to = "gateway"
service = "ssh"
[[accept]]
from = "a"
to = "internet"
service = "https"
"#;

    fn judge(text: &str) -> Judge {
        let source = Source::new("policy.toml", text);
        let timezone = TimeZone::UTC;
        let context = Context { today: jiff::civil::date(2026, 1, 1), timezone: timezone.clone() };
        let loaded = policy::load(&source, &context);
        let policy = loaded.policy.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let ruleset = crate::ruleset::lower(&policy, &source, &timezone);
        let own = |text: &str| text.parse().expect("an address");
        let addresses = BTreeMap::from([
            ("eth1".to_owned(), vec![own("203.0.113.2")]),
            ("eth2".to_owned(), vec![own("192.0.2.1"), own("fe80::1"), own("192.0.2.254")]),
        ]);
        Judge::new(&ruleset, &addresses, At::ClockUnknown)
    }

    fn tcp(src: &str, dst: &str, dport: u16) -> Connection {
        let (src, dst): (IpAddr, IpAddr) = (src.parse().expect("one"), dst.parse().expect("one"));
        Connection { proto: proto::TCP, src, sent_to: dst, dst, sport: 4000, sent_dport: dport, dport }
    }

    #[test]
    fn what_may_not_be_opened_is_forbidden() {
        let judge = judge(POLICY);
        let forbids = |connection| judge.forbids(&connection, None);
        assert!(!forbids(tcp("192.0.2.10", "198.51.100.10", 80)));
        assert!(forbids(tcp("192.0.2.10", "198.51.100.10", 81)));
        assert!(forbids(tcp("198.51.100.10", "192.0.2.10", 80)));
        assert!(!forbids(tcp("192.0.2.10", "9.9.9.9", 443)));
        assert!(forbids(tcp("192.0.2.10", "9.9.9.9", 25)));
        // To the address of the box that `gateway` means, and to one that no policy names; from the box; inside it.
        assert!(!forbids(tcp("192.0.2.10", "192.0.2.1", 22)));
        assert!(forbids(tcp("192.0.2.10", "192.0.2.254", 22)));
        assert!(forbids(tcp("198.51.100.10", "192.0.2.1", 22)));
        assert!(!forbids(tcp("192.0.2.1", "9.9.9.9", 25)));
        assert!(!forbids(tcp("127.0.0.1", "127.0.0.1", 5432)));
        assert!(!forbids(tcp("192.0.2.1", "203.0.113.2", 5432)));
        // What a port forward delivered that is there no more.
        let sent = |connection| Connection { sent_to: "203.0.113.2".parse().expect("one"), ..connection };
        assert!(forbids(sent(tcp("9.9.9.9", "198.51.100.10", 80))));
    }

    #[test]
    fn port_forwards_are_judged_as_delivered() {
        let forward = "[[forward]]\nport = \"tcp/8080\"\nto = \"web\"\nto_port = 80\n";
        let judge = judge(&format!("{POLICY}{forward}"));
        let mut connection = tcp("9.9.9.9", "198.51.100.10", 80);
        connection.sent_to = "203.0.113.2".parse().expect("one");
        connection.sent_dport = 8080;
        assert!(!judge.forbids(&connection, None));
        connection.dst = "198.51.100.11".parse().expect("one");
        assert!(judge.forbids(&connection, None), "the forward leads elsewhere now");
    }

    #[test]
    fn link_local_ends_are_cut_only_by_what_changed() {
        // No rule means a link-local address of the box, so no change of rules cuts a connection to one.
        let ssh_from = |segment: &str| {
            POLICY.replace("from = \"a\"\nto = \"gateway\"", &format!("from = {segment}\nto = \"gateway\""))
        };
        let (both, one) = (judge(&ssh_from("[\"a\", \"b\"]")), judge(&ssh_from("\"a\"")));
        let connection = tcp("fe80::9", "fe80::1", 22);
        assert!(!one.forbids(&connection, Some(&one)));
        assert!(!both.forbids(&connection, Some(&one)));
        assert!(!one.forbids(&connection, Some(&both)));
        assert!(one.forbids(&connection, None), "nothing is known of how it was opened");
    }
}
