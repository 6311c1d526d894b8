//! Our rules in the kernel, and other programs' beside them.

use std::path::Path;

use segwall_core::doctor::{self, ForeignTable, Rules};
use segwall_core::emit::nft::TABLE;
use segwall_core::netfilter::{Program, Table, TableFamily};
use segwall_core::ruleset::{At, Ruleset};

use super::super::prove::judged;
use super::super::{Linux, closing};
use crate::apply::{Compiled, Verdict};
use crate::error::chain;
use crate::prove;

/// Differences that are told.
const SHOWN: usize = 20;

/// What the kernel's rules are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Ours, by themselves where others' change the result.
    pub rules: Rules,
    /// Others' tables; `None`: they could not be listed.
    pub tables: Option<Vec<ForeignTable>>,
    /// Chains of ours that somebody added rules to, or took rules from; whatever that means.
    pub edited: Vec<String>,
}

impl Linux {
    /// Reads the kernel's rules, and compares them with a generation.
    pub fn kernel_rules(&mut self, held: Option<&Compiled>) -> Found {
        let whole = match prove::kernel() {
            Ok(program) => program,
            Err(error) => return Found { rules: Rules::Unread(chain(&error)), ..Found::default() },
        };
        let others: Vec<&Table> = whole.tables.iter().filter(|table| !is_ours(table)).collect();
        let foreign = |harmless| {
            let shape = |table: &&Table| ForeignTable {
                name: format!("{} {}", table.family.word(), table.name),
                acts: table.chains.iter().any(|chain| chain.base.is_some()),
                harmless,
            };
            Some(others.iter().map(shape).collect::<Vec<_>>())
        };
        let Some(held) = held else { return Found { tables: foreign(false), ..Found::default() } };
        let ours = whole.tables.iter().find(|table| is_ours(table) && table.name == TABLE);
        let edited = ours.map_or_else(Vec::new, |table| doctor::edited(&held.program, table));
        let at = self.instant_of(held);
        let together = verdict(&held.ruleset, &whole, at);
        // Only where others' tables are in it too can it be theirs that differ.
        if together == Rules::Proved || others.is_empty() {
            return Found { rules: together, tables: foreign(true), edited };
        }
        let rules = match prove::ours() {
            Ok(Some(ours)) => verdict(&held.ruleset, &ours, at),
            // The table is missing, which the inventory tells.
            Ok(None) => together,
            Err(error) => Rules::Unread(chain(&error)),
        };
        Found { rules, tables: foreign(false), edited }
    }
}

/// Modules that are plainly there, wherever they came from: a kernel without `/lib/modules` does not list what is built in.
pub(super) fn modules_at_work(found: &Found) -> Vec<String> {
    const TRACES: [(&str, &str); 3] = [
        ("8021q", "/proc/net/vlan"),
        ("nf_conntrack", "/proc/sys/net/netfilter/nf_conntrack_max"),
        ("nfnetlink_log", "/proc/net/netfilter/nfnetlink_log"),
    ];
    let traces = TRACES.iter().filter(|(_, path)| Path::new(path).exists()).map(|(name, _)| *name);
    let answered = found.tables.is_some().then_some("nf_tables");
    traces.chain(answered).map(str::to_owned).collect()
}

fn verdict(ruleset: &Ruleset, program: &Program, at: At) -> Rules {
    match judged(ruleset, program, at, SHOWN) {
        Verdict::Proved => Rules::Proved,
        Verdict::Beside(why) | Verdict::Undetermined(why) => Rules::Undetermined(why),
        Verdict::Refuted(shown) => Rules::Refuted(shown),
    }
}

fn is_ours(table: &Table) -> bool {
    table.family == TableFamily::Inet && [TABLE, closing::TABLE].contains(&table.name.as_str())
}
