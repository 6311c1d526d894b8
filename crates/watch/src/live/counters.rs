//! The exact drop counters of Segwall's table.

use segwall_core::emit::nft::{PAIRS_DROPPED, TABLE, counted_drops};
use segwall_host::nf_tables::{NfTables, NfTablesError, fields};

use crate::event::{Counted, Iface, Reading, Reason, Verdict};
use crate::klog::Prefixes;

/// `IFNAMSIZ` of `linux/if.h`.
const IFNAME_LEN: usize = 16;

/// The sets of a table of ours, and why what they count was refused: as the rules' own log prefixes say it.
pub fn sets() -> Vec<(String, Reason)> {
    let mut prefixes = Prefixes::default();
    let mut reason = |prefix: Option<&str>| match prefix.map(|prefix| prefixes.verdict(prefix.as_bytes()).0) {
        Some(Verdict::Refused(reason)) => reason,
        Some(Verdict::Accepted | Verdict::Noted) => Reason::Foreign,
        None => Reason::Broadcast,
    };
    counted_drops().into_iter().map(|(set, prefix)| (set, reason(prefix))).collect()
}

/// Reads them; `None` when the table is not there.
pub fn read(tables: &mut NfTables, sets: &[(String, Reason)]) -> Result<Option<Vec<Reading>>, NfTablesError> {
    let mut readings = Vec::new();
    match tables.elements(TABLE, PAIRS_DROPPED) {
        Ok(elements) => readings.extend(elements.iter().filter_map(|element| {
            let names = fields(&element.key, &[IFNAME_LEN, IFNAME_LEN])?;
            let counted = Counted::Pair { input: iface(names[0]), output: iface(names[1]) };
            Some(Reading { counted, packets: element.count?.packets })
        })),
        Err(error) if error.is_missing() => return Ok(None),
        // Somebody loads rules right now: the next round reads them.
        Err(NfTablesError::Unsteady { .. }) => return Ok(Some(readings)),
        Err(error) => return Err(error),
    }
    for (set, reason) in sets {
        match tables.elements(TABLE, set) {
            Ok(elements) => readings.extend(elements.iter().filter_map(|element| {
                let names = fields(&element.key, &[IFNAME_LEN])?;
                let counted = Counted::Input { input: iface(names[0]), reason: *reason };
                Some(Reading { counted, packets: element.count?.packets })
            })),
            // Of a reason that this policy has no rule for there is no set.
            Err(error) if error.is_missing() => {}
            Err(NfTablesError::Unsteady { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(readings))
}

fn iface(name: &[u8]) -> Iface {
    Iface::new(name.split(|byte| *byte == 0).next().unwrap_or(&[]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every reason that the rules know is one here, and every one here but `foreign` is the rules'.
    #[test]
    fn reasons_are_those_of_the_rules() {
        let sets = sets();
        let reasons: BTreeSet<Reason> = sets.iter().map(|(_, reason)| *reason).collect();
        assert_eq!(reasons.len(), sets.len(), "{sets:?}");
        let known = Reason::ALL.into_iter().filter(|reason| *reason != Reason::Foreign).collect();
        assert_eq!(reasons, known);
        assert!(sets.contains(&("if_reject_rule".to_owned(), Reason::Reject)));
    }
}
