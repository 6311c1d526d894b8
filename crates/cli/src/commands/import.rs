//! `segwall import`: a policy from the rules and files of a box, and every difference.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use schemars::JsonSchema;
use segwall_core::analysis::proof;
use segwall_core::import::{self, Class, Difference, How, Import};
use segwall_core::policy::{self, Context};
use segwall_core::ruleset;
use segwall_core::source::Source;
use serde::Serialize;

use super::import_files::Files;
use super::{import_text, init};
use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::{clock, json, out};

/// Make a policy of the rules and files of a box, and list what is different then
///
/// Rules (scripts of iptables calls, iptables-save, ip6tables-save, nft text or JSON), /etc/network/interfaces and
/// dhcpd.conf are told apart by what they look like. The policy is compared with the rules for every packet: it accepts
/// the same first packets between hosts behind the interfaces they use, or import says where it does not. Everything else,
/// such as false sources, IPv6 that nobody filtered, or what Segwall accepts by itself, is listed, each with a packet
/// that shows it. The policy goes to standard output and the report to standard error, or with --output the policy into the
/// file and the report to standard output. Exit codes: 0 equal, 1 not equal or no policy, 3 undetermined.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  segwall import rules.sh /etc/network/interfaces /etc/dhcp/dhcpd.conf > segwall.toml
  segwall import rules.v4 rules.v6 --addresses addr.json --output segwall.toml    # addr.json: ip -j -d addr
  segwall import rules.sh interfaces --uplink eth1=203.0.113.2/24,203.0.113.1 --keep-differences
  segwall import ruleset.nft interfaces --format json")]
pub struct Args {
    /// Rules, /etc/network/interfaces, dhcpd.conf
    #[arg(value_name = "FILE", required = true, value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// What `ip -j -d addr` prints, or a file in the form of /etc/network/interfaces
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    addresses: Vec<PathBuf>,
    /// The interface towards the provider, with what it has where no file says so: eth1, eth1=dhcp,ra or
    /// eth1=203.0.113.2/24,203.0.113.1
    #[arg(long, value_name = "NAME[=ADDRESS,…]", value_parser = import::read_uplink)]
    uplink: Option<import::UplinkGiven>,
    /// Close holes of the rules: the choice where nobody can be asked
    #[arg(long, conflicts_with = "keep_differences")]
    close: bool,
    /// Do what the rules did wherever a policy can say it
    #[arg(long)]
    keep_differences: bool,
    /// The file to write; an existing file is never overwritten
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// `import`'s own data.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Data {
    /// `equal`, `different`, `undetermined`, or `none` where no policy can be made.
    pub answer: &'static str,
    /// Why it is undetermined, or why there is no policy.
    pub reasons: Vec<String>,
    /// The policy.
    pub policy: Option<String>,
    /// Rules and port forwards in it.
    pub rules: usize,
    /// What was read.
    pub files: Vec<FileShape>,
    /// Packets that the policy treats otherwise than the rules did.
    pub differences: Vec<DifferenceShape>,
    /// Holes of the rules that a policy can keep.
    pub holes: Vec<HoleShape>,
    /// What had to be decided, and what is worth a look.
    pub notes: Vec<String>,
    /// Lines of interfaces and dhcpd.conf that were not understood.
    pub not_read: Vec<String>,
}

/// A file that was read.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FileShape {
    /// As it was named.
    pub file: String,
    /// What it is.
    pub kind: &'static str,
}

/// Packets that are treated otherwise.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DifferenceShape {
    /// Which packets: a stable word, such as `spoofed`.
    pub class: &'static str,
    /// Whether they are among those that should be equal.
    pub promised: bool,
    /// `closed`, `opened` or `otherwise`.
    pub direction: &'static str,
    /// `input`, `forward`, `output`, `prerouting` or `postrouting`.
    pub hook: &'static str,
    /// In words: which packets.
    pub words: &'static str,
    /// In words: where, such as `to the box`.
    pub way: &'static str,
    /// Some of them in more words.
    pub boxes: Vec<String>,
    /// One of them, in words.
    pub packet: String,
    /// The same.
    pub flow: json::FlowShape,
    /// What the rules did with it.
    pub before: &'static str,
    /// What the policy does with it.
    pub now: &'static str,
    /// Rules that it met, the last one first.
    pub rules: Vec<String>,
    /// Whether it is certain.
    pub certain: bool,
}

/// A hole of the rules.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HoleShape {
    /// The class of its packets.
    pub class: &'static str,
    /// In words.
    pub words: &'static str,
    /// Whether the policy does what the rules did.
    pub kept: bool,
}

