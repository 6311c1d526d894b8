//! What somebody set up by hand where a generation is to rule: found, named with the command that retires it, and retired
//! by `apply --take-over` with changes that are undone like all others.

use std::collections::BTreeMap;

use super::{Change, FileState, INTERFACES, ServiceState, Wanted};

/// What is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Files in which such things stand: see [`FILES`] and [`DIRS`].
    pub files: BTreeMap<String, FileState>,
    /// Services that would contend with ours, as [`SERVICES`] lists them.
    pub services: BTreeMap<String, ServiceState>,
    /// Tables of other programs in the kernel.
    pub tables: Vec<ForeignTable>,
}

/// A table of somebody else.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ForeignTable {
    /// `ip`, `ip6`, `inet`, …
    pub family: String,
    /// Its name.
    pub name: String,
    /// iptables made it, so that `iptables-restore` brings it back; else `nft -f`.
    pub iptables: bool,
    /// What brings it back.
    pub text: String,
}

/// Files to look at.
pub const FILES: [&str; 5] = [INTERFACES, "/etc/sysctl.conf", "/etc/rsyslog.conf", "/etc/rc.local", "/etc/crontab"];
/// Directories whose files are looked at.
pub const DIRS: [&str; 4] = ["/etc/network/interfaces.d", "/etc/sysctl.d", "/etc/rsyslog.d", "/etc/local.d"];
/// Services to look at: those that load rules, and those that answer DHCP.
pub const SERVICES: [&str; 13] = [
    "iptables",
    "ip6tables",
    "nftables",
    "netfilter-persistent",
    "firewalld",
    "ufw",
    "shorewall",
    "awall",
    "dhcpd",
    "isc-dhcp-server",
    "dnsmasq",
    "kea-dhcp4",
    "kea-dhcp4-server",
];
/// Of these, those that load rules.
const RULE_SERVICES: usize = 8;

/// Written before a line that is retired.
pub const RETIRED: &str = "# taken over by Segwall: ";

/// Something of somebody else that contends with a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// What it is, as a sentence's beginning: `/etc/network/interfaces:12 describes eth0.10`.
    pub what: String,
    /// The command that retires it by hand.
    pub retire: String,
    /// What retires it with us. Before our rules are loaded.
    pub before: Vec<Change>,
    /// What may only go when our rules are in.
    pub after: Vec<Change>,
    /// A table in the kernel: it is in the way only where it keeps our rules from being proved.
    pub is_table: bool,
}

impl Foreign {
    /// Whether it can be retired with us.
    #[must_use]
    pub fn can_go(&self) -> bool {
        !(self.before.is_empty() && self.after.is_empty())
    }
}

/// Everything that contends.
#[must_use]
pub fn foreign(new: &Wanted, seen: &Seen) -> Vec<Foreign> {
    let mut found = Vec::new();
    for (path, file) in &seen.files {
        if new.files.contains_key(path) {
            continue;
        }
        let text = String::from_utf8_lossy(&file.bytes).into_owned();
        let (lines, what) = lines_of(path, &text, new);
        if lines.is_empty() {
            continue;
        }
        let numbers: Vec<String> = lines.iter().map(|at| (at + 1).to_string()).collect();
        let sed = numbers.iter().map(|number| format!("-e '{number}s/^/{RETIRED}/'")).collect::<Vec<_>>().join(" ");
        let to = FileState { mode: file.mode, bytes: retired(&text, &lines).into_bytes() };
        found.push(Foreign {
            what: format!("{path}:{} {what}", numbers.join(",")),
            retire: format!("sed -i {sed} {path}"),
            // A script is more than its lines: one that branches is for people to edit.
            before: if is_script(path) && !is_plain(&text) || std::str::from_utf8(&file.bytes).is_err() {
                Vec::new()
            } else {
                vec![Change::File { path: path.clone(), from: Some(file.clone()), to: Some(to) }]
            },
            after: Vec::new(),
            is_table: false,
        });
    }
    found.extend(services(new, seen));
    for table in &seen.tables {
        let what = if table.iptables {
            format!("the rules that iptables loaded into table {} {}", table.family, table.name)
        } else {
            format!("table {} {} in the kernel", table.family, table.name)
        };
        found.push(Foreign {
            what: format!("{what} decide beside ours"),
            retire: format!("nft delete table {} {}", table.family, table.name),
            before: Vec::new(),
            // Gone only when ours are in: the box is at no moment without any. What Docker and the like keep for
            // themselves is not ours to delete.
            after: if table.iptables {
                vec![Change::Table { table: table.clone(), present: false }]
            } else {
                Vec::new()
            },
            is_table: true,
        });
    }
    found
}

