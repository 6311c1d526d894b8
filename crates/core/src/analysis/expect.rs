//! Claims: every `[[expect]]` is decided for all packets and all times, by sets.

use segwall_packetset::{Flow, GaveUp, Set};

use super::always::targets::says_same;
use super::always::{Always, TRANSLATION};
use super::codes;
use super::domain::places;
use super::words::{flow_words, time_words};
use crate::diag::Diagnostic;
use crate::policy::{End, Expect, Policy, Verdict, Zone};
use crate::ruleset::{At, Reason, Ruleset};

/// What a claim comes to.
enum Outcome {
    Holds,
    /// No packet is what it speaks of.
    Empty,
    Broken(Flow, At),
}

/// Decides every claim.
pub(super) fn check(policy: &Policy, always: &mut Always<'_>, at: At, found: &mut Vec<Diagnostic>) {
    for expect in &policy.expects {
        let finding = match decide(always, expect) {
            Ok(Outcome::Holds) => continue,
            Ok(Outcome::Empty) => {
                Diagnostic::error(codes::EXPECT_FAILED, expect.span, "no packet can be what this claim speaks of")
                    .label("claims an accept")
                    .help("look at the address families of both ends, and at ICMP messages that open no connection")
            }
            Ok(Outcome::Broken(flow, when)) => failed(always.ruleset(), expect, flow, when, at),
            Err(GaveUp { .. }) => {
                Diagnostic::warning(codes::UNDECIDED, expect.span, "this claim is about too much to decide")
                    .help("split it: fewer ends or services in each claim")
            }
        };
        found.push(finding);
    }
}

fn decide(always: &mut Always<'_>, expect: &Expect) -> Result<Outcome, GaveUp> {
    let drops = expect.verdict != Verdict::Accept;
    let services = always.services(expect.services.as_deref())?;
    let targets: Vec<Set> = expect
        .to
        .iter()
        .map(|end| {
            let beyond = always.beyond(end)?;
            always.space.intersect(beyond, services)
        })
        .collect::<Result<_, _>>()?;
    let mut any = false;
    for source in &expect.from {
        for input in places(always.ruleset(), source.zone) {
            let entry = always.entry(input)?;
            if drops && entry.accepted.is_empty() {
                continue;
            }
            let from = always.sources(input, source)?;
            let (possible, accepted) =
                (always.space.intersect(entry.possible, from)?, always.space.intersect(entry.accepted, from)?);
            for (target, beyond) in expect.to.iter().zip(&targets) {
                let Meant { direct, forwarded } = meant(always, expect, input, (source, target), (*beyond, services))?;
                let mut look = |always: &mut Always<'_>, asked: Set, through: &[_]| -> Result<Option<_>, GaveUp> {
                    let yes = always.space.intersect(accepted, asked)?;
                    if drops {
                        return always.example(input, yes);
                    }
                    // What reaches its target through a port forward reaches it.
                    let all = always.space.intersect(possible, asked)?;
                    any |= !all.is_empty();
                    let reached = always.space.exists(yes, through)?;
                    let missed = always.space.minus(all, reached)?;
                    always.example(input, missed)
                };
                let broken = match look(always, forwarded, &[])? {
                    None => look(always, direct, &TRANSLATION)?,
                    broken => broken,
                };
                if let Some((flow, when)) = broken {
                    return Ok(Outcome::Broken(flow, when));
                }
            }
        }
    }
    Ok(if drops || any { Outcome::Holds } else { Outcome::Empty })
}

/// The packets from a place that a pair of ends means.
struct Meant {
    /// As they are delivered.
    direct: Set,
    /// What port forwards make of those to the box.
    forwarded: Set,
}

fn meant(
    always: &mut Always<'_>,
    expect: &Expect,
    input: segwall_packetset::Place,
    (source, target): (&End, &End),
    (beyond, services): (Set, Set),
) -> Result<Meant, GaveUp> {
    let whole_box = expect.verdict != Verdict::Accept;
    if target.zone == Zone::Gateway {
        if source.zone == Zone::Gateway {
            return Ok(Meant { direct: Set::EMPTY, forwarded: Set::EMPTY });
        }
        let direct = always.of_box(input, target, whole_box)?;
        return Ok(Meant {
            direct: always.space.intersect(direct, services)?,
            forwarded: always.through_box(input, target, whole_box, expect.services.as_deref())?,
        });
    }
    let direct = if says_same(source, target) {
        beyond
    } else {
        let elsewhere = always.elsewhere(input)?;
        always.space.intersect(beyond, elsewhere)?
    };
    Ok(Meant { direct, forwarded: Set::EMPTY })
}

fn failed(ruleset: &Ruleset, expect: &Expect, flow: Flow, when: At, at: At) -> Diagnostic {
    let decision = ruleset.eval(&flow, when);
    let time = if when == at { String::new() } else { format!(" {}", time_words(ruleset, when)) };
    let became = match decision.verdict {
        Verdict::Accept => "is accepted",
        Verdict::Drop => "is dropped",
        Verdict::Reject => "is rejected",
    };
    let message = format!("this claim does not hold: {} {became}{time}", flow_words(ruleset, &flow));
    let mut finding = Diagnostic::error(codes::EXPECT_FAILED, expect.span, message)
        .label(format!("claims {}", if expect.verdict == Verdict::Accept { "an accept" } else { "a drop" }))
        .witness(flow);
    match decision.reason {
        Reason::Rule(rule) => {
            let rule = &ruleset.rules[rule];
            match rule.span {
                Some(span) => {
                    finding = finding
                        .also(span, format!("this {}s it", rule.verdict.word()))
                        .help(format!("narrow that {}, or correct the claim", rule.verdict.word()));
                }
                None => finding = finding.help("the box accepts it without being asked for; a drop takes it away"),
            }
        }
        reason => {
            finding =
                finding.help(format!("nothing accepts it ({}): add an accept, or correct the claim", reason.word()))
        }
    }
    finding
}
