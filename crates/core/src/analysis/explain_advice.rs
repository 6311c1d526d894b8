//! What would change a verdict.

use segwall_packetset::{Flow, Place};

use super::domain::{zone_name, zone_of};
use super::explain::Part;
use super::words::{Words, rule_words, schedule_words};
use crate::policy::{End, Policy, Verdict, Zone};
use crate::ruleset::{At, Origin, Reason, Ruleset};

/// The question in the person's words.
pub(super) struct Asked<'a> {
    pub from: &'a str,
    pub to: &'a str,
    pub service: Option<&'a str>,
    pub from_ends: &'a [End],
    pub to_ends: &'a [End],
}

/// Rules of the file that cover a flow at some time, whether now or not.
fn ever_covering(ruleset: &Ruleset, flow: &Flow) -> Vec<usize> {
    let mut rules: Vec<usize> = ruleset
        .boxes_between(flow.input, flow.output)
        .into_iter()
        .filter(|(_, flow_box)| ruleset.box_covers(flow_box, flow))
        .map(|(rule, _)| rule)
        .filter(|rule| !ruleset.rules[*rule].untracked)
        .collect();
    rules.dedup();
    rules
}

/// Where the verdict changes with time: the rules that make it so.
pub(super) fn timed_rules(
    policy: &Policy,
    ruleset: &Ruleset,
    flow: &Flow,
    instants: &[At],
    verdict: Verdict,
) -> Vec<String> {
    if instants.iter().all(|at| ruleset.eval(flow, *at).verdict == verdict) {
        return Vec::new();
    }
    let mut words: Vec<String> = ever_covering(ruleset, flow)
        .into_iter()
        .filter(|at| !ruleset.rules[*at].when.is_always())
        .map(|at| {
            let rule = &ruleset.rules[at];
            let now = if ruleset.is_active(rule, instants[0]) { "now too" } else { "not now" };
            format!("{} covers it {}, {now}", rule_words(ruleset, at), when_words(policy, ruleset, at))
        })
        .collect();
    let other = instants.iter().find_map(|at| match at {
        At::Instant(instant) => {
            let verdict_then = ruleset.eval(flow, *at).verdict;
            let local = ruleset.timezone.to_datetime(*instant);
            (verdict_then != verdict)
                .then(|| format!("{} at {}", verdict_then.word(), local.strftime("%A %Y-%m-%d %H:%M")))
        }
        At::ClockUnknown => None,
    });
    words.extend(other);
    words
}

/// What to do about each reason, each thing once.
pub(super) fn advice(policy: &Policy, ruleset: &Ruleset, asked: &Asked<'_>, parts: &[Part], at: At) -> Vec<String> {
    let words = Words::of(policy);
    let mut list: Vec<String> = Vec::new();
    let mut say = |text: String| {
        if !list.contains(&text) {
            list.push(text);
        }
    };
    for part in parts {
        let decision = ruleset.eval(&part.flow, at);
        match (decision.verdict, decision.reason) {
            (Verdict::Accept, _) => accepted(ruleset, asked, part, at, &words, &mut say),
            (Verdict::Drop | Verdict::Reject, Reason::Rule(rule)) => {
                let refusal = rule_words(ruleset, rule);
                let covering = ruleset.covering(&part.flow, false, at);
                if covering.iter().any(|rule| ruleset.rules[*rule].verdict == Verdict::Accept) {
                    say(format!("to accept it, take out or narrow {refusal}"));
                } else {
                    let add = snippet(ruleset, asked, part, "accept", &words);
                    say(format!("to accept it, take out or narrow {refusal}, and add\n{add}"));
                }
            }
            (Verdict::Drop | Verdict::Reject, Reason::Unnamed | Reason::Broadcast) => {
                let later: Vec<usize> = ever_covering(ruleset, &part.flow)
                    .into_iter()
                    .filter(|rule| ruleset.rules[*rule].verdict == Verdict::Accept)
                    .collect();
                for rule in &later {
                    let when = when_words(policy, ruleset, *rule);
                    say(format!("{} accepts it {when}", rule_words(ruleset, *rule)));
                }
                if later.is_empty() {
                    let it = if parts.len() == 1 { "it" } else { "the rest" };
                    say(format!("to accept {it}, add\n{}", snippet(ruleset, asked, part, "accept", &words)));
                }
            }
            (Verdict::Drop | Verdict::Reject, Reason::Family) => {
                say(format!("to accept it, {}: add them", part.reason));
            }
            (Verdict::Drop | Verdict::Reject, _) => {}
        }
    }
    list
}

