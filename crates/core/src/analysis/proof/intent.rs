//! What the policy wants of every packet at a hook, as sets: the oracle's answer ([`Ruleset::judge`]) for all packets
//! at once.

use segwall_packetset::{Cube, Family, Field, GaveUp, Set, Space};

use super::boxes::{cubes, own_addresses};
use super::nat;
use super::terms::{
    ESTABLISHED, LOCAL, NEW, RELATED, UNTRACKED, family_number, icmp, is, name_number, name_of, names, not_bare_syn,
    ranges_of,
};
use crate::netfilter::Hook;
use crate::policy::{Limit, Verdict};
use crate::ruleset::{At, Role, Rule, Ruleset};

/// The loopback interface: what comes and goes by it stays in the box.
pub const LOOPBACK: &str = "lo";

/// What becomes of packets at a hook.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Packets that can be at this hook: what two programs are compared within.
    pub possible: Set,
    /// Accepted without a limit.
    pub accept: Set,
    /// Rejected: the sender is told.
    pub reject: Set,
    /// Accepted by this limited rule (its index) while it has room, and by nothing else without a limit.
    pub limited: Vec<(usize, Limit, Set)>,
    /// Accepted without a limit, and written down.
    pub logged: Set,
}

/// Unions of the rules of one kind.
struct Parts {
    firm: Set,
    drop: Set,
    reject: Set,
    accept: Set,
    logged: Set,
    limited: Vec<(usize, Limit, Set)>,
}

/// The intent at a hook: input, forward or output.
///
/// # Errors
/// When the space gives up.
pub fn intent(space: &mut Space, ruleset: &Ruleset, hook: Hook, at: At) -> Result<Intent, GaveUp> {
    let possible = possible(space, ruleset, hook, at)?;
    let honest = honest(space, ruleset, hook)?;
    let carried = carried(space, ruleset, hook)?;
    let state = |space: &mut Space, number| space.range(Field::State, number, number);
    let related = state(space, RELATED)?;
    let errors = if hook == Hook::Output {
        related
    } else {
        let icmp = icmp(space)?;
        space.intersect(related, icmp)?
    };
    let known = state(space, ESTABLISHED)?;
    let known = space.union(known, errors)?;
    let opening = space.minus(related, errors)?;
    let new = state(space, NEW)?;
    let opening = space.union(new, opening)?;
    let not_syn = not_bare_syn(space)?;
    let opening = space.minus(opening, not_syn)?;
    let untracked = state(space, UNTRACKED)?;

    let reach = space.intersect(honest, possible)?;
    let decided = space.intersect(reach, carried)?;
    let mut result =
        Intent { possible, accept: Set::EMPTY, reject: Set::EMPTY, limited: Vec::new(), logged: Set::EMPTY };
    for (entering, wanted) in [(opening, false), (untracked, true)] {
        let entering = space.intersect(decided, entering)?;
        let covers = |rule: &Rule| rule.untracked == wanted || (wanted && rule.verdict != Verdict::Accept);
        let parts = parts(space, ruleset, hook, at, &covers)?;
        let refused = space.union(parts.drop, parts.reject)?;
        let accept = space.minus(parts.accept, refused)?;
        let accept = space.union(parts.firm, accept)?;
        let accept = space.intersect(accept, entering)?;
        result.accept = space.union(result.accept, accept)?;
        let logged = space.minus(parts.logged, refused)?;
        let logged = space.minus(logged, parts.firm)?;
        let logged = space.intersect(logged, entering)?;
        result.logged = space.union(result.logged, logged)?;
        let reject = space.minus(parts.reject, parts.drop)?;
        let reject = space.minus(reject, parts.firm)?;
        let reject = space.intersect(reject, entering)?;
        result.reject = space.union(result.reject, reject)?;
        for (at, limit, set) in parts.limited {
            let set = space.minus(set, refused)?;
            let set = space.intersect(set, entering)?;
            let set = space.minus(set, accept)?;
            if !set.is_empty() {
                result.limited.push((at, limit, set));
            }
        }
    }
    let known = space.intersect(reach, known)?;
    result.accept = space.union(result.accept, known)?;
    let inside = match hook {
        Hook::Input => space.range(Field::In, name_number(LOOPBACK), name_number(LOOPBACK))?,
        Hook::Output => space.range(Field::Out, name_number(LOOPBACK), name_number(LOOPBACK))?,
        _ => Set::EMPTY,
    };
    let inside = space.intersect(inside, possible)?;
    result.accept = space.union(result.accept, inside)?;
    result.reject = space.minus(result.reject, inside)?;
    result.logged = space.minus(result.logged, inside)?;
    for (_, _, set) in &mut result.limited {
        *set = space.minus(*set, inside)?;
    }
    Ok(result)
}

