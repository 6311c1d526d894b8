//! What the kernel holds after a load, proved against the ruleset before the first probe; what refutes it is sent.

use std::cell::Cell;

use schemars::JsonSchema;
use segwall_core::analysis::proof::{Answer, Refutation, prove_preferring};
use segwall_core::netfilter::{Hook, Program, read_nft_json};
use segwall_core::ruleset::{At, Ruleset};
use segwall_packetset::{Set, Space};
use serde::Serialize;

use crate::error::LabError;
use crate::prober::{OBSERVER_TABLE, Prober};
use crate::trial::{Ground, Tried, tried};

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
    /// What the kernel did with the packet when it was sent.
    pub kernel: Tried,
    /// Under which circumstances, when the run had several.
    pub variant: &'static str,
}

impl ProofReport {
    /// Whether every load was proved.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        self.refuted.is_empty() && self.undetermined.is_empty()
    }

    /// Adds one load: the kernel's listing against the ruleset. The lab's own observer is left out of it. What refutes it
    /// is sent through the rules that are loaded.
    pub(crate) fn add(&mut self, prober: &mut Prober, ground: &Ground<'_>, load: &Load<'_>) -> Result<(), LabError> {
        let mut program: Program = match read_nft_json(prober.listing()?.as_bytes()) {
            Ok(program) => program,
            Err(error) => {
                self.undetermined.push(error.to_string());
                return Ok(());
            }
        };
        program.tables.retain(|table| table.name != OBSERVER_TABLE);
        // Asked for each difference, and the same for all of a hook.
        let known: Cell<Option<(Hook, Set)>> = Cell::new(None);
        let sendable = |space: &mut Space, hook: Hook| match known.get() {
            Some((of, set)) if of == hook => Ok(set),
            _ => {
                let set = ground.sendable(space, hook)?;
                known.set(Some((hook, set)));
                Ok(set)
            }
        };
        let mut space = Space::default();
        let proof = prove_preferring(&mut space, load.ruleset, &[&program], load.at, &sendable);
        match proof.answer {
            Answer::Proved => self.proved += 1,
            Answer::Refuted(list) => {
                for one in &list {
                    let can_be =
                        sendable(&mut space, one.hook).is_ok_and(|set| space.contains(set, &one.witness.shown.point));
                    let kernel = tried(prober, ground, one, can_be, load.reload)?;
                    self.refuted.push(ProofDifference::of(one, load.variant, kernel));
                }
            }
            Answer::Undetermined(why) => self.undetermined.extend(why),
        }
        Ok(())
    }
}

/// What was loaded.
pub(crate) struct Load<'a> {
    /// The ruleset that it is to mean: as written, without addresses that an uplink is given later.
    pub ruleset: &'a Ruleset,
    /// When.
    pub at: At,
    /// Under which circumstances, when the run has several.
    pub variant: &'static str,
    /// The texts, where what counts packets has to begin anew for each.
    pub reload: Option<&'a [String]>,
}

impl ProofDifference {
    fn of(one: &Refutation, variant: &'static str, kernel: Tried) -> Self {
        Self {
            hook: one.hook.word(),
            packet: one.packet(),
            declared: one.wanted.clone(),
            found: one.found.clone(),
            line: one.line,
            kernel,
            variant,
        }
    }
}
