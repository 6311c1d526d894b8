//! What the kernel holds after a load, proved against the ruleset before the first probe.

use schemars::JsonSchema;
use segwall_core::analysis::proof::{Answer, Refutation, prove};
use segwall_core::netfilter::{Program, read_nft_json};
use segwall_core::ruleset::{At, Ruleset};
use segwall_packetset::Space;
use serde::Serialize;

/// Whether what was loaded is what the policy says, for every packet.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct ProofReport {
    /// Loads that were read back and proved.
    pub proved: u32,
    /// Packets that what was loaded treats otherwise than the policy says.
    pub refuted: Vec<ProofDifference>,
    /// Why something could not be decided.
    pub undetermined: Vec<String>,
}

/// A packet that shows that what was loaded is not what the policy says.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ProofDifference {
    /// Where it is looked at: `input`, `forward`, `output`, `prerouting`, `postrouting`.
    pub hook: &'static str,
    /// The packet, in words.
    pub packet: String,
    /// What the policy says.
    pub declared: String,
    /// What the rules do.
    pub found: String,
    /// The line of the policy that decides, where one does.
    pub line: Option<u32>,
    /// Under which circumstances, when the run had several.
    pub variant: &'static str,
}

impl ProofReport {
    /// Whether every load was proved.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        self.refuted.is_empty() && self.undetermined.is_empty()
    }

    /// Adds one load: the kernel's listing against the ruleset. The lab's own observer is left out of it.
    pub(crate) fn add(&mut self, listing: &str, observer: &str, ruleset: &Ruleset, at: At, variant: &'static str) {
        let mut program: Program = match read_nft_json(listing.as_bytes()) {
            Ok(program) => program,
            Err(error) => {
                self.undetermined.push(error.to_string());
                return;
            }
        };
        program.tables.retain(|table| table.name != observer);
        match prove(&mut Space::default(), ruleset, &[&program], at).answer {
            Answer::Proved => self.proved += 1,
            Answer::Refuted(list) => self.refuted.extend(list.iter().map(|one| ProofDifference::of(one, variant))),
            Answer::Undetermined(why) => self.undetermined.extend(why),
        }
    }
}

impl ProofDifference {
    fn of(one: &Refutation, variant: &'static str) -> Self {
        Self {
            hook: one.hook.word(),
            packet: one.witness.to_string(),
            declared: one.wanted.clone(),
            found: one.found.clone(),
            line: one.line,
            variant,
        }
    }
}
