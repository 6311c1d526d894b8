//! The ends of rules: `internal`, `web`, `internet/8.8.8.8`, `any`, `[groups]`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use segwall_packetset::AddrRange;

use super::codes;
use super::env::Env;
use super::faults::{Faults, shorten};
use super::graph::{self, Edge};
use super::literals::bad_address;
use super::model::{End, Group, Zone};
use super::names::Kind;
use super::networks::Owner;
use super::reader::{Entry, Text, texts_of};
use crate::diag::Diagnostic;
use crate::source::Span;

/// What one side of a rule stands for.
#[derive(Debug, Clone, Default)]
pub(super) struct Ends {
    pub list: Vec<End>,
    /// Where `any` is said, by itself or in a group.
    pub any: Option<Span>,
}

impl Ends {
    fn push(&mut self, zone: Zone, addresses: Option<Vec<AddrRange>>, direct: bool, span: Span) {
        self.list.push(End { zone, addresses, direct, span });
    }
}

/// Resolves the ends of one side; `None` if any is broken.
pub(super) fn resolve(texts: &[Text<'_>], env: &Env<'_>, faults: &mut Faults<'_>) -> Option<Ends> {
    let mut ends = Ends::default();
    let mut whole = true;
    for text in texts {
        let before = ends.list.len();
        whole &= one(*text, env, &mut ends, faults).is_some();
        whole &= faults.expand(ends.list.len() - before, text.span);
    }
    whole.then_some(ends)
}

fn one(text: Text<'_>, env: &Env<'_>, ends: &mut Ends, faults: &mut Faults<'_>) -> Option<()> {
    if let Some((zone, rest)) = text.text.split_once('/') {
        return narrowed(text, zone, rest, env, ends, faults);
    }
    match text.text {
        "internet" => ends.push(Zone::Internet, None, true, text.span),
        "gateway" => ends.push(Zone::Gateway, None, true, text.span),
        "segments" => ends.push(Zone::Segments, None, false, text.span),
        "any" => {
            ends.push(Zone::Segments, None, false, text.span);
            if !env.uplinks.is_empty() {
                ends.push(Zone::Internet, None, false, text.span);
            }
            ends.any = ends.any.or(Some(text.span));
        }
        name => {
            let Some(named) = env.names.get(name) else {
                unknown(text, env, faults);
                return None;
            };
            match named.kind {
                Kind::Segment => ends.push(Zone::Segment(Env::segment_id(named.index)), None, true, text.span),
                Kind::Host => {
                    let host = env.hosts[named.index].as_ref()?;
                    let addresses = host.addresses.iter().map(|addr| AddrRange::single(*addr)).collect();
                    ends.push(Zone::Segment(host.segment), Some(addresses), true, text.span);
                }
                Kind::Set => {
                    let set = env.sets[named.index].as_ref()?;
                    ends.push(set.zone, Some(set.addresses.clone()), true, text.span);
                }
                Kind::Group => {
                    let group = env.groups[named.index].as_ref()?;
                    ends.list.extend(group.list.iter().map(|end| End {
                        span: text.span,
                        direct: false,
                        ..end.clone()
                    }));
                    ends.any = ends.any.or(group.any.map(|_| text.span));
                }
                Kind::Uplink => {
                    faults.push(
                        Diagnostic::error(
                            codes::WRONG_KIND,
                            text.span,
                            format!("`{name}` is an uplink, not an end of a rule"),
                        )
                        .also(named.span, "given here")
                        .help("all uplinks together are `internet`"),
                    );
                    return None;
                }
            }
        }
    }
    Some(())
}

/// `zone/ADDRESS` or `zone/ADDRESS/LEN`.
fn narrowed(
    text: Text<'_>,
    zone: &str,
    rest: &str,
    env: &Env<'_>,
    ends: &mut Ends,
    faults: &mut Faults<'_>,
) -> Option<()> {
    if zone.parse::<IpAddr>().is_ok() {
        bare_address(text, env, faults);
        return None;
    }
    let head = text.part(0..zone.len());
    let zone = match zone {
        "internet" => Zone::Internet,
        "gateway" => Zone::Gateway,
        "any" | "segments" => {
            let message = format!("`{zone}` cannot be narrowed to an address");
            faults.error(codes::NOT_A_ZONE, head, message, "", "name the segment, or internet");
            return None;
        }
        name => match env.names.get(name) {
            Some(named) if named.kind == Kind::Segment => Zone::Segment(Env::segment_id(named.index)),
            Some(named) => {
                let help = match named.kind {
                    Kind::Uplink => "all uplinks together are `internet`",
                    Kind::Host | Kind::Set | Kind::Group | Kind::Segment => {
                        "only a segment, `internet` and `gateway` can be narrowed"
                    }
                };
                faults.push(
                    Diagnostic::error(
                        codes::NOT_A_ZONE,
                        head,
                        format!("`{name}` is {}, not a zone", named.kind.with_article()),
                    )
                    .also(named.span, "given here")
                    .help(help),
                );
                return None;
            }
            None => {
                let help = match env.names.nearest_end(name, faults) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "a segment, `internet` or `gateway`".to_owned(),
                };
                faults.error(codes::UNKNOWN_NAME, head, format!("there is no zone `{}`", shorten(name)), "", help);
                return None;
            }
        },
    };
    let tail = Text { text: rest, span: text.part(text.text.len() - rest.len()..text.text.len()) };
    if rest.contains('-') {
        let message = format!("`{}` is no address or network", shorten(rest));
        faults.error(codes::BAD_ADDRESS, tail.span, message, "a range", "put the range into a set and name the set");
        return None;
    }
    let range = match rest.parse::<AddrRange>() {
        Ok(range) => range,
        Err(error) => {
            bad_address(tail, &error, faults);
            return None;
        }
    };
    if !env.lies_in(range, zone, text, tail.span, faults) {
        return None;
    }
    ends.push(zone, Some(vec![range]), true, text.span);
    Some(())
}

