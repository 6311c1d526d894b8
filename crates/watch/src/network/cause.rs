//! Which line of the policy decided about a packet that was seen.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use segwall_core::analysis::reason_words;
use segwall_core::policy;
use segwall_core::ruleset::{At, Reason as Decided, Role, Ruleset};
use segwall_packetset::{Flow, Header, Place};

use super::Network;
use crate::alert::Evidence;
use crate::event::{self, Iface, Packet, Reason, Verdict};

/// What of a policy decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Which policy: a file's name, `generation 3`.
    pub policy: Arc<str>,
    /// The rule's line in it; `None` where no rule of the file decided.
    pub line: Option<u32>,
    /// In words: `the drop at line 42`, `no rule accepts it`.
    pub words: String,
}

/// A policy's rules, and what the policy is called.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    policy: Arc<str>,
    ruleset: Arc<Ruleset>,
    /// What came before met the rules of another policy.
    since: event::At,
}

impl Network {
    /// With what the policy's rules come to: alerts name the line that decided.
    #[must_use]
    pub fn with_rules(self, ruleset: Ruleset, policy: &str) -> Self {
        Self {
            rules: Some(Rules { policy: policy.into(), ruleset: Arc::new(ruleset), since: event::At(i64::MIN) }),
            ..self
        }
    }

    /// Its rules hold from now on, and decided about nothing that came before.
    pub fn hold_from(&mut self, at: event::At) {
        if let Some(rules) = &mut self.rules {
            rules.since = at;
        }
    }

    /// Who is where, and nothing of rules.
    #[must_use]
    pub fn without_rules(self) -> Self {
        Self { rules: None, ..self }
    }

    /// What decided about a packet. `None` where the policy is not known, did not decide, or says something else than what
    /// became of the packet.
    #[must_use]
    pub fn cause(&self, evidence: &Evidence) -> Option<Cause> {
        let Rules { policy, ruleset, .. } = self.rules.as_ref().filter(|rules| evidence.at >= rules.since)?;
        let Packet { proto, src, dst, header, verdict, .. } = evidence.packet;
        let place = |iface: Iface| if iface.is_none() { Place::Gateway } else { ruleset.behind(iface.as_str()) };
        let (input, output) = (place(evidence.packet.input), place(evidence.packet.output));
        let flow = Flow { input, output, proto, src, dst, header, sent: evidence.sent };
        let rule = |decided: Decided, begin: &str| {
            let line = match decided {
                Decided::Rule(at) => Some(ruleset.rules[at].line).filter(|line| *line > 0),
                _ => None,
            };
            let words = format!("{begin}{}", reason_words(ruleset, &flow, decided));
            Some(Cause { policy: Arc::clone(policy), line, words })
        };
        let decide = || {
            let at = Timestamp::from_microsecond(evidence.at.0).map_or(At::ClockUnknown, At::Instant);
            let decision = ruleset.eval(&flow, at);
            let is_rule = matches!(decision.reason, Decided::Rule(_));
            (decision.reason, is_rule.then_some(decision.verdict), decision.limited)
        };
        // The chain of the table that took it says why; which rule it was only the policy knows.
        let wanted = match verdict {
            Verdict::Noted | Verdict::Refused(Reason::Foreign) => return None,
            Verdict::Accepted if is_sent_on(ruleset, &flow) => return None,
            Verdict::Accepted => policy::Verdict::Accept,
            Verdict::Refused(Reason::Rule) => policy::Verdict::Drop,
            Verdict::Refused(Reason::Reject) => policy::Verdict::Reject,
            Verdict::Refused(Reason::Unnamed) => {
                return match decide() {
                    (decided @ Decided::Rule(_), _, true) => rule(decided, "over the limit of "),
                    (decided @ Decided::Unnamed, ..) => rule(decided, ""),
                    _ => None,
                };
            }
            Verdict::Refused(Reason::Spoofed) => return rule(Decided::Spoofed, ""),
            Verdict::Refused(Reason::UnknownInterface) => return rule(Decided::UnknownInterface, ""),
            Verdict::Refused(Reason::Quarantine) => return rule(Decided::Quarantined, ""),
            Verdict::Refused(Reason::Invalid) => return rule(Decided::Invalid, ""),
            Verdict::Refused(Reason::Untracked) => return rule(Decided::Untracked, ""),
            Verdict::Refused(Reason::NotSyn) => return rule(Decided::NotSyn, ""),
            Verdict::Refused(Reason::Family) => return rule(Decided::Family, ""),
            Verdict::Refused(Reason::Broadcast) => return rule(Decided::Broadcast, ""),
        };
        match decide() {
            (decided, Some(verdict), _) if verdict == wanted => rule(decided, ""),
            _ => None,
        }
    }

    /// The uplink has this address, which a policy that leaves it to the provider does not name: forwards listen on it.
    pub(super) fn learn_uplink_address(&mut self, iface: Iface, addr: IpAddr) {
        let Some(Rules { ruleset, .. }) = &mut self.rules else { return };
        let Place::Interface(id) = ruleset.behind(iface.as_str()) else { return };
        let interface = ruleset.interface(id);
        if interface.role == Role::Uplink && interface.dynamic && !interface.addresses.contains(&addr) {
            Arc::make_mut(ruleset).interfaces[id.index()].addresses.push(addr);
        }
    }
}

/// Whether a packet from an uplink may have been sent to the box, and on by a port forward: a log that was written behind
/// the translation does not tell.
fn is_sent_on(ruleset: &Ruleset, flow: &Flow) -> bool {
    let (Place::Interface(input), Header::Ports { dport, .. }, None) = (flow.input, flow.header, flow.sent) else {
        return false;
    };
    ruleset.translations.iter().any(|translation| {
        let is_target = translation.to == flow.dst && translation.proto == flow.proto;
        is_target && translation.uplink == input && translation.delivered_ports().contains(dport)
    })
}
