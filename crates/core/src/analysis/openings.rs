//! What becomes of new connections at a hook, whoever decides it: a policy, or programs that a kernel runs.
//!
//! The common ground of questions about both: the service matrix, and the difference of two sides.

use segwall_packetset::{Cube, Field, GaveUp, Set, Space};

use super::proof::terms::number;
use super::proof::{Intent, destinations, intent};
use super::sets::{first_packets, untranslated};
use crate::netfilter::meaning::{self, LogUse, Options, RateUse, Rates, UnknownUse};
use crate::netfilter::{ChainKind, Hook, Nat, NatKind, Program, Reject};
use crate::ruleset::{At, Ruleset};

/// A translation whose ports stay as they were sent is followed port by port for no more ports than this; beyond, the
/// port as sent is left open.
const SAME_PORTS_MAX: u128 = 64;

/// New connections at a hook, by what becomes of them. The three verdicts are apart; what is possible and in none of them
/// is not decided.
#[derive(Debug, Clone)]
pub struct Openings {
    /// The hook: input, forward or output.
    pub hook: Hook,
    /// First packets that can be there. A translated one is there only as some translation makes it.
    pub possible: Set,
    /// Surely accepted.
    pub accept: Set,
    /// Accepted while every limit has room, dropped when all are used up. Empty where limits were not told apart: then
    /// these are not decided.
    pub limited: Set,
    /// Surely dropped or rejected.
    pub drop: Set,
    /// Whose senders may be told, by how.
    pub rejects: Vec<(Reject, Set)>,
    /// Limits that decide.
    pub rates: Vec<RateUse>,
    /// Messages.
    pub logs: Vec<LogUse>,
    /// What is not decided.
    pub unknown: Vec<UnknownUse>,
    /// Of translated packets too many are taken for possible: a port or an address is replaced one by one.
    pub translation_widened: bool,
}

impl Openings {
    /// Possible, and neither surely accepted, nor limited, nor surely dropped.
    ///
    /// # Errors
    /// When the space gives up.
    pub fn undecided(&self, space: &mut Space) -> Result<Set, GaveUp> {
        let decided = space.union_all(&[self.accept, self.limited, self.drop])?;
        space.minus(self.possible, decided)
    }
}

/// What is asked of programs.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Only these packets.
    pub among: Set,
    /// Whether limits are told apart from what is not decided: takes three walks instead of one.
    pub limits: bool,
}

/// What a policy does with new connections, from `at` on as long as its text holds.
/// # Errors
/// When the space gives up.
pub fn of_policy(space: &mut Space, ruleset: &Ruleset, hook: Hook, at: At, among: Set) -> Result<Openings, GaveUp> {
    let want = intent(space, ruleset, hook, at)?;
    of_intent(space, ruleset, hook, &want, among)
}

/// The same of what the policy wants at the hook, where that is known.
pub(super) fn of_intent(
    space: &mut Space,
    ruleset: &Ruleset,
    hook: Hook,
    want: &Intent,
    among: Set,
) -> Result<Openings, GaveUp> {
    let first = first_packets(space, hook)?;
    let mut possible = space.intersect_all(&[want.possible, first, among])?;
    let mut translation_widened = false;
    if hook != Hook::Output {
        let plain = untranslated(space)?;
        let (mut taken, mut made) = (Set::EMPTY, Set::EMPTY);
        for ((to, port), set) in destinations(space, ruleset)? {
            taken = space.union(taken, set)?;
            let to = number(to);
            let ports = port.map(|port| (port, port));
            let (one, wide) = delivered(space, &Nat { kind: NatKind::Destination, to: Some((to, to)), ports }, set)?;
            made = space.union(made, one)?;
            translation_widened |= wide;
        }
        // What a port forward takes does not arrive as it was sent; what is translated is so by one.
        let taken = space.intersect(taken, plain)?;
        let arriving = space.minus(plain, taken)?;
        let arriving = space.union(arriving, made)?;
        possible = space.intersect(possible, arriving)?;
    }
    let accept = space.intersect(want.accept, possible)?;
    let mut limited = Set::EMPTY;
    for (_, _, set) in &want.limited {
        limited = space.union(limited, *set)?;
    }
    let limited = space.minus(limited, accept)?;
    let limited = space.intersect(limited, possible)?;
    let open = space.union(accept, limited)?;
    Ok(Openings {
        hook,
        possible,
        accept,
        limited,
        drop: space.minus(possible, open)?,
        rejects: Vec::new(),
        rates: Vec::new(),
        logs: Vec::new(),
        unknown: Vec::new(),
        translation_widened,
    })
}

