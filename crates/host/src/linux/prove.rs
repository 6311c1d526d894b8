//! Reads the kernel's rules back and compares them with a generation's.

use segwall_core::analysis::proof::{self, Answer};
use segwall_core::emit::nft::TABLE;
use segwall_core::netfilter::Program;
use segwall_core::ruleset::{At, Ruleset};
use segwall_packetset::Space;

use super::Linux;
use crate::apply::{Compiled, HostError, Verdict};
use crate::prove;

fn unreadable(error: prove::ReadError) -> HostError {
    HostError::new("prove what the kernel does", error)
}

/// Differences that are told.
const SHOWN: usize = 3;

/// A program by itself; so many differences are told.
pub(super) fn judged(ruleset: &Ruleset, program: &Program, at: At, shown: usize) -> Verdict {
    let missing: Vec<String> = prove::missing(program).map(|note| format!("the kernel: {}", note.text)).collect();
    match proof::prove(&mut Space::default(), ruleset, &[program], at).answer {
        Answer::Proved if missing.is_empty() => Verdict::Proved,
        Answer::Proved => Verdict::Undetermined(missing),
        Answer::Undetermined(reasons) => Verdict::Undetermined([missing, reasons].concat()),
        Answer::Refuted(list) => {
            Verdict::Refuted(list.iter().take(shown).map(|one| prove::sentence(one, &[program])).collect())
        }
    }
}

impl Linux {
    pub(super) fn verdict(&mut self, rules: Option<&Compiled>) -> Result<Verdict, HostError> {
        let Some(compiled) = rules else {
            let left = || Verdict::Refuted(vec![format!("the table inet {TABLE} is still in the kernel")]);
            return Ok(if self.has_table(TABLE)? { left() } else { Verdict::Proved });
        };
        let compared = prove::compare(&compiled.ruleset, self.instant_of(compiled)).map_err(unreadable)?;
        let mut others = compared.doubts;
        match compared.proof.answer {
            Answer::Proved => {}
            Answer::Undetermined(reasons) => others.extend(reasons),
            Answer::Refuted(list) => {
                others.extend(list.iter().take(SHOWN).map(|one| prove::sentence(one, &[&compared.program])));
            }
        }
        if others.is_empty() {
            return Ok(Verdict::Proved);
        }
        // What is wrong with our own table must not pass as somebody else's.
        Ok(match self.by_itself(compiled)? {
            Verdict::Proved => Verdict::Beside(others),
            wrong => wrong,
        })
    }

    /// Our table alone, whatever others' do beside it.
    pub(super) fn by_itself(&mut self, compiled: &Compiled) -> Result<Verdict, HostError> {
        let Some(ours) = prove::ours().map_err(unreadable)? else {
            return Ok(Verdict::Refuted(vec![format!("the table inet {TABLE} is not in the kernel")]));
        };
        Ok(judged(&compiled.ruleset, &ours, self.instant_of(compiled), SHOWN))
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