fn parts(
    space: &mut Space,
    ruleset: &Ruleset,
    hook: Hook,
    at: At,
    covers: &dyn Fn(&Rule) -> bool,
) -> Result<Parts, GaveUp> {
    let (mut firm, mut drop, mut reject, mut accept, mut logged) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut limited = Vec::new();
    for (number, rule) in ruleset.rules.iter().enumerate().filter(|(_, rule)| covers(rule)) {
        let list = cubes(ruleset, rule, hook, at);
        match (rule.verdict, rule.limit) {
            _ if rule.firm => firm.extend(list),
            (Verdict::Drop, _) => drop.extend(list),
            (Verdict::Reject, _) => reject.extend(list),
            (Verdict::Accept, Some(limit)) => {
                let set = space.cubes(&list)?;
                limited.push((number, limit, set));
            }
            (Verdict::Accept, None) => {
                if rule.log {
                    logged.extend(list.iter().cloned());
                }
                accept.extend(list);
            }
        }
    }
    Ok(Parts {
        firm: space.cubes(&firm)?,
        drop: space.cubes(&drop)?,
        reject: space.cubes(&reject)?,
        accept: space.cubes(&accept)?,
        logged: space.cubes(&logged)?,
        limited,
    })
}

/// Packets that can be at a hook, within the time that the text is good for.
fn possible(space: &mut Space, ruleset: &Ruleset, hook: Hook, at: At) -> Result<Set, GaveUp> {
    let some = |cube: Cube, field| cube.with(field, 1, field.max());
    let cube = match hook {
        Hook::Input => is(some(Cube::all(), Field::In), Field::Out, 0),
        Hook::Output => is(some(Cube::all(), Field::Out), Field::In, 0),
        _ => some(some(Cube::all(), Field::In), Field::Out),
    };
    let cube = match at {
        At::Instant(now) => {
            let nanoseconds = |at: jiff::Timestamp| u128::try_from(at.as_nanosecond()).unwrap_or(0);
            let until = crate::ruleset::slots::valid_until(ruleset, at)
                .map_or(Field::Time.max(), |until| nanoseconds(until) - 1);
            cube.with(Field::Time, nanoseconds(now), until)
        }
        At::ClockUnknown => cube,
    };
    let mut set = space.cube(&cube)?;
    if hook == Hook::Forward {
        let lo = name_number(LOOPBACK);
        for field in [Field::In, Field::Out] {
            let inside = space.range(field, lo, lo)?;
            set = space.minus(set, inside)?;
        }
    }
    let wellformed = space.wellformed()?;
    let set = space.intersect(set, wellformed)?;
    let strange = nat::never_translated(space, ruleset)?;
    space.minus(set, strange)
}

/// Packets with an address that the policy gives to the box, and that the kernel would not call local. There are none;
/// but the set is large, so it is asked only about differences.
///
/// # Errors
/// When the space gives up.
pub fn not_local(space: &mut Space, ruleset: &Ruleset) -> Result<Set, GaveUp> {
    let others = |cube: Cube, field| {
        let cube = cube.with(field, 0, LOCAL - 1);
        cube.with(field, LOCAL + 1, Field::DstType.max())
    };
    let mut cubes = Vec::new();
    for family in Family::BOTH {
        let of = is(Cube::all(), Field::Family, family_number(family));
        for (id, interface) in ruleset.interface_ids() {
            let own = own_addresses(&interface.addresses, family);
            if own.is_empty() {
                continue;
            }
            let here = is(of.clone(), Field::In, name_of(ruleset, id));
            cubes.push(others(of.clone().with_ranges(Field::Dst, &own), Field::DstType));
            cubes.push(others(of.clone().with_ranges(Field::Src, &own), Field::SrcType));
            cubes.push(others(here.clone().with_ranges(Field::Dst, &own), Field::DstTypeHere));
            cubes.push(others(here.with_ranges(Field::Src, &own), Field::SrcTypeHere));
        }
    }
    space.cubes(&cubes)
}

