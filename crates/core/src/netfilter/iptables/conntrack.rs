//! `-m conntrack` and `-m state`.

use segwall_packetset::{CtState, Field, proto};

use super::Refusal;
use super::address::{self, Place, WHY_NAME, all_bits, among, places, together, unknown};
use super::match_list::TRACKED;
use super::matches::Context;
use super::names::{may_be_a_name, protocol};
use super::ports;
use super::spec::{Given, Instance};
use crate::netfilter::Step;

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

/// What `-m conntrack` or `-m state` looks at.
pub(super) fn steps(instance: &Instance, cx: Context<'_>) -> Result<Vec<Step>, Refusal> {
    let mut steps = Vec::new();
    let mut new_only = false;
    if let Some(given) = instance.get("ctstate") {
        let states = states(given)?;
        new_only = !given.not && states == [State::Is(CtState::New)];
        steps.push(state(given, &states));
    }
    for given in instance.given.iter().filter(|given| given.name != "ctstate") {
        steps.extend(other(given, cx, new_only)?);
    }
    Ok(steps)
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

/// Options beside the state. The first packet of a connection says itself what they ask; of later ones, which may run
/// either way, the model does not keep it.
fn other(given: &Given, cx: Context<'_>, new_only: bool) -> Result<Option<Step>, Refusal> {
    let opaque = || Ok(Some(unknown(given.text(), TRACKED)));
    let ends = match given.name.as_str() {
        "ctproto" => {
            let known = protocol(given.value());
            return match known {
                Some(0) => Err(given.refuse("no packet has none of all protocols")),
                Some(number) if new_only => {
                    Ok(Some(among(Field::Proto, given.not, vec![(number.into(), number.into())])))
                }
                Some(_) => opaque(),
                None if may_be_a_name(given.value()) => Ok(Some(unknown(given.text(), WHY_NAME))),
                None => Err(given.refuse(format!("`{}` is no protocol", given.value()))),
            };
        }
        "ctdir" => {
            return match given.value().to_ascii_uppercase().as_str() {
                "ORIGINAL" if new_only => Ok(None),
                "REPLY" if new_only => Ok(Some(among(Field::State, false, Vec::new()))),
                "ORIGINAL" | "REPLY" => opaque(),
                _ => Err(given.refuse("a direction is ORIGINAL or REPLY")),
            };
        }
        "ctorigsrc" | "ctrepldst" => (Field::Src, None),
        "ctreplsrc" => (Field::Dst, None),
        "ctorigdst" => (Field::Dst, Some(Field::SentDst)),
        "ctorigsrcport" | "ctrepldstport" => (Field::Sport, None),
        "ctreplsrcport" => (Field::Dport, None),
        "ctorigdstport" => (Field::Dport, Some(Field::SentDport)),
        _ => return opaque(),
    };
    let ranges = match ends.0 {
        Field::Sport | Field::Dport => {
            let found = ports::range(given, given.value(), cx.protocol)?;
            found.filter(|_| cx.protocol.is_some_and(proto::has_ports))
        }
        _ => addresses(given, cx)?,
    };
    let Some(range) = ranges.filter(|_| new_only) else { return opaque() };
    let (now, before) = ends;
    Ok(Some(match before {
        None => among(now, given.not, vec![range]),
        Some(before) => {
            let elements = vec![vec![(0, 0), (0, before.max()), range], vec![(1, 1), range, (0, now.max())]];
            together(&[Field::Translated, before, now], given.not, elements)
        }
    }))
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
