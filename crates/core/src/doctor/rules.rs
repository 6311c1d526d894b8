//! The rules in the kernel, and whom they hold in quarantine.

use std::net::IpAddr;

use super::check::{Checks, Fault};
use super::{Facts, Rules};
use crate::emit::nft::TABLE;
use crate::plan::{FORWARD_V4, FORWARD_V6};

/// Addresses that one sentence names.
const SHOWN_MAX: usize = 8;

pub(super) fn check(checks: &mut Checks, facts: &Facts) {
    let Some(held) = &facts.held else {
        for name in ["table", "rules", "quarantine"] {
            checks.not_needed(name, "nothing was applied yet");
        }
        return;
    };
    if !facts.inventory.table {
        let is_on = |key| facts.inventory.sysctls.get(key).is_some_and(|value| value.trim() != "0");
        let open = is_on(FORWARD_V4) || is_on(FORWARD_V6);
        let fault = Fault::new(
            format!("the table inet {TABLE} is not in the kernel"),
            if open {
                "somebody flushed it (`nft flush ruleset`, the nftables service); packets are forwarded, and nothing keeps \
                 the segments apart"
            } else {
                "somebody flushed it (`nft flush ruleset`, the nftables service), or the boot service did not run"
            },
            "segwall apply",
        );
        checks.faults("table", vec![fault], "");
        checks.not_needed("rules", "waits for the table");
        return checks.not_needed("quarantine", "waits for the table");
    }
    checks.faults("table", Vec::new(), format!("the table inet {TABLE} is in the kernel"));
    held_rules(checks, facts, held.number);
    quarantine(checks, facts);
}

fn held_rules(checks: &mut Checks, facts: &Facts, number: u64) {
    match &facts.rules {
        Rules::Proved => {
            checks.faults(
                "rules",
                Vec::new(),
                format!("proved: what the kernel holds is generation {number}, for every packet"),
            );
        }
        Rules::Refuted(packets) => {
            let fault = Fault::new(
                format!("the kernel's rules are not those of generation {number}"),
                packets.first().cloned().unwrap_or_else(|| "no packet was found that shows it".to_owned()),
                "segwall drift shows every difference; segwall apply loads them anew",
            );
            checks.faults("rules", vec![fault], "");
        }
        Rules::Undetermined(reasons) => checks.unknown(
            "rules",
            format!("it cannot be proved that the kernel holds generation {number}: {}", reasons.join("; ")),
            "take the other rules away, or look at them yourself: `nft list ruleset`",
        ),
        Rules::Unread(why) => {
            checks.unknown(
                "rules",
                format!("the kernel's rules cannot be read: {why}"),
                "run `nft list ruleset` as root",
            );
        }
        Rules::NoGeneration => checks.unknown(
            "rules",
            format!("generation {number} cannot be read"),
            "segwall history; segwall apply writes a new one",
        ),
    }
}

fn quarantine(checks: &mut Checks, facts: &Facts) {
    let Some(let_go) = &facts.let_go else {
        return checks.unknown(
            "quarantine",
            "whether the kernel holds who is on the quarantine's list cannot be read",
            "segwall quarantine --list",
        );
    };
    let names: Vec<String> = let_go.iter().take(SHOWN_MAX).map(IpAddr::to_string).collect();
    let more = let_go.len().saturating_sub(names.len());
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let fault = (!let_go.is_empty()).then(|| {
        Fault::new(
            format!("on the quarantine's list, and not held: {}{more}", names.join(", ")),
            "somebody took it out of the kernel's set by hand (`nft flush set`), or the clock was set back",
            "segwall apply holds them again; segwall release ADDRESS takes one off the list",
        )
    });
    checks.faults(
        "quarantine",
        fault.into_iter().collect(),
        "the kernel holds everybody who is on the quarantine's list",
    );
}