/// Packets whose source belongs to the interface they came by.
fn honest(space: &mut Space, ruleset: &Ruleset, hook: Hook) -> Result<Set, GaveUp> {
    if hook == Hook::Output {
        return Ok(Set::ALL);
    }
    let mut segments = Vec::new();
    let mut uplinks = Vec::new();
    for (id, interface) in ruleset.interface_ids() {
        let name = name_of(ruleset, id);
        let here = |family| is(is(Cube::all(), Field::Family, family_number(family)), Field::In, name);
        match interface.role {
            Role::Segment(_) => {
                for family in Family::BOTH {
                    let ranges = ranges_of(&interface.sources, family);
                    if !ranges.is_empty() {
                        segments.push(here(family).with_ranges(Field::Src, &ranges));
                    }
                    if hook == Hook::Input && interface.carries(family) {
                        segments.extend(first_contact(&here(family), family));
                    }
                }
            }
            Role::Uplink => uplinks.push((name, interface.dynamic)),
        }
    }
    let mut set = space.cubes(&segments)?;
    let mut inside = Vec::new();
    for family in Family::BOTH {
        let ranges = ranges_of(&ruleset.inside, family);
        if !ranges.is_empty() {
            inside.push(is(Cube::all(), Field::Family, family_number(family)).with_ranges(Field::Src, &ranges));
        }
    }
    let inside = space.cubes(&inside)?;
    for (name, dynamic) in uplinks {
        let here = space.range(Field::In, name, name)?;
        let mut outside = space.minus(here, inside)?;
        if dynamic {
            let own = space.range(Field::SrcTypeHere, LOCAL, LOCAL)?;
            outside = space.minus(outside, own)?;
        }
        set = space.union(set, outside)?;
    }
    Ok(set)
}

/// What a host without an address of its subnet must be able to send to the box.
fn first_contact(here: &Cube, family: Family) -> Vec<Cube> {
    let exactly = |cube: Cube, list: &[u128]| {
        let ranges: Vec<(u128, u128)> = list.iter().map(|value| (*value, *value)).collect();
        cube.with_ranges(Field::IcmpType, &ranges)
    };
    let udp = |cube: Cube, port| is(is(cube, Field::Proto, 17), Field::Dport, port);
    match family {
        Family::V4 => vec![udp(is(here.clone(), Field::Src, 0), 67)],
        Family::V6 => {
            let icmp = |cube: Cube| is(cube, Field::Proto, 58);
            let nobody = is(here.clone(), Field::Src, 0);
            let link_local = here.clone().with(Field::Src, 0xfe80 << 112, (0xfec0 << 112) - 1);
            vec![
                exactly(icmp(nobody), &[131, 132, 135, 143]),
                exactly(icmp(link_local.clone()), &[130, 131, 132, 133, 135, 136, 143]),
                udp(link_local, 547),
            ]
        }
    }
}

/// Packets whose interfaces carry their family. What the box itself sends is not looked at.
fn carried(space: &mut Space, ruleset: &Ruleset, hook: Hook) -> Result<Set, GaveUp> {
    if hook == Hook::Output {
        return Ok(Set::ALL);
    }
    let mut foreign = Vec::new();
    for family in Family::BOTH {
        let without = names(
            ruleset
                .interfaces
                .iter()
                .filter(|interface| !interface.carries(family))
                .map(|interface| interface.name.as_str()),
        );
        if without.is_empty() {
            continue;
        }
        for field in [Field::In, Field::Out] {
            foreign.push(is(Cube::all(), Field::Family, family_number(family)).with_ranges(field, &without));
        }
    }
    let foreign = space.cubes(&foreign)?;
    space.complement(foreign)
}
