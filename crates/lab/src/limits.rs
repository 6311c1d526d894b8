//! Limits: a burst of one flow, of which as many pass as the limit says.

use std::time::Instant;

use segwall_core::policy::{Limit, TimeUnit};
use segwall_core::ruleset::Reason;
use segwall_packetset::{Header, Place};

use crate::error::LabError;
use crate::pairs::{self, Places};
use crate::probe::{Kind, Probe};
use crate::prober::{Content, Seen, Shot};
use crate::report::{Compared, compare};
use crate::session::{Session, packet};

/// A burst longer than this is not tried.
const BURST_MAX: u32 = 4000;
/// Packets beyond the burst.
const BEYOND: u32 = 100;
/// Connections more than the arithmetic says that a bucket may let through: it refills between two looks at the clock.
const TOLERANCE: u64 = 2;

/// A burst for each limited rule that alone accepts some flow.
///
/// # Errors
/// When the lab itself fails.
pub fn run(
    session: &mut Session<'_>,
    texts: &[String],
    places: &Places,
    inputs: &[Place],
    seed: u64,
    notes: &mut Vec<String>,
) -> Result<(), LabError> {
    let limited: Vec<usize> =
        (0..session.ruleset.rules.len()).filter(|at| session.ruleset.rules[*at].limit.is_some()).collect();
    let mut open = limited.clone();
    for input in inputs {
        if open.is_empty() {
            break;
        }
        let generated = pairs::from(session.ruleset, session.topology, places, *input, seed);
        for probe in &generated.probes {
            let Some(rule) = alone(session, probe).filter(|rule| open.contains(rule)) else { continue };
            let Some(limit) = session.ruleset.rules[rule].limit else { continue };
            open.retain(|other| *other != rule);
            if limit.burst > BURST_MAX {
                notes.push(format!(
                    "the limit in line {} was not tried: its burst is too long",
                    session.ruleset.rules[rule].line
                ));
                continue;
            }
            let probe = Probe { kind: Kind::Limit, ..*probe };
            burst(session, texts, &probe, &limit)?;
        }
    }
    for rule in open {
        let line = session.ruleset.rules[rule].line;
        notes.push(format!("the limit in line {line} was not tried: no flow depends on it alone"));
    }
    Ok(())
}

/// The limited rule that alone accepts a flow which can be sent many times at once.
fn alone(session: &Session<'_>, probe: &Probe) -> Option<usize> {
    if matches!(probe.header, Header::Other) {
        return None;
    }
    let expected = session.expected(probe);
    let Reason::Rule(rule) = expected.decision.reason else { return None };
    if !expected.is_accepted() || !expected.decision.limited {
        return None;
    }
    let covering = session.ruleset.covering(&expected.flow, false, session.at);
    (covering == [rule]).then_some(rule)
}

fn burst(session: &mut Session<'_>, texts: &[String], probe: &Probe, limit: &Limit) -> Result<(), LabError> {
    const ATTEMPTS: u32 = 2;
    let expected = session.expected(probe);
    let count = limit.burst + BEYOND;
    let shot = Shot { from: probe.input, via: expected.flow.output, content: Content::Crafted(packet(probe)) };
    let shots: Vec<Shot> = (0..count).map(|_| shot.clone()).collect();
    let mut told = (Seen::default(), None);
    for _ in 0..ATTEMPTS {
        // Fresh buckets.
        session.prober.load(session.topology, texts)?;
        let started = Instant::now();
        let seen = session.prober.shoot_once(session.topology, &shots)?;
        let elapsed_s = started.elapsed().as_secs_f64();
        let Some(seen) = seen else { continue };
        let passed =
            seen.iter().filter(|seen| compare(session.topology, probe, &expected, seen).is_none()).count() as u64;
        let refilled = rate_per_s(limit) * elapsed_s;
        let most = u64::from(limit.burst) + refilled.ceil() as u64 + TOLERANCE;
        let difference = if passed < u64::from(limit.burst) {
            Some(format!("of {count} at once {passed} passed; the burst is {}", limit.burst))
        } else if passed > most {
            Some(format!("of {count} at once {passed} passed; the limit allows {most}"))
        } else {
            None
        };
        let fine = difference.is_none();
        told = (seen.into_iter().next().unwrap_or_default(), difference);
        if fine {
            break;
        }
    }
    let (seen, difference) = told;
    let context = session.context();
    session.tally.note(&context, Compared { probe, expected: &expected, seen: &seen, difference });
    Ok(())
}

fn rate_per_s(limit: &Limit) -> f64 {
    let seconds = match limit.per {
        TimeUnit::Second => 1.0,
        TimeUnit::Minute => 60.0,
        TimeUnit::Hour => 3600.0,
        TimeUnit::Day => 86_400.0,
    };
    f64::from(limit.rate) / seconds
}
