//! Rules in order, of which the first that matches decides.

use super::cache::Op;
use super::store::EMPTY;
use super::{GaveUp, Set, Space};

/// A run of rules: what each verdict decides, what any of them matches.
struct Run {
    decided: Vec<u32>,
    matched: u32,
}

impl Space {
    /// For each of the verdicts, counted from 0, the packets whose first matching rule has it. What no rule matches is in
    /// none of them.
    ///
    /// Long lists are decided in halves: one rule after another would copy a large set for each of them.
    ///
    /// # Panics
    /// When a rule has a verdict that is not below `verdicts`.
    pub fn first_match(&mut self, rules: &[(Set, usize)], verdicts: usize) -> Result<Vec<Set>, GaveUp> {
        assert!(rules.iter().all(|(_, verdict)| *verdict < verdicts), "a verdict is one of {verdicts}");
        let run = self.question(|space| space.run_of(rules, verdicts))?;
        Ok(run.decided.into_iter().map(Set).collect())
    }

    /// Recursion is as deep as the logarithm of the number of rules.
    fn run_of(&mut self, rules: &[(Set, usize)], verdicts: usize) -> Result<Run, GaveUp> {
        let same = rules.first().is_none_or(|(_, first)| rules.iter().all(|(_, verdict)| verdict == first));
        if same {
            let mut sets: Vec<u32> = rules.iter().map(|(set, _)| set.0).collect();
            let matched = self.apply_all(Op::Or, &mut sets)?;
            let mut decided = vec![EMPTY; verdicts];
            if let Some((_, verdict)) = rules.first() {
                decided[*verdict] = matched;
            }
            return Ok(Run { decided, matched });
        }
        let (earlier, later) = rules.split_at(rules.len() / 2);
        let mut run = self.run_of(earlier, verdicts)?;
        let later = self.run_of(later, verdicts)?;
        for (decided, more) in run.decided.iter_mut().zip(later.decided) {
            let more = self.apply(Op::Minus, more, run.matched)?;
            *decided = self.apply(Op::Or, *decided, more)?;
        }
        run.matched = self.apply(Op::Or, run.matched, later.matched)?;
        Ok(run)
    }
}
