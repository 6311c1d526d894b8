//! `segwall diff`: which flows open and which close between two policies or rule sets.

use std::path::PathBuf;

use schemars::JsonSchema;
use segwall_core::analysis::diff::{self, Change, Decider, Direction, Party, What};
use segwall_core::analysis::sets::box_words;
use segwall_core::netfilter::Program;
use segwall_core::netfilter::meaning::RuleAt;
use segwall_core::ruleset::At;
use segwall_packetset::Space;
use serde::Serialize;

use super::diff_text;
use super::matrix_service::zone_of;
use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::side::{self, Side};
use crate::{clock, json, out};

/// Show which flows open and which close between two policies or rule sets
///
/// For every first packet of a connection, not for a sample: as boxes, each with a packet that shows it and the lines
/// that decide about it. Each file is a policy, or rules of nft or iptables. Exit codes: 0 equal, 1 different, 3
/// undetermined.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall diff segwall.toml new.toml
  segwall diff /etc/iptables/rules.v4 rules.v4
  iptables-save | segwall diff segwall.toml -")]
pub struct Args {
    /// What is there: a policy, nft text or JSON, iptables-save, or a script of iptables calls; `-` for standard input
    #[arg(value_name = "BEFORE", value_hint = clap::ValueHint::FilePath)]
    before: PathBuf,
    /// What would be there
    #[arg(value_name = "AFTER", value_hint = clap::ValueHint::FilePath)]
    after: PathBuf,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `diff`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// `equal`, `different` or `undetermined`.
    pub answer: &'static str,
    /// The instant from which on policies are compared.
    pub at: String,
    /// The first file, and what it is.
    pub before: String,
    /// The second file, and what it is.
    pub after: String,
    /// By hook, then by what changes.
    pub changes: Vec<Shape>,
    /// Why there may be differences that were not found.
    pub reasons: Vec<String>,
    /// What is not compared.
    pub not_covered: Vec<&'static str>,
}

/// One change at one hook.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Shape {
    /// `opens`, `closes`, `answer` (how the sender of a refused packet is told), `limit`, `message` (what is written
    /// down) or `translation`.
    pub kind: &'static str,
    /// `input`, `forward`, `output`, and for translations `prerouting` or `postrouting`.
    pub hook: &'static str,
    /// What becomes of the packets before: for `opens` and `closes` a verdict, `limited`, or `may` where it is not decided.
    pub before: String,
    /// What becomes of them after.
    pub after: String,
    /// Whether it is surely so.
    pub sure: bool,
    /// From then on, where it is not so from the beginning.
    pub from: Option<String>,
    /// The packets, as boxes.
    pub flows: Vec<FlowBox>,
    /// Boxes that are not listed.
    pub more_flows: usize,
    /// There are more boxes than were counted.
    pub uncounted: bool,
    /// Not every packet of the boxes: it also depends on the source port, the MAC address, the kind of an address.
    pub partly: bool,
}

/// Packets that change alike.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FlowBox {
    /// In words.
    pub words: String,
    /// One of them; of the first boxes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub witness: Option<Witness>,
}

/// A packet that shows a change.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Witness {
    /// In words.
    pub packet: String,
    /// The packet.
    pub flow: json::FlowShape,
    /// What decides about it before, the last rule first.
    pub before_by: Vec<String>,
    /// What decides about it after, alike.
    pub after_by: Vec<String>,
}

/// What no difference of ours speaks of.
const NOT_COVERED: [&str; 3] = [
    "packets that open no connection",
    "traffic that stays on the wire inside one segment",
    "bridges, tc, XDP and IPVS",
];

/// Characters of a policy's rule that are shown.
const RULE_CHARS_MAX: usize = 100;
/// Rules of one side of a change that are named.
const RULES_NAMED_MAX: usize = 3;

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let locations = [args.before, args.after].map(|path| Location::of(Some(path)));
    if locations.iter().all(|location| *location == Location::Stdin) {
        return Err(Failure::Usage {
            what: "standard input can be one of the two only".to_owned(),
            help: "name a file for the other".to_owned(),
        });
    }
    let mut sides = Vec::with_capacity(2);
    for location in &locations {
        match side::read::<Data>("diff", location, args.format)? {
            Ok(side) => sides.push(side),
            Err(answer) => return Ok(answer),
        }
    }
    let [before, after] = &sides[..] else {
        return Err(Failure::Bug("two files were read, and are not two".to_owned()));
    };
    let (answer, data) = compare(before, after);
    match args.format {
        Format::Json => json::print("diff", answer, Vec::new(), Some(data)),
        Format::Text => {
            out::print(&diff_text::text(&data))?;
            Ok(answer)
        }
    }
}

