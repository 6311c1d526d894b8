//! What decides about a packet, on each side.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segwall_packetset::{Cube, Field, GaveUp, Point, Set, Space};

use super::Party;
use crate::analysis::proof::witness;
use crate::analysis::sets::sample;
use crate::netfilter::Hook;
use crate::netfilter::meaning::{self, RuleAt};
use crate::ruleset::{At, Reason};

const DAY_S: i64 = 86_400;
const DAYS: i64 = 7;

/// What decides about a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decider {
    /// The policy's line.
    Line(u32),
    /// No line of the policy: why, in a word.
    Default(&'static str),
    /// Rules that the packet meets and may match, the last one first.
    Rules(Vec<RuleAt>),
}

/// One packet of a set and a box: an ordinary one, at the instant if that is possible.
pub(super) fn choose(space: &Space, set: Set, cube: &Cube, now: Option<Timestamp>) -> Option<Point> {
    let wishes: Vec<(Field, u128)> = now.map(fields).into_iter().flatten().collect();
    let point = sample(space, set, cube, &wishes)?;
    let Some(now) = now else { return Some(point) };
    // Day and second belong to an instant: the next one after the beginning.
    let wanted = (point.get(Field::Day), point.get(Field::Second));
    let whole = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let midnight = now.as_second() - now.as_second().rem_euclid(DAY_S);
    let second = i64::try_from(wanted.1).unwrap_or(0);
    let instant = (0..=DAYS)
        .filter_map(|days| Timestamp::from_second(midnight + days * DAY_S + second).ok())
        .filter(|at| *at >= whole)
        .find(|at| fields(*at)[0].1 == wanted.0);
    let at = instant.and_then(|at| u128::try_from(at.as_nanosecond()).ok());
    let moved = at.map(|at| point.with(Field::Time, at.max(u128::try_from(now.as_nanosecond()).unwrap_or(0))));
    Some(moved.filter(|moved| space.contains(set, moved)).unwrap_or(point))
}

/// Day, second and time of an instant.
fn fields(at: Timestamp) -> [(Field, u128); 3] {
    let civil = at.to_zoned(TimeZone::UTC);
    let day = u128::from(civil.weekday().to_sunday_zero_offset().unsigned_abs());
    let second = at.as_second().rem_euclid(DAY_S).unsigned_abs();
    let time = u128::try_from(at.as_nanosecond()).unwrap_or(0);
    [(Field::Day, day), (Field::Second, u128::from(second)), (Field::Time, time)]
}

/// What decides about a packet at a hook of one side.
pub(super) fn decider(
    space: &mut Space,
    party: Party<'_>,
    hook: Hook,
    at: At,
    point: &Point,
) -> Result<Decider, GaveUp> {
    match party {
        Party::Rules(programs) => Ok(Decider::Rules(meaning::decided_by(space, programs, hook, point)?)),
        Party::Policy(ruleset) => {
            let at = match at {
                At::Instant(now) => {
                    let time = i128::try_from(point.get(Field::Time)).unwrap_or(0);
                    At::Instant(Timestamp::from_nanosecond(time).unwrap_or(now))
                }
                At::ClockUnknown => at,
            };
            let packet = witness(ruleset, hook, point).packet;
            let decision = ruleset.judge(&packet, at);
            Ok(match decision.reason {
                Reason::Rule(rule) if ruleset.rules[rule].line > 0 => Decider::Line(ruleset.rules[rule].line),
                Reason::Rule(_) => Decider::Default("what the policy needs itself"),
                Reason::Spoofed => Decider::Default("its source does not belong to its interface"),
                Reason::UnknownInterface => Decider::Default("the policy does not name its interface"),
                Reason::Family => Decider::Default("an interface carries no packets of this family"),
                Reason::Quarantined => Decider::Default("one of its ends is in quarantine"),
                Reason::Broadcast => Decider::Default("broadcast or multicast that no rule names"),
                Reason::Established => Decider::Default("it stays inside the box"),
                Reason::Invalid | Reason::Untracked | Reason::NotSyn => Decider::Default("it opens no connection"),
                Reason::Unnamed => Decider::Default("no rule names it"),
            })
        }
    }
}
