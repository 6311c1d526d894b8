//! Packets that a proof shows, sent through the kernel that holds the rules: does it treat them as the proof says?

mod sendable;

use std::net::IpAddr;

use schemars::JsonSchema;
use segwall_core::analysis::proof::{Refutation, Treatment};
use segwall_core::netfilter::Hook;
use segwall_core::ruleset::ACCEPT_LOG_GROUP;
use segwall_host::conntrack::{Key, Tuple};
use segwall_packetset::{CtState, Field, Header, Place, TcpFlags, proto};
use serde::Serialize;

use crate::capture::Headers;
use crate::error::LabError;
use crate::frame::{self, Packet, SEQUENCE, Tag, Transport};
use crate::prober::{Content, Prober, Refusal, Seen, Shot};

pub use sendable::Ground;

/// Sent again when nothing was seen of what should be seen: a packet that got lost shows nothing.
const ATTEMPTS: usize = 3;
const LOOPBACK: &str = "lo";
/// Ports of the connection that an error is about.
const KNOWN_PORTS: (u16, u16) = (1000, 1001);

/// What came of a packet that a proof shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tried {
    /// The kernel treats it as the proof says.
    Confirmed,
    /// The kernel treats it otherwise; in words, how.
    Contradicted(String),
    /// It was not sent, or shows nothing; why.
    Unsent(&'static str),
}

/// A packet on its way to be sent.
struct Ready {
    from: Place,
    via: Place,
    ip: Vec<u8>,
    known: Vec<Tuple>,
    /// It is an ICMP error: it arrives as one.
    is_error: bool,
    /// The kernel tells nobody about such a packet.
    unanswered: bool,
}

/// Sends the packet of a refutation through the rules that are loaded, or through these, which are loaded first: what
/// counts packets then begins anew. `is_sendable`: it is one of [`Ground::sendable`].
///
/// # Errors
/// When the lab itself fails.
pub fn tried(
    prober: &mut Prober,
    ground: &Ground<'_>,
    one: &Refutation,
    is_sendable: bool,
    reload: Option<&[String]>,
) -> Result<Tried, LabError> {
    if one.does == Treatment::Limit {
        return Ok(Tried::Unsent("a limit shows with many packets"));
    }
    if one.quarantined.words().is_some() {
        return Ok(Tried::Unsent("nobody is in quarantine in the lab"));
    }
    let tag = prober.tag();
    let ready = match ready(ground, one, tag) {
        Ok(ready) if is_sendable => ready,
        Ok(_) => return Ok(Tried::Unsent("no real packet is like it, or none at this time")),
        Err(why) => return Ok(Tried::Unsent(why)),
    };
    let shot = Shot { from: ready.from, via: ready.via, content: Content::Ready(ready.ip.clone(), tag) };
    let of_translation = is_of_translation(one.does);
    let mut answer = Tried::Confirmed;
    for _ in 0..ATTEMPTS {
        if let Some(texts) = reload {
            prober.load(ground.topology, texts)?;
        }
        if matches!(one.does, Treatment::Written | Treatment::Unwritten) {
            prober.listen_to(ACCEPT_LOG_GROUP)?;
        }
        if of_translation {
            prober.watch()?;
        }
        let seen = prober.shoot(ground.topology, std::slice::from_ref(&shot), &ready.known)?;
        answer = if of_translation {
            translated(one, &prober.unwatch(tag)?)
        } else {
            let shown = &one.witness.shown;
            let port = match shown.header {
                Header::Ports { sport, .. } => Some(sport),
                Header::Icmp { .. } | Header::Other => None,
            };
            let written = prober.was_logged(|headers| {
                (headers.src, headers.proto) == (shown.src, shown.proto)
                    && port.is_none_or(|port| headers.words.0 == port)
            })?;
            judge(ground, one, &ready, &seen[0], written)
        };
        let silent = seen[0].arrived.is_none() && seen[0].refused.is_none();
        if !silent || answer == Tried::Confirmed {
            break;
        }
    }
    Ok(answer)
}

