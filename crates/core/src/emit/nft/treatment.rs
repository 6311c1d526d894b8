//! Treatments: rules that are decided at the same step and in the same way share their lookups.

/// When and how a group of rules is decided. Rules with equal treatment share their lookups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Treatment {
    pub stage: Stage,
    /// Its schedule, as an index into the list of different schedules.
    pub when: Option<u32>,
    /// The rule whose limit holds.
    pub limit: Option<u32>,
    /// Written down; before those that are not.
    pub quiet: bool,
    /// Only with this IPv6 hop limit.
    pub hop_limit: Option<u8>,
}

/// The oracle's steps for what no state decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Stage {
    FirmUntracked,
    Firm,
    Drop,
    Reject,
    AcceptUntracked,
    Accept,
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Self::FirmUntracked => "accept_firm_untracked",
            Self::Firm => "accept_firm",
            Self::Drop => "drop",
            Self::Reject => "reject",
            Self::AcceptUntracked => "accept_untracked",
            Self::Accept => "accept",
        }
    }
}

impl Treatment {
    /// The beginning of its sets' and chains' names.
    pub(super) fn prefix(&self) -> String {
        let mut name = self.stage.word().to_owned();
        if !self.quiet {
            name.push_str("_log");
        }
        if let Some(when) = self.when {
            name.push_str("_when");
            name.push_str(&when.to_string());
        }
        if let Some(limit) = self.limit {
            name.push_str("_limit");
            name.push_str(&limit.to_string());
        }
        if let Some(hop_limit) = self.hop_limit {
            name.push_str("_hops");
            name.push_str(&hop_limit.to_string());
        }
        name
    }
}
