//! What is told of an import: differences, each with a packet, and what else somebody should know.

use std::fmt::Write;

use segwall_packetset::{GaveUp, Space};

use super::compare::{Found, How, Which};
use super::grants::{End, Grant, LineAt};
use super::head::comment;
use super::network::Network;
use super::{Difference, Given, old, words};
use crate::analysis::sets;
use crate::netfilter::meaning;
use crate::netfilter::{Action, Hook, Match, Program, Rate, Step};
use crate::policy::Verdict;
use crate::ruleset::{Role, Ruleset};

/// Boxes of a difference that are shown.
const BOXES_SHOWN: usize = 3;
/// Rules that are named for a packet.
const RULES_SHOWN: usize = 2;
/// Lines of one kind that are named.
const LINES_SHOWN: usize = 12;

/// What words need.
pub(super) struct Told<'a> {
    pub given: &'a Given<'a>,
    pub programs: &'a [&'a Program],
    pub network: &'a Network,
    pub ruleset: &'a Ruleset,
}

impl Told<'_> {
    /// An interface with its zone.
    fn naming(&self, device: &str) -> Option<String> {
        let found = self.ruleset.interfaces.iter().find(|interface| interface.name == device)?;
        let zone = match found.role {
            Role::Uplink => "internet",
            Role::Segment(_) => &found.zone,
        };
        Some(format!("{device} ({zone})"))
    }
}

/// Differences in words: first those of the promise, then by their classes.
pub(super) fn differences(space: &mut Space, told: &Told<'_>, found: &[Found]) -> Result<Vec<Difference>, GaveUp> {
    let mut order: Vec<&Found> = found.iter().collect();
    order.sort_by_key(|one| (one.which, one.how, place(one.hook)));
    let mut list = Vec::new();
    for one in order {
        let naming = |device: &str| told.naming(device);
        let rules = match one.hook {
            Hook::Input | Hook::Forward | Hook::Output => {
                meaning::decided_by(space, told.programs, one.hook, &one.point)?
            }
            _ => Vec::new(),
        };
        let rules: Vec<String> = rules.iter().take(RULES_SHOWN).map(|at| old::rule_words(told.given, *at)).collect();
        let boxes = match one.which {
            Which::Class(_) | Which::Implied | Which::Answered | Which::Hairpin => Vec::new(),
            Which::Promised | Which::Forwarded | Which::Destinations | Which::Sources => boxes(space, told, one)?,
        };
        let (before, now) = verdicts(one);
        list.push(Difference {
            which: one.which,
            how: one.how,
            hook: one.hook,
            words: words::of(one.which, one.how),
            way: words::way(one.hook),
            boxes,
            packet: sets::point_words(&one.point, &naming),
            point: one.point,
            before,
            now,
            rules,
            sure: one.sure,
        });
    }
    Ok(list)
}

fn place(hook: Hook) -> u8 {
    match hook {
        Hook::Input => 0,
        Hook::Forward => 1,
        Hook::Output => 2,
        _ => 3,
    }
}

fn verdicts(one: &Found) -> (&'static str, &'static str) {
    match (one.which, one.how, one.sure) {
        (Which::Answered, _, _) => ("refused with an answer", "dropped in silence"),
        (Which::Destinations | Which::Hairpin, _, _) => ("sent to another address", "sent to another address"),
        (Which::Sources, _, _) => ("another source", "another source"),
        (_, How::Closed, true) => ("accepted", "dropped"),
        (_, How::Closed, false) => ("accepted perhaps", "dropped"),
        (_, How::Opened, true) => ("dropped", "accepted"),
        (_, How::Opened, false) => ("dropped perhaps", "accepted"),
        (_, How::Otherwise, _) => ("treated otherwise", "treated otherwise"),
    }
}

fn boxes(space: &mut Space, told: &Told<'_>, one: &Found) -> Result<Vec<String>, GaveUp> {
    let naming = |device: &str| told.naming(device);
    let readable = sets::readable(space, one.set, one.among, &sets::UNASKED, BOXES_SHOWN)?;
    let mut list: Vec<String> = readable.boxes.iter().map(|cube| sets::box_words(cube, &naming)).collect();
    list.extend(readable.rest());
    Ok(list)
}

