//! The ruleset's types.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_packetset::{AddrRange, Family, InterfaceId, Place, PortRange};

use super::{At, Windows};
use crate::policy::{ForwardId, Limit, RuleId, SegmentId, Service, Verdict};
use crate::source::Span;

/// The lowered policy: what every backend emits and every proof and probe compares with.
#[derive(Debug, Clone)]
pub struct Ruleset {
    /// Segments first, in the policy's order, then uplinks; [`InterfaceId`] is the index.
    pub interfaces: Vec<Interface>,
    /// Written rules and port forwards in the file's order, then what segments and uplinks need from the box.
    pub rules: Vec<Rule>,
    /// Destination translations, in the file's order.
    pub translations: Vec<Translation>,
    /// Every address of a segment or of the box: never a source on an uplink. Sorted, merged.
    pub inside: Arc<[AddrRange]>,
    /// The zone that schedules are written in.
    pub timezone: TimeZone,
    /// The kernel's own time zone (`sys_tz`), seconds east of UTC: nft's weekdays are those of this zone, while its hours are
    /// UTC's (`net/netfilter/nft_meta.c`). Zero unless somebody who knows the kernel says otherwise.
    pub weekday_zone_s: i32,
    /// How many drops are written down.
    pub log_drops: Limit,
    /// Whom quarantined hosts may still exchange packets with, as far as rules accept it. Sorted, merged.
    pub quarantine_allow: Arc<[AddrRange]>,
    /// The policy file's name, for comments.
    pub file: String,
    pub(super) index: Index,
}

/// An interface of the gateway.
#[derive(Debug, Clone)]
pub struct Interface {
    /// As the kernel knows it: at most 15 bytes of `[A-Za-z0-9_.-]`.
    pub name: String,
    /// The segment's or uplink's name in the policy.
    pub zone: String,
    /// Segment or uplink.
    pub role: Role,
    /// The subnets on the wire.
    pub networks: Vec<AddrRange>,
    /// Sources it may carry towards the box: subnets and routes, sorted and merged. Empty on an uplink, where
    /// everything but [`Ruleset::inside`] may come.
    pub sources: Arc<[AddrRange]>,
    /// The box's own addresses on it. On an uplink with dynamic addresses those that are known, none unless somebody
    /// filled them in: the lab does, emitted text never depends on them.
    pub addresses: Vec<IpAddr>,
    /// More addresses may come by DHCP or router advertisements.
    pub dynamic: bool,
    /// Carries IPv4.
    pub ipv4: bool,
    /// Carries IPv6.
    pub ipv6: bool,
    /// Private IPv4 sources are masqueraded when they leave here.
    pub masquerade: bool,
}

impl Interface {
    /// Whether packets of this family may pass.
    #[must_use]
    pub fn carries(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.ipv4,
            Family::V6 => self.ipv6,
        }
    }
}

/// What an interface leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A segment.
    Segment(SegmentId),
    /// A provider.
    Uplink,
}

/// Where a lowered rule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// An accept, drop or reject of the file.
    Written(RuleId),
    /// A port forward of the file.
    Forward(ForwardId),
    /// Accepted without being asked for.
    Need(Need),
}

/// What is accepted without being asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// A segment's DHCP requests to the box.
    Dhcp,
    /// A segment's DHCPv6 requests to the box.
    Dhcpv6,
    /// DNS queries to the box, where it resolves for the segment.
    Dns,
    /// NTP queries to the box, where it serves the segment.
    Ntp,
    /// Echo requests to the box's own address in the segment.
    Echo,
    /// IGMP reports (IPv4 group membership).
    Igmp,
    /// MLD reports (IPv6 group membership).
    Mld,
    /// Neighbour discovery and router solicitations.
    NeighbourDiscovery,
    /// Router advertisements on an uplink.
    RouterAdvertisement,
    /// DHCP and DHCPv6 replies on an uplink.
    UplinkDhcp,
    /// The box's own connections, unless `output = "drop"`.
    Output,
    /// With `output = "drop"`: what the policy itself makes the box send.
    Configured,
}

impl Need {
    /// For people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Dhcp => "DHCP requests to the box",
            Self::Dhcpv6 => "DHCPv6 requests to the box",
            Self::Dns => "DNS queries to the box",
            Self::Ntp => "NTP queries to the box",
            Self::Echo => "echo requests to the box's own address",
            Self::Igmp => "IGMP reports",
            Self::Mld => "MLD reports",
            Self::NeighbourDiscovery => "IPv6 neighbour discovery",
            Self::RouterAdvertisement => "router advertisements from the provider",
            Self::UplinkDhcp => "DHCP replies from the provider",
            Self::Output => "the box's own connections",
            Self::Configured => "what the policy makes the box send",
        }
    }
}

