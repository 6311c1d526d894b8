//! `segwall prove`: whether what was loaded, or would be, is what the policy says, for every packet.

use std::fmt::Write;
use std::path::PathBuf;

use schemars::JsonSchema;
use segwall_core::analysis::proof::{self, Proof, Refutation};
use segwall_core::netfilter::Program;
use segwall_core::ruleset::At;
use segwall_host::linux::quarantine::in_kernel;
use segwall_host::prove::rule_words;
use segwall_packetset::Space;
use serde::Serialize;

use crate::args::{Format, PolicyArg};
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::load::Checked;
use crate::out::{BAD, CARE, GOOD, STRONG};
use crate::text::{Escaped, count};
use crate::{clock, foreign, json, load, out};

/// Prove that a rule set, or what the kernel holds, does what the policy says
///
/// For every packet that can be at the input, forward and output hooks, and for address translation: not a sample, all
/// of them. The answer is proved, refuted with a packet that shows it, or undetermined with the reasons. Exit codes: 0
/// proved, 1 refuted, 3 undetermined.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall prove                              what the kernel holds; needs root
  segwall render --target nft segwall.toml > segwall.nft
  segwall prove segwall.toml segwall.nft     what a file would load
  segwall prove segwall.toml rules.v4 rules.v6")]
pub struct Args {
    #[command(flatten)]
    policy: PolicyArg,
    /// Rules to compare with: nft text or JSON, iptables-save, ip6tables-save, scripts of iptables calls; several hold at
    /// once [default: what the kernel holds]
    #[arg(value_name = "RULESET", value_hint = clap::ValueHint::FilePath)]
    rulesets: Vec<PathBuf>,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `prove`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// `proved`, `refuted` or `undetermined`.
    pub answer: &'static str,
    /// The instant it is given for.
    pub at: String,
    /// What was compared with the policy.
    pub against: Vec<String>,
    /// Packets that are treated otherwise than the policy says.
    pub differences: Vec<Difference>,
    /// Why it is undetermined.
    pub reasons: Vec<String>,
    /// Addresses that are in quarantine now, which the answer holds for as well; null of files.
    pub quarantined: Option<usize>,
    /// What no such proof covers.
    pub not_covered: Vec<&'static str>,
}

/// A packet that is treated otherwise than the policy says.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Difference {
    /// `input`, `forward`, `output`, `prerouting` or `postrouting`.
    pub hook: &'static str,
    /// The packet, in words.
    pub packet: String,
    /// The packet.
    pub flow: json::FlowShape,
    /// What the policy says.
    pub declared: String,
    /// What the rules do.
    pub found: String,
    /// Rules that it meets, the last one first.
    pub rules: Vec<String>,
    /// The policy's line that decides; none where no line does.
    pub line: Option<u32>,
}

/// What no proof of ours speaks of.
pub const NOT_COVERED: [&str; 4] = [
    "traffic that stays on the wire inside one segment",
    "a false address behind its own interface",
    "frames that a bridge or a switch passes on by itself",
    "what is loaded after this proof",
];
/// Rules of one difference that are shown.
const RULES_SHOWN: usize = 3;

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    let checked = match load::sound::<Data>("prove", &Location::of(args.policy.policy), args.format)? {
        Ok(checked) => checked,
        Err(answer) => return Ok(answer),
    };
    let (answer, data) = compare(&checked, args.rulesets)?;
    match args.format {
        Format::Json => json::print("prove", answer, Vec::new(), Some(data)),
        Format::Text => {
            out::print(&text(&data, checked.source.name()))?;
            Ok(answer)
        }
    }
}

