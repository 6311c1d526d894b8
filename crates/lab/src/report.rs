//! What a run of the lab found.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use segwall_core::policy::Verdict;
use segwall_core::ruleset::{Reason, Ruleset};
use segwall_packetset::{Flow, Header, Place, proto};
use serde::Serialize;

use crate::dhcp::DhcpReport;
use crate::probe::{Expected, Kind, Label, Probe};
use crate::prober::{Refusal, Seen};
use crate::proof::ProofReport;
use crate::topology::Topology;

/// Differences that are kept with all their details; beyond, they are only counted.
pub const DIFFERENCES_MAX: usize = 1000;

/// Everything a run found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Report {
    /// Who reaches whom: every ordered pair of zones that was probed.
    pub pairs: Vec<PairReport>,
    /// Packets by what they were to show.
    pub probes: BTreeMap<&'static str, u64>,
    /// Packets in all.
    pub probes_total: u64,
    /// Combinations of classes that were left out because a pair has too many.
    pub skipped: u64,
    /// How many probes differ.
    pub differences_total: u64,
    /// Where policy and kernel differ.
    pub differences: Vec<Difference>,
    /// What was loaded, read back from the kernel, against the policy: for every packet.
    pub proof: ProofReport,
    /// Leases that a client in each segment was given, against the policy.
    pub dhcp: DhcpReport,
    /// How the network was built: one line each.
    pub notes: Vec<String>,
    /// Seconds it took.
    pub seconds: f64,
}

/// What a run found beside its probes.
#[derive(Debug)]
pub struct Beside {
    /// What was loaded, for every packet.
    pub proof: ProofReport,
    /// Leases.
    pub dhcp: DhcpReport,
    /// How the network was built.
    pub notes: Vec<String>,
}

/// What one zone reaches of another.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PairReport {
    /// Who opens: a segment, `internet` or `gateway`.
    pub from: String,
    /// Towards whom.
    pub to: String,
    /// What was tried, by service.
    pub services: Vec<ServiceReport>,
    /// Probes of this pair.
    pub probes: u64,
    /// How many of them differ.
    pub differences: u64,
}

/// What of one service between two zones was declared and seen.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ServiceReport {
    /// `tcp/443`, or `other udp` for what no rule names.
    pub service: String,
    /// What the policy says: accept, drop, reject, or `some` where it depends on address or port.
    pub declared: &'static str,
    /// What was seen.
    pub seen: &'static str,
    /// Probes.
    pub probes: u64,
}

/// A probe that the kernel treated otherwise than the policy says.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Difference {
    /// What the probe was to show.
    pub group: &'static str,
    /// The flow, as the oracle saw it.
    #[serde(rename = "flow")]
    pub flow_text: FlowText,
    /// The same, for programs.
    #[serde(skip)]
    pub flow: Flow,
    /// What the policy says: accept, drop or reject.
    pub declared: &'static str,
    /// Why: `rule`, `spoofed`, …
    pub reason: &'static str,
    /// Line of the rule that decided, where one did.
    pub line: Option<u32>,
    /// What was seen instead.
    pub seen: String,
    /// Under which circumstances, when the run had several.
    pub variant: &'static str,
}

/// A flow in words.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FlowText {
    /// Zone it enters by.
    #[serde(rename = "in")]
    pub input: String,
    /// Zone it leaves by.
    #[serde(rename = "out")]
    pub output: String,
    /// Protocol.
    pub proto: String,
    /// Source address.
    pub src: String,
    /// Destination address, as delivered.
    pub dst: String,
    /// Source port.
    pub sport: Option<u16>,
    /// Destination port, as delivered.
    pub dport: Option<u16>,
    /// ICMP type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    /// ICMP code.
    #[serde(rename = "code", skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<u8>,
    /// The destination as sent, where a port forward changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// TCP flags, where the packet is not the first of a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<String>,
}

