//! Faults planted one by one into a healthy box: each is found, and nothing else is named.

mod healthy;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use healthy::Patient;
use segwall_core::doctor::{
    CHECKS, Conntrack, Disk, Duplicate, ForeignTable, Lbu, Listener, Rules, State, Transaction, Unreadable,
};
use segwall_core::emit::System;
use segwall_core::plan::{FORWARD_V4, FORWARD_V6, ServiceState};

const SYSTEMS: [System; 2] = [System::Alpine, System::Debian];

/// A fault: what is done to the box, the one check that must find it, and words that it must say.
type Fault = (&'static str, fn(&mut Patient), &'static str);

fn foreign(name: &str) -> ForeignTable {
    ForeignTable { name: name.to_owned(), acts: true, harmless: false }
}

fn listener(port: u16, program: &str) -> Listener {
    let addr = "0.0.0.0".parse().expect("a constant");
    Listener { port, addr, program: program.to_owned(), command: format!("/usr/sbin/{program}"), pid: 99 }
}

fn switched_on(patient: &mut Patient, name: &str) {
    *patient.service(name) = ServiceState { installed: true, enabled: true, running: true };
}

fn forget(patient: &mut Patient, program: &str) {
    patient.facts.programs.remove(program);
}

fn append(patient: &mut Patient, path: &str) {
    patient.facts.inventory.files.get_mut(path).expect("a file of ours").bytes.extend(b"# and more\n");
}

