//! The ways of a packet, with their chains, and the oracle's steps on each.

use segwall_packetset::InterfaceId;

use crate::policy::Verdict;
use crate::ruleset::Rule;

/// Where a packet is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Input(InterfaceId),
    Forward(InterfaceId),
    Output,
}

impl Way {
    /// The chain of this way, which also begins the names of those beside it.
    pub(super) fn chain(self) -> String {
        match self {
            Self::Input(id) => format!("sw_in{}", id.0),
            Self::Forward(id) => format!("sw_fwd{}", id.0),
            Self::Output => "sw_out".to_owned(),
        }
    }

    /// The chain of drops and rejects.
    pub(super) fn refusals(self) -> String {
        format!("{}_refuse", self.chain())
    }

    /// The chain of untracked packets.
    pub(super) fn untracked(self) -> String {
        format!("{}_untracked", self.chain())
    }

    /// The chain behind anti-spoofing.
    pub(super) fn genuine(self) -> String {
        format!("{}_genuine", self.chain())
    }
}

/// The oracle's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    FirmUntracked,
    AcceptUntracked,
    Firm,
    Drop,
    Reject,
    Logged,
    Quiet,
    Limited,
}

impl Step {
    pub(super) fn of(rule: &Rule) -> Self {
        match (rule.verdict, rule.untracked, rule.firm) {
            (Verdict::Drop, _, _) => Self::Drop,
            (Verdict::Reject, _, _) => Self::Reject,
            (Verdict::Accept, true, true) => Self::FirmUntracked,
            (Verdict::Accept, true, false) => Self::AcceptUntracked,
            (Verdict::Accept, false, true) => Self::Firm,
            (Verdict::Accept, false, false) => match (rule.limit, rule.log) {
                (Some(_), _) => Self::Limited,
                (None, true) => Self::Logged,
                (None, false) => Self::Quiet,
            },
        }
    }
}