impl FlowText {
    fn of(topology: &Topology, flow: &Flow, probe: &Probe) -> Self {
        let (icmp_type, icmp_code) = match flow.header {
            Header::Icmp { kind, code } => (Some(kind), Some(code)),
            Header::Ports { .. } | Header::Other => (None, None),
        };
        Self {
            input: topology.place_name(flow.input).to_owned(),
            output: topology.place_name(flow.output).to_owned(),
            proto: proto::name(flow.proto).map_or_else(|| flow.proto.to_string(), str::to_owned),
            src: flow.src.to_string(),
            dst: flow.dst.to_string(),
            sport: None,
            dport: flow.dport(),
            icmp_type,
            icmp_code,
            sent: flow.sent.map(|sent| format!("{} port {}", sent.dst, sent.dport)),
            flags: (flow.proto == proto::TCP && !probe.flags.is_bare_syn()).then(|| flags_text(probe.flags.0)),
        }
    }
}

fn flags_text(flags: u8) -> String {
    let names = ["fin", "syn", "rst", "psh", "ack"];
    let set: Vec<&str> =
        names.iter().enumerate().filter(|(bit, _)| flags >> bit & 1 == 1).map(|(_, name)| *name).collect();
    if set.is_empty() { "none".to_owned() } else { set.join(",") }
}

/// How a reject answers: TCP with a reset, everything else with "administratively prohibited" (RFC 1812, RFC 4443).
fn proper_refusal(probe: &Probe) -> Refusal {
    match (probe.proto, probe.src.is_ipv4()) {
        (proto::TCP, _) => Refusal::Reset,
        (_, true) => Refusal::Icmp(3, 13),
        (_, false) => Refusal::Icmp(1, 1),
    }
}

/// What was seen of a probe, compared with what was expected: `None` when it is the same.
#[must_use]
pub fn compare(topology: &Topology, probe: &Probe, expected: &Expected, seen: &Seen) -> Option<String> {
    if let Some(error) = seen.unsent {
        return Some(format!("could not be sent: {}", std::io::Error::from_raw_os_error(error)));
    }
    if let Some(place) = seen.also_at {
        return Some(format!("arrived twice, also at {}", topology.place_name(place)));
    }
    if let (Verdict::Reject, Some(refusal)) = (expected.decision.verdict, seen.refused)
        && refusal != proper_refusal(probe)
    {
        return Some(format!("refused, but with {refusal:?}"));
    }
    let refusal = seen.refused.map(|refusal| match refusal {
        Refusal::Reset => "refused with a TCP reset".to_owned(),
        Refusal::Icmp(kind, code) => format!("refused with ICMP type {kind} code {code}"),
    });
    match (expected.decision.verdict, &seen.arrived, refusal) {
        (Verdict::Drop, None, None) | (Verdict::Reject, None, Some(_)) => None,
        (Verdict::Reject, None, None) if expected.unanswered => None,
        (Verdict::Accept, Some(arrival), None) => {
            if arrival.place != expected.flow.output {
                return Some(format!("arrived at {}", topology.place_name(arrival.place)));
            }
            let own = match expected.flow.output {
                Place::Interface(id) => {
                    topology.host(id).gateway_addresses.iter().any(|(addr, _)| *addr == arrival.headers.src)
                }
                Place::Gateway | Place::Elsewhere => false,
            };
            if expected.masqueraded != own && probe.input != Place::Gateway {
                let wanted = if expected.masqueraded { "without being masqueraded" } else { "masqueraded" };
                return Some(format!("arrived {wanted}, from {}", arrival.headers.src));
            }
            if !expected.masqueraded && arrival.headers.src != expected.flow.src {
                return Some(format!("arrived from {}", arrival.headers.src));
            }
            if arrival.headers.dst != expected.flow.dst {
                return Some(format!("arrived for {}", arrival.headers.dst));
            }
            let dport = expected.flow.dport().unwrap_or(arrival.headers.words.1);
            let has_ports = proto::has_ports(probe.proto);
            (has_ports && arrival.headers.words.1 != dport)
                .then(|| format!("arrived at port {}", arrival.headers.words.1))
        }
        (_, None, None) => Some("dropped".to_owned()),
        (_, None, Some(refusal)) => Some(refusal),
        (_, Some(arrival), None) => Some(format!("arrived at {}", topology.place_name(arrival.place))),
        (_, Some(arrival), Some(refusal)) => {
            Some(format!("arrived at {} and {refusal}", topology.place_name(arrival.place)))
        }
    }
}

