//! Reads the kernel's rules back and compares them with a generation's.

use segwall_core::analysis::proof::Answer;
use segwall_core::emit::nft::TABLE;

use super::Linux;
use crate::apply::{Compiled, HostError, Verdict};
use crate::prove;

/// Differences that are told.
const SHOWN: usize = 3;

impl Linux {
    pub(super) fn verdict(&mut self, rules: Option<&Compiled>) -> Result<Verdict, HostError> {
        let Some(compiled) = rules else {
            let left = || Verdict::Refuted(vec![format!("the table inet {TABLE} is still in the kernel")]);
            return Ok(if self.has_table(TABLE)? { left() } else { Verdict::Proved });
        };
        let (differences, doubts) = self.unlike(compiled)?;
        Ok(match (differences.is_empty(), doubts.is_empty()) {
            (false, true) => Verdict::Refuted(differences),
            (true, true) => Verdict::Proved,
            // Where rules may be missing, or others decide too, a difference is a sign and no proof either.
            (_, false) => Verdict::Undetermined([doubts, differences].concat()),
        })
    }

    /// In what the kernel differs from a generation, as far as can be seen; and why that is not certain.
    pub(super) fn unlike(&mut self, compiled: &Compiled) -> Result<(Vec<String>, Vec<String>), HostError> {
        // Without our table there is no doubt, whatever others do.
        if !self.has_table(TABLE)? {
            return Ok((vec![format!("the table inet {TABLE} is not in the kernel")], Vec::new()));
        }
        let compared = prove::compare(&compiled.ruleset, self.instant_of(compiled))
            .map_err(|error| HostError::new("prove what the kernel does", error))?;
        let mut doubts = compared.doubts;
        Ok(match compared.proof.answer {
            Answer::Proved => (Vec::new(), doubts),
            Answer::Undetermined(reasons) => {
                doubts.extend(reasons);
                (Vec::new(), doubts)
            }
            Answer::Refuted(list) => {
                let shown = list.iter().take(SHOWN).map(|one| prove::sentence(one, &[&compared.program]));
                (shown.collect(), doubts)
            }
        })
    }

    /// What other programs' tables and filters would keep a proof from succeeding: known before anything is touched.
    ///
    /// # Errors
    /// When the kernel's rules cannot be read.
    pub fn others(&mut self, compiled: &Compiled) -> Result<Vec<String>, HostError> {
        prove::in_the_way(&compiled.ruleset, &compiled.program.script(), self.instant_of(compiled))
            .map_err(|error| HostError::new("look for other programs' rules", error))
    }
}
