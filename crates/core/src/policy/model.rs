//! The policy: what the file means, all names resolved.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use segwall_packetset::{AddrRange, PortRange};

use crate::source::Span;

/// The whole checked file.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The box itself.
    pub gateway: Gateway,
    /// Interfaces towards providers, in the file's order. At most one for now.
    pub uplinks: Vec<Uplink>,
    /// Segments, in the file's order; [`SegmentId`] is the index.
    pub segments: Vec<Segment>,
    /// Named addresses.
    pub hosts: Vec<Host>,
    /// Named lists of addresses in one zone.
    pub sets: Vec<AddressSet>,
    /// Named lists of ends, as written.
    pub groups: Vec<Group>,
    /// Services the file itself names.
    pub services: Vec<NamedService>,
    /// Accepts, drops and rejects, in the file's order; [`RuleId`] is the index.
    pub rules: Vec<Rule>,
    /// Port forwards, in the file's order; [`ForwardId`] is the index.
    pub forwards: Vec<Forward>,
    /// Claims that check must prove.
    pub expects: Vec<Expect>,
    /// What a host in quarantine keeps.
    pub quarantine: Quarantine,
    /// The box as resolver.
    pub dns: Dns,
    /// The DHCP server.
    pub dhcp: DhcpServer,
    /// What is written down.
    pub log: Log,
    /// When to raise an alarm.
    pub alerts: Alerts,
    /// What nobody is told of.
    pub silences: Vec<Silence>,
    /// Whom to tell.
    pub notify: Vec<Notify>,
}

/// What a host in quarantine keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quarantine {
    /// Whom it may still exchange packets with, as far as rules accept it.
    pub allow: Vec<AddrRange>,
}

/// A segment's place in [`Policy::segments`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u32);

impl SegmentId {
    /// As an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A rule's place in [`Policy::rules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// A port forward's place in [`Policy::forwards`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForwardId(pub u32);

/// Accept, drop or reject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The connection may be opened.
    Accept,
    /// It is thrown away in silence.
    Drop,
    /// It is refused, and the sender told.
    Reject,
}

impl Verdict {
    /// The word of the policy file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
            Self::Reject => "reject",
        }
    }
}

/// `[gateway]`.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Interface that carries the tagged segments.
    pub trunk: Option<String>,
    /// Segments that must always be able to open SSH to the box.
    pub management: Vec<SegmentId>,
    /// For schedules and expiry; `None`: the box's own.
    pub timezone: Option<TimeZone>,
    /// Port of the box's SSH server.
    pub ssh_port: u16,
    /// `output = "drop"`: what the box sends needs an accept.
    pub output_drop: bool,
}

/// How a segment or an uplink is wired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wiring {
    /// A tagged VLAN on a trunk.
    Vlan {
        /// The interface that carries it.
        trunk: String,
        /// 1 to 4094.
        id: u16,
    },
    /// An untagged interface of its own.
    Untagged,
}

/// `[uplinks.NAME]`.
#[derive(Debug, Clone)]
pub struct Uplink {
    /// Its name.
    pub name: String,
    /// The interface's name, as the kernel knows it.
    pub device: String,
    /// Tagged or not.
    pub wiring: Wiring,
    /// Whether Segwall makes the device.
    pub managed: bool,
    /// Static addresses with their prefix lengths.
    pub addresses: Vec<InterfaceAddress>,
    /// IPv4 by DHCP.
    pub dhcp: bool,
    /// IPv6 by router advertisements (and DHCPv6 where they say so).
    pub ra: bool,
    /// Next hops for static addresses.
    pub gateways: Vec<IpAddr>,
    /// Masquerade private IPv4 sources.
    pub nat: bool,
    /// The name's place.
    pub span: Span,
}

/// An address on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The address.
    pub addr: IpAddr,
    /// Its prefix length.
    pub prefix_len: u8,
}

/// How a segment's hosts get IPv6 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv6Mode {
    /// Router advertisements with the autonomous flag.
    Slaac,
    /// DHCPv6.
    Dhcpv6,
    /// By hand.
    None,
}

/// `[segments.NAME]`.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its name.
    pub name: String,
    /// The interface's name, as the kernel knows it.
    pub device: String,
    /// Tagged or not.
    pub wiring: Wiring,
    /// Whether Segwall makes the device.
    pub managed: bool,
    /// Networks on the wire, with the gateway's address in each.
    pub subnets: Vec<Subnet>,
    /// Networks behind it.
    pub routes: Vec<Route>,
    /// How hosts get IPv6 addresses.
    pub ipv6: Ipv6Mode,
    /// DHCP, when the segment has it.
    pub dhcp: Option<SegmentDhcp>,
    /// Learn mode: what nothing names is accepted and written down until the end of this day.
    pub learning: Option<Learning>,
    /// The name's place.
    pub span: Span,
}

