//! The JSON that machines read. Every shape is a type here or beside its command, and `schema --output` prints it.

use schemars::JsonSchema;
use segwall_core::analysis::sets::Shown;
use segwall_core::diag::{Diagnostic, NamedPacket, Severity, Witness};
use segwall_core::ruleset::{Role, Ruleset};
use segwall_core::source::{Position, Source, Span};
use segwall_packetset::{CtState, Flow, Header, Place, proto};
use serde::Serialize;

use crate::exit::{Answer, Failure};
use crate::out;

/// The version of these shapes. It grows when a key changes its meaning or goes away, not when one is added.
pub const VERSION: u32 = 1;

/// What every command prints with `--format json`; the command's own data stand beside.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Envelope<T> {
    /// Version of the shape, 1.
    pub version: u32,
    /// The command that was run.
    pub command: &'static str,
    /// Whether the answer is yes: exit code 0.
    pub ok: bool,
    /// Errors first, then warnings and notes, each in the file's order.
    pub findings: Vec<Finding>,
    /// The command's own data; left out where errors kept it from any.
    #[serde(flatten)]
    pub data: Option<T>,
}

/// One finding.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Finding {
    /// Stable code, such as SW0201; `segwall explain SW0201` tells more.
    pub code: &'static str,
    /// How bad it is.
    pub severity: &'static str,
    /// What is wrong.
    pub message: String,
    /// The policy file as named on the command line, `<stdin>` for `-`.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Line of the first character behind it.
    pub end_line: u32,
    /// Column of the first character behind it.
    pub end_column: u32,
    /// The place itself first, where it has words, then other places that matter.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// A flow that shows it.
    pub witness: Option<FlowShape>,
}

/// A place with words.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Label {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Line of the first character behind it.
    pub end_line: u32,
    /// Column of the first character behind it.
    pub end_column: u32,
    /// What is there.
    pub text: String,
}

/// A flow: the first packet of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FlowShape {
    /// Zone it enters by: a segment, `internet`, `gateway`, or `elsewhere` for an interface the policy does not name. Of
    /// rules without a policy: the interface's name, or `gateway`.
    #[serde(rename = "in")]
    pub input: String,
    /// Zone it leaves by.
    #[serde(rename = "out")]
    pub output: String,
    /// Protocol: a name where it has one, else its number.
    pub proto: String,
    /// Source address.
    pub src: String,
    /// Destination address, as delivered.
    pub dst: String,
    /// Source port, where the protocol has ports.
    pub sport: Option<u16>,
    /// Destination port as delivered, where the protocol has ports.
    pub dport: Option<u16>,
    /// ICMP type, for ICMP only.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    /// ICMP code, for ICMP only.
    #[serde(rename = "code", skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<u8>,
    /// The destination as sent, where a port forward changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<SentShape>,
    /// What connection tracking says, where it is not `new`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    /// TCP flags as the header's byte holds them, where it is no opening packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<u8>,
}

/// A destination before a port forward changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SentShape {
    /// Address.
    pub dst: String,
    /// Port.
    pub dport: u16,
}

/// The zone's word for a place: a segment's name, `internet`, `gateway` or `elsewhere`.
pub fn zone(ruleset: &Ruleset, place: Place) -> &str {
    match place {
        Place::Gateway => "gateway",
        Place::Elsewhere => "elsewhere",
        Place::Interface(id) => match ruleset.interface(id).role {
            Role::Uplink => "internet",
            Role::Segment(_) => &ruleset.interface(id).zone,
        },
    }
}

impl FlowShape {
    /// The shape of a flow.
    pub fn of(ruleset: &Ruleset, flow: &Flow) -> Self {
        Self::between(zone(ruleset, flow.input), zone(ruleset, flow.output), flow)
    }

    /// The shape of a packet of rules without a policy.
    pub fn named(named: &NamedPacket) -> Self {
        let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "gateway".to_owned());
        let packet = &named.packet;
        let state = match packet.state {
            CtState::New => None,
            CtState::Established => Some("established"),
            CtState::Related => Some("related"),
            CtState::Invalid => Some("invalid"),
            CtState::Untracked => Some("untracked"),
        };
        let opens = packet.flow.proto != proto::TCP || packet.flags.is_bare_syn();
        let flags = (!opens).then_some(packet.flags.0);
        Self { state, flags, ..Self::between(&name(&named.input), &name(&named.output), &packet.flow) }
    }

    fn between(input: &str, output: &str, flow: &Flow) -> Self {
        let (icmp_type, icmp_code) = match flow.header {
            Header::Icmp { kind, code } => (Some(kind), Some(code)),
            Header::Ports { .. } | Header::Other => (None, None),
        };
        Self {
            input: input.to_owned(),
            output: output.to_owned(),
            proto: proto::name(flow.proto).map_or_else(|| flow.proto.to_string(), str::to_owned),
            src: flow.src.to_string(),
            dst: flow.dst.to_string(),
            sport: flow.sport(),
            dport: flow.dport(),
            icmp_type,
            icmp_code,
            sent: flow.sent.map(|sent| SentShape { dst: sent.dst.to_string(), dport: sent.dport }),
            state: None,
            flags: None,
        }
    }
}

