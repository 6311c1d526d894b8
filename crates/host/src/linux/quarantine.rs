//! Hosts that are cut off: in the kernel's sets, and in a list that a reboot and an apply find them in again.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use segwall_core::emit::nft::Program;
use segwall_core::plan::FileState;
use segwall_core::quarantine::{self, Held, Left, List, Mac};
use segwall_core::ruleset::quarantine::{SET4, SET6, TABLE};
use segwall_packetset::AddrRange;

use super::Linux;
use crate::apply::{Host, HostError, write_whole};
use crate::conntrack::{Conntrack, Entry, Tuple};
use crate::nf_tables::NfTables;
use crate::rtnl_dump;

/// The list; diskless boxes keep what is in this directory.
pub const LIST: &str = "/etc/segwall/quarantine";
/// Who was cut off, and why, is for root.
const MODE: u32 = 0o600;
/// Connections are looked at again this often, for those that came in meanwhile.
const ROUNDS_MAX: usize = 16;

impl Linux {
    /// The list, as it is on the disk.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn quarantine_list(&mut self) -> Result<List, HostError> {
        let file = self.read(LIST)?;
        Ok(file.map(|file| List::read(&String::from_utf8_lossy(&file.bytes))).unwrap_or_default())
    }

    /// Cuts addresses off: whatever passes the box from here on is dropped, and their open connections end, but for those
    /// with whom they may still speak. How many ended.
    ///
    /// # Errors
    /// When the kernel refuses: then nothing changed. When the list cannot be written: then they are cut off until rules are
    /// loaded from the beginning, as at the next start.
    pub fn quarantine(&mut self, new: Vec<Held>, allowed: &[AddrRange]) -> Result<usize, HostError> {
        let now_s = Timestamp::now().as_second();
        let addresses: BTreeSet<IpAddr> = new.iter().map(|held| held.addr).collect();
        let script: String = new.iter().map(|held| quarantine::put(held, now_s)).collect();
        let mut list = self.quarantine_list()?;
        list.put(new, now_s);
        // First what stops packets: a slow disk must keep nobody going.
        self.nft_load(&script)
            .map_err(|error| HostError::new("put the host into quarantine; are Segwall's rules loaded?", error))?;
        let ended = cut(&addresses, allowed);
        self.keep(&list)
            .map_err(|error| HostError::new("keep the quarantine over the next start; it holds until then", error))?;
        ended
    }

    /// Who is on the list, and whom the kernel lets pass all the same: somebody took them out of its sets by hand, or a clock
    /// that was set back makes the list's time longer than the kernel's.
    ///
    /// # Errors
    /// When the list or the sets cannot be read.
    pub fn let_go(&mut self) -> Result<BTreeSet<IpAddr>, HostError> {
        let list = self.quarantine_list()?;
        if list.held.is_empty() {
            return Ok(BTreeSet::new());
        }
        let in_kernel = in_kernel()?;
        // Not before the kernel was asked: it counts from within the second that the list names, and so ends no earlier.
        let now_s = Timestamp::now().as_second();
        let on_list = list.held.iter().filter(|held| held.left(now_s) != Left::Ended).map(|held| held.addr);
        let free: BTreeSet<IpAddr> = on_list.filter(|addr| !in_kernel.contains(addr)).collect();
        if free.is_empty() {
            return Ok(free);
        }
        // Whoever was released meanwhile left the list before the kernel.
        let still: BTreeSet<IpAddr> = self.quarantine_list()?.held.iter().map(|held| held.addr).collect();
        Ok(free.intersection(&still).copied().collect())
    }

    /// Lets addresses go.
    ///
    /// # Errors
    /// When the list cannot be written, or the kernel refuses: then they are held as before.
    pub fn release(&mut self, addresses: &[IpAddr]) -> Result<(), HostError> {
        let before = self.quarantine_list()?;
        let mut list = before.clone();
        list.take(addresses, Timestamp::now().as_second());
        // The list first: what ends in between holds somebody too long, and shows them.
        self.keep(&list)?;
        let script: String = addresses.iter().copied().map(quarantine::release).collect();
        self.nft_load(&script).map_err(|error| {
            let _ = self.keep(&before);
            HostError::new("release the host; are Segwall's rules loaded?", error)
        })
    }

    /// Text for the transaction that loads rules: whoever is on the list is held from the first packet on.
    pub(super) fn quarantine_script(&mut self, program: &Program) -> Result<String, HostError> {
        if !program.sets.iter().any(|set| set.name == SET4) {
            return Ok(String::new());
        }
        Ok(self.quarantine_list()?.script(Timestamp::now().as_second()))
    }

    fn keep(&mut self, list: &List) -> Result<(), HostError> {
        write_whole(self, LIST, &FileState { mode: MODE, bytes: list.text().into_bytes() })
    }
}

/// Addresses that the kernel holds.
///
/// # Errors
/// When its sets cannot be read; not when they are not there.
pub fn in_kernel() -> Result<BTreeSet<IpAddr>, HostError> {
    let failed = |error| HostError::new("read who is in quarantine", error);
    let mut tables = NfTables::open().map_err(failed)?;
    let mut found = BTreeSet::new();
    for set in [SET4, SET6] {
        match tables.elements(TABLE, set) {
            Ok(elements) => found.extend(elements.iter().filter_map(|element| address(&element.key))),
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(found)
}

/// Which card has which address, as far as the box has spoken with them.
///
/// # Errors
/// When the kernel does not answer.
pub fn neighbours() -> Result<Vec<(IpAddr, Mac)>, HostError> {
    let known = rtnl_dump::neighbours().map_err(|error| HostError::new("list neighbours", error))?;
    Ok(known.iter().filter_map(|one| Some((one.addr, one.mac?))).collect())
}

/// The box's own addresses, as they are now.
///
/// # Errors
/// When the kernel does not answer.
pub fn own_addresses() -> Result<Vec<IpAddr>, HostError> {
    let own = rtnl_dump::addresses().map_err(|error| HostError::new("list the box's addresses", error))?;
    Ok(own.iter().map(|one| one.addr).collect())
}

fn address(key: &[u8]) -> Option<IpAddr> {
    match key.len() {
        4 => <[u8; 4]>::try_from(key).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(key).ok().map(IpAddr::from),
    }
}

/// Takes the connections of these addresses out of connection tracking; how many.
fn cut(addresses: &BTreeSet<IpAddr>, allowed: &[AddrRange]) -> Result<usize, HostError> {
    let failed = |error| HostError::new("cut open connections; is the module nf_conntrack_netlink missing?", error);
    let mut conntrack = Conntrack::open().map_err(failed)?;
    let mut gone = BTreeSet::new();
    for _ in 0..ROUNDS_MAX {
        let mut now: Vec<Tuple> = Vec::new();
        conntrack
            .each(|entry| {
                if is_theirs(&entry, addresses, allowed) {
                    now.push(entry.original);
                }
            })
            .map_err(failed)?;
        if now.is_empty() {
            break;
        }
        conntrack.remove(&now).map_err(failed)?;
        gone.extend(now);
    }
    Ok(gone.len())
}

/// The reply's source is who was reached in the end, and its destination who asked as the other sees it.
fn is_theirs(entry: &Entry, addresses: &BTreeSet<IpAddr>, allowed: &[AddrRange]) -> bool {
    let (from, to) = (entry.original.src, entry.reply.src);
    let may = |addr: IpAddr| allowed.iter().any(|range| range.contains(addr));
    (addresses.contains(&from) && !may(to)) || (addresses.contains(&to) && !may(from))
}
