//! Who comes into quarantine, for how long, and who may not: see [`crate::ruleset::quarantine`] for what it does.
//!
//! The list is kept as one JSON object a line, so that a line that was damaged costs one host and not all.

use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::net::IpAddr;

use segwall_packetset::{Family, Place};
use serde::{Deserialize, Serialize};

use crate::policy::Policy;
use crate::ruleset::Ruleset;
use crate::ruleset::quarantine::{TABLE, set};

/// Addresses that one host may have; what has more is a router, and cutting it off cuts off whoever is behind it.
pub const ADDRESSES_MAX: usize = 64;
/// Addresses that are kept in the list: as many as the kernel's set of one family holds.
pub const LIST_MAX: usize = 65_536;
/// The longest time: a year. Who wants more wants no end.
pub const FOR_S_MAX: u64 = 366 * 86_400;

/// A network card's address.
pub type Mac = [u8; 6];

/// An address in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The address.
    pub addr: IpAddr,
    /// What was asked for: a host's name, an address or a card.
    pub host: String,
    /// The card that has the address, where it is known.
    pub mac: Option<Mac>,
    /// Since when, in seconds since 1970.
    pub since_s: i64,
    /// For how many seconds; `None`: until it is released.
    pub for_s: Option<u64>,
    /// Why.
    pub because: Option<String>,
    /// By whom.
    pub user: String,
    /// From where.
    pub via: String,
}

/// How long an address is held from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It is over.
    Ended,
    /// Until somebody releases it.
    Open,
    /// This many seconds.
    Seconds(u64),
}

impl Held {
    /// How long from an instant on. A clock that was set back makes it no longer than it was asked for.
    #[must_use]
    pub fn left(&self, now_s: i64) -> Left {
        let Some(for_s) = self.for_s else { return Left::Open };
        let passed = u64::try_from(now_s.saturating_sub(self.since_s)).unwrap_or(0);
        match for_s.saturating_sub(passed) {
            0 => Left::Ended,
            left => Left::Seconds(left),
        }
    }
}

/// What was read of the list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// In the order in which they came in.
    pub held: Vec<Held>,
    /// Lines that make no sense, or are too many.
    pub skipped: usize,
}

impl List {
    /// From the file's text.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut list = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str::<Held>(line) {
                Ok(held)
                    if list.held.len() < LIST_MAX
                        && is_host(held.addr)
                        && held.for_s.is_none_or(|for_s| for_s <= FOR_S_MAX) =>
                {
                    list.held.push(held);
                }
                _ => list.skipped += 1,
            }
        }
        list
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        let line = |held| serde_json::to_string(held).expect("plain values have a JSON text") + "\n";
        self.held.iter().map(line).collect()
    }

    /// Takes addresses in, or anew; what is over goes.
    pub fn put(&mut self, new: Vec<Held>, now_s: i64) {
        let again: BTreeSet<IpAddr> = new.iter().map(|held| held.addr).collect();
        self.held.retain(|held| held.left(now_s) != Left::Ended && !again.contains(&held.addr));
        self.held.extend(new);
    }

    /// Lets addresses out; what is over goes.
    pub fn take(&mut self, out: &[IpAddr], now_s: i64) {
        self.held.retain(|held| held.left(now_s) != Left::Ended && !out.contains(&held.addr));
    }

    /// Text for nft that holds all whose time is not over, each for the time that is left.
    #[must_use]
    pub fn script(&self, now_s: i64) -> String {
        self.held.iter().map(|held| put(held, now_s)).collect()
    }
}

/// Text for nft that holds an address for the time that is left, whatever time it was held for before.
#[must_use]
pub fn put(held: &Held, now_s: i64) -> String {
    let timeout = match held.left(now_s) {
        Left::Ended => return String::new(),
        Left::Open => String::new(),
        Left::Seconds(left) => format!(" timeout {left}s"),
    };
    let (addr, set) = (held.addr, set(Family::of(held.addr)));
    let mut text = String::new();
    // Kernels before 6.12 keep the old time of what is there already.
    for (verb, timeout) in [("add", timeout.as_str()), ("delete", ""), ("add", timeout.as_str())] {
        let _ = writeln!(text, "{verb} element inet {TABLE} {set} {{ {addr}{timeout} }}");
    }
    text
}

/// Text for nft that lets an address go, held or not.
#[must_use]
pub fn release(addr: IpAddr) -> String {
    let set = set(Family::of(addr));
    format!("add element inet {TABLE} {set} {{ {addr} }}\ndelete element inet {TABLE} {set} {{ {addr} }}\n")
}

/// What is known around the box.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Which card has which address.
    pub neighbours: &'a [(IpAddr, Mac)],
    /// The box's own addresses.
    pub own: &'a [IpAddr],
    /// Where whoever asks is logged in from.
    pub caller: Option<IpAddr>,
}

/// A host that is to be cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its addresses, sorted.
    pub addresses: Vec<IpAddr>,
    /// Its card.
    pub mac: Option<Mac>,
    /// Segments that it is in.
    pub segments: Vec<String>,
}

/// Why a host is not cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is no host's name, no address and no card's address.
    Unknown {
        /// What was asked for.
        asked: String,
        /// A host with a similar name.
        near: Option<String>,
    },
    /// Nobody has it, or everybody: loopback, multicast, broadcast.
    NoHost(IpAddr),
    /// It is the box's own.
    Own(IpAddr),
    /// It may manage the box.
    Management(IpAddr, String),
    /// It is where whoever asks is logged in from.
    Caller(IpAddr),
    /// No address of this card is known.
    Unseen(Mac),
    /// It has more addresses than a host has.
    Many(usize),
}