impl FlowShape {
    /// The shape of a packet whose interfaces were given names.
    pub fn of_packet(packet: &Shown) -> Self {
        Self::named(&NamedPacket::from(packet))
    }
}

/// The shape of a packet that shows a finding. A flow of a policy needs the ruleset's names.
pub fn shape(ruleset: Option<&Ruleset>, witness: &Witness) -> Option<FlowShape> {
    match witness {
        Witness::Flow(flow) => ruleset.map(|ruleset| FlowShape::of(ruleset, flow)),
        Witness::Packet(packet) => Some(FlowShape::named(packet)),
    }
}

/// Findings in their order. A witness needs the ruleset's names; findings made without one have no witness.
pub fn findings(source: &Source, ruleset: Option<&Ruleset>, list: &[Diagnostic]) -> Vec<Finding> {
    let mut starts = Locator::new(source);
    let mut ends = Locator::new(source);
    list.iter()
        .map(|found| {
            let (start, end) = (starts.find(found.span.start), ends.find(found.span.end));
            let own = (!found.label.is_empty()).then_some((found.span, &found.label));
            let others = found.labels.iter().map(|label| (label.span, &label.text));
            Finding {
                code: found.code.0,
                severity: severity(found.severity),
                message: found.message.clone(),
                file: source.name().to_owned(),
                line: start.line,
                column: start.column,
                end_line: end.line,
                end_column: end.column,
                labels: own.into_iter().chain(others).map(|(span, text)| label(source, span, text)).collect(),
                help: found.help.clone(),
                witness: found.witness.as_ref().and_then(|witness| shape(ruleset, witness)),
            }
        })
        .collect()
}

/// The word of a severity.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn label(source: &Source, span: Span, text: &str) -> Label {
    let (start, end) = (source.position(span.start), source.position(span.end));
    Label { line: start.line, column: start.column, end_line: end.line, end_column: end.column, text: text.to_owned() }
}

/// Positions of offsets that mostly grow: a hundred thousand findings in one line are counted through once.
struct Locator<'a> {
    source: &'a Source,
    last: Option<(u32, Position)>,
}

impl<'a> Locator<'a> {
    fn new(source: &'a Source) -> Self {
        Self { source, last: None }
    }

    fn find(&mut self, offset: u32) -> Position {
        let line = self.source.line(offset);
        let between = |from: u32| self.source.text().get(from as usize..offset as usize);
        let position = match self.last {
            Some((from, last)) if last.line == line && from <= offset && between(from).is_some() => {
                let more = between(from).map_or(0, |text| text.chars().count());
                Position { line, column: last.column + u32::try_from(more).expect("fewer characters than bytes") }
            }
            _ => self.source.position(offset),
        };
        if self.source.text().is_char_boundary(offset as usize) {
            self.last = Some((offset, position));
        }
        position
    }
}

/// Prints an envelope.
pub fn print<T: Serialize>(
    command: &'static str,
    answer: Answer,
    findings: Vec<Finding>,
    data: Option<T>,
) -> Result<Answer, Failure> {
    let envelope = Envelope { version: VERSION, command, ok: answer == Answer::Yes, findings, data };
    print_value(&envelope)?;
    Ok(answer)
}

/// Prints a value in one line: streams have one object a line.
pub fn print_line(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::Bug(format!("a result cannot be written as JSON: {error}")))?;
    out::print_plain(&(text + "\n"))
}

/// Prints a value as it is.
pub fn print_value(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::Bug(format!("a result cannot be written as JSON: {error}")))?;
    out::print_plain(&(spelled_out(&text) + "\n"))
}

/// JSON may hold C1 controls and marks of writing direction as they are; a terminal that shows it would obey them.
fn spelled_out(json: &str) -> String {
    let obeyed = |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !json.contains(obeyed) {
        return json.to_owned();
    }
    // Outside strings there is no such character, and inside this is how one is spelled.
    json.chars().map(|c| if obeyed(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use segwall_core::diag::Code;

    #[test]
    fn nothing_in_json_is_obeyed_by_a_terminal() {
        let text = serde_json::to_string(&["a\u{9b}31m\u{202e}b", "é"]).expect("strings");
        let spelled = spelled_out(&text);
        assert_eq!(spelled, r#"["a\u009b31m\u202eb","é"]"#);
        assert_eq!(serde_json::from_str::<Vec<String>>(&spelled).expect("JSON"), ["a\u{9b}31m\u{202e}b", "é"]);
    }

    #[test]
    fn positions_are_those_of_the_source() {
        let source = Source::new("x", "aé\nbcü = 1\n\n[z]\n");
        let mut locator = Locator::new(&source);
        for offset in [0, 1, 2, 3, 5, 6, 7, 8, 5, 5, 12, 13, 14, 17, 3] {
            assert_eq!(locator.find(offset), source.position(offset), "{offset}");
        }
    }

    #[test]
    fn many_findings_in_one_line_take_linear_time() {
        let source = Source::new("x", "1,".repeat(200_000));
        let list: Vec<Diagnostic> =
            (0..200_000).map(|at| Diagnostic::error(Code("SW0001"), Span::new(2 * at..2 * at + 1), "here")).collect();
        let found = findings(&source, None, &list);
        let last = found.last().unwrap();
        assert_eq!((last.line, last.column, last.end_column), (1, 399_999, 400_000));
    }
}
