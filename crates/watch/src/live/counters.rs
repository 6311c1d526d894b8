//! The exact drop counters of Segwall's table.

use segwall_core::emit::nft::TABLE;
use segwall_host::nf_tables::{NfTables, NfTablesError, fields};

use crate::event::{Counted, Iface, Reading, Reason};

/// `IFNAMSIZ` of `linux/if.h`.
const IFNAME_LEN: usize = 16;
/// Pairs of interfaces between which something was dropped.
const PAIRS: &str = "pairs_dropped";

/// Reads them; `None` when the table is not there.
pub fn read(tables: &mut NfTables) -> Result<Option<Vec<Reading>>, NfTablesError> {
    let mut readings = Vec::new();
    match tables.elements(TABLE, PAIRS) {
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
    for reason in Reason::ALL {
        match tables.elements(TABLE, &set(reason)) {
            Ok(elements) => readings.extend(elements.iter().filter_map(|element| {
                let names = fields(&element.key, &[IFNAME_LEN])?;
                let counted = Counted::Input { input: iface(names[0]), reason };
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

fn set(reason: Reason) -> String {
    format!("if_drop_{}", reason.word().replace('-', "_"))
}

fn iface(name: &[u8]) -> Iface {
    Iface::new(name.split(|byte| *byte == 0).next().unwrap_or(&[]))
}
