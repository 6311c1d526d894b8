//! Commands that change no rule.

/// In order. They may change what a network does otherwise (`ip`, `sysctl`): each use is noted.
const HARMLESS: &[&str] = &[
    ":",
    "[",
    "[[",
    "arp",
    "arptables",
    "arptables-restore",
    "awk",
    "basename",
    "brctl",
    "break",
    "cat",
    "cd",
    "chmod",
    "chown",
    "clear",
    "command",
    "conntrack",
    "continue",
    "cp",
    "cut",
    "date",
    "depmod",
    "dirname",
    "dmesg",
    "ebtables",
    "ebtables-restore",
    "echo",
    "egrep",
    "ethtool",
    "export",
    "expr",
    "false",
    "fgrep",
    "find",
    "grep",
    "head",
    "hostname",
    "id",
    "ifconfig",
    "insmod",
    "ip",
    "ip6tables-legacy-save",
    "ip6tables-nft-save",
    "ip6tables-save",
    "iptables-legacy-save",
    "iptables-nft-save",
    "iptables-save",
    "iwconfig",
    "kill",
    "less",
    "ln",
    "local",
    "logger",
    "ls",
    "lsmod",
    "mkdir",
    "modinfo",
    "modprobe",
    "more",
    "mv",
    "nice",
    "ping",
    "printf",
    "ps",
    "pwd",
    "readonly",
    "renice",
    "rm",
    "rmdir",
    "rmmod",
    "route",
    "sed",
    "seq",
    "set",
    "shift",
    "shopt",
    "sleep",
    "sort",
    "stty",
    "sync",
    "sysctl",
    "tail",
    "tc",
    "tee",
    "test",
    "touch",
    "tput",
    "tr",
    "trap",
    "true",
    "ulimit",
    "umask",
    "uname",
    "uniq",
    "unset",
    "vconfig",
    "wait",
    "wc",
    "which",
    "whoami",
];

/// Whether a command leaves all rules as they are.
pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.binary_search(&name).is_ok()
}

/// Whether a command always succeeds, never, or one cannot say.
pub(super) fn succeeds(name: &str) -> Option<bool> {
    match name {
        ":" | "true" | "echo" | "printf" | "export" | "readonly" | "set" | "unset" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order() {
        assert!(HARMLESS.is_sorted());
        assert!(is_harmless("sysctl") && !is_harmless("iptables") && !is_harmless("xargs"));
    }
}