/// Learn mode of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learning {
    /// Its last day.
    pub until: Date,
    /// The place of the day.
    pub span: Span,
}

/// A subnet of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    /// The network: always a whole prefix.
    pub network: AddrRange,
    /// The box's address in it.
    pub gateway: IpAddr,
    /// Its place.
    pub span: Span,
}

/// A network behind a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The network: always a whole prefix.
    pub to: AddrRange,
    /// The next hop, inside one of the segment's subnets.
    pub via: IpAddr,
    /// Its place.
    pub span: Span,
}

/// Who answers DNS or NTP for a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerRef {
    /// The box.
    Gateway,
    /// A fixed address, given or by a host's name.
    Addresses(Vec<IpAddr>),
}

/// `dhcp = { … }` of a segment.
#[derive(Debug, Clone)]
pub struct SegmentDhcp {
    /// IPv4 addresses given out.
    pub pool: Option<AddrRange>,
    /// Resolvers.
    pub dns: Vec<ServerRef>,
    /// The place of `dns`, or all of it where it names no resolver.
    pub dns_span: Span,
    /// Time servers.
    pub ntp: Vec<ServerRef>,
    /// The place of `ntp`, or all of it where it names no time server.
    pub ntp_span: Span,
    /// Domain name.
    pub domain: Option<String>,
    /// Further options by number.
    pub options: BTreeMap<u8, String>,
    /// Lease time in seconds, where it differs from the server's.
    pub lease_s: Option<u32>,
    /// Its place.
    pub span: Span,
}

/// `[hosts.NAME]`.
#[derive(Debug, Clone)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// The segment its addresses lie in.
    pub segment: SegmentId,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its hardware address: a DHCP reservation.
    pub mac: Option<[u8; 6]>,
    /// The name's place.
    pub span: Span,
}

/// `[sets.NAME]`.
#[derive(Debug, Clone)]
pub struct AddressSet {
    /// Its name.
    pub name: String,
    /// The zone its addresses lie in.
    pub zone: Zone,
    /// Its addresses.
    pub addresses: Vec<AddrRange>,
    /// The name's place.
    pub span: Span,
}

/// `[groups] NAME = […]`.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What it stands for, groups in groups resolved.
    pub members: Vec<End>,
    /// The name's place.
    pub span: Span,
}

/// `[services] NAME = […]`.
#[derive(Debug, Clone)]
pub struct NamedService {
    /// Its name.
    pub name: String,
    /// What it stands for.
    pub services: Vec<Service>,
    /// The name's place.
    pub span: Span,
}

/// A zone, as an end of a rule sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// One segment.
    Segment(SegmentId),
    /// Every segment: the reserved ends `segments` and, with `internet`, `any`.
    Segments,
    /// All uplinks.
    Internet,
    /// The box itself.
    Gateway,
}

/// One end of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The zone.
    pub zone: Zone,
    /// Only these addresses of it; `None`: all of it.
    pub addresses: Option<Vec<AddrRange>>,
    /// Named by itself in the rule, not through `any`, `segments` or a group.
    pub direct: bool,
    /// Where the rule names it.
    pub span: Span,
}

/// Protocol and ports, or type and code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    /// IP protocol number.
    pub proto: u8,
    /// What of it.
    pub ports: Ports,
}

/// Which part of a protocol a service means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ports {
    /// All of it.
    All,
    /// Destination ports; only for protocols that have them.
    Range(PortRange),
    /// ICMP or ICMPv6 of this type, and code where one is said.
    Icmp {
        /// Type.
        kind: u8,
        /// Code, `None` for every one.
        code: Option<u8>,
    },
}

/// `limit`: a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Connections per unit, at least 1.
    pub rate: u32,
    /// The unit.
    pub per: TimeUnit,
    /// Connections beyond the rate, at least 1.
    pub burst: u32,
    /// One bucket for each source address instead of one for the rule.
    pub by_source: bool,
}

/// The unit of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimeUnit {
    /// Second.
    Second,
    /// Minute.
    Minute,
    /// Hour.
    Hour,
    /// Day.
    Day,
}

impl TimeUnit {
    /// The word of the policy file and of nft.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// `schedule`: a window that repeats every week, in the policy's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Schedule {
    /// Days the window begins on, Monday first.
    pub days: [bool; 7],
    /// Minute of the day it begins, 0 to 1439.
    pub from_minute: u16,
    /// Minute of the day it ends (not part of it), 1 to 1440; not after the beginning: it ends the next day.
    pub to_minute: u16,
}

