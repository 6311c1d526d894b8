//! Which line of the policy decided about a packet that was seen.

use jiff::Timestamp;
use segwall_core::analysis::reason_words;
use segwall_core::policy;
use segwall_core::ruleset::{self, At, Ruleset};
use segwall_packetset::{Flow, Place};

use crate::alert::Evidence;
use crate::event::{Iface, Packet, Reason, Verdict};
use crate::network::Network;

/// What of the policy decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The rule's line in the file; `None` where no rule decided.
    pub line: Option<u32>,
    /// In words: `the drop at line 42`, `no rule accepts it`.
    pub words: String,
}

impl Network {
    /// What decided about a packet. `None` where the policy is not known, did not decide, or now says something else.
    #[must_use]
    pub fn cause(&self, evidence: &Evidence) -> Option<Cause> {
        let ruleset = self.rules()?;
        let Packet { proto, src, dst, header, verdict, .. } = evidence.packet;
        let place = |iface: Iface| place(ruleset, iface);
        let (input, output) = (place(evidence.packet.input), place(evidence.packet.output));
        let flow = Flow { input, output, proto, src, dst, header, sent: evidence.sent };
        let decided = |wanted: policy::Verdict| {
            let at = Timestamp::from_microsecond(evidence.at.0).map_or(At::ClockUnknown, At::Instant);
            let decision = ruleset.eval(&flow, at);
            let is_rule = matches!(decision.reason, ruleset::Reason::Rule(_));
            (is_rule && decision.verdict == wanted).then_some(decision.reason)
        };
        // A chain of the table took it, and its name says why; which rule it was the policy knows.
        let reason = match verdict {
            Verdict::Accepted => decided(policy::Verdict::Accept)?,
            Verdict::Refused(Reason::Rule) => decided(policy::Verdict::Drop)?,
            Verdict::Refused(Reason::Reject) => decided(policy::Verdict::Reject)?,
            Verdict::Refused(Reason::Unnamed) => ruleset::Reason::Unnamed,
            Verdict::Refused(Reason::Spoofed) => ruleset::Reason::Spoofed,
            Verdict::Refused(Reason::UnknownInterface) => ruleset::Reason::UnknownInterface,
            Verdict::Refused(Reason::Quarantine) => ruleset::Reason::Quarantined,
            Verdict::Refused(Reason::Invalid) => ruleset::Reason::Invalid,
            Verdict::Refused(Reason::Untracked) => ruleset::Reason::Untracked,
            Verdict::Refused(Reason::NotSyn) => ruleset::Reason::NotSyn,
            Verdict::Refused(Reason::Family) => ruleset::Reason::Family,
            Verdict::Refused(Reason::Broadcast) => ruleset::Reason::Broadcast,
            Verdict::Refused(Reason::Foreign) | Verdict::Noted => return None,
        };
        let line = match reason {
            ruleset::Reason::Rule(at) => Some(ruleset.rules[at].line).filter(|line| *line > 0),
            _ => None,
        };
        Some(Cause { line, words: reason_words(ruleset, &flow, reason) })
    }
}

fn place(ruleset: &Ruleset, iface: Iface) -> Place {
    if iface.is_none() {
        return Place::Gateway;
    }
    let found = ruleset.interface_ids().find(|(_, interface)| interface.name == iface.as_str());
    found.map_or(Place::Elsewhere, |(id, _)| Place::Interface(id))
}
