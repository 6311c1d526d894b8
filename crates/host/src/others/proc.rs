//! Legacy xtables and IPVS, which say in files of the kernel that they are there.

use std::fs;

/// Files of the kernel in which others say that they are there.
const LEGACY: [(&str, &str); 3] = [
    ("/proc/net/ip_tables_names", "legacy iptables"),
    ("/proc/net/ip6_tables_names", "legacy ip6tables"),
    ("/proc/net/arp_tables_names", "legacy arptables"),
];
const IPVS: &str = "/proc/net/ip_vs";
/// Lines of [`IPVS`] before its services.
const IPVS_HEADING_LINES: usize = 3;

/// A sentence for each that has tables or services.
pub fn tables() -> Vec<String> {
    let mut found = Vec::new();
    for (path, name) in LEGACY {
        match fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => {
                let tables = text.split_whitespace().collect::<Vec<_>>().join(", ");
                found.push(format!("{name} holds tables of its own: {tables}"));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => found.push(format!("cannot ask for {name}: {error}")),
        }
    }
    match fs::read_to_string(IPVS) {
        Ok(text) if text.lines().count() <= IPVS_HEADING_LINES => {}
        Ok(_) => found.push("IPVS has virtual services".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => found.push(format!("cannot ask for IPVS: {error}")),
    }
    found
}
