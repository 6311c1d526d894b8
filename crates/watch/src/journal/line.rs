//! A packet as a line: JSON for programs, or as the kernel's own log would have it, which every tool knows.

use std::fmt::Write;

use segwall_packetset::{Header, TcpFlags, proto};
use serde_json::{Map, Value};

use crate::event::{At, Packet, Verdict};
use crate::network::Network;

/// One JSON object: `at`, `verdict`, `reason`, `in`, `out`, `from`, `to` (names of segments), `proto`, `src`, `dst`, `sport`,
/// `dport` or `type` and `code`, `flags`, `len`, `mac`.
#[must_use]
pub fn json(network: &Network, at: At, packet: &Packet) -> String {
    let ends = network.ends(packet);
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| drop(object.insert(key.to_owned(), value));
    put("at", at.to_string().into());
    let (verdict, reason) = match packet.verdict {
        Verdict::Accepted => ("accept", None),
        Verdict::Refused(reason) => ("drop", Some(reason.word())),
        Verdict::Noted => ("note", None),
    };
    put("verdict", verdict.into());
    if let Some(reason) = reason {
        put("reason", reason.into());
    }
    put("in", packet.input.as_str().into());
    put("out", packet.output.as_str().into());
    put("from", network.name(ends.from).into());
    put("to", network.name(ends.to).into());
    put("proto", proto::name(packet.proto).map_or_else(|| packet.proto.to_string(), str::to_owned).into());
    put("src", packet.src.to_string().into());
    put("dst", packet.dst.to_string().into());
    match packet.header {
        Header::Ports { sport, dport } => {
            put("sport", sport.into());
            put("dport", dport.into());
        }
        Header::Icmp { kind, code } => {
            put("type", kind.into());
            put("code", code.into());
        }
        Header::Other => {}
    }
    if packet.proto == proto::TCP {
        put("flags", flag_names(packet.flags).join(" ").into());
    }
    put("len", packet.len.into());
    if let Some(mac) = packet.mac {
        put("mac", crate::alert::mac_text(mac).into());
    }
    Value::Object(object).to_string()
}

/// As nf_log_syslog.c of Linux prints it, behind an RFC 3339 time: `segwall watch --replay` and other tools read it.
#[must_use]
pub fn classic(at: At, packet: &Packet) -> String {
    let prefix = match packet.verdict {
        Verdict::Accepted => "segwall accept ".to_owned(),
        Verdict::Refused(reason) => format!("segwall drop {} ", reason.word()),
        Verdict::Noted => String::new(),
    };
    format!("{at} segwall kernel: {prefix}{}", fields(packet))
}

/// A packet as the kernel's own log has it, without what stands before.
#[must_use]
pub fn fields(packet: &Packet) -> String {
    let mut text =
        format!("IN={} OUT={} SRC={} DST={} LEN={} ", packet.input, packet.output, packet.src, packet.dst, packet.len);
    let _ = match packet.proto {
        proto::TCP => write!(text, "PROTO=TCP "),
        proto::UDP => write!(text, "PROTO=UDP "),
        proto::ICMP => write!(text, "PROTO=ICMP "),
        proto::ICMPV6 => write!(text, "PROTO=ICMPv6 "),
        other => write!(text, "PROTO={other} "),
    };
    let _ = match packet.header {
        Header::Ports { sport, dport } => write!(text, "SPT={sport} DPT={dport} "),
        Header::Icmp { kind, code } => write!(text, "TYPE={kind} CODE={code} "),
        Header::Other => Ok(()),
    };
    if packet.proto == proto::TCP && packet.header != Header::Other {
        let _ = write!(text, "WINDOW=0 RES=0x00 {} URGP=0 ", flag_names(packet.flags).join(" "));
    }
    text.trim_end().to_owned()
}

/// The names of TCP flags, in the header's order.
#[must_use]
pub fn flag_names(flags: TcpFlags) -> Vec<&'static str> {
    const NAMES: [(u8, &str); 8] = [
        (0x80, "CWR"),
        (0x40, "ECE"),
        (0x20, "URG"),
        (TcpFlags::ACK, "ACK"),
        (0x08, "PSH"),
        (TcpFlags::RST, "RST"),
        (TcpFlags::SYN, "SYN"),
        (TcpFlags::FIN, "FIN"),
    ];
    NAMES.iter().filter(|(bit, _)| flags.0 & bit != 0).map(|(_, name)| *name).collect()
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::event::{Iface, Reason};
    use crate::klog::{Reader, Style, Words};

    fn packet(proto: u8, header: Header, flags: u8) -> Packet {
        Packet {
            verdict: Verdict::Refused(Reason::Unnamed),
            input: Iface::new(b"eth0.200"),
            output: Iface::new(b"eth0.30"),
            src: "192.168.200.7".parse().unwrap(),
            dst: "192.168.30.10".parse().unwrap(),
            proto,
            header,
            flags: TcpFlags(flags),
            len: 60,
            mac: None,
            to_all: false,
        }
    }

    #[test]
    fn classic_lines_are_read_back_as_what_they_were() {
        let at = At(1_795_694_400_123_000);
        for packet in [
            packet(6, Header::Ports { sport: 40_000, dport: 22 }, 0x02),
            packet(6, Header::Ports { sport: 40_000, dport: 22 }, 0),
            packet(6, Header::Ports { sport: 40_000, dport: 22 }, 0x29),
            packet(17, Header::Ports { sport: 5, dport: 53 }, 0),
            packet(1, Header::Icmp { kind: 8, code: 0 }, 0),
            packet(47, Header::Other, 0),
        ] {
            let line = classic(at, &packet);
            let mut reader = Reader::new(Style { year: 2026, timezone: TimeZone::UTC, words: Words::default() });
            assert_eq!(reader.line(line.as_bytes()), Some((at, packet)), "{line}");
        }
    }

    #[test]
    fn json_lines_hold_names_and_numbers() {
        let packet = packet(6, Header::Ports { sport: 40_000, dport: 22 }, 0x12);
        let line = json(&Network::unknown(), At(0), &packet);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((value["reason"].as_str(), value["dport"].as_u64()), (Some("unnamed"), Some(22)));
        assert_eq!(value["flags"].as_str(), Some("ACK SYN"));
        assert!(!line.contains('\n'));
    }
}
