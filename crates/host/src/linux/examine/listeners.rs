//! Who listens at ports, of the network namespace this thread is in.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

use segwall_core::doctor::Listener;

use super::super::session::address;

/// The kernel's tables of sockets, and the state in which one of theirs listens: UDP has none but closed.
const TABLES: [(&str, &str); 4] = [("udp", "07"), ("udp6", "07"), ("tcp", "0A"), ("tcp6", "0A")];

/// Everybody at one of these ports; `None` when the kernel does not show whose sockets they are.
pub(super) fn list(ports: &[u16]) -> Option<Vec<Listener>> {
    let mut sockets: BTreeMap<u64, (u16, IpAddr)> = BTreeMap::new();
    for (table, listens) in TABLES {
        // A kernel without IPv6 has no tables for it.
        let text = fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default();
        let rows = text.lines().skip(1).filter_map(|line| row(line, listens));
        sockets
            .extend(rows.filter(|(_, port, _)| ports.contains(port)).map(|(inode, port, addr)| (inode, (port, addr))));
    }
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        for inode in files.flatten().filter_map(|file| inode(&fs::read_link(file.path()).ok()?)) {
            let Some((port, addr)) = sockets.remove(&inode) else { continue };
            found.push(Listener { port, addr, program: program(pid), command: command(pid), pid });
        }
    }
    // What is left belongs to somebody who could not be looked at, or ended in the meantime.
    let somebody =
        |(port, addr)| Listener { port, addr, program: "somebody".to_owned(), command: String::new(), pid: 0 };
    found.extend(sockets.into_values().map(somebody));
    found.sort_by_key(|one| (one.port, one.pid, one.addr));
    Some(found)
}

fn inode(target: &std::path::Path) -> Option<u64> {
    target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Inode, port and address of a line.
fn row(line: &str, listens: &str) -> Option<(u64, u16, IpAddr)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (addr, port) = fields.get(1)?.split_once(':')?;
    if fields.get(3) != Some(&listens) {
        return None;
    }
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((fields.get(9)?.parse().ok()?, port, address(addr)?))
}

fn program(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

fn command(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_s_tables_are_read() {
        let line =
            "  12: 0100007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000   0        0 4711 2 0 0";
        let loopback = IpAddr::from(u32::from_str_radix("0100007F", 16).expect("hex").to_ne_bytes());
        assert_eq!(row(line, "07"), Some((4711, 53, loopback)));
        assert_eq!(row(line, "0A"), None);
        assert_eq!(row("  sl  local_address rem_address   st", "07"), None);
    }
}