/// Runs it.
pub fn run(args: Args) -> Result<Answer, Failure> {
    // Before anything is read or asked.
    if let Some(path) = args.output.as_ref().filter(|path| path.symlink_metadata().is_ok()) {
        return Err(init::exists(path).into());
    }
    let files = Files::read(args.files, args.addresses)?;
    let given = files.given(args.uplink);
    let timezone = clock::timezone();
    let context = Context { today: timezone.to_datetime(clock::now()).date(), timezone };
    let all: BTreeSet<Class> = Class::HOLES.into_iter().collect();
    let kept = if args.keep_differences { all } else { BTreeSet::new() };
    let mut result = import::import(&given, &kept, &context);
    let may_ask = !args.close && !args.keep_differences && args.format == Format::Text;
    if let Ok(found) = &result
        && may_ask
        && !found.holes.is_empty()
        && std::io::stdin().is_terminal()
        && std::io::stderr().is_terminal()
    {
        let kept = asked(found)?;
        if !kept.is_empty() {
            result = import::import(&given, &kept, &context);
        }
    }
    let answer = match &result {
        Ok(found) => match found.answer {
            import::Answer::Equal => Answer::Yes,
            import::Answer::Different => Answer::No,
            import::Answer::Undetermined => Answer::Unknown,
        },
        Err(_) => Answer::No,
    };
    let data = data(&files, result, &context)?;
    if let (Some(path), Some(text)) = (&args.output, &data.policy) {
        init::write_new(path, text)?;
    }
    match args.format {
        Format::Json => json::print("import", answer, Vec::new(), Some(data)),
        Format::Text => {
            let report = import_text::report(&data, args.output.as_deref());
            match (&args.output, &data.policy) {
                (Some(_), _) => out::print(&report)?,
                (None, policy) => {
                    if let Some(text) = policy {
                        out::print_plain(text)?;
                        out::flush()?;
                    }
                    out::complain(&report);
                }
            }
            Ok(answer)
        }
    }
}

/// Asks hole by hole; nothing was written yet, so that Ctrl-C leaves nothing behind.
fn asked(found: &Import) -> Result<BTreeSet<Class>, Failure> {
    let mut kept = BTreeSet::new();
    let mut answers = std::io::stdin().lock();
    out::complain("The rules have holes that a policy closes unless you want them.\n");
    for (class, _) in &found.holes {
        loop {
            out::complain(&format!("{}.\n  Keep it so? [y/N]: ", class.question()));
            let mut line = String::new();
            let read = answers.read_line(&mut line).unwrap_or(0);
            if read == 0 {
                return Err(Failure::Usage {
                    what: "the questions ended before the last answer; nothing was written".to_owned(),
                    help: "run it again, or choose with --close or --keep-differences".to_owned(),
                });
            }
            match line.trim().to_lowercase().as_str() {
                "y" | "yes" => {
                    kept.insert(*class);
                    break;
                }
                "" | "n" | "no" => break,
                _ => out::complain("  y or n\n"),
            }
        }
    }
    Ok(kept)
}

fn data(files: &Files, result: Result<Import, Vec<String>>, context: &Context) -> Result<Data, Failure> {
    let kinds = files.kinds().into_iter().map(|(file, kind)| FileShape { file, kind }).collect();
    let mut data = Data {
        answer: "none",
        reasons: Vec::new(),
        policy: None,
        rules: 0,
        files: kinds,
        differences: Vec::new(),
        holes: Vec::new(),
        notes: Vec::new(),
        not_read: files.not_read(),
    };
    let import = match result {
        Ok(import) => import,
        Err(why) => {
            data.reasons = why;
            return Ok(data);
        }
    };
    data.answer = match import.answer {
        import::Answer::Equal => "equal",
        import::Answer::Different => "different",
        import::Answer::Undetermined => "undetermined",
    };
    // The packets' zones are those of the policy as it was written.
    let source = Source::new("segwall.toml", import.policy.clone());
    let loaded = policy::load(&source, context);
    let Some(policy) = loaded.policy else {
        return Err(Failure::Bug("an imported policy cannot be read again".to_owned()));
    };
    let ruleset = ruleset::lower(&policy, &source, &context.timezone);
    data.differences = import.differences.iter().map(|one| shape(&ruleset, one)).collect();
    data.holes = import
        .holes
        .iter()
        .map(|(class, kept)| HoleShape { class: class.word(), words: class.question(), kept: *kept })
        .collect();
    data.reasons = import.reasons;
    data.notes = import.notes;
    data.rules = import.rules;
    data.policy = Some(import.policy);
    Ok(data)
}

fn shape(ruleset: &ruleset::Ruleset, one: &Difference) -> DifferenceShape {
    let witness = proof::witness(ruleset, one.hook, &one.point);
    DifferenceShape {
        class: one.which.word(),
        promised: one.is_promised(),
        direction: match one.how {
            How::Closed => "closed",
            How::Opened => "opened",
            How::Otherwise => "otherwise",
        },
        hook: one.hook.word(),
        words: one.words,
        way: one.way,
        boxes: one.boxes.clone(),
        packet: one.packet.clone(),
        flow: json::FlowShape::of(ruleset, &witness.packet.flow),
        before: one.before,
        now: one.now,
        rules: one.rules.clone(),
        certain: one.sure,
    }
}