fn unknown(text: Text<'_>, env: &Env<'_>, faults: &mut Faults<'_>) {
    let word = text.text;
    if word.parse::<AddrRange>().is_ok() {
        bare_address(text, env, faults);
        return;
    }
    if word.starts_with('$') {
        faults.not_yet(text.span, "variables");
        return;
    }
    let help = match (word, env.names.nearest_end(word, faults)) {
        ("all" | "*" | "everything", _) => "`any` means every segment and the internet".to_owned(),
        ("self" | "box" | "firewall" | "router", _) => "the box itself is `gateway`".to_owned(),
        ("wan" | "world" | "public", _) => "beyond the uplinks is `internet`".to_owned(),
        (_, Some(meant)) => format!("did you mean `{meant}`?"),
        (_, None) => {
            "an end is a segment, host, set or group of this file, or internet, segments, any, gateway".to_owned()
        }
    };
    let message = format!("there is no segment, host, set or group `{}`", shorten(word));
    faults.error(codes::UNKNOWN_NAME, text.span, message, "", help);
}

/// An address without its zone: says which zone it is in.
fn bare_address(text: Text<'_>, env: &Env<'_>, faults: &mut Faults<'_>) {
    let found = match text.text.parse::<AddrRange>() {
        Ok(range) => {
            env.networks.covering(&range).map(|network| (range, network.owner)).or(Some((range, Owner::Uplink(0))))
        }
        Err(_) => None,
    };
    let help = match found {
        Some((range, _)) if range.prefix_len().is_none() => "put the range into a set and name the set".to_owned(),
        Some((range, Owner::Segment(id))) => {
            let segment = &env.segments[id.index()];
            if segment.subnets.iter().any(|subnet| subnet.network == range) {
                format!("write \"{}\" for the whole segment", segment.name)
            } else {
                let kind = if range.is_single() { "host" } else { "set" };
                format!("write \"{}/{range}\", or name it as a {kind}", segment.name)
            }
        }
        Some((range, Owner::Uplink(_))) if env.networks.complete => format!("write \"internet/{range}\""),
        _ => "write the zone before it: zone/ADDRESS".to_owned(),
    };
    let message = format!("`{}` is an address without its zone", shorten(text.text));
    faults.error(codes::BARE_ADDRESS, text.span, message, "", help);
}

/// Reads `[groups]`, groups in groups written out.
pub(super) fn read_groups<'d>(entries: &[Entry<'d>], env: &mut Env<'d>, faults: &mut Faults<'_>) -> Vec<Group> {
    let members: Vec<Option<Vec<Text<'d>>>> = entries
        .iter()
        .map(|entry| texts_of(entry.value, entry.name.text, "a segment, host, set or group", faults))
        .collect();
    // A name given twice belongs to whoever has it first.
    let is_group =
        |text: &Text<'_>| env.names.get(text.text).filter(|named| named.kind == Kind::Group).map(|named| named.index);
    let edges: Vec<Vec<Edge>> = members
        .iter()
        .map(|texts| {
            let texts = texts.iter().flatten().enumerate();
            texts.filter_map(|(member, text)| is_group(text).map(|to| Edge { to, member })).collect()
        })
        .collect();
    let order = graph::order(&edges);
    let mut broken = BTreeSet::new();
    for (cycle, closing) in &order.cycles {
        let path: Vec<&str> = cycle.iter().chain(&cycle[..1]).map(|at| entries[*at].name.text).collect();
        let owner = *cycle.last().expect("a cycle has a node");
        let text = members[owner].as_ref().expect("it has an edge, so it was read")[closing.member];
        faults.push(
            Diagnostic::error(codes::CYCLE, text.span, format!("a group contains itself: {}", path.join(" → ")))
                .also(entries[cycle[0]].name.span, "given here")
                .help("leave it out here"),
        );
        broken.extend(cycle.iter().copied());
    }
    env.groups = vec![None; entries.len()];
    let mut groups = BTreeMap::new();
    for at in order.sorted {
        let Some(texts) = members[at].as_ref().filter(|_| !broken.contains(&at)) else { continue };
        let Some(mut ends) = resolve(texts, env, faults) else { continue };
        let mut seen = BTreeSet::new();
        ends.list.retain(|end| seen.insert((end.zone, end.addresses.clone())));
        let entry = &entries[at];
        let group = Group { name: entry.name.text.to_owned(), members: ends.list.clone(), span: entry.name.span };
        groups.insert(at, group);
        env.groups[at] = Some(ends);
    }
    groups.into_values().collect()
}