const FAULTS: &[Fault] = &[
    (
        "module",
        |p| {
            p.facts.inventory.modules.remove("8021q");
            p.facts.inventory.links.retain(|_, link| link.vlan.is_none());
        },
        "modprobe 8021q",
    ),
    (
        "module",
        |p| {
            p.facts.inventory.modules.remove("nf_conntrack");
        },
        "nf_conntrack",
    ),
    (
        "interface",
        |p| {
            p.facts.inventory.links.remove("eth1");
        },
        "there is no interface eth1",
    ),
    (
        "interface",
        |p| {
            p.facts.inventory.links.retain(|name, _| name == "eth1");
        },
        "there is no interface eth0",
    ),
    (
        "vlan",
        |p| {
            p.facts.inventory.links.remove("eth0.30");
        },
        "no VLAN device eth0.30",
    ),
    ("vlan", |p| p.link("eth0.30").vlan = Some(("eth0".to_owned(), 31)), "VLAN 31 on eth0, not VLAN 30"),
    ("vlan", |p| p.link("eth0.30").vlan = Some(("eth1".to_owned(), 30)), "VLAN 30 on eth1, not VLAN 30 on eth0"),
    ("vlan", |p| p.link("eth0.30").vlan = None, "no VLAN device, not"),
    ("link-up", |p| p.link("eth0.30").up = false, "eth0.30 is down"),
    (
        "link-up",
        |p| {
            p.facts
                .inventory
                .links
                .values_mut()
                .filter(|link| link.addresses.is_empty() || link.vlan.is_some())
                .for_each(|link| link.up = false)
        },
        "eth0 is down",
    ),
    ("carrier", |p| p.link("eth0").carrier = false, "eth0 has no carrier"),
    ("address", |p| p.link("eth0.30").addresses.clear(), "192.168.30.1/24"),
    ("address", |p| p.link("eth0.30").addresses[0].1 = 16, "prefix length 16, not 24"),
    (
        "address-elsewhere",
        |p| {
            let it = p.link("eth0.30").addresses.remove(0);
            p.link("eth0.20").addresses.push(it);
        },
        "on eth0.20 and belongs on eth0.30",
    ),
    ("uplink-address", |p| p.link("eth1").addresses.clear(), "eth1 has no address"),
    (
        "address-duplicate",
        |p| {
            p.facts.duplicates = Some(vec![Duplicate {
                link: "eth0.20".to_owned(),
                addr: "192.168.20.1".parse().expect("an address"),
                mac: [2, 0, 0, 0, 0, 9],
            }])
        },
        "02:00:00:00:00:09",
    ),
    (
        "interface-at-boot",
        |p| {
            p.facts.interface_files.insert("/etc/network/interfaces".to_owned(), "auto lo\n".to_owned());
        },
        "source /etc/network/interfaces.d",
    ),
    (
        "interface-at-boot",
        |p| {
            p.facts
                .interface_files
                .insert("/etc/network/interfaces.d/segwall".to_owned(), "auto eth0 eth0.10\n".to_owned());
        },
        "eth0.20",
    ),
    (
        "boot-forwarding",
        |p| {
            p.facts.settings_files.insert("/etc/sysctl.d/local.conf".to_owned(), "net.ipv4.ip_forward=1\n".to_owned());
        },
        "/etc/sysctl.d/local.conf",
    ),
    (
        "boot-forwarding",
        |p| {
            p.facts
                .settings_files
                .insert("/etc/sysctl.d/x.conf".to_owned(), "net/ipv6/conf/all/forwarding = 1\n".to_owned());
        },
        "net.ipv6.conf.all.forwarding",
    ),
    ("table", |p| p.facts.inventory.table = false, "segwall apply"),
    (
        "rules",
        |p| p.facts.rules = Rules::Refuted(vec!["forward: tcp 192.168.200.9:40000 to 192.168.30.10:3306".to_owned()]),
        "3306",
    ),
    ("forwarding", |p| p.set(FORWARD_V4, "0"), "net.ipv4.ip_forward"),
    (
        "forwarding",
        |p| {
            p.facts.held = None;
            p.facts.inventory.table = false;
            p.facts.rules = Rules::NoGeneration;
        },
        "no rules say what may pass",
    ),
    ("forwarding6", |p| p.set(FORWARD_V6, "1"), "the policy has no IPv6 network"),
    ("rp-filter", |p| p.set("net/ipv4/conf/all/rp_filter", "1"), "eth0.10"),
    ("rp-filter", |p| p.set("net/ipv4/conf/eth0.20/rp_filter", "1"), "on eth0.20"),
    ("nftables-service", |p| switched_on(p, "nftables"), "flushes"),
    ("iptables-service", |p| switched_on(p, "iptables"), "iptables"),
    ("iptables-service", |p| switched_on(p, "netfilter-persistent"), "netfilter-persistent"),
    ("firewall-manager", |p| switched_on(p, "firewalld"), "firewalld"),
    ("firewall-manager", |p| switched_on(p, "docker"), "docker"),
    ("foreign-tables", |p| p.facts.tables = Some(vec![foreign("ip filter")]), "iptables or Docker"),
    ("foreign-tables", |p| p.facts.tables = Some(vec![foreign("inet firewalld")]), "firewalld"),
    (
        "other-filters",
        |p| p.facts.filters = Some(vec!["legacy iptables rules are loaded: filter".to_owned()]),
        "legacy",
    ),
    ("guard", |p| p.service("segwall-guard").running = false, "segwall-guard does not run"),
    ("boot-service", |p| p.service("segwall").enabled = false, "does not start at boot"),
    ("files", |p| append(p, "/etc/sysctl.d/segwall.conf"), "was changed"),
    (
        "files",
        |p| {
            p.facts.inventory.files.remove("/etc/network/interfaces.d/segwall");
        },
        "is missing",
    ),
    ("dhcp-running", |p| p.service("segwall-dhcp").running = false, "the service segwall-dhcp does not run"),
    ("dhcp-running", |p| p.service("segwall-dns").enabled = false, "segwall-dns does not start at boot"),
    ("dhcp-running", |p| *p.service("segwall-dhcp") = ServiceState::default(), "not installed"),
    ("dhcp-config", |p| append(p, "/etc/segwall/dnsmasq.conf"), "dnsmasq.conf was changed"),
    ("other-server", |p| p.facts.listeners.as_mut().expect("seen").push(listener(67, "dhcpd")), "port 67"),
    (
        "other-server",
        |p| {
            p.service("dnsmasq").running = true;
            p.facts.listeners.as_mut().expect("seen").extend([listener(53, "dnsmasq"), listener(67, "dnsmasq")]);
        },
        "53 and 67",
    ),
    (
        "pool",
        |p| p.facts.leases.as_mut().expect("seen").entry("guest".to_owned()).or_default().taken = 190,
        "190 of 201",
    ),
    (
        "rsyslog-blocks",
        |p| {
            p.facts.log_files.insert("/etc/rsyslog.d/remote.conf".to_owned(), "*.* @@192.168.100.5:514\n".to_owned());
        },
        "remote.conf:1",
    ),
    ("conntrack-full", |p| p.facts.conntrack = Some(Conntrack { count: 120_000, max: 131_072 }), "120000 of 131072"),
    ("conntrack-small", |p| p.facts.conntrack = Some(Conntrack { count: 812, max: 16_384 }), "nf_conntrack_max=131072"),
    ("clock-behind", |p| p.facts.clock.unix_s -= 20 * 86_400, "earlier time"),
    ("clock-synchronised", |p| p.facts.clock.synchronised = Some(false), "chrony"),
    ("applied", |p| p.facts.held.as_mut().expect("held").same_policy = Some(false), "segwall plan"),
    ("waiting", |p| p.facts.transaction = Transaction::Waits { generation: 8, left_s: Some(77) }, "77 s"),
    ("stuck", |p| p.facts.transaction = Transaction::Stuck(8), "segwall rollback"),
    ("log-tls", log_tls, "let the group segwall read it"),
    (
        "quarantine",
        |p| p.facts.let_go = Some((10..30).map(|n| Ipv4Addr::new(10, 10, 10, n).into()).collect()),
        "10.10.10.17 and 12 more",
    ),
    ("disk", |p| p.facts.disk = Some(Disk { free_bytes: 300_000, free_files: None }), "292 KiB"),
    ("disk", |p| p.facts.disk = Some(Disk { free_bytes: 1 << 30, free_files: Some(3) }), "3 files"),
    ("lbu", |p| p.facts.lbu = Lbu::Open(vec!["etc/segwall/confirmed".to_owned()]), "lbu commit"),
    ("programs", |p| forget(p, "nft"), "nftables"),
    ("programs", |p| forget(p, "dnsmasq"), "dnsmasq"),
];

