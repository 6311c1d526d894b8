//! Left sides of matches: what is compared, and what nft checks silently before it.

use segwall_packetset::{Field, proto};

use super::node::Node;
use super::values::Kind;
use crate::netfilter::{Key, TableFamily};

/// A check that goes before the comparison without being printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Of the family with this number.
    Family(u128),
    /// Of this protocol.
    Proto(u8),
    /// Of a known connection: the kernel loads nothing about packets without one, and the rule does not match.
    Tracked,
}

/// What a left side comes to.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    /// In order, each once.
    pub needs: Vec<Need>,
    /// What is compared, or why that is not known.
    pub key: Result<(Key, Kind), &'static str>,
    /// Why the comparison is not decided although the key is known.
    pub unsure: Option<&'static str>,
    /// It fails where there is no Ethernet header, negated or not.
    pub ethernet: bool,
}

/// Not modelled, for no better reason.
pub(super) const NOT_MODELLED: &str = "not modelled";
const PACKET_ELSEWHERE: &str = "looks at a part of the packet that is not modelled";
const CONNECTION: &str = "depends on the connection's earlier packets";
const SOCKET: &str = "depends on the socket";
const ROUTES: &str = "depends on routes";
const CHANCE: &str = "depends on chance";
const INTERFACE: &str = "depends on what the interface is like";
const EXTENSIONS: &str = "extension headers may stand before the protocol's";

impl Operand {
    fn known(needs: &[Need], key: Key, kind: Kind) -> Self {
        Self { needs: needs.to_vec(), key: Ok((key, kind)), unsure: None, ethernet: false }
    }

    fn unknown(needs: &[Need], why: &'static str) -> Self {
        Self { needs: needs.to_vec(), key: Err(why), unsure: None, ethernet: false }
    }
}

/// What an expression loads, in a table of this family.
pub(super) fn operand(node: &Node<'_>, table: TableFamily) -> Operand {
    let mut operand = match node.tagged() {
        Some(("payload", payload)) => self::payload(payload),
        Some(("meta", meta)) => self::meta(meta.text_of("key").unwrap_or_default()),
        Some(("ct", ct)) => connection(ct.text_of("key").unwrap_or_default(), ct.text_of("dir"), table),
        Some(("fib", fib)) => self::fib(fib),
        Some(("socket", _)) => Operand::unknown(&[], SOCKET),
        Some(("numgen", _)) => Operand::unknown(&[], CHANCE),
        Some(("rt" | "ipsec", _)) => Operand::unknown(&[], ROUTES),
        Some(("exthdr" | "rt hdr", _)) => Operand::unknown(&[Need::Family(1)], PACKET_ELSEWHERE),
        Some(("tcp option", _)) => Operand::unknown(&[Need::Proto(proto::TCP)], PACKET_ELSEWHERE),
        Some(("ip option", _)) => Operand::unknown(&[Need::Family(0)], PACKET_ELSEWHERE),
        Some(("sctp chunk", _)) => Operand::unknown(&[Need::Proto(proto::SCTP)], PACKET_ELSEWHERE),
        _ => Operand::unknown(&[], NOT_MODELLED),
    };
    if matches!(table, TableFamily::Ip | TableFamily::Ip6) {
        // Such a table sees one family only, so nft checks none.
        operand.needs.retain(|need| !matches!(need, Need::Family(_)));
    }
    operand
}

fn payload(node: &Node<'_>) -> Operand {
    let (Some(header), Some(field)) = (node.text_of("protocol"), node.text_of("field")) else {
        return Operand::unknown(&[], PACKET_ELSEWHERE);
    };
    let plain = |needs: &[Need], field, kind| Operand::known(needs, Key::Field(field), kind);
    let ports = |number: u8| {
        let needs = [Need::Proto(number)];
        match field {
            "sport" => plain(&needs, Field::Sport, Kind::Port),
            "dport" => plain(&needs, Field::Dport, Kind::Port),
            "flags" if number == proto::TCP => plain(&needs, Field::Flags, Kind::TcpFlags),
            _ => Operand::unknown(&needs, PACKET_ELSEWHERE),
        }
    };
    let icmp = |family: u128, number: u8, kinds: (Kind, Kind)| {
        let needs = [Need::Family(family), Need::Proto(number)];
        match field {
            "type" => plain(&needs, Field::IcmpType, kinds.0),
            "code" => plain(&needs, Field::IcmpCode, kinds.1),
            _ => Operand::unknown(&needs, PACKET_ELSEWHERE),
        }
    };
    let (v4, v6) = ([Need::Family(0)], [Need::Family(1)]);
    match (header, field) {
        ("ip", "saddr") => plain(&v4, Field::Src, Kind::V4),
        ("ip", "daddr") => plain(&v4, Field::Dst, Kind::V4),
        ("ip", "protocol") => plain(&v4, Field::Proto, Kind::Proto),
        ("ip", "ttl") => plain(&v4, Field::Hops, Kind::Byte),
        ("ip", _) => Operand::unknown(&v4, PACKET_ELSEWHERE),
        ("ip6", "saddr") => plain(&v6, Field::Src, Kind::V6),
        ("ip6", "daddr") => plain(&v6, Field::Dst, Kind::V6),
        ("ip6", "nexthdr") => Operand { unsure: Some(EXTENSIONS), ..plain(&v6, Field::Proto, Kind::Proto) },
        ("ip6", "hoplimit") => plain(&v6, Field::Hops, Kind::Byte),
        ("ip6", _) => Operand::unknown(&v6, PACKET_ELSEWHERE),
        ("ether", "saddr") => Operand { ethernet: true, ..plain(&[], Field::Mac, Kind::Mac) },
        ("ether", "type") => plain(&[], Field::Family, Kind::EtherType),
        ("th", "sport") => Operand::known(&[], Key::TransportSource, Kind::Port),
        ("th", "dport") => Operand::known(&[], Key::TransportDestination, Kind::Port),
        ("tcp", _) => ports(proto::TCP),
        ("udp", _) => ports(proto::UDP),
        ("udplite", _) => ports(proto::UDPLITE),
        ("sctp", _) => ports(proto::SCTP),
        ("dccp", _) => ports(proto::DCCP),
        ("icmp", _) => icmp(0, proto::ICMP, (Kind::IcmpType, Kind::IcmpCode)),
        ("icmpv6", _) => icmp(1, proto::ICMPV6, (Kind::Icmpv6Type, Kind::Icmpv6Code)),
        ("igmp", _) => Operand::unknown(&[Need::Proto(proto::IGMP)], PACKET_ELSEWHERE),
        ("ah", _) => Operand::unknown(&[Need::Proto(proto::AH)], PACKET_ELSEWHERE),
        ("esp", _) => Operand::unknown(&[Need::Proto(proto::ESP)], PACKET_ELSEWHERE),
        _ => Operand::unknown(&[], PACKET_ELSEWHERE),
    }
}