impl Refusal {
    /// Whether `--even-management` would change it.
    #[must_use]
    pub fn is_management(&self) -> bool {
        match self {
            Self::Management(..) | Self::Caller(_) => true,
            Self::Unknown { .. } | Self::NoHost(_) | Self::Own(_) | Self::Unseen(_) | Self::Many(_) => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { asked, near } => {
                write!(f, "`{}` is no host of the policy, no address and no card", asked.escape_debug())?;
                match near {
                    Some(near) => write!(f, "; did you mean `{near}`?"),
                    None => Ok(()),
                }
            }
            Self::NoHost(addr) => write!(f, "{addr} is no host's address"),
            Self::Own(addr) => write!(f, "{addr} is this box's own address; switch an interface off with `ip link`"),
            Self::Management(addr, segment) => write!(
                f,
                "{addr} is in the segment `{segment}`, which manages this box ([gateway] management); if that is meant, \
                 add --even-management"
            ),
            Self::Caller(addr) => write!(f, "you are logged in from {addr}; if that is meant, add --even-management"),
            Self::Unseen(mac) => write!(
                f,
                "no address of the card {} is known: the box has not spoken with it lately; name an address",
                mac_text(*mac)
            ),
            Self::Many(count) => write!(
                f,
                "it has {count} addresses, which a router has and no host; name the addresses of the hosts behind it"
            ),
        }
    }
}

/// `02:00:00:00:00:01`.
#[must_use]
pub fn mac_text(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn mac(text: &str) -> Option<Mac> {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let mut mac = [0; 6];
    if parts.len() != mac.len() {
        return None;
    }
    for (byte, part) in mac.iter_mut().zip(parts) {
        let is_hex = part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        *byte = is_hex.then(|| u8::from_str_radix(part, 16).ok()).flatten()?;
    }
    Some(mac)
}

/// Whether a single host can have an address.
fn is_host(addr: IpAddr) -> bool {
    let is_broadcast = matches!(addr, IpAddr::V4(v4) if v4.is_broadcast());
    !(addr.is_unspecified() || addr.is_loopback() || addr.is_multicast() || is_broadcast)
}

/// Who is meant, with all its addresses: those that the policy gives it, and those that its card has.
///
/// # Errors
/// Why it is not to be cut off.
pub fn target(
    policy: &Policy,
    ruleset: &Ruleset,
    asked: &str,
    around: &Around<'_>,
    even_management: bool,
) -> Result<Target, Refusal> {
    let mut addresses = BTreeSet::new();
    let card = if let Ok(addr) = asked.parse::<IpAddr>() {
        addresses.insert(addr);
        None
    } else if let Some(mac) = mac(asked) {
        Some(mac)
    } else if let Some(host) = policy.hosts.iter().find(|host| host.name == asked) {
        addresses.extend(&host.addresses);
        host.mac
    } else {
        return Err(Refusal::Unknown { asked: asked.to_owned(), near: near(policy, asked) });
    };
    let card_of = |addr: &IpAddr| around.neighbours.iter().find(|(known, _)| known == addr).map(|(_, mac)| *mac);
    let card = card.or_else(|| addresses.iter().find_map(card_of));
    if let Some(card) = card {
        let theirs = around.neighbours.iter().filter(|(_, mac)| *mac == card);
        addresses.extend(theirs.map(|(addr, _)| *addr));
        if addresses.is_empty() {
            return Err(Refusal::Unseen(card));
        }
    }
    if addresses.len() > ADDRESSES_MAX {
        return Err(Refusal::Many(addresses.len()));
    }
    let mut segments = BTreeSet::new();
    for addr in &addresses {
        let segment = may_be_held(policy, ruleset, *addr, around, even_management)?;
        segments.extend(segment);
    }
    Ok(Target { addresses: addresses.into_iter().collect(), mac: card, segments: segments.into_iter().collect() })
}

/// The segment that an address is in, if any.
fn may_be_held(
    policy: &Policy,
    ruleset: &Ruleset,
    addr: IpAddr,
    around: &Around<'_>,
    even_management: bool,
) -> Result<Option<String>, Refusal> {
    if !is_host(addr) {
        return Err(Refusal::NoHost(addr));
    }
    let place = ruleset.route(addr);
    let is_own = ruleset.interfaces.iter().any(|interface| interface.addresses.contains(&addr));
    if is_own || around.own.contains(&addr) || place == Place::Gateway {
        return Err(Refusal::Own(addr));
    }
    if around.caller == Some(addr) && !even_management {
        return Err(Refusal::Caller(addr));
    }
    let Place::Interface(id) = place else { return Ok(None) };
    if !ruleset.is_segment(id) {
        return Ok(None);
    }
    let zone = &ruleset.interface(id).zone;
    let manages = policy.gateway.management.iter().any(|id| policy.segments[id.index()].name == *zone);
    if manages && !even_management { Err(Refusal::Management(addr, zone.clone())) } else { Ok(Some(zone.clone())) }
}

/// A host whose name is at most two slips away.
fn near(policy: &Policy, asked: &str) -> Option<String> {
    const SLIPS_MAX: usize = 2;
    let by_distance = policy.hosts.iter().map(|host| (strsim::damerau_levenshtein(&host.name, asked), &host.name));
    by_distance.filter(|(slips, _)| *slips <= SLIPS_MAX).min().map(|(_, name)| name.clone())
}
