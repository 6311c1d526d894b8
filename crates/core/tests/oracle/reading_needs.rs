//! What is accepted without being asked for, read literally.

use std::net::{IpAddr, Ipv4Addr};

use segwall_core::policy::*;
use segwall_packetset::{Family, Flow, Header, proto};

use super::{Reading, Where};

impl Reading<'_> {
    /// "What a segment needs": what no drop cancels: neighbour discovery and the DHCP that was asked for.
    pub(crate) fn firm_need(&self, flow: &Flow, from: Where, to: Where, untracked: bool) -> bool {
        if let (true, Header::Icmp { kind, .. }, IpAddr::V6(_)) = (untracked, flow.header, flow.dst) {
            return match (from, to) {
                // Router solicitations come from segments, advertisements from a provider that is listened to.
                (Where::Segment(_), Where::Box) => matches!(kind, 133 | 135 | 136),
                (Where::Uplink, Where::Box) => matches!(kind, 135 | 136) || (kind == 134 && self.policy.uplinks[0].ra),
                (Where::Box, _) => matches!(kind, 133..=137 | 130..=132 | 143),
                _ => false,
            };
        }
        if untracked || to != Where::Box || flow.proto != proto::UDP {
            return false;
        }
        let to_own = self.own(from).contains(&flow.dst);
        let broadcast = flow.dst == IpAddr::V4(Ipv4Addr::BROADCAST);
        let port = flow.dport();
        match from {
            Where::Segment(at) => {
                let segment = &self.policy.segments[at];
                let v4 = self.has_family(from, Family::V4);
                let dhcp = v4 && segment.dhcp.as_ref().is_some_and(|dhcp| dhcp.pool.is_some());
                let dhcpv6 = self.has_family(from, Family::V6) && segment.ipv6 == Ipv6Mode::Dhcpv6;
                let servers = flow.dst.to_string() == "ff02::1:2";
                (dhcp && port == Some(67) && (to_own || broadcast))
                    || (dhcpv6 && port == Some(547) && (to_own || servers))
            }
            Where::Uplink => {
                let uplink = &self.policy.uplinks[0];
                let local = |addr: IpAddr| matches!(addr, IpAddr::V6(v6) if v6.segments()[0] & 0xffc0 == 0xfe80);
                (uplink.dhcp && port == Some(68) && (to_own || broadcast))
                    || (uplink.ra && port == Some(546) && local(flow.src) && local(flow.dst))
            }
            Where::Box | Where::Unknown => false,
        }
    }

    /// The needs that a drop cancels.
    pub(crate) fn soft_need(&self, flow: &Flow, from: Where, to: Where, untracked: bool) -> bool {
        let kind = match flow.header {
            Header::Icmp { kind, .. } => Some(kind),
            Header::Ports { .. } | Header::Other => None,
        };
        if from == Where::Box {
            return !untracked && (!self.policy.gateway.output_drop || self.configured(flow, to));
        }
        let (Where::Segment(at), Where::Box) = (from, to) else { return false };
        if untracked {
            return flow.dst.is_ipv6() && matches!(kind, Some(130..=132 | 143));
        }
        let segment = &self.policy.segments[at];
        let served = |list: fn(&SegmentDhcp) -> &Vec<ServerRef>| {
            segment.dhcp.as_ref().is_some_and(|dhcp| list(dhcp).contains(&ServerRef::Gateway))
        };
        let to_own = self.own(from).contains(&flow.dst);
        let port = flow.dport();
        let dns = matches!(flow.proto, proto::UDP | proto::TCP) && port == Some(53) && served(|dhcp| &dhcp.dns);
        let ntp = flow.proto == proto::UDP && port == Some(123) && served(|dhcp| &dhcp.ntp);
        let echo = kind == Some(if flow.dst.is_ipv4() { 8 } else { 128 });
        let igmp = flow.proto == proto::IGMP && matches!(flow.dst, IpAddr::V4(v4) if v4.octets()[0] & 0xf0 == 224);
        (to_own && (dns || ntp || echo)) || igmp
    }

    /// "what the policy itself configures (resolver, NTP, remote log, notifiers)", and the answers of its DHCP server.
    fn configured(&self, flow: &Flow, to: Where) -> bool {
        let policy = self.policy;
        let goes = |protocol: u8, port: u16| flow.proto == protocol && flow.dport() == Some(port);
        let host = |text: &str| text.parse::<IpAddr>().map_or(true, |addr| addr == flow.dst);
        let dhcp = match to {
            Where::Segment(at) => {
                let segment = &policy.segments[at];
                let pool = segment.dhcp.as_ref().is_some_and(|dhcp| dhcp.pool.is_some());
                (pool && goes(proto::UDP, 68))
                    || (segment.ipv6 == Ipv6Mode::Dhcpv6 && self.has_family(to, Family::V6) && goes(proto::UDP, 546))
            }
            Where::Uplink => {
                (policy.uplinks[0].dhcp && goes(proto::UDP, 67)) || (policy.uplinks[0].ra && goes(proto::UDP, 547))
            }
            Where::Box | Where::Unknown => false,
        };
        let serves_time = policy
            .segments
            .iter()
            .any(|segment| segment.dhcp.as_ref().is_some_and(|dhcp| dhcp.ntp.contains(&ServerRef::Gateway)));
        let ntp = to == Where::Uplink && serves_time && goes(proto::UDP, 123);
        let dns = (goes(proto::UDP, 53) || goes(proto::TCP, 53)) && policy.dns.upstream.contains(&flow.dst);
        let log = policy.log.remote.as_ref().is_some_and(|remote| {
            let protocol = if remote.scheme == "udp" { proto::UDP } else { proto::TCP };
            goes(protocol, remote.port) && host(&remote.host)
        });
        // The generator knows one notifier.
        let notify = !policy.notify.is_empty() && goes(proto::TCP, 8443) && host("198.51.100.7");
        dhcp || ntp || dns || log || notify
    }
}
