//! `-m conntrack` and `-m state`.

use segwall_packetset::{CtState, Field, proto};

use super::Refusal;
use super::address::{self, Place, all_bits, among, places, together, unknown};
use super::match_list::TRACKED;
use super::matches::Context;
use super::names::{may_be_a_name, protocol};
use super::ports;
use super::spec::{Given, Instance};
use crate::netfilter::{Key, Match, Step, Values};

/// What `--ctstate` may name; the numbers are those of [`Field::State`].
const STATES: &[(&str, State)] = &[
    ("INVALID", State::Is(CtState::Invalid)),
    ("NEW", State::Is(CtState::New)),
    ("ESTABLISHED", State::Is(CtState::Established)),
    ("RELATED", State::Is(CtState::Related)),
    ("UNTRACKED", State::Is(CtState::Untracked)),
    ("SNAT", State::Snat),
    ("DNAT", State::Dnat),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Is(CtState),
    Snat,
    Dnat,
}

fn value(state: CtState) -> u128 {
    match state {
        CtState::New => 0,
        CtState::Established => 1,
        CtState::Related => 2,
        CtState::Invalid => 3,
        CtState::Untracked => 4,
    }
}
const STATE_MAX: u128 = 4;

/// What `-m conntrack` or `-m state` looks at: conditions of which any may hold, no two for the same packet.
pub(super) fn alternatives(instance: &Instance, cx: Context<'_>) -> Result<Vec<Vec<Step>>, Refusal> {
    let state = instance.get("ctstate");
    let states = state.map(states).transpose()?.unwrap_or_default();
    let others: Vec<&Given> = instance.given.iter().filter(|given| given.name != "ctstate").collect();
    let of_protocol = instance.get("ctproto").filter(|given| !given.not).and_then(|given| protocol(given.value()));
    let cx = Context { protocol: cx.protocol.or(of_protocol), ..cx };
    let asked = others.iter().map(|given| asked(given, cx)).collect::<Result<Vec<_>, _>>()?;
    if states.contains(&State::Snat) || asked.iter().all(|asked| matches!(asked, Asked::Opaque)) {
        let state = state.map(|given| self::state(given, &states));
        let rest = others.iter().map(|given| unknown(given.text(), TRACKED));
        return Ok(vec![state.into_iter().chain(rest).collect()]);
    }
    let wanted = Wanted { not: state.is_some_and(|given| given.not), states: &states, given: state.is_some() };
    let mut alternatives = Vec::new();
    if let Some(translated) = wanted.translated(CtState::New) {
        let mut steps = wanted.steps(CtState::New, translated);
        let conditions = others.iter().zip(&asked).filter_map(|(given, asked)| asked.of_the_first(given));
        steps.extend(conditions);
        alternatives.push(steps);
    }
    // Later packets may run either way. Of a translated connection it is kept what it was sent to.
    let sent = asked.iter().any(|asked| asked.is_sent());
    if let Some(translated) = wanted.translated(CtState::Established) {
        let halves = match translated {
            None if sent => vec![Some(false), Some(true)],
            one => vec![one],
        };
        for translated in halves {
            let mut steps = wanted.steps(CtState::Established, translated);
            for (given, asked) in others.iter().zip(&asked) {
                let known = matches!(asked, Asked::Proto(_)) || (asked.is_sent() && translated == Some(true));
                let condition = if known { asked.of_the_first(given) } else { None };
                steps.push(condition.unwrap_or_else(|| unknown(given.text(), TRACKED)));
            }
            alternatives.push(steps);
        }
    }
    // An error about a connection is not of its protocol.
    if let Some(translated) = wanted.translated(CtState::Related) {
        let mut steps = wanted.steps(CtState::Related, translated);
        steps.extend(others.iter().map(|given| unknown(given.text(), TRACKED)));
        alternatives.push(steps);
    }
    // Without a connection nothing but the state is looked at, and nothing holds where it is not asked for.
    let without: Vec<(u128, u128)> = [CtState::Invalid, CtState::Untracked]
        .into_iter()
        .filter(|one| wanted.given && wanted.lists(*one) != wanted.not)
        .map(|one| (value(one), value(one)))
        .collect();
    if !without.is_empty() {
        alternatives.push(vec![among(Field::State, false, without)]);
    }
    Ok(alternatives)
}

/// The states that are asked for.
struct Wanted<'s> {
    given: bool,
    not: bool,
    states: &'s [State],
}

impl Wanted<'_> {
    fn lists(&self, state: CtState) -> bool {
        self.states.contains(&State::Is(state))
    }

    /// Whether packets of a state are wanted, and if only translated ones or only others.
    fn translated(&self, state: CtState) -> Option<Option<bool>> {
        match (self.given, self.lists(state), self.states.contains(&State::Dnat), self.not) {
            (false, ..) | (true, true, _, false) | (true, false, false, true) => Some(None),
            (true, false, true, not) => Some(Some(!not)),
            (true, true, _, true) | (true, false, false, false) => None,
        }
    }

    fn steps(&self, state: CtState, translated: Option<bool>) -> Vec<Step> {
        let mut steps = vec![among(Field::State, false, vec![(value(state), value(state))])];
        steps.extend(translated.map(|one| among(Field::Translated, false, vec![(one.into(), one.into())])));
        steps
    }
}