/// One rule, as boxes of flows.
#[derive(Debug, Clone)]
pub struct Rule {
    /// What it says of the flows it covers.
    pub verdict: Verdict,
    /// Where it comes from.
    pub origin: Origin,
    /// It covers a flow when one of these does.
    pub boxes: Vec<FlowBox>,
    /// It speaks of untracked packets (neighbour discovery, MLD) instead of new connections.
    pub untracked: bool,
    /// Decided before drops: no drop cancels it. Needs only.
    pub firm: bool,
    /// Whether connections it covers are written down.
    pub log: bool,
    /// For accepts: covers only what is within it.
    pub limit: Option<Limit>,
    /// When it covers.
    pub when: When,
    /// Its place in the file; needs have none.
    pub span: Option<Span>,
    /// Its line in the file, 0 for needs.
    pub line: u32,
    /// The file's words for people.
    pub comment: Option<String>,
}

/// When a rule covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct When {
    /// Weekly windows in the ruleset's zone; `None`: always.
    pub windows: Option<Windows>,
    /// The first instant at which it covers no longer.
    pub until: Option<Timestamp>,
}

impl When {
    /// Whether it depends on the clock.
    #[must_use]
    pub fn is_always(&self) -> bool {
        self.windows.is_none() && self.until.is_none()
    }
}

/// One product of conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowBox {
    /// Hook and interfaces.
    pub path: Path,
    /// Sources; `None`: every one.
    pub src: Option<Arc<[AddrRange]>>,
    /// Destinations, as delivered.
    pub dst: Dst,
    /// Services, as delivered; `None`: every protocol.
    pub services: Option<Arc<[Service]>>,
    /// Only connections that this translation (its index) made.
    pub translated: Option<u32>,
}

/// Hook and interfaces of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// To the box.
    Input {
        /// Where it enters.
        input: Side,
    },
    /// Through the box.
    Forward {
        /// Where it enters.
        input: Side,
        /// Where it leaves.
        output: Side,
        /// Also when it leaves where it entered.
        same: bool,
    },
    /// From the box.
    Output {
        /// Where it leaves.
        output: Side,
    },
}

/// Interfaces of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Every one, also those the policy does not name.
    Any,
    /// Every segment's.
    Segments,
    /// This one.
    One(InterfaceId),
}

/// Destinations of a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dst {
    /// Every one.
    Any,
    /// The box's own addresses on the interface the packet entered by.
    Own,
    /// These; sorted, merged.
    Addresses(Arc<[AddrRange]>),
}

/// One destination translation: a port forward for one protocol, port range and family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translation {
    /// The port forward.
    pub id: ForwardId,
    /// The uplink whose own addresses it listens on.
    pub uplink: InterfaceId,
    /// Sources on the uplink; `None`: every one.
    pub from: Option<Arc<[AddrRange]>>,
    /// TCP, UDP, SCTP, DCCP or UDP-Lite.
    pub proto: u8,
    /// Ports as sent.
    pub ports: PortRange,
    /// Where the target lies.
    pub segment: InterfaceId,
    /// The target; its family is the translation's.
    pub to: IpAddr,
    /// Target port, where it differs; then `ports` is one port.
    pub to_port: Option<u16>,
    /// Segments are translated too.
    pub hairpin: bool,
    /// Its line in the file.
    pub line: u32,
}

impl Translation {
    /// Ports as delivered.
    #[must_use]
    pub fn delivered_ports(&self) -> PortRange {
        self.to_port.map_or(self.ports, PortRange::single)
    }
}

/// Rules by where their flows enter, so that a decision does not walk all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// For each interface, (rule, box) in order.
    pub by_input: Vec<Vec<(u32, u32)>>,
    /// Boxes with input [`Side::Any`] or [`Side::Segments`].
    pub wide: Vec<(u32, u32)>,
    /// Boxes of the output hook.
    pub output: Vec<(u32, u32)>,
    /// What lies behind segments, sorted.
    pub homes: Vec<(AddrRange, InterfaceId)>,
}