/// Compares two sides at this instant.
pub fn compare(before: &Side, after: &Side) -> (Answer, Data) {
    let now = clock::now();
    let mut space = Space::default();
    let programs = [before, after].map(|side| match side {
        Side::Policy(_) => Vec::new(),
        Side::Rules(rules) => vec![&rules.program],
    });
    let parties = [party(before, &programs[0]), party(after, &programs[1])];
    let found = diff::diff(&mut space, parties[0], parties[1], At::Instant(now));
    let mut reasons: Vec<String> = Vec::new();
    for side in [before, after] {
        if let Side::Rules(rules) = side {
            reasons.extend(rules.not_understood());
        }
    }
    let sure_of_rules = reasons.is_empty();
    reasons.extend(found.doubts.iter().cloned());
    let (answer, word) = match (found.differs(), found.changes.is_empty() && reasons.is_empty()) {
        (true, _) if sure_of_rules => (Answer::No, "different"),
        (false, true) => (Answer::Yes, "equal"),
        // Where rules may be missing a difference is a sign and no proof.
        (_, _) => (Answer::Unknown, "undetermined"),
    };
    let naming = |name: &str| {
        [before, after].into_iter().find_map(|side| match side {
            Side::Policy(checked) => zone_of(&checked.ruleset, name),
            Side::Rules(_) => None,
        })
    };
    let shape = |change: &Change| {
        let (before_words, after_words) = outcomes(&change.what);
        let flows = change.shown.boxes.iter().enumerate().map(|(at, cube)| {
            let witness = change.samples.get(at).map(|sample| {
                let packet = sample.packet.clone().named(&naming);
                Witness {
                    packet: packet.to_string(),
                    flow: json::FlowShape::of_packet(&packet),
                    before_by: by(&sample.decided[0], before, &programs[0]),
                    after_by: by(&sample.decided[1], after, &programs[1]),
                }
            });
            FlowBox { words: box_words(cube, &naming), witness }
        });
        Shape {
            kind: kind(&change.what),
            hook: change.hook.word(),
            before: before_words,
            after: after_words,
            sure: change.what.is_sure(),
            from: change.from.map(clock::second),
            flows: flows.collect(),
            more_flows: change.shown.left_out,
            uncounted: change.shown.uncounted,
            partly: change.shown.partly,
        }
    };
    let data = Data {
        answer: word,
        at: clock::second(now),
        before: before.words(),
        after: after.words(),
        changes: found.changes.iter().map(shape).collect(),
        reasons,
        not_covered: NOT_COVERED.to_vec(),
    };
    (answer, data)
}

fn party<'a>(side: &'a Side, programs: &'a [&'a Program]) -> Party<'a> {
    match side {
        Side::Policy(checked) => Party::Policy(&checked.ruleset),
        Side::Rules(_) => Party::Rules(programs),
    }
}

fn kind(what: &What) -> &'static str {
    match (what, what.direction()) {
        (_, Some(Direction::Opens)) => "opens",
        (_, Some(Direction::Closes)) => "closes",
        (What::Answer(..), None) => "answer",
        (What::Limit(..), None) => "limit",
        (What::Message(..), None) => "message",
        (What::Translation(..) | What::Verdict(..), None) => "translation",
    }
}

fn outcomes(what: &What) -> (String, String) {
    match what {
        What::Verdict(before, after) => (before.word().to_owned(), after.word().to_owned()),
        What::Answer(before, after)
        | What::Limit(before, after)
        | What::Message(before, after)
        | What::Translation(before, after) => (before.clone(), after.clone()),
    }
}

/// What decides, so that people find it: file and line where there is one.
fn by(decider: &Decider, side: &Side, programs: &[&Program]) -> Vec<String> {
    match (decider, side) {
        (Decider::Line(line), Side::Policy(checked)) => {
            vec![format!("{}:{line}: {}", checked.source.name(), rule_text(checked.source.text(), *line))]
        }
        (Decider::Line(line), Side::Rules(_)) => vec![format!("line {line}")],
        (Decider::Default(""), _) => Vec::new(),
        (Decider::Default(why), _) => vec![(*why).to_owned()],
        (Decider::Rules(list), _) if list.is_empty() => vec!["no rule sees it".to_owned()],
        (Decider::Rules(list), side) => list.iter().take(RULES_NAMED_MAX).map(|at| rule(*at, side, programs)).collect(),
    }
}

/// A rule of a policy in one line: its header and what stands below it.
fn rule_text(text: &str, line: u32) -> String {
    let mut lines = text.lines().skip(line as usize - 1);
    let mut words = lines.next().unwrap_or_default().trim().to_owned();
    let below = lines.map(str::trim).take_while(|line| !line.is_empty() && !line.starts_with('['));
    for line in below.filter(|line| !line.starts_with('#')) {
        let blanks = line.split_whitespace().collect::<Vec<_>>().join(" ");
        words.push(' ');
        words.push_str(&blanks);
    }
    match words.char_indices().nth(RULE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

fn rule(at: RuleAt, side: &Side, programs: &[&Program]) -> String {
    let chain = &programs[at.program].tables[at.table].chains[at.chain];
    let span = match chain.rules.get(at.rule) {
        Some(rule) => rule.span,
        None => chain.span,
    };
    match (side, span) {
        (Side::Rules(rules), Some(span)) => {
            let (source, line) = (&rules.source, rules.source.line(span.start));
            format!("{}:{line}: {}", source.name(), source.slice(span).trim())
        }
        (Side::Rules(_) | Side::Policy(_), _) => segwall_host::prove::rule_words(programs, at),
    }
}