fn states(given: &Given) -> Result<Vec<State>, Refusal> {
    let wrong = |name: &str| given.refuse(format!("`{name}` is no state of a connection"));
    given
        .value()
        .split(',')
        .map(|name| {
            let begins = |known: &&(&str, State)| {
                !name.is_empty() && known.0.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name))
            };
            STATES.iter().find(begins).map(|(_, state)| *state).ok_or_else(|| wrong(name))
        })
        .collect()
}

fn state(given: &Given, states: &[State]) -> Step {
    if states.contains(&State::Snat) {
        return unknown(given.text(), "whether a source was translated is not modelled");
    }
    let mut plain: Vec<u128> =
        states.iter().filter_map(|one| if let State::Is(state) = one { Some(value(*state)) } else { None }).collect();
    plain.sort_unstable();
    plain.dedup();
    if states.contains(&State::Dnat) {
        let mut elements: Vec<_> = plain.iter().map(|one| vec![(*one, *one), (0, 1)]).collect();
        elements.push(vec![(0, STATE_MAX), (1, 1)]);
        return together(&[Field::State, Field::Translated], given.not, elements);
    }
    among(Field::State, given.not, plain.into_iter().map(|one| (one, one)).collect())
}

/// What an option asks of a connection, as its first packet shows it.
enum Asked {
    Proto(u8),
    Key(Key, (u128, u128)),
    Original,
    Reply,
    /// Something that is not kept.
    Opaque,
}

impl Asked {
    fn is_sent(&self) -> bool {
        matches!(self, Self::Key(Key::SentDestination | Key::SentPort, _))
    }

    /// The condition on the first packet; `None`: it always holds.
    fn of_the_first(&self, given: &Given) -> Option<Step> {
        match self {
            Self::Proto(number) => {
                Some(among(Field::Proto, given.not, vec![(u128::from(*number), u128::from(*number))]))
            }
            Self::Key(key, range) => {
                let values = Values::Here(vec![vec![*range]]);
                Some(Step::Match(Match::Among { keys: vec![*key], not: given.not, values }))
            }
            Self::Original => None,
            Self::Reply => Some(among(Field::State, false, Vec::new())),
            Self::Opaque => Some(unknown(given.text(), TRACKED)),
        }
    }
}

fn asked(given: &Given, cx: Context<'_>) -> Result<Asked, Refusal> {
    let key = match given.name.as_str() {
        "ctproto" => {
            return match protocol(given.value()) {
                Some(0) => Err(given.refuse("no packet has none of all protocols")),
                Some(number) => Ok(Asked::Proto(number)),
                None if may_be_a_name(given.value()) => Ok(Asked::Opaque),
                None => Err(given.refuse(format!("`{}` is no protocol", given.value()))),
            };
        }
        "ctdir" => {
            return match given.value().to_ascii_uppercase().as_str() {
                "ORIGINAL" => Ok(Asked::Original),
                "REPLY" => Ok(Asked::Reply),
                _ => Err(given.refuse("a direction is ORIGINAL or REPLY")),
            };
        }
        "ctorigsrc" | "ctrepldst" => Key::Field(Field::Src),
        "ctreplsrc" => Key::Field(Field::Dst),
        "ctorigdst" => Key::SentDestination,
        "ctorigsrcport" | "ctrepldstport" => Key::Field(Field::Sport),
        "ctreplsrcport" => Key::Field(Field::Dport),
        "ctorigdstport" => Key::SentPort,
        _ => return Ok(Asked::Opaque),
    };
    let range = match key {
        Key::Field(Field::Sport | Field::Dport) | Key::SentPort => {
            let with_ports = cx.protocol.is_some_and(proto::has_ports);
            ports::range(given, given.value(), cx.protocol)?.filter(|_| with_ports)
        }
        _ => addresses(given, cx)?,
    };
    Ok(range.map_or(Asked::Opaque, |range| Asked::Key(key, range)))
}

/// The addresses of an option; `None` where they are no range.
fn addresses(given: &Given, cx: Context<'_>) -> Result<Option<(u128, u128)>, Refusal> {
    let found = places(given.value(), cx.version).filter(|found| found.len() == 1);
    let wrong = || given.refuse(format!("`{}` is no address", given.value()));
    match found.ok_or_else(wrong)?.as_slice() {
        [Place::Net(address::Net { address, mask })] => {
            let host = all_bits(cx.version) & !mask;
            Ok((host & host.wrapping_add(1) == 0).then_some((*address, address | host)))
        }
        _ => Ok(None),
    }
}