fn services(new: &Wanted, seen: &Seen) -> Vec<Foreign> {
    let serves = new.services.iter().any(|service| service.ours && !service.files.is_empty());
    let contends = |name: &str| {
        let at = SERVICES.iter().position(|known| *known == name);
        at.is_some_and(|at| at < RULE_SERVICES || serves)
    };
    let mut found = Vec::new();
    for (name, state) in seen.services.iter().filter(|(name, state)| contends(name) && (state.enabled || state.running))
    {
        let service = name.clone();
        let loads = SERVICES.iter().position(|known| known == name).is_some_and(|at| at < RULE_SERVICES);
        let mut change = Foreign {
            what: format!(
                "the service {name} {}",
                if loads { "loads rules of its own, and may flush ours" } else { "answers DHCP beside ours" }
            ),
            retire: format!(
                "rc-service {name} stop; rc-update del {name}    (systemd: systemctl disable --now {name})"
            ),
            before: Vec::new(),
            after: Vec::new(),
            is_table: false,
        };
        // What loads rules takes them away when it stops: only when ours are in, and then ours are loaded once more.
        let list = if loads { &mut change.after } else { &mut change.before };
        if state.enabled {
            list.push(Change::Enabled { service: service.clone(), enabled: false });
        }
        if state.running && !loads {
            list.push(Change::Running { service, running: false });
        }
        found.push(change);
    }
    found
}

/// The file with these lines as comments.
fn retired(text: &str, lines: &[usize]) -> String {
    let line =
        |(at, line): (usize, &str)| if lines.contains(&at) { format!("{RETIRED}{line}") } else { line.to_owned() };
    text.split_inclusive('\n').enumerate().map(line).collect()
}

/// Lines of a file that contend, counted from 0, and what they do.
fn lines_of(path: &str, text: &str, new: &Wanted) -> (Vec<usize>, String) {
    if path == INTERFACES || path.starts_with("/etc/network/") {
        return stanzas(text, new);
    }
    let wanted: fn(&str) -> bool = if path.starts_with("/etc/sysctl") {
        switches_forwarding
    } else if path.starts_with("/etc/rsyslog") {
        blocks_logging
    } else {
        calls_iptables
    };
    let lines: Vec<usize> =
        text.lines().enumerate().filter(|(_, line)| !is_comment(line) && wanted(line)).map(|(at, _)| at).collect();
    let what = if path.starts_with("/etc/sysctl") {
        "lets packets pass at boot before any rule is in"
    } else if path.starts_with("/etc/rsyslog") {
        "stops all logging when the collector is away"
    } else {
        "loads rules of its own at boot"
    };
    (lines, what.to_owned())
}

/// What a shell runs.
fn is_script(path: &str) -> bool {
    path.starts_with("/etc/local.d/") || path == "/etc/rc.local"
}

/// A script of single commands: any of its lines can go without the others meaning something else.
fn is_plain(text: &str) -> bool {
    const COMPOUND: [&str; 16] = [
        "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "{", "}", "&&", "||",
    ];
    text.lines().filter(|line| !is_comment(line)).all(|line| {
        !line.trim_end().ends_with(['\\', '|', '('])
            && !line.split([' ', '\t', ';']).any(|word| COMPOUND.contains(&word))
    })
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with(['#', ';'])
}

/// `net.ipv4.ip_forward = 1` and its kin.
fn switches_forwarding(line: &str) -> bool {
    let Some((key, value)) = line.split_once('=') else { return false };
    let key = key.trim().trim_start_matches('-').replace('/', ".");
    let forwards = key == "net.ipv4.ip_forward" || (key.starts_with("net.ipv") && key.ends_with(".forwarding"));
    forwards && value.trim() != "0"
}

/// An action that sends everything over TCP without a queue of its own.
fn blocks_logging(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next().is_some_and(|selector| selector.contains('.'))
        && words.next().is_some_and(|action| action.starts_with("@@"))
}

/// A script at boot that calls iptables, or a script of such calls.
fn calls_iptables(line: &str) -> bool {
    let names = |word: &str| word.contains("iptables") || word.ends_with("nft");
    line.split_whitespace().any(|word| names(word.trim_matches(['"', '\'', ';', '&', '|', '(', ')'])))
}