/// What probes are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The network.
    pub topology: &'a Topology,
    /// What the oracle answers from.
    pub ruleset: &'a Ruleset,
    /// The name of this variant of the ruleset, when there are several.
    pub variant: &'static str,
}

/// A probe, what was expected of it, what was seen, and in words what differs.
#[derive(Debug)]
pub struct Compared<'a> {
    /// The probe.
    pub probe: &'a Probe,
    /// What the oracle says.
    pub expected: &'a Expected,
    /// What became of it.
    pub seen: &'a Seen,
    /// What was seen when it is not what was declared.
    pub difference: Option<String>,
}

/// Adds up what was found.
#[derive(Debug, Default)]
pub struct Tally {
    cells: BTreeMap<(Place, Place), BTreeMap<Label, Cell>>,
    pairs: BTreeMap<(Place, Place), (u64, u64)>,
    probes: BTreeMap<Kind, u64>,
    differences: Vec<Difference>,
    differences_total: u64,
    /// Combinations left out.
    pub skipped: u64,
}

#[derive(Debug, Default)]
struct Cell {
    declared: BTreeSet<Verdict>,
    seen: BTreeSet<Verdict>,
    probes: u64,
}

impl Tally {
    /// Notes a probe that was compared.
    pub fn note(&mut self, context: &Context<'_>, compared: Compared<'_>) {
        let Compared { probe, expected, seen, difference } = compared;
        *self.probes.entry(probe.kind).or_default() += 1;
        let pair = self.pairs.entry((probe.input, probe.to)).or_default();
        pair.0 += 1;
        pair.1 += u64::from(difference.is_some());
        if probe.kind == Kind::Class {
            let cell = self.cells.entry((probe.input, probe.to)).or_default().entry(probe.label).or_default();
            cell.probes += 1;
            cell.declared.insert(expected.decision.verdict);
            cell.seen.insert(match (&seen.arrived, seen.refused) {
                (Some(_), _) => Verdict::Accept,
                (None, Some(_)) => Verdict::Reject,
                (None, None) => Verdict::Drop,
            });
        }
        if let Some(seen) = difference {
            self.differ(context, probe, expected, seen);
        }
    }

    fn differ(&mut self, context: &Context<'_>, probe: &Probe, expected: &Expected, seen: String) {
        let Context { topology, ruleset, variant } = *context;
        self.differences_total += 1;
        if self.differences.len() >= DIFFERENCES_MAX {
            return;
        }
        let line = match expected.decision.reason {
            Reason::Rule(at) => Some(ruleset.rules[at].line).filter(|line| *line > 0),
            _ => None,
        };
        self.differences.push(Difference {
            group: probe.kind.word(),
            flow_text: FlowText::of(topology, &expected.flow, probe),
            flow: expected.flow,
            declared: expected.decision.verdict.word(),
            reason: expected.decision.reason.word(),
            line,
            seen,
            variant,
        });
    }

    /// The report.
    #[must_use]
    pub fn finish(self, topology: &Topology, beside: Beside, seconds: f64) -> Report {
        let Beside { proof, dhcp, notes } = beside;
        let pairs = self.pairs.iter().map(|((from, to), (probes, differences))| PairReport {
            from: topology.place_name(*from).to_owned(),
            to: topology.place_name(*to).to_owned(),
            services: self
                .cells
                .get(&(*from, *to))
                .into_iter()
                .flatten()
                .map(|(label, cell)| ServiceReport {
                    service: label.to_string(),
                    declared: word(&cell.declared),
                    seen: word(&cell.seen),
                    probes: cell.probes,
                })
                .collect(),
            probes: *probes,
            differences: *differences,
        });
        Report {
            pairs: pairs.collect(),
            probes_total: self.probes.values().sum(),
            probes: self.probes.iter().map(|(kind, count)| (kind.word(), *count)).collect(),
            skipped: self.skipped,
            proof,
            dhcp,
            differences_total: self.differences_total,
            differences: self.differences,
            notes,
            seconds,
        }
    }
}

fn word(verdicts: &BTreeSet<Verdict>) -> &'static str {
    match verdicts.iter().collect::<Vec<_>>().as_slice() {
        [] => "",
        [one] => one.word(),
        _ => "some",
    }
}
