//! A box to apply policies to: two of them, and what each wants.

use std::collections::BTreeMap;

use jiff::civil::date;
use jiff::tz::TimeZone;
use segwall_core::emit::{Artifact, Bundle, Target, nft};
use segwall_core::plan::{FileState, ForeignTable, INTERFACES, Link, Wanted, wanted};
use segwall_core::policy::{Context, load};
use segwall_core::ruleset::{At, lower};
use segwall_core::source::Source;
use segwall_host::apply::{Candidate, Compiled, Manifest, Outcome, Request, Who};
use segwall_host::sim::{Kernel, Net, Service, Sim};

pub const OFFICE: &str = r#"
[gateway]
trunk = "eth0"
[segments.office]
vlan = 10
subnets = ["192.168.10.0/24", "fd00:10::/64"]
dhcp = { pool = "192.168.10.100-192.168.10.200" }
[segments.server]
vlan = 20
subnets = ["192.168.20.0/24"]
routes = [{ to = "172.16.0.0/16", via = "192.168.20.2" }]
[[accept]]
from = "office"
to = "server"
service = "https"
"#;

/// Another address of the box, a segment less, one more.
pub const MOVED: &str = r#"
[gateway]
trunk = "eth0"
[segments.office]
vlan = 10
subnets = ["192.168.11.0/24"]
dhcp = { pool = "192.168.11.100-192.168.11.200" }
[segments.guest]
vlan = 30
subnets = ["192.168.30.0/24"]
"#;

/// No DHCP any more, and one rule less.
pub const CLOSED: &str = r#"
[gateway]
trunk = "eth0"
[segments.office]
vlan = 10
subnets = ["192.168.10.0/24", "fd00:10::/64"]
[segments.server]
vlan = 20
subnets = ["192.168.20.0/24"]
routes = [{ to = "172.16.0.0/16", via = "192.168.20.2" }]
[dhcp]
server = "none"
"#;

pub const OUR_INTERFACES: &str = "/etc/network/interfaces.d/segwall";
const OUR_DNSMASQ: &str = "/etc/segwall/dnsmasq.conf";

fn file(text: &str) -> FileState {
    FileState { mode: 0o644, bytes: text.as_bytes().to_vec() }
}

/// A policy with files that tell it from others.
pub fn compiled(text: &str) -> Compiled {
    let source = Source::new("segwall.toml", text.to_owned());
    let context = Context { today: date(2026, 11, 26), timezone: TimeZone::UTC };
    let loaded = load(&source, &context);
    let policy = loaded.policy.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let ruleset = lower(&policy, &source, &TimeZone::UTC);
    let program = nft::compile(&ruleset, At::ClockUnknown);
    let artifact = |target, path: &str, text: String| Artifact {
        target,
        path: path.to_owned(),
        mode: 0o644,
        bytes: format!("# Written by Segwall\n{text}").into_bytes(),
    };
    let mut artifacts = vec![
        artifact(Target::Interfaces, OUR_INTERFACES, text.to_owned()),
        artifact(Target::Modules, "/etc/modules-load.d/segwall.conf", "8021q\n".to_owned()),
        artifact(
            Target::Sysctl,
            "/etc/sysctl.d/segwall.conf",
            format!("net.netfilter.nf_conntrack_max = {}\nnet/ipv6/conf/eth0.10/accept_ra = 0\n", text.len()),
        ),
        artifact(Target::Openrc, "/etc/init.d/segwall", "boot".to_owned()),
    ];
    if text.contains("pool") {
        artifacts.push(artifact(Target::Openrc, "/etc/init.d/segwall-dhcp", "dhcp".to_owned()));
        artifacts.push(artifact(Target::Dnsmasq, OUR_DNSMASQ, text.to_owned()));
    }
    artifacts.sort_by(|a, b| a.path.cmp(&b.path));
    let wanted = wanted(&policy, &ruleset, &Bundle { artifacts });
    Compiled { number: 0, wanted, ruleset, program }
}