fn accepted(
    ruleset: &Ruleset,
    asked: &Asked<'_>,
    part: &Part,
    at: At,
    words: &Words<'_>,
    say: &mut impl FnMut(String),
) {
    let accepts: Vec<usize> = ruleset.covering(&part.flow, false, at);
    let written: Vec<String> = accepts
        .iter()
        .filter(|rule| !matches!(ruleset.rules[**rule].origin, Origin::Need(_)))
        .map(|rule| rule_words(ruleset, *rule))
        .collect();
    let unasked = accepts.iter().any(|rule| matches!(ruleset.rules[*rule].origin, Origin::Need(_)));
    if accepts.iter().any(|rule| ruleset.rules[*rule].firm) {
        say("no rule takes this away: the segment itself needs it".to_owned());
        return;
    }
    if unasked || written.len() > 1 {
        say(format!("to refuse it, add\n{}", snippet(ruleset, asked, part, "drop", words)));
    } else {
        say(format!("to refuse it, take out or narrow {}", written.join(" and ")));
    }
}

/// `only mon-fri 08:00-18:00`, `until 2027-06-30`.
fn when_words(policy: &Policy, ruleset: &Ruleset, rule: usize) -> String {
    let Origin::Written(id) = ruleset.rules[rule].origin else { return "always".to_owned() };
    let written = &policy.rules[id.0 as usize];
    let schedule = written.schedule.as_ref().map(|schedule| format!("only {}", schedule_words(schedule)));
    let until = written.expires.map(|day| format!("until {day}"));
    schedule.into_iter().chain(until).collect::<Vec<_>>().join(", ")
}

/// A rule to add, in the person's words where the policy knows them.
fn snippet(ruleset: &Ruleset, asked: &Asked<'_>, part: &Part, verdict: &str, words: &Words<'_>) -> String {
    let side = |typed: &str, ends: &[End], place: Place| {
        let zone = zone_of(ruleset, place);
        match (ends, zone) {
            // A bare address is no end of a rule.
            ([one], _) if one.addresses.is_some() => words.end(one.zone, one.addresses.as_deref()),
            ([_], _) => typed.to_owned(),
            (_, Some(zone)) => zone_name(ruleset, zone).to_owned(),
            (_, None) => typed.to_owned(),
        }
    };
    let from = side(asked.from, asked.from_ends, part.flow.input);
    let mut to = side(asked.to, asked.to_ends, part.flow.output);
    if part.flow.sent.is_some() {
        to = words.end(
            zone_of(ruleset, part.flow.output).unwrap_or(Zone::Gateway),
            Some(&[segwall_packetset::AddrRange::single(part.flow.dst)]),
        );
    }
    let mut text = format!("[[{verdict}]]\nfrom = \"{from}\"\nto = \"{to}\"\n");
    let service = part.services.as_deref().filter(|services| !services.starts_with("everything")).or(asked.service);
    if let Some(service) = service.filter(|service| !matches!(*service, "any" | "all" | "everything")) {
        let list: Vec<String> = service.split(',').map(|word| format!("\"{}\"", word.trim())).collect();
        let value = if list.len() == 1 { list[0].clone() } else { format!("[{}]", list.join(", ")) };
        text.push_str(&format!("service = {value}\n"));
    }
    text
}
