//! A box with nothing wrong: the tutorial's, as it is after an apply.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use segwall_core::doctor::{
    self, Check, Conntrack, Disk, Facts, Held, Lbu, Leases, Listener, Rules, State, Subject, Transaction, WallClock,
};
use segwall_core::emit::{self, System};
use segwall_core::plan::{self, FORWARD_V4, FORWARD_V6, FileState, INTERFACES, Inventory, Link, ServiceState, Wanted};
use segwall_core::policy::{self, Context, Policy};
use segwall_core::ruleset::{self, At};
use segwall_core::source::Source;

/// A box: what it should be, and what is seen of it.
pub struct Patient {
    pub policy: Policy,
    pub wanted: Wanted,
    pub system: System,
    pub facts: Facts,
}

const NOW_S: i64 = 1_800_000_000;

impl Patient {
    pub fn of(text: &str, system: System) -> Self {
        let source = Source::new("policy.toml", text);
        let today = "2026-11-26".parse().expect("a constant");
        let loaded = policy::load(&source, &Context { today, timezone: TimeZone::UTC });
        let policy = loaded.policy.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
        let ruleset = ruleset::lower(&policy, &source, &TimeZone::UTC);
        let facts = emit::Facts { system, memory_mib: 1024 };
        let bundle = emit::bundle(&policy, &ruleset, At::ClockUnknown, &facts);
        let wanted = plan::wanted(&policy, &ruleset, &bundle);
        let facts = healthy(&policy, &wanted, system);
        Self { policy, wanted, system, facts }
    }

    pub fn tutorial(system: System) -> Self {
        Self::of(include_str!("../../../../examples/tutorial.toml"), system)
    }

    pub fn examine(&self) -> Vec<Check> {
        doctor::examine(&self.subject(), &self.facts)
    }

    pub fn subject(&self) -> Subject<'_> {
        Subject { policy: &self.policy, wanted: &self.wanted, system: self.system }
    }

    /// Names of checks in a state, each once.
    pub fn names(&self, state: State) -> BTreeSet<&'static str> {
        self.examine().into_iter().filter(|check| check.state == state).map(|check| check.name).collect()
    }

    pub fn link(&mut self, name: &str) -> &mut Link {
        self.facts.inventory.links.get_mut(name).unwrap_or_else(|| panic!("no {name}"))
    }

    pub fn service(&mut self, name: &str) -> &mut ServiceState {
        self.facts.inventory.services.entry(name.to_owned()).or_default()
    }

    pub fn set(&mut self, key: &str, value: &str) {
        self.facts.inventory.sysctls.insert(key.to_owned(), format!("{value}\n"));
    }
}

fn healthy(policy: &Policy, wanted: &Wanted, system: System) -> Facts {
    let subject = Subject { policy, wanted, system };
    let mut interface_files = BTreeMap::from([(
        INTERFACES.to_owned(),
        "auto lo\niface lo inet loopback\n\nsource /etc/network/interfaces.d/*\n".to_owned(),
    )]);
    let text = |file: &FileState| String::from_utf8_lossy(&file.bytes).into_owned();
    let ours = wanted.files.iter().filter(|(path, _)| path.starts_with("/etc/network/"));
    interface_files.extend(ours.map(|(path, file)| (path.clone(), text(file))));
    let listener = |port, file: &str| Listener {
        port,
        addr: "0.0.0.0".parse().expect("a constant"),
        program: "dnsmasq".to_owned(),
        command: format!("/usr/sbin/dnsmasq --keep-in-foreground --conf-file=/etc/segwall/{file}"),
        pid: 700 + u32::from(port),
    };
    Facts {
        inventory: inventory(policy, wanted),
        rules: Rules::Proved,
        tables: Some(Vec::new()),
        filters: Some(Vec::new()),
        conntrack: Some(Conntrack { count: 812, max: 131_072 }),
        clock: WallClock { unix_s: NOW_S, synchronised: Some(true) },
        held: Some(Held {
            number: 7,
            applied_s: NOW_S - 86_400,
            file: "/etc/segwall/segwall.toml".to_owned(),
            same_policy: Some(true),
        }),
        transaction: Transaction::None,
        lbu: Lbu::NotNeeded,
        log_tls: Some(Vec::new()),
        let_go: Some(BTreeSet::new()),
        disk: Some(Disk { free_bytes: 1 << 30, free_files: Some(50_000) }),
        settings_files: BTreeMap::from([(
            "/etc/sysctl.conf".to_owned(),
            "# net.ipv4.ip_forward = 1\nnet.ipv4.ip_forward = 0\nkernel.panic = 10\n".to_owned(),
        )]),
        log_files: BTreeMap::from([(
            "/etc/rsyslog.conf".to_owned(),
            "*.info;mail.none /var/log/messages\n#*.* @@remote-host:514\n".to_owned(),
        )]),
        interface_files,
        programs: doctor::programs(&subject).iter().map(|program| program.name.to_owned()).collect(),
        listeners: Some(vec![listener(67, "dnsmasq.conf"), listener(53, "dnsmasq-dns.conf")]),
        leases: Some(BTreeMap::from([("guest".to_owned(), Leases { taken: 30 })])),
        duplicates: Some(Vec::new()),
    }
}

fn inventory(policy: &Policy, wanted: &Wanted) -> Inventory {
    let mut links = BTreeMap::new();
    for (name, trunk, id) in &wanted.vlans {
        links.insert(name.clone(), Link { vlan: Some((trunk.clone(), *id)), ..Link::default() });
    }
    for name in wanted.up.iter().chain(policy.uplinks.iter().map(|uplink| &uplink.device)) {
        links.entry(name.clone()).or_default();
    }
    for link in links.values_mut() {
        (link.up, link.carrier) = (true, true);
    }
    for (name, addr, len) in &wanted.addresses {
        links.entry(name.clone()).or_default().addresses.push((*addr, *len));
    }
    for uplink in policy.uplinks.iter().filter(|uplink| uplink.dhcp) {
        let given = "203.0.113.9".parse().expect("a constant");
        links.entry(uplink.device.clone()).or_default().addresses.push((given, 24));
    }
    let mut sysctls: BTreeMap<String, String> = wanted.sysctls.iter().cloned().collect();
    sysctls.extend([FORWARD_V4, FORWARD_V6].map(|key| {
        let on = wanted.forwarding.iter().any(|wanted| wanted == key);
        (key.to_owned(), if on { "1\n" } else { "0\n" }.to_owned())
    }));
    let running = |name: &str| ServiceState { installed: true, enabled: true, running: name != plan::BOOT_SERVICE };
    Inventory {
        files: wanted.files.clone(),
        links,
        routes: wanted.routes.clone(),
        sysctls,
        modules: wanted.modules.iter().cloned().collect(),
        services: wanted.services.iter().map(|service| (service.name.clone(), running(&service.name))).collect(),
        table: true,
        holes: Vec::new(),
    }
}