/// What networking makes of a generation's file.
fn net(wanted: &Wanted) -> Net {
    let mut net = bare_net();
    for (name, trunk, id) in &wanted.vlans {
        let vlan = Some((trunk.clone(), *id));
        net.links.insert(name.clone(), Link { vlan, carrier: true, ..Link::default() });
    }
    for name in &wanted.up {
        net.links.get_mut(name).expect("the trunk is there").up = true;
    }
    for (link, addr, len) in &wanted.addresses {
        net.links.get_mut(link).expect("a VLAN").addresses.push((*addr, *len));
    }
    for link in net.links.values_mut() {
        link.addresses.sort_unstable();
    }
    net.routes.clone_from(&wanted.routes);
    net.routes.sort_unstable();
    net
}

fn bare_net() -> Net {
    let links = ["lo", "eth0"].map(|name| (name.to_owned(), Link { carrier: true, ..Link::default() }));
    Net { links: links.into(), routes: Vec::new() }
}

/// A box that was set up by nobody; it forwards already, or not.
pub fn fresh(forwards: bool, seed: u64) -> Sim {
    let mut sysctls = BTreeMap::new();
    for key in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
        sysctls.insert(key.to_owned(), if forwards { "1" } else { "0" }.to_owned());
    }
    sysctls.insert("net/netfilter/nf_conntrack_max".to_owned(), "65536".to_owned());
    let service =
        |files: &[&str]| Service { files: files.iter().map(|file| (*file).to_owned()).collect(), ..Service::default() };
    let services = [("segwall", service(&[])), ("segwall-dhcp", service(&[OUR_DNSMASQ]))];
    let kernel = Kernel {
        net: bare_net(),
        sysctls,
        services: services.map(|(name, service)| (name.to_owned(), service)).into(),
        ..Kernel::default()
    };
    let files = [(INTERFACES, file("auto lo\niface lo inet loopback\n")), ("/etc/motd", file("welcome\n"))];
    let mut sim = Sim::new(&files, kernel, seed);
    sim.interfaces = OUR_INTERFACES.to_owned();
    sim.nets.push((None, bare_net()));
    for text in [OFFICE, MOVED, CLOSED] {
        let compiled = compiled(text);
        sim.nets.push((Some(compiled.wanted.files[OUR_INTERFACES].clone()), net(&compiled.wanted)));
        sim.policies.insert(text.to_owned(), compiled);
    }
    sim
}

/// A box that was set up by hand: its own rules, a stanza, a DHCP server, forwarding at boot.
pub fn by_hand(seed: u64) -> Sim {
    let mut sim = fresh(true, seed);
    let table = ForeignTable {
        family: "ip".to_owned(),
        name: "filter".to_owned(),
        iptables: true,
        text: "*filter\nCOMMIT\n".to_owned(),
    };
    sim.kernel.tables.push(table.clone());
    sim.kernel.saved.push(table);
    let running = Service { enabled: true, running: Some(BTreeMap::new()), ..Service::default() };
    sim.kernel.services.insert("dhcpd".to_owned(), running.clone());
    sim.kernel.services.insert("iptables".to_owned(), Service { running: None, ..running });
    sim.add_file(
        INTERFACES,
        file("auto lo\niface lo inet loopback\nauto eth0.10\niface eth0.10 inet static\n    address 192.168.10.1\n"),
    );
    sim.add_file("/etc/sysctl.conf", file("net.ipv4.ip_forward = 1\n"));
    sim
}

pub fn request(text: &str, confirm_within_ms: Option<u64>) -> Request {
    let manifest = Manifest {
        number: 0,
        applied_s: 0,
        file: "segwall.toml".to_owned(),
        timezone: "UTC".to_owned(),
        compiled_s: None,
        weekday_zone_s: 0,
        digest: String::new(),
        version: "0".to_owned(),
        who: Who { user: "root".to_owned(), via: "tty1".to_owned() },
        comment: None,
        outcome: Outcome::Open,
    };
    let candidate = Candidate { policy: text.to_owned(), manifest };
    Request { candidate, confirm_within_ms, allow_unproved: false, take_over: true }
}