/// What programs, which hold at the same time, do with new connections.
///
/// # Errors
/// When the space gives up.
pub fn of_programs(space: &mut Space, programs: &[&Program], hook: Hook, ask: Ask) -> Result<Openings, GaveUp> {
    let first = first_packets(space, hook)?;
    let first = space.intersect(first, ask.among)?;
    let arriving = arriving(space, programs, hook, first)?;
    let possible = arriving.set;
    let walk = |space: &mut Space, rates| {
        meaning::path(space, programs, hook, &Options { rates, entering: possible, collect_rules: false })
    };
    let found = walk(space, Rates::Unknown)?;
    let accept = space.minus(possible, found.may_drop)?;
    let drop = space.minus(possible, found.may_accept)?;
    let mut limited = Set::EMPTY;
    if ask.limits && found.rates.iter().any(|one| one.decides) {
        let (over, within) = (walk(space, Rates::Over)?, walk(space, Rates::Within)?);
        let shut = space.minus(possible, over.may_accept)?;
        let open = space.minus(possible, within.may_drop)?;
        let sure = space.union(accept, drop)?;
        limited = space.intersect(shut, open)?;
        limited = space.minus(limited, sure)?;
    }
    let mut unknown = found.unknown;
    unknown.extend(arriving.unknown);
    Ok(Openings {
        hook,
        possible,
        accept,
        limited,
        drop,
        rejects: found.may_reject,
        rates: found.rates,
        logs: found.logs,
        unknown,
        translation_widened: arriving.widened,
    })
}

/// First packets as they come to a hook.
struct Arriving {
    set: Set,
    unknown: Vec<UnknownUse>,
    widened: bool,
}

fn arriving(space: &mut Space, programs: &[&Program], hook: Hook, first: Set) -> Result<Arriving, GaveUp> {
    let plain = untranslated(space)?;
    let plain = space.intersect(first, plain)?;
    let at = if hook == Hook::Output { Hook::Output } else { Hook::Prerouting };
    let translates = programs.iter().flat_map(|program| &program.tables).flat_map(|table| &table.chains).any(|chain| {
        chain.base.is_some_and(|base| base.kind == ChainKind::Nat && base.hook == at) && !chain.rules.is_empty()
    });
    if !translates {
        return Ok(Arriving { set: plain, unknown: Vec::new(), widened: false });
    }
    let found = meaning::translation(space, programs, at)?;
    // What was asked about is described as it is delivered, and a nat chain sees no output interface before routing.
    let mut set = space.intersect(plain, found.may_none)?;
    let mut widened = false;
    for (nat, sent) in &found.uses {
        let (made, wide) = delivered(space, nat, *sent)?;
        let made = space.intersect(made, first)?;
        widened |= wide && !made.is_empty();
        set = space.union(set, made)?;
    }
    Ok(Arriving { set, unknown: found.unknown, widened })
}

/// What a translation makes of packets, and whether more than that: where addresses or ports are replaced one by one.
fn delivered(space: &mut Space, nat: &Nat, sent: Set) -> Result<(Set, bool), GaveUp> {
    let mut widened = false;
    // Their destination as sent: in this set it stands where translated packets have it.
    let before = space.exists(sent, &[Field::Translated, Field::SentDst, Field::SentDport])?;
    let before = space.substitute(before, Field::Dst, Field::SentDst)?;
    let mut before = space.substitute(before, Field::Dport, Field::SentDport)?;
    // What the kernel says of the address's kind is of the one as sent.
    before = space.exists(before, &[Field::Out, Field::DstType, Field::DstTypeHere])?;
    let mut cube = Cube::all().with_only(Field::Translated, 1);
    match (nat.kind, nat.to) {
        (NatKind::Source | NatKind::Masquerade, _) => return Ok((Set::EMPTY, false)),
        (NatKind::Redirect, _) => cube = cube.with_only(Field::DstType, 2),
        (NatKind::Netmap, Some((first, last))) => {
            cube = cube.with(Field::Dst, first, last);
            widened = true;
        }
        (_, Some((first, last))) => cube = cube.with(Field::Dst, first, last),
        (_, None) => {}
    }
    if let Some((first, last)) = nat.ports {
        cube = cube.with(Field::Dport, u128::from(first), u128::from(last));
    }
    let to = space.cube(&cube)?;
    let mut made = space.intersect(before, to)?;
    if nat.ports.is_none() {
        let (same, wide) = same_port(space, made)?;
        made = same;
        widened |= wide;
    }
    Ok((made, widened))
}

/// Packets whose port is the one they were sent to, as far as these are few.
fn same_port(space: &mut Space, set: Set) -> Result<(Set, bool), GaveUp> {
    if set.is_empty() {
        return Ok((set, false));
    }
    let fields: Vec<Field> = Field::ALL.into_iter().filter(|field| *field != Field::SentDport).collect();
    let ports = space.exists(set, &fields)?;
    let ranges: Vec<(u128, u128)> =
        space.boxes(ports).filter_map(|cube| cube.get(Field::SentDport).map(<[_]>::to_vec)).flatten().collect();
    let count: u128 = ranges.iter().map(|(first, last)| last - first + 1).sum();
    if ranges.is_empty() || count > SAME_PORTS_MAX {
        return Ok((set, true));
    }
    let pairs: Vec<Cube> = ranges
        .into_iter()
        .flat_map(|(first, last)| first..=last)
        .map(|port| Cube::all().with_only(Field::SentDport, port).with_only(Field::Dport, port))
        .collect();
    let pairs = space.cubes(&pairs)?;
    Ok((space.intersect(set, pairs)?, false))
}