/// Whether it is claimed what a chain that translates does, whatever becomes of the packet behind it.
fn is_of_translation(does: Treatment) -> bool {
    matches!(
        does,
        Treatment::To(_) | Treatment::NotTo(_) | Treatment::OwnSource | Treatment::Masqueraded | Treatment::Translated
    )
}

/// Compares a claim with what was seen behind the chains that translate, last first.
fn translated(one: &Refutation, seen: &[Headers]) -> Tried {
    let shown = &one.witness.shown;
    let port = match shown.header {
        Header::Ports { dport, .. } => dport,
        Header::Icmp { .. } | Header::Other => 0,
    };
    // A destination is translated before the first look, a source before the last one.
    let at = if one.hook == Hook::Postrouting { seen.first() } else { seen.last() };
    let Some(headers) = at else { return Tried::Unsent("it is dropped before it is translated") };
    let left = one.hook != Hook::Postrouting || seen.len() > 1 || shown.input.is_none();
    if !left {
        return Tried::Unsent("it is dropped before it is translated");
    }
    let is_at =
        |(addr, to_port): (IpAddr, Option<u16>)| headers.dst == addr && headers.words.1 == to_port.unwrap_or(port);
    let holds = match one.does {
        Treatment::To(target) => is_at(target),
        Treatment::NotTo(target) => !is_at(target),
        Treatment::OwnSource => headers.src == shown.src,
        Treatment::Masqueraded => headers.src != shown.src,
        _ => headers.src != shown.src || !is_at((shown.dst, None)),
    };
    if holds {
        Tried::Confirmed
    } else {
        Tried::Contradicted(format!("it went on from {} to {} port {}", headers.src, headers.dst, headers.words.1))
    }
}