impl Ruleset {
    /// The interface of an id.
    #[must_use]
    pub fn interface(&self, id: InterfaceId) -> &Interface {
        &self.interfaces[id.index()]
    }

    /// Every interface with its id.
    pub fn interface_ids(&self) -> impl Iterator<Item = (InterfaceId, &Interface)> {
        (0u32..).map(InterfaceId).zip(&self.interfaces)
    }

    /// The segment whose subnets or routes hold an address.
    pub(super) fn home(&self, addr: IpAddr) -> Option<InterfaceId> {
        let homes = &self.index.homes;
        let behind = homes.partition_point(|(range, _)| range.first() <= addr);
        let (range, id) = homes.get(behind.checked_sub(1)?)?;
        range.contains(addr).then_some(*id)
    }

    /// The uplinks: they come last.
    pub(super) fn uplinks(&self) -> impl Iterator<Item = (InterfaceId, &Interface)> {
        let first = self.interfaces.partition_point(|interface| interface.role != Role::Uplink);
        let ids = (u32::try_from(first).expect("fewer interfaces than bytes of policy")..).map(InterfaceId);
        ids.zip(&self.interfaces[first..])
    }

    /// The uplink, if there is one.
    #[must_use]
    pub fn uplink(&self) -> Option<InterfaceId> {
        self.uplinks().next().map(|(id, _)| id)
    }

    /// The boxes whose flows may enter at a place, with their rules, in order of the rules.
    #[must_use]
    pub fn boxes_from(&self, input: Place) -> Vec<(usize, &FlowBox)> {
        let lists: [&[(u32, u32)]; 2] = match input {
            Place::Gateway => [&self.index.output, &[]],
            Place::Interface(id) => [&self.index.by_input[id.index()], &self.index.wide],
            Place::Elsewhere => [&[], &self.index.wide],
        };
        let at = |(rule, number): &(u32, u32)| (*rule as usize, &self.rules[*rule as usize].boxes[*number as usize]);
        let entering = |(_, flow_box): &(usize, &FlowBox)| match flow_box.path {
            Path::Input { input: side } | Path::Forward { input: side, .. } => self.side_holds(side, input),
            Path::Output { .. } => true,
        };
        let mut boxes: Vec<(usize, &FlowBox)> = lists.into_iter().flatten().map(at).filter(entering).collect();
        boxes.sort_by_key(|(rule, _)| *rule);
        boxes
    }

    /// The boxes whose flows may go from one place to another.
    #[must_use]
    pub fn boxes_between(&self, input: Place, output: Place) -> Vec<(usize, &FlowBox)> {
        let mut boxes = self.boxes_from(input);
        boxes.retain(|(_, flow_box)| match (flow_box.path, output) {
            (Path::Input { .. }, to) => to == Place::Gateway,
            (Path::Output { output: side }, to) => self.side_holds(side, to),
            (Path::Forward { output: side, same, .. }, to) => self.side_holds(side, to) && (same || input != to),
        });
        boxes
    }

    /// Whether an interface is a segment's.
    #[must_use]
    pub fn is_segment(&self, id: InterfaceId) -> bool {
        matches!(self.interface(id).role, Role::Segment(_))
    }

    /// The same rules with every weekly window moved to hold, or not to hold, around an instant. Expiry stays.
    ///
    /// For tests of schedules: the window moves, the clock does not.
    #[must_use]
    pub fn with_windows_around(&self, instant: Timestamp, hold: bool) -> Self {
        const HOUR_S: u32 = 3600;
        let now = super::windows::week_second(instant, &self.timezone);
        let start = if hold { now + super::WEEK_S - HOUR_S } else { now + 12 * HOUR_S };
        let window = Windows::single(start % super::WEEK_S, 2 * HOUR_S);
        let mut moved = self.clone();
        for rule in &mut moved.rules {
            if rule.when.windows.is_some() {
                rule.when.windows = Some(window.clone());
            }
        }
        moved
    }

    /// Whether a rule covers anything at this time.
    #[must_use]
    pub fn is_active(&self, rule: &Rule, at: At) -> bool {
        match at {
            At::ClockUnknown => rule.when.is_always() || rule.verdict != Verdict::Accept,
            At::Instant(instant) => {
                rule.when.until.is_none_or(|until| instant < until)
                    && rule
                        .when
                        .windows
                        .as_ref()
                        .is_none_or(|windows| windows.contains(super::windows::week_second(instant, &self.timezone)))
            }
        }
    }
}