/// `[[accept]]`, `[[drop]]`, `[[reject]]`.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What it says of the connections it covers.
    pub verdict: Verdict,
    /// Who opens.
    pub from: Vec<End>,
    /// Towards whom.
    pub to: Vec<End>,
    /// On which services; `None`: every protocol.
    pub services: Option<Vec<Service>>,
    /// Whether connections it covers are written down.
    pub log: bool,
    /// For accepts only.
    pub limit: Option<Limit>,
    /// When it covers.
    pub schedule: Option<Schedule>,
    /// The last valid day.
    pub expires: Option<Date>,
    /// Words for people.
    pub comment: Option<String>,
    /// It stands for a segment that learns, not for a rule of the file.
    pub learning: bool,
    /// The rule's header line.
    pub span: Span,
}

/// `[[forward]]`: a port forward.
#[derive(Debug, Clone)]
pub struct Forward {
    /// What is forwarded, as sent: TCP or UDP (or another protocol with ports) and a port range.
    pub ports: Vec<Service>,
    /// From which part of the internet. Never empty.
    pub from: Vec<End>,
    /// The segment the target lies in.
    pub segment: SegmentId,
    /// Target addresses, at most one for each family.
    pub to: Vec<IpAddr>,
    /// Target port where it differs; only with single ports.
    pub to_port: Option<u16>,
    /// Reach it from inside by the uplink's address too.
    pub hairpin: bool,
    /// Whether connections are written down.
    pub log: bool,
    /// Words for people.
    pub comment: Option<String>,
    /// The forward's header line.
    pub span: Span,
}

/// `[[expect]]`: a claim.
#[derive(Debug, Clone)]
pub struct Expect {
    /// Who opens.
    pub from: Vec<End>,
    /// Towards whom.
    pub to: Vec<End>,
    /// On which services; `None`: every protocol.
    pub services: Option<Vec<Service>>,
    /// What must happen: accept or drop.
    pub verdict: Verdict,
    /// The claim's header line.
    pub span: Span,
}

/// `[dns]`.
#[derive(Debug, Clone, Default)]
pub struct Dns {
    /// Whom the box asks.
    pub upstream: Vec<IpAddr>,
}

/// Which DHCP server is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DhcpKind {
    /// dnsmasq.
    Dnsmasq,
    /// Kea.
    Kea,
    /// ISC dhcpd.
    IscDhcpd,
    /// None.
    None,
}

/// `[dhcp]`.
#[derive(Debug, Clone, Copy)]
pub struct DhcpServer {
    /// Which one.
    pub kind: DhcpKind,
    /// Lease time in seconds.
    pub lease_s: u32,
}

/// `[log]`.
#[derive(Debug, Clone)]
pub struct Log {
    /// How many drops are written down.
    pub drops: Limit,
    /// Where to send a copy: scheme, host, port.
    pub remote: Option<RemoteLog>,
    /// With what TLS to a collector is set up.
    pub tls: LogTls,
}

/// `tls` of `[log]`: paths of PEM files, for `remote` and for each `[[notify]]` that names a syslog by TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogTls {
    /// Whose signature under the collector's certificate is believed; `None`: everybody's whom the system believes.
    pub ca: Option<String>,
    /// What the box shows of itself, where the collector asks.
    pub identity: Option<OwnCertificate>,
}

impl LogTls {
    /// All of them.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let own = self.identity.iter().flat_map(|own| [&own.certificate, &own.key]);
        self.ca.iter().chain(own).map(String::as_str)
    }
}

/// A certificate of the box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCertificate {
    /// The certificate, and those that lead to its root.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// `remote` of `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteLog {
    /// `udp`, `tcp` or `tls`.
    pub scheme: String,
    /// Address or name.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// `[alerts]`.
#[derive(Debug, Clone, Default)]
pub struct Alerts {
    /// More than this many drops within this many seconds.
    pub drops: Option<(u64, u32)>,
    /// Whether port scans raise an alarm.
    pub scans: bool,
    /// Whoever in a segment scans is quarantined for so many seconds.
    pub quarantine_s: Option<u32>,
}

/// `[[silence]]`: of what nobody is told, nor is it acted on.
#[derive(Debug, Clone)]
pub struct Silence {
    /// Words of [`super::ALERT_KINDS`]; none: of any kind.
    pub kinds: Vec<&'static str>,
    /// About whom; `None`: about anybody, and the box.
    pub from: Option<Vec<End>>,
    /// The last day.
    pub until: Option<Date>,
}

/// `[[notify]]`: exactly one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notify {
    /// Mail to an address through an SMTP URL.
    Email {
        /// To whom.
        to: String,
        /// `smtp://` or `smtps://`.
        smtp: String,
    },
    /// An HTTP POST.
    Webhook(String),
    /// The local or a remote syslog.
    Syslog(String),
    /// A program with its arguments.
    Command(Vec<String>),
}