/// Lines of the stanzas of devices of ours, and of `auto` lines that name none but ours.
fn stanzas(text: &str, new: &Wanted) -> (Vec<usize>, String) {
    let ours = |name: &str| {
        new.vlans.iter().any(|(vlan, ..)| vlan == name)
            || new.addresses.iter().any(|(link, ..)| link == name)
            || new.ifup.iter().any(|link| link == name)
    };
    let own = text.lines().position(|line| line.trim_end() == super::BEGIN);
    let mut lines = Vec::new();
    let mut named: Vec<&str> = Vec::new();
    let mut inside = false;
    for (at, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if own.is_some_and(|own| at >= own) && line.trim_end() != super::END {
            continue;
        }
        match first {
            "iface" => {
                let name = words.next().unwrap_or_default();
                inside = ours(name);
                if inside && !named.contains(&name) {
                    named.push(name);
                }
            }
            "auto" | "mapping" | "source" | "source-directory" | "template" | "no-auto-down" => {
                inside = first == "auto" && words.clone().next().is_some() && words.all(ours);
            }
            _ if first.starts_with("allow-") => inside = words.clone().next().is_some() && words.all(ours),
            _ => {}
        }
        if inside && !is_comment(line) {
            lines.push(at);
        }
    }
    (lines, format!("describes {}", named.join(", ")))
}

/// Whether a file of interfaces reads ours.
#[must_use]
pub(super) fn reads(text: &str, path: &str) -> bool {
    let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
    let base = |pattern: &str| pattern.trim_start_matches("/etc/network/").to_owned();
    text.lines().any(|line| {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("source") => {
                words.any(|pattern| base(pattern) == base(path) || base(pattern) == format!("{}/*", base(dir)))
            }
            Some("source-directory" | "source-dir") => {
                words.any(|pattern| base(pattern).trim_end_matches('/') == base(dir))
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            vlans: vec![("eth0.10".to_owned(), "eth0".to_owned(), 10)],
            addresses: vec![("eth0.10".to_owned(), "192.168.10.1".parse().expect("an address"), 24)],
            ..Wanted::default()
        }
    }

    fn file(text: &str) -> FileState {
        FileState { mode: 0o644, bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn the_tutorials_traces_are_found_and_can_go() {
        let interfaces = "auto lo\niface lo inet loopback\n\nauto eth0.10\niface eth0.10 inet static\n    address 192.168.10.1\n\
                          \x20   # mine\n    vlan-raw-device eth0\n\nauto eth1 eth0.10\niface eth1 inet dhcp\n";
        let seen = Seen {
            files: BTreeMap::from([
                (INTERFACES.to_owned(), file(interfaces)),
                ("/etc/sysctl.conf".to_owned(), file("# x\nnet.ipv4.ip_forward = 1\nnet.ipv4.tcp_syncookies=1\n")),
                ("/etc/rsyslog.conf".to_owned(), file("*.info /var/log/messages\n*.* @@192.168.100.10:514\n")),
                ("/etc/local.d/fw.start".to_owned(), file("#!/bin/sh\n/etc/iptables/rules.sh\n")),
            ]),
            services: BTreeMap::new(),
            tables: Vec::new(),
        };
        let found = foreign(&wanted(), &seen);
        let whats: Vec<&str> = found.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(
            whats,
            [
                "/etc/local.d/fw.start:2 loads rules of its own at boot",
                "/etc/network/interfaces:4,5,6,8 describes eth0.10",
                "/etc/rsyslog.conf:2 stops all logging when the collector is away",
                "/etc/sysctl.conf:2 lets packets pass at boot before any rule is in",
            ]
        );
        let Change::File { to: Some(to), .. } = &found[1].before[0] else { panic!("a file") };
        let text = String::from_utf8_lossy(&to.bytes);
        assert!(text.contains("# taken over by Segwall: iface eth0.10 inet static\n"), "{text}");
        assert!(text.contains("\nauto eth1 eth0.10\niface eth1 inet dhcp\n"), "{text}");
        // Once retired there is nothing left to find.
        let again = Seen { files: BTreeMap::from([(INTERFACES.to_owned(), to.clone())]), ..Seen::default() };
        assert_eq!(foreign(&wanted(), &again), []);
    }

    #[test]
    fn dhcp_servers_contend_only_with_one_of_ours() {
        let state = ServiceState { installed: true, enabled: true, running: true };
        let services = BTreeMap::from([("dhcpd".to_owned(), state), ("iptables".to_owned(), state)]);
        let seen = Seen { services, ..Seen::default() };
        let found = foreign(&wanted(), &seen);
        assert_eq!(found.len(), 1);
        assert!(found[0].what.contains("iptables"));
        assert_eq!(found[0].after, [Change::Enabled { service: "iptables".to_owned(), enabled: false }]);
    }

    #[test]
    fn it_is_known_whether_our_file_is_read() {
        let ours = "/etc/network/interfaces.d/segwall";
        for yes in [
            "source /etc/network/interfaces.d/*",
            "source interfaces.d/*\n",
            "source-directory /etc/network/interfaces.d",
            "auto lo\n  source /etc/network/interfaces.d/segwall",
        ] {
            assert!(reads(yes, ours), "{yes}");
        }
        for no in ["", "# source /etc/network/interfaces.d/*", "source /etc/network/other.d/*", "auto eth0"] {
            assert!(!reads(no, ours), "{no}");
        }
    }
}