fn log_tls(patient: &mut Patient) {
    patient.policy.log.tls.ca = Some("/etc/segwall/collector-ca.pem".to_owned());
    patient.facts.log_tls = Some(vec![("/etc/segwall/gateway.key".to_owned(), Unreadable::Refused)]);
}

#[test]
fn a_healthy_box_has_nothing_wrong() {
    for system in SYSTEMS {
        let patient = Patient::tutorial(system);
        let not_good: Vec<_> =
            patient.examine().into_iter().filter(|check| matches!(check.state, State::Bad | State::Unknown)).collect();
        assert!(not_good.is_empty(), "{not_good:#?}");
    }
}

#[test]
fn each_fault_is_named_and_nothing_else() {
    for system in SYSTEMS {
        for (number, (name, plant, word)) in FAULTS.iter().enumerate() {
            let mut patient = Patient::tutorial(system);
            plant(&mut patient);
            let mut bad = patient.names(State::Bad);
            // A box without a generation is told so, whatever else is wrong with it.
            if patient.facts.held.is_none() {
                bad.remove("applied");
            }
            assert_eq!(bad, BTreeSet::from([*name]), "fault {number} on {system:?}: {:#?}", patient.examine());
            let found: Vec<_> = patient.examine().into_iter().filter(|check| check.name == *name).collect();
            let said = |check: &segwall_core::doctor::Check| {
                [Some(&check.what), check.cause.as_ref(), check.next.as_ref()]
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            assert!(found.iter().any(|check| said(check).contains(word)), "fault {number}: `{word}` in {found:#?}");
            assert!(found.iter().all(|check| check.cause.is_some() && check.next.is_some()), "{found:#?}");
        }
    }
}

#[test]
fn every_check_has_its_fault() {
    let planted: BTreeSet<&str> = FAULTS.iter().map(|(name, ..)| *name).collect();
    let listed: BTreeSet<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    assert_eq!(planted, listed);
}

#[test]
fn every_check_is_made_and_in_the_list_s_order() {
    let patient = Patient::tutorial(System::Alpine);
    let mut made: Vec<&str> = patient.examine().iter().map(|check| check.name).collect();
    made.dedup();
    assert_eq!(made, CHECKS.map(|(name, _)| name));
}

#[test]
fn what_was_not_seen_is_not_called_good() {
    let mut patient = Patient::tutorial(System::Debian);
    patient.policy.log.tls.ca = Some("/etc/segwall/collector-ca.pem".to_owned());
    let facts = &mut patient.facts;
    facts.log_tls = None;
    facts.tables = None;
    facts.filters = None;
    facts.conntrack = None;
    facts.listeners = None;
    facts.leases = None;
    facts.duplicates = None;
    facts.disk = None;
    facts.let_go = None;
    facts.clock.synchronised = None;
    facts.rules = Rules::Unread("nft is not installed".to_owned());
    facts.lbu = Lbu::Unknown("lbu is not installed".to_owned());
    facts.interface_files.clear();
    facts.inventory.sysctls.remove(FORWARD_V4);
    let unknown = BTreeSet::from([
        "foreign-tables",
        "other-filters",
        "conntrack-full",
        "conntrack-small",
        "other-server",
        "pool",
        "address-duplicate",
        "disk",
        "quarantine",
        "log-tls",
        "clock-synchronised",
        "rules",
        "lbu",
        "interface-at-boot",
        "forwarding",
    ]);
    assert_eq!(patient.names(State::Unknown), unknown);
    assert_eq!(patient.names(State::Bad), BTreeSet::new());
}

#[test]
fn the_list_in_the_documentation_is_this_one() {
    let page = include_str!("../../../../docs/doctor.md");
    for (name, question) in CHECKS {
        assert!(
            page.contains(&format!("| `{name}` | {question} |")),
            "docs/doctor.md lacks: | `{name}` | {question} |"
        );
    }
}
