//! iptables: the same meaning as [`super::nft`] for `iptables-restore` and `ip6tables-restore`.
//!
//! The whole `filter` table is ours, and the `nat` table where the policy translates anything; chains of our own begin
//! with `sw_`. There are no sets: rules stand one after another, in one chain for each input interface, so that a packet
//! passes only those of the interface it came by. A limit is said more strictly where xtables cannot say it: its
//! burst is at most what a day fills up, and a million; its rate at most a million. The head of the text names each. There is
//! no quarantine: a box that runs these rules has no set to look hosts up in.

mod filter;
mod nat;
mod refuse;
mod table;
mod way;
mod words;

use segwall_packetset::Family;

use crate::policy::Limit;
use crate::ruleset::slots as schedule;
use crate::ruleset::{At, Ruleset};

/// A limit as the text has it.
#[must_use]
pub fn written(limit: &Limit) -> Limit {
    words::written(limit)
}

/// How a line of the text begins that names a limit which is stricter here than the policy has it.
pub const STRICTER: &str = "# Stricter than the policy is the limit";

/// The text for `iptables-restore`.
#[must_use]
pub fn v4(ruleset: &Ruleset, at: At) -> String {
    restore(ruleset, at, Family::V4)
}

/// The text for `ip6tables-restore`.
#[must_use]
pub fn v6(ruleset: &Ruleset, at: At) -> String {
    restore(ruleset, at, Family::V6)
}

fn restore(ruleset: &Ruleset, at: At, family: Family) -> String {
    let mut out = String::with_capacity(64 * 1024);
    let program = match family {
        Family::V4 => "iptables-restore",
        Family::V6 => "ip6tables-restore",
    };
    out.push_str("# Made by segwall for ");
    out.push_str(program);
    out.push_str(".\n");
    if let Some(until) = schedule::valid_until(ruleset, at) {
        out.push_str("# Make it again by ");
        out.push_str(&until.to_string());
        out.push_str(": then the time zone changes its offset or a rule expires.\n");
    }
    let of_rules = ruleset.rules.iter().filter_map(|rule| Some((format!("of line {}", rule.line), rule.limit?)));
    for (whose, limit) in of_rules.chain([("of what is written down".to_owned(), ruleset.log_drops)]) {
        let Limit { rate, per, burst, .. } = written(&limit);
        if (rate, burst) != (limit.rate, limit.burst) {
            let unit = per.word();
            out.push_str(&format!("{STRICTER} {whose}: {rate}/{unit} burst {burst} is what xtables takes.\n"));
        }
    }
    filter::table(ruleset, at, family).write(&mut out);
    nat::table(ruleset, family).write(&mut out);
    out
}
