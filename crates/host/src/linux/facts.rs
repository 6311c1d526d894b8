//! What kind of box it is.

use std::fs;

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use segwall_core::emit::{Facts, System};

use super::Root;
use super::services::Init;

const MEMINFO: &str = "/proc/meminfo";
/// Where the box does not say: the least that such boxes have.
const MEMORY_LEAST_MIB: u64 = 64;

/// What the box runs, and how much memory it has.
pub(super) fn facts(root: &Root, init: &Init) -> Facts {
    let by_file = || if root.at("/etc/alpine-release").exists() { System::Alpine } else { System::Debian };
    let text = fs::read_to_string(MEMINFO).unwrap_or_default();
    let kib =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
    let memory_mib = kib.map_or(MEMORY_LEAST_MIB, |kib| kib / 1024);
    Facts { system: init.system().unwrap_or_else(by_file), memory_mib }
}

/// Alpine in memory: its root is gone at a reboot, and `lbu commit` puts `/etc` on a medium.
pub(super) fn is_diskless(root: &Root) -> bool {
    let is_tmpfs = statfs(&root.at("/")).is_ok_and(|disk| disk.filesystem_type() == TMPFS_MAGIC);
    let lbu = fs::read_to_string(root.at("/etc/lbu/lbu.conf")).unwrap_or_default();
    let has_medium = lbu.lines().any(|line| {
        let value = line.trim().strip_prefix("LBU_MEDIA=");
        value.is_some_and(|value| !value.trim_matches(['"', '\'']).is_empty())
    });
    (is_tmpfs && root.is_real()) || has_medium
}