/// Compares a policy with rule sets, or with what the kernel holds where none is named.
pub fn compare(checked: &Checked, rulesets: Vec<PathBuf>) -> Result<(Answer, Data), Failure> {
    let now = clock::now();
    let mut against = Vec::new();
    let mut reasons = Vec::new();
    let mut programs = Vec::new();
    let mut ruleset = checked.ruleset.clone();
    let mut quarantined = None;
    if rulesets.is_empty() {
        ruleset.weekday_zone_s = segwall_host::linux::weekday_zone_s();
        let program = foreign::kernel()?;
        reasons.extend(segwall_host::prove::doubts(&program, &ruleset));
        programs.push(program);
        quarantined = in_kernel().ok().map(|held| held.len());
        against.push("the kernel".to_owned());
    }
    for path in rulesets {
        let rules = foreign::read(path)?;
        against.push(format!("{} ({})", rules.source.name(), rules.kind.words()));
        reasons.extend(rules.not_understood());
        programs.push(rules.program);
    }
    let programs: Vec<&Program> = programs.iter().collect();
    let mut space = Space::default();
    let proof = proof::prove(&mut space, &ruleset, &programs, At::Instant(now));
    let (answer, word) = match (&proof.answer, reasons.is_empty()) {
        (proof::Answer::Refuted(_), true) => (Answer::No, "refuted"),
        (proof::Answer::Proved, true) => (Answer::Yes, "proved"),
        // Where rules may be missing, or others decide too, a difference is a sign and no proof either.
        (_, _) => (Answer::Unknown, "undetermined"),
    };
    let Proof { answer: detail, .. } = proof;
    let differences = match detail {
        proof::Answer::Refuted(list) => list
            .iter()
            .map(|one| Difference {
                hook: one.hook.word(),
                packet: one.packet(),
                flow: json::FlowShape::of(&checked.ruleset, &one.witness.packet.flow),
                declared: one.wanted.clone(),
                found: one.found.clone(),
                rules: rules_of(one, &programs),
                line: one.line,
            })
            .collect(),
        proof::Answer::Undetermined(more) => {
            reasons.extend(more);
            Vec::new()
        }
        proof::Answer::Proved => Vec::new(),
    };
    let (at, not_covered) = (clock::second(now), NOT_COVERED.to_vec());
    let data = Data { answer: word, at, against, differences, reasons, quarantined, not_covered };
    Ok((answer, data))
}

fn rules_of(one: &Refutation, programs: &[&Program]) -> Vec<String> {
    one.rules.iter().map(|at| rule_words(programs, *at)).collect()
}

fn text(data: &Data, file: &str) -> String {
    let style = match data.answer {
        "proved" => GOOD,
        "undetermined" => CARE,
        _ => BAD,
    };
    let against = data.against.iter().map(|one| Escaped(one).to_string()).collect::<Vec<_>>().join(", ");
    let mut text = format!("{STRONG}{}{STRONG:#} against {against}: {style}{}{style:#}\n", Escaped(file), data.answer);
    for one in &data.differences {
        let line = one.line.map_or_else(|| "no rule names it".to_owned(), |line| format!("line {line}"));
        let _ = writeln!(text, "\n{}: {}", one.hook, one.packet);
        let _ = writeln!(text, "  declared: {} ({line})", one.declared);
        let _ = writeln!(text, "  found:    {}", one.found);
        for rule in one.rules.iter().take(RULES_SHOWN) {
            let _ = writeln!(text, "  by:       {}", Escaped(rule));
        }
    }
    if !data.reasons.is_empty() {
        let _ = writeln!(text, "\n{}:", count(data.reasons.len(), "reason"));
        for reason in &data.reasons {
            let _ = writeln!(text, "  {}", Escaped(reason));
        }
    }
    if data.answer == "proved" {
        text.push_str("for every packet at input, forward and output, IPv4 and IPv6, and for address translation\n");
    }
    if let Some(held @ 1..) = data.quarantined {
        let held = if held == 1 { "1 address is".to_owned() } else { format!("{held} addresses are") };
        let _ = writeln!(text, "{held} in quarantine: all of it is dropped that `segwall quarantine` does not leave");
    }
    let _ = writeln!(text, "not covered: {}", data.not_covered.join("; "));
    text
}