/// The packet of a witness as it is sent.
fn ready(ground: &Ground<'_>, one: &Refutation, tag: Tag) -> Result<Ready, &'static str> {
    let shown = &one.witness.shown;
    let point = &shown.point;
    let loops = |name: &Option<String>| name.as_deref() == Some(LOOPBACK);
    let inside = loops(&shown.input) || loops(&shown.output);
    if point.get(Field::Mark) != 0 {
        return Err("it has a mark that other rules give");
    }
    let from = match (one.hook, &shown.input) {
        (Hook::Output, _) | (Hook::Postrouting, None) => Place::Gateway,
        _ if inside => Place::Gateway,
        (_, Some(name)) => {
            let id = ground.topology.ids().find(|id| ground.ruleset.interface(*id).name == *name);
            Place::Interface(id.ok_or("it comes by an interface that the policy does not name")?)
        }
        (_, None) => return Err("it comes by no interface"),
    };
    let src = shown.src;
    let (dst, header) = match (shown.sent, shown.header) {
        (None, header) => (shown.dst, header),
        (Some(_), _) if shown.state != CtState::New => return Err("its connection was translated before"),
        // Only what is sent to the box is translated on its way.
        (Some(sent), _) if ground.topology.route(ground.ruleset, sent.dst) != Place::Gateway => {
            return Err("it is sent to an address that the box does not have");
        }
        (Some(sent), Header::Ports { sport, .. }) => (sent.dst, Header::Ports { sport, dport: sent.dport }),
        (Some(_), _) => return Err("it is translated without a port"),
    };
    if src == dst && !inside {
        return Err("its source is its destination");
    }
    let crossing = matches!(one.hook, Hook::Forward) || one.hook == Hook::Postrouting && from != Place::Gateway;
    let hops = shown.hops.checked_add(u8::from(crossing)).ok_or("it has more hops than fit")?;
    if hops < 1 + u8::from(crossing) {
        return Err("its last hop is behind it");
    }
    let out = match &shown.output {
        Some(name) if !inside => {
            ground.topology.ids().find(|id| ground.ruleset.interface(*id).name == *name).map(Place::Interface)
        }
        _ => Some(Place::Gateway),
    };
    let near = matches!(dst, IpAddr::V6(addr) if addr.is_multicast() || addr.is_unicast_link_local());
    let via = match one.hook {
        // Such a destination is on every interface; who sends it says on which.
        Hook::Output if near => out.ok_or("it leaves by an interface that the policy does not name")?,
        _ if inside => Place::Gateway,
        Hook::Prerouting => ground.topology.route(ground.ruleset, dst),
        _ => ground.topology.route(ground.ruleset, shown.dst),
    };
    let out = match &shown.output {
        Some(name) => {
            ground.topology.ids().find(|id| ground.ruleset.interface(*id).name == *name).map(Place::Interface)
        }
        None => Some(Place::Gateway),
    };
    if one.hook != Hook::Prerouting && out != Some(via) {
        return Err("it leaves by an interface that no route leads to");
    }
    let mut packet =
        Packet { src, dst, proto: shown.proto, transport: transport(header, shown.flags), tag, broken: false };
    let mut known = Vec::new();
    let is_icmp = matches!(header, Header::Icmp { .. });
    let mut bytes = None;
    match shown.state {
        CtState::New if is_new(&one.witness.packet.flow.first_state(), shown.proto, shown.flags) => {}
        CtState::New => return Err("connection tracking does not call it new"),
        CtState::Untracked if one.witness.packet.flow.first_state() == CtState::Untracked => {}
        CtState::Untracked => return Err("connection tracking does not leave it untracked"),
        CtState::Established => known.push(established(src, dst, shown.proto, header)?),
        CtState::Related => {
            let Header::Icmp { kind, code } = header else { return Err("a helper would have to expect it") };
            let (quoted, tuple) = quoted(src, dst, tag);
            known.push(tuple);
            bytes = Some(frame::error(src, dst, (kind, code), hops, &quoted));
        }
        CtState::Invalid => {
            let stray = shown.proto == proto::TCP && !opens(shown.flags);
            let strange = is_icmp && one.witness.packet.flow.first_state() == CtState::Invalid;
            packet.broken = !stray && !strange;
            let summed = matches!(shown.proto, proto::TCP | proto::UDP | proto::ICMP | proto::ICMPV6);
            if packet.broken && (from == Place::Gateway || !summed) {
                return Err("connection tracking does not call it invalid");
            }
        }
    }
    let unanswered = packet.broken
        || shown.state == CtState::Untracked
        || ground.ruleset.is_broadcast(dst)
        || shown.proto == proto::TCP && shown.flags.0 & TcpFlags::RST != 0
        || is_icmp && !matches!(header, Header::Icmp { kind: 8 | 128, .. });
    let ip = bytes.unwrap_or_else(|| packet.ip_with(hops));
    Ok(Ready { from, via, ip, known, is_error: shown.state == CtState::Related, unanswered })
}

fn transport(header: Header, flags: TcpFlags) -> Transport {
    match header {
        Header::Ports { sport, dport } => Transport::Ports { sport, dport, flags, acknowledges: SEQUENCE },
        Header::Icmp { kind, code } => Transport::Icmp { kind, code, id: 1 },
        Header::Other => Transport::Other,
    }
}

/// Whether connection tracking makes a connection of it.
fn is_new(first: &CtState, protocol: u8, flags: TcpFlags) -> bool {
    *first == CtState::New && (protocol != proto::TCP || opens(flags))
}

/// Whether a TCP packet with these flags opens a connection (`tcp_new` of the kernel, loose).
fn opens(flags: TcpFlags) -> bool {
    matches!(flags.0 & (TcpFlags::FIN | TcpFlags::SYN | TcpFlags::RST | TcpFlags::ACK), TcpFlags::SYN | TcpFlags::ACK)
}

fn established(src: IpAddr, dst: IpAddr, protocol: u8, header: Header) -> Result<Tuple, &'static str> {
    let key = match header {
        Header::Ports { sport, dport } if matches!(protocol, proto::TCP | proto::UDP) => {
            Key::Ports { src: sport, dst: dport }
        }
        Header::Icmp { kind: 8 | 128, .. } => Key::EchoId(1),
        Header::Other => Key::None,
        Header::Ports { .. } | Header::Icmp { .. } => return Err("no such connection can be entered by hand"),
    };
    Ok(Tuple { proto: protocol, src, dst, key })
}

