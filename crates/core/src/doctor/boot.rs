//! What a boot would do.

use std::collections::BTreeSet;

use super::check::{Checks, Fault};
use super::{Facts, Subject};
use crate::plan::{FORWARD_V4, FORWARD_V6, INTERFACES, setting};

/// Where ifupdown's files of ours lie.
const INTERFACES_DIR: &str = "/etc/network/interfaces.d";
/// The same switch under another name.
const FORWARD_ALL: &str = "net/ipv4/conf/all/forwarding";

pub(super) fn check(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    interfaces(checks, subject, facts);
    forwarding(checks, facts);
}

/// Interfaces that Segwall manages, and that ifupdown does not bring up.
fn interfaces(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    if facts.held.is_none() {
        return checks.not_needed("interface-at-boot", "nothing was applied yet");
    }
    if subject.wanted.up.is_empty() {
        return checks.not_needed("interface-at-boot", "others bring the interfaces up");
    }
    let Some(main) = facts.interface_files.get(INTERFACES) else {
        return checks.unknown(
            "interface-at-boot",
            format!("{INTERFACES} cannot be read"),
            format!("cat {INTERFACES}"),
        );
    };
    let reads_dir = words(main).any(|line| {
        matches!(line.first(), Some(&"source" | &"source-directory" | &"source-dir"))
            && line.iter().skip(1).any(|path| path.trim_end_matches("/*").trim_end_matches('/') == INTERFACES_DIR)
    });
    // A file of ours that is changed or missing is told of elsewhere.
    let read: Vec<&String> = facts
        .interface_files
        .iter()
        .filter(|(path, _)| *path == INTERFACES || (reads_dir && path.starts_with(INTERFACES_DIR)))
        .map(|(_, text)| text)
        .collect();
    let started: BTreeSet<&str> = read
        .iter()
        .flat_map(|text| words(text))
        .filter(|line| matches!(line.first(), Some(&"auto" | &"allow-auto" | &"allow-hotplug")))
        .flat_map(|line| line.into_iter().skip(1))
        .collect();
    let late: Vec<&str> =
        subject.wanted.up.iter().map(String::as_str).filter(|device| !started.contains(device)).collect();
    if late.is_empty() {
        return checks.faults("interface-at-boot", Vec::new(), "every interface comes up at boot");
    }
    let (cause, next) = if reads_dir {
        (
            "no `auto` names them in /etc/network/interfaces or its directory",
            "segwall apply writes the file anew".to_owned(),
        )
    } else {
        (
            "/etc/network/interfaces does not read /etc/network/interfaces.d",
            format!("add the line `source {INTERFACES_DIR}/*` to {INTERFACES}"),
        )
    };
    checks.faults(
        "interface-at-boot",
        vec![Fault::new(format!("after a boot these are not up: {}", late.join(", ")), cause, next)],
        "",
    );
}

/// Lines as words, comments left out.
fn words(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(str::trim).filter(|line| !line.starts_with('#')).map(|line| line.split_whitespace().collect())
}

/// Files that switch forwarding on before the rules are in.
fn forwarding(checks: &mut Checks, facts: &Facts) {
    let mut faults = Vec::new();
    for (path, text) in &facts.settings_files {
        let settings = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])).filter_map(setting);
        let on = settings.filter(|(key, value)| {
            [FORWARD_V4, FORWARD_V6, FORWARD_ALL].contains(&key.as_str()) && value.trim() != "0"
        });
        for (key, _) in on {
            faults.push(Fault::new(
                format!("{path} sets {}", key.replace('/', ".")),
                "at boot packets pass from segment to segment until the rules are loaded",
                format!("take the line out of {path}: the boot service switches forwarding on once the rules are in"),
            ));
        }
    }
    checks.faults("boot-forwarding", faults, "nobody switches forwarding on before the rules are in");
}