/// The whole text.
pub(super) fn whole(given: &Given<'_>, head: &str, rules: &str, log: &str) -> String {
    let mut out = comment("Made by `segwall import`. Each rule stands under the lines that it comes from.");
    let files: Vec<&str> = given
        .programs
        .iter()
        .map(|(source, _)| source.name())
        .chain(given.interfaces.iter().map(|(source, _)| source.name()))
        .chain(given.dhcpd.iter().map(|(source, _)| source.name()))
        .collect();
    for file in files {
        out.push_str(&comment(&format!("  from {file}")));
    }
    let _ = write!(out, "\n{head}{rules}{log}");
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

/// `[log]`, where a rule that logs has a limit.
pub(super) fn log_table(given: &Given<'_>) -> String {
    let mut found: Option<&Rate> = None;
    let mut without = false;
    for rule in rules(given) {
        let logs = rule.steps.iter().any(|step| matches!(step, Step::Do(Action::Log(_))));
        if !logs {
            continue;
        }
        let rate = rule.steps.iter().find_map(|step| match step {
            Step::Match(Match::Rate(rate)) if !rate.over && rate.by.is_empty() => Some(rate),
            _ => None,
        });
        without |= rate.is_none();
        found = found.or(rate);
    }
    let unit = |per_s| match per_s {
        1 => Some("second"),
        60 => Some("minute"),
        3_600 => Some("hour"),
        86_400 => Some("day"),
        _ => None,
    };
    /// More is no limit that a policy takes.
    const RATE_MAX: u64 = 10_000;
    match found.and_then(|rate| Some((rate, unit(rate.per_s)?))) {
        Some((rate, unit)) if (1..=RATE_MAX).contains(&rate.packets) && (1..=RATE_MAX).contains(&rate.burst) => {
            format!("[log]\ndrops = {{ limit = \"{}/{unit} burst {}\" }}\n", rate.packets, rate.burst)
        }
        _ if without => {
            comment("the rules write down without a limit: any host can fill the disk")
                + "[log]\ndrops = { limit = \"20/second\" }\n"
        }
        _ => String::new(),
    }
}

fn rules<'a>(given: &'a Given<'_>) -> impl Iterator<Item = &'a crate::netfilter::Rule> {
    given
        .programs
        .iter()
        .flat_map(|(_, program)| &program.tables)
        .flat_map(|table| &table.chains)
        .flat_map(|chain| &chain.rules)
}

/// Accepting lines without a packet of their own.
pub(super) fn idle(given: &Given<'_>, lines: &[(LineAt, String)]) -> Vec<String> {
    let mut list: Vec<String> = lines
        .iter()
        .take(LINES_SHOWN)
        .filter_map(|(at, words)| {
            let (source, _) = given.programs.get(at.program)?;
            let text = source.text().lines().nth(at.line as usize - 1)?.trim();
            Some(format!("{words} accepts nothing that an earlier line does not decide: {text}"))
        })
        .collect();
    if lines.len() > LINES_SHOWN {
        list.push(format!("and {} more lines like that", lines.len() - LINES_SHOWN));
    }
    list
}

/// What is kept as it was, and worth a look.
pub(super) fn lint_like(told: &Told<'_>, grants: &[Grant]) -> Vec<String> {
    let mut list = Vec::new();
    for grant in grants.iter().filter(|grant| grant.verdict == Verdict::Accept) {
        let wide = |ends: &[End]| ends.contains(&End::Any);
        let from_any = wide(&grant.from);
        let to_any = wide(&grant.to);
        let lines: Vec<String> = grant
            .lines
            .iter()
            .take(RULES_SHOWN)
            .filter_map(|at| Some(format!("{}:{}", told.given.programs.get(at.program)?.0.name(), at.line)))
            .collect();
        let at = if lines.is_empty() { "by default".to_owned() } else { lines.join(", ") };
        match (from_any, to_any) {
            (true, true) => list.push(format!("{at}: everybody reaches everybody: kept as it was")),
            (true, false) => {
                list.push(format!("{at}: accepted from every zone, the internet included: kept as it was"))
            }
            (false, true) => list.push(format!("{at}: accepted to every zone, segments included: kept as it was")),
            (false, false) => {}
        }
    }
    if let Some(uplink) = &told.network.uplink
        && !told.given.interfaces.iter().any(|(_, read)| read.stanzas.iter().any(|one| one.name == uplink.device))
    {
        list.push(format!("{} is configured in none of the given files", uplink.device));
    }
    list
}