/// A packet of a known connection that an error from `src` to `dst` is about.
fn quoted(src: IpAddr, dst: IpAddr, tag: Tag) -> (Vec<u8>, Tuple) {
    let (sport, dport) = KNOWN_PORTS;
    let transport = Transport::Ports { sport, dport, flags: TcpFlags(0), acknowledges: 0 };
    let about = Packet { src: dst, dst: src, proto: proto::UDP, transport, tag, broken: false };
    let tuple = Tuple { proto: proto::UDP, src: dst, dst: src, key: Key::Ports { src: sport, dst: dport } };
    (about.ip(), tuple)
}

fn judge(ground: &Ground<'_>, one: &Refutation, ready: &Ready, seen: &Seen, written: bool) -> Tried {
    if seen.unsent.is_some() {
        return Tried::Unsent("the kernel does not send it at all");
    }
    let passed = if ready.is_error { seen.refused.is_some() } else { seen.arrived.is_some() };
    let refused = seen.refused.filter(|_| !ready.is_error);
    let is_prohibited = matches!(
        (refused, one.witness.shown.src),
        (Some(Refusal::Icmp(3, 13)), IpAddr::V4(_)) | (Some(Refusal::Icmp(1, 1)), IpAddr::V6(_))
    );
    let holds = match one.does {
        Treatment::Pass => passed && refused.is_none(),
        Treatment::Stop => !passed,
        Treatment::Silence => !passed && refused.is_none(),
        Treatment::Reset | Treatment::Prohibited | Treatment::OtherMessage if ready.unanswered => {
            return Tried::Unsent("the kernel tells nobody about such a packet");
        }
        // A rule that refuses all that comes by loopback refuses its own answer, too.
        Treatment::Reset | Treatment::Prohibited | Treatment::OtherMessage
            if one.hook == Hook::Input && one.witness.shown.input.as_deref() == Some(LOOPBACK) && !passed =>
        {
            return Tried::Unsent("its answer comes back by loopback, past the same rules");
        }
        Treatment::Reset => !passed && refused == Some(Refusal::Reset),
        Treatment::Prohibited => !passed && is_prohibited,
        Treatment::OtherMessage => !passed && refused.is_some() && !is_prohibited,
        Treatment::Written => passed && written,
        Treatment::Unwritten => passed && !written,
        Treatment::To(_)
        | Treatment::NotTo(_)
        | Treatment::OwnSource
        | Treatment::Masqueraded
        | Treatment::Translated => {
            unreachable!("judged by what is seen behind translations")
        }
        Treatment::Limit => return Tried::Unsent("a limit shows with many packets"),
    };
    if holds { Tried::Confirmed } else { Tried::Contradicted(words(ground, seen, written)) }
}

fn words(ground: &Ground<'_>, seen: &Seen, written: bool) -> String {
    let told = match seen.refused {
        None => String::new(),
        Some(Refusal::Reset) => ", a TCP reset".to_owned(),
        Some(Refusal::Icmp(kind, code)) => format!(", ICMP type {kind} code {code}"),
    };
    let came = match &seen.arrived {
        None => "it did not arrive".to_owned(),
        Some(arrived) => format!(
            "it arrived at {} from {} for {} port {}{}",
            ground.topology.place_name(arrived.place),
            arrived.headers.src,
            arrived.headers.dst,
            arrived.headers.words.1,
            if written { ", written down" } else { "" }
        ),
    };
    came + &told
}
