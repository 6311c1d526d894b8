//! From what the kernel hands over to events.

use std::net::IpAddr;

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use segwall_host::conntrack::{Entry, Key, Tuple as KernelTuple};
use segwall_host::nflog::Logged;
use segwall_packetset::{Header, TcpFlags, proto};

use crate::event::{Answer, At, Connection, Iface, Packet, Tuple, Verdict, Volume};
use crate::klog::Prefixes;

/// A logged packet; `None` where it is no IP packet.
pub fn packet(logged: &Logged<'_>, ends: (Iface, Iface), prefixes: &mut Prefixes) -> Option<Packet> {
    let (verdict, _) = prefixes.verdict(logged.prefix.trim_end().as_bytes());
    let mut packet = parsed(logged.payload, verdict)?;
    (packet.input, packet.output, packet.mac) = (ends.0, ends.1, logged.mac);
    Some(packet)
}

/// The headers of an IP packet that may be cut.
fn parsed(bytes: &[u8], verdict: Verdict) -> Option<Packet> {
    let sliced = LaxSlicedPacket::from_ip(bytes).ok()?;
    let (src, dst, len, proto, is_whole) = match sliced.net.as_ref()? {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            let is_whole = header.fragments_offset().value() == 0;
            (
                IpAddr::V4(header.source_addr()),
                IpAddr::V4(header.destination_addr()),
                header.total_len(),
                ip.payload().ip_number.0,
                is_whole,
            )
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            let len = header.payload_length().saturating_add(40);
            (
                IpAddr::V6(header.source_addr()),
                IpAddr::V6(header.destination_addr()),
                len,
                ip.payload().ip_number.0,
                !ip.payload().fragmented,
            )
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let mut flags = TcpFlags(0);
    let header = match sliced.transport.as_ref().filter(|_| is_whole) {
        Some(TransportSlice::Tcp(tcp)) => {
            flags = TcpFlags(tcp.slice()[13]);
            Header::Ports { sport: tcp.source_port(), dport: tcp.destination_port() }
        }
        Some(TransportSlice::Udp(udp)) => Header::Ports { sport: udp.source_port(), dport: udp.destination_port() },
        Some(TransportSlice::Icmpv4(icmp)) => Header::Icmp { kind: icmp.slice()[0], code: icmp.slice()[1] },
        Some(TransportSlice::Icmpv6(icmp)) => Header::Icmp { kind: icmp.slice()[0], code: icmp.slice()[1] },
        None => Header::Other,
    };
    let to_all = dst.is_multicast() || dst == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    Some(Packet {
        verdict,
        input: Iface::NONE,
        output: Iface::NONE,
        src,
        dst,
        proto,
        header,
        flags,
        len,
        mac: None,
        to_all,
    })
}

/// A connection as the kernel's table has it.
pub fn connection(entry: &Entry) -> Connection {
    let volume = |volume: Option<segwall_host::conntrack::Volume>| {
        volume.map_or(Volume::default(), |volume| Volume { packets: volume.packets, bytes: volume.bytes })
    };
    Connection {
        original: tuple(&entry.original),
        reply: tuple(&entry.reply),
        id: entry.id,
        mark: entry.mark,
        began: entry.began_ns.and_then(|ns| i64::try_from(ns / 1_000).ok()).map(At),
        input: Iface::NONE,
        output: Iface::NONE,
        sent: volume(entry.sent),
        received: volume(entry.answered),
        answer: answer(entry),
    }
}

/// A reset is the only packet of its kind: whoever refuses says it once, and nothing follows.
fn answer(entry: &Entry) -> Answer {
    match (entry.is_answered(), entry.sent, entry.answered) {
        (false, ..) => Answer::None,
        (true, Some(sent), Some(back))
            if entry.original.proto == proto::TCP && sent.packets <= 1 && back.packets == 1 =>
        {
            Answer::Refused
        }
        (true, ..) => Answer::Answered,
    }
}

fn tuple(tuple: &KernelTuple) -> Tuple {
    let header = match (tuple.key, tuple.proto) {
        (Key::Ports { src, dst }, _) => Header::Ports { sport: src, dport: dst },
        // Connection tracking follows echoes, and these alone by an id.
        (Key::EchoId(_), proto::ICMPV6) => Header::Icmp { kind: 128, code: 0 },
        (Key::EchoId(_), _) => Header::Icmp { kind: 8, code: 0 },
        (Key::None, _) => Header::Other,
    };
    Tuple { src: tuple.src, dst: tuple.dst, proto: tuple.proto, header }
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;
    use proptest::prelude::*;

    use super::*;
    use crate::event::Reason;

    fn built(packet: etherparse::PacketBuilderStep<etherparse::TcpHeader>) -> Vec<u8> {
        let mut bytes = Vec::new();
        packet.write(&mut bytes, &[0; 8]).unwrap();
        bytes
    }

    #[test]
    fn headers_are_read_of_a_packet_that_is_cut() {
        let bytes = built(PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 1, 2], 64).tcp(40_000, 22, 7, 1024).syn());
        let logged = Logged {
            prefix: "segwall drop unnamed ",
            payload: &bytes[..40],
            mac: Some([2, 0, 0, 0, 0, 1]),
            ..Logged::default()
        };
        let ends = (Iface::new(b"eth0.10"), Iface::new(b"eth0.20"));
        let packet = packet(&logged, ends, &mut Prefixes::default()).unwrap();
        assert_eq!(packet.verdict, Verdict::Refused(Reason::Unnamed));
        assert_eq!(packet.header, Header::Ports { sport: 40_000, dport: 22 });
        assert!(packet.flags.is_bare_syn() && packet.mac.is_some());
        assert_eq!((packet.len, packet.src.to_string().as_str()), (48, "10.0.0.1"));
        let v6 = built(PacketBuilder::ipv6([0xfd; 16], [0xfe; 16], 64).tcp(1, 2, 3, 4).fin());
        let packet = parsed(&v6, Verdict::Noted).unwrap();
        assert_eq!((packet.len, packet.flags.0), (68, TcpFlags::FIN));
        // A later fragment has no ports, whatever its first bytes are.
        let mut fragment = bytes;
        fragment[6..8].copy_from_slice(&[0, 9]);
        assert_eq!(parsed(&fragment, Verdict::Noted).unwrap().header, Header::Other);
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parsed(&bytes, Verdict::Noted);
        }
    }
}
