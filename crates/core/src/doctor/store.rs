//! What was applied, and whether it is kept.

use super::check::{Checks, Fault};
use super::{Facts, Lbu, Transaction};

/// A generation with its journal takes less.
const FREE_BYTES_MIN: u64 = 16 * 1024 * 1024;
/// Files that an apply may make.
const FREE_FILES_MIN: u64 = 200;

pub(super) fn check(checks: &mut Checks, facts: &Facts) {
    policy(checks, facts);
    transaction(checks, facts);
    disk(checks, facts);
    lbu(checks, facts);
}

fn policy(checks: &mut Checks, facts: &Facts) {
    let Some(held) = &facts.held else {
        let fault = Fault::new(
            "nothing was applied yet",
            "the box has no rules of ours",
            "segwall plan shows what would be done; segwall apply does it",
        );
        return checks.faults("applied", vec![fault], "");
    };
    match held.same_policy {
        Some(true) => {
            checks.faults("applied", Vec::new(), format!("{} is generation {}, which holds", held.file, held.number));
        }
        Some(false) => {
            let fault = Fault::new(
                format!("{} is not what was applied as generation {}", held.file, held.number),
                "it was edited since, and the box still does what it did",
                "segwall plan shows what would change; segwall apply does it",
            );
            checks.faults("applied", vec![fault], "");
        }
        None => {
            checks.not_needed("applied", format!("generation {} holds, and there is no {}", held.number, held.file))
        }
    }
}

fn transaction(checks: &mut Checks, facts: &Facts) {
    let waits = match facts.transaction {
        Transaction::Waits { generation, left_s } => {
            let within = left_s.map_or_else(String::new, |left| format!(" within {left} s"));
            Some(Fault::new(
                format!("generation {generation} waits to be confirmed{within}"),
                "unless it is, the box goes back to the one before",
                "segwall confirm from a new SSH connection keeps it; segwall rollback goes back now",
            ))
        }
        Transaction::None | Transaction::AtWork(_) | Transaction::Stuck(_) => None,
    };
    checks.faults("waiting", waits.into_iter().collect(), "no apply waits to be confirmed");
    let stuck = match facts.transaction {
        Transaction::Stuck(generation) => Some(Fault::new(
            format!("the apply of generation {generation} stopped half way, and nobody is at work on it"),
            "the program or its watchdog was killed; the box is between two generations",
            "segwall rollback leads it back; so does a reboot",
        )),
        Transaction::None | Transaction::AtWork(_) | Transaction::Waits { .. } => None,
    };
    let good = match facts.transaction {
        Transaction::AtWork(generation) => format!("generation {generation} is being applied right now"),
        Transaction::None | Transaction::Waits { .. } | Transaction::Stuck(_) => {
            "no apply was left half way".to_owned()
        }
    };
    checks.faults("stuck", stuck.into_iter().collect(), good);
}

fn disk(checks: &mut Checks, facts: &Facts) {
    let Some(disk) = facts.disk else {
        return checks.unknown("disk", "the room for generations cannot be read", "df /etc/segwall");
    };
    let fault =
        (disk.free_bytes < FREE_BYTES_MIN || disk.free_files.is_some_and(|files| files < FREE_FILES_MIN)).then(|| {
            let files = disk.free_files.map_or_else(String::new, |files| format!(" and {files} files"));
            Fault::new(
                format!("/etc/segwall has room for {} KiB{files} only", disk.free_bytes / 1024),
                "an apply needs room for a generation and its journal, and is refused without",
                "df /etc/segwall; df -i /etc/segwall; make room",
            )
        });
    checks.faults(
        "disk",
        fault.into_iter().collect(),
        format!("{} MiB free for generations", disk.free_bytes / (1024 * 1024)),
    );
}

fn lbu(checks: &mut Checks, facts: &Facts) {
    match &facts.lbu {
        Lbu::NotNeeded => checks.not_needed("lbu", "this box keeps its files on a disk"),
        Lbu::Kept => checks.faults("lbu", Vec::new(), "everything in memory was committed"),
        Lbu::Open(files) => {
            let fault = Fault::new(
                format!("changes were not committed: {}", files.join(", ")),
                "this box keeps its files in memory, and a reboot forgets them",
                "lbu commit",
            );
            checks.faults("lbu", vec![fault], "");
        }
        Lbu::Unknown(why) => {
            checks.unknown("lbu", format!("whether changes were committed is not known: {why}"), "lbu status")
        }
    }
}