fn meta(key: &str) -> Operand {
    let plain = |field, kind| Operand::known(&[], Key::Field(field), kind);
    match key {
        "nfproto" => plain(Field::Family, Kind::Family),
        "protocol" => plain(Field::Family, Kind::EtherType),
        "l4proto" => plain(Field::Proto, Kind::Proto),
        "iifname" => plain(Field::In, Kind::Name),
        "oifname" => plain(Field::Out, Kind::Name),
        "iif" => plain(Field::In, Kind::Link),
        "oif" => plain(Field::Out, Kind::Link),
        "mark" => plain(Field::Mark, Kind::Mark),
        "pkttype" => plain(Field::PktType, Kind::PacketType),
        "day" => plain(Field::Day, Kind::Day),
        "hour" => plain(Field::Second, Kind::Hour),
        "time" => plain(Field::Time, Kind::Time),
        "skuid" | "skgid" | "cgroup" | "secmark" => Operand::unknown(&[], SOCKET),
        "iifgroup" | "oifgroup" | "iiftype" | "oiftype" | "iifkind" | "oifkind" | "sdifname" | "sdif" => {
            Operand::unknown(&[], INTERFACE)
        }
        "random" | "cpu" => Operand::unknown(&[], CHANCE),
        "length" => Operand::unknown(&[], PACKET_ELSEWHERE),
        "rtclassid" | "ipsec" => Operand::unknown(&[], ROUTES),
        _ => Operand::unknown(&[], NOT_MODELLED),
    }
}

fn connection(key: &str, direction: Option<&str>, table: TableFamily) -> Operand {
    let sent = |needs: &[Need], kind| Operand::known(needs, Key::SentDestination, kind);
    match (key, direction) {
        ("state", None) => Operand::known(&[], Key::Field(Field::State), Kind::State),
        ("status", None) => Operand {
            needs: vec![Need::Tracked],
            key: Ok((Key::Field(Field::Translated), Kind::Status)),
            unsure: None,
            ethernet: false,
        },
        ("ip daddr", Some("original")) => sent(&[Need::Family(0), Need::Tracked], Kind::V4),
        ("ip6 daddr", Some("original")) => sent(&[Need::Family(1), Need::Tracked], Kind::V6),
        ("daddr", Some("original")) if table == TableFamily::Ip => sent(&[Need::Tracked], Kind::V4),
        ("daddr", Some("original")) if table == TableFamily::Ip6 => sent(&[Need::Tracked], Kind::V6),
        ("proto-dst", Some("original")) => Operand::known(&[Need::Tracked], Key::SentPort, Kind::Port),
        _ => Operand::unknown(&[Need::Tracked], CONNECTION),
    }
}

fn fib(node: &Node<'_>) -> Operand {
    let flags: Vec<&str> = match node.get("flags") {
        Some(Node::Text(flag)) => vec![flag],
        Some(Node::List(list)) => list.iter().map(|flag| flag.text().unwrap_or_default()).collect(),
        _ => Vec::new(),
    };
    let field = match (node.text_of("result"), flags.as_slice()) {
        (Some("type"), ["saddr"]) => Field::SrcType,
        (Some("type"), ["daddr"]) => Field::DstType,
        (Some("type"), ["saddr", "iif"]) => Field::SrcTypeHere,
        (Some("type"), ["daddr", "iif"]) => Field::DstTypeHere,
        _ => return Operand::unknown(&[], ROUTES),
    };
    Operand::known(&[], Key::Field(field), Kind::AddressType)
}
