//! What was proved of a policy, as its pages tell it.

/// How a proof ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProofOutcome {
    /// Equal for every packet that the model holds.
    Proved,
    /// A packet is treated otherwise.
    Refuted,
    /// It could not be decided.
    Undetermined,
}

impl ProofOutcome {
    /// For people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Refuted => "refuted",
            Self::Undetermined => "undetermined",
        }
    }
}

/// What a proof found, handed to the pages by whoever made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofSummary {
    /// How it ended.
    pub outcome: ProofOutcome,
    /// What was compared with the policy: `the nftables text compiled from it`, `what the kernel of gw1 holds`.
    pub against: String,
    /// What was found: a packet that is treated otherwise, reasons why it is undetermined, what was left aside.
    pub details: Vec<String>,
    /// When, as it is to be printed; nothing keeps the page free of dates.
    pub at: Option<String>,
}

/// What no proof and no page of ours speaks of.
pub(super) const NOT_COVERED: [&str; 5] = [
    "Traffic that stays on the wire inside one segment: it never passes the box.",
    "A host with a false address of its own segment: behind its interface nobody can tell it from the real one.",
    "What was changed on the box after its ruleset was compared: other tables, tc, XDP, bridges, IPVS.",
    "What a connection carries once it is accepted: claims are about the first packet; replies and the errors that belong \
     to it follow.",
    "Tunnels and proxies run by hosts that may talk to each other.",
];
