//! Faults in a real kernel: each is found and named by its check, and gone with its mend.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, UdpSocket};

use jiff::tz::TimeZone;
use segwall_core::doctor::{Rules, State, Subject, examine};
use segwall_core::plan::{Change, FORWARD_V4};
use segwall_core::policy::{self, Context, Policy};
use segwall_core::source::Source;
use segwall_host::apply::{self, Compiled, Host, Store};
use segwall_host::linux::{Linux, Look};
use segwall_host::netns::Netns;
use segwall_host::nft::Nft;
use segwall_host::{rtnl, sysctl};

use crate::harness::Case;
use crate::world::{Dir, policy, request, wired};

pub const ALL: &[Case] = &[
    ("faults_of_a_box_are_found_and_named", faults_of_a_box_are_found_and_named),
    ("rules_are_told_by_what_they_mean", rules_are_told_by_what_they_mean),
];

/// What iptables makes.
const OTHERS: &str =
    "table ip filter {\n chain FORWARD {\n  type filter hook forward priority 0; policy drop;\n }\n}\n";
const SERVICES: &str = "\"tcp/80\"";

/// A box after an apply, with its cables plugged in.
struct Box_ {
    linux: Linux,
    policy: Policy,
    held: Compiled,
    dir: std::path::PathBuf,
}

fn nft(text: &str) {
    Nft::find().unwrap().load(&Netns::current().unwrap(), text).unwrap();
}

impl Box_ {
    fn new(dir: &Dir, far: &Netns) -> Self {
        far.run(|| {
            let mut rtnl = rtnl::Rtnl::open().unwrap();
            let links: Vec<u32> = rtnl.links().unwrap().values().map(|link| link.index).collect();
            rtnl.apply(&links.into_iter().map(rtnl::Change::Up).collect::<Vec<_>>()).unwrap();
        })
        .unwrap();
        let mut linux = dir.linux();
        let text = policy(SERVICES);
        // Whoever applies holds the lock, or the watchdog takes them for dead.
        let lock = linux.lock_wait().unwrap();
        apply::apply(&mut linux, &request(&text, None), &mut |_| {}).unwrap();
        drop(lock);
        let number = Store::confirmed(&mut linux).unwrap().unwrap();
        let held = Store::compiled(&mut linux, number).unwrap();
        let source = Source::new("segwall.toml", text);
        let today = "2026-11-26".parse().unwrap();
        let policy = policy::load(&source, &Context { today, timezone: TimeZone::UTC }).policy.unwrap();
        Self { linux, policy, held, dir: dir.path().to_owned() }
    }

    fn bad(&mut self) -> BTreeSet<&'static str> {
        let system = self.linux.facts().system;
        let subject = Subject { policy: &self.policy, wanted: &self.held.wanted, system };
        let facts = self.linux.examine(&subject, Some(&self.held), Look { ask_neighbours: true }).unwrap();
        let checks = examine(&subject, &facts).into_iter();
        checks.filter(|check| check.state == State::Bad).map(|check| check.name).collect()
    }

    fn change(&mut self, change: &Change) {
        self.linux.change(change).unwrap();
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.dir.join(path)).unwrap();
    }

    fn address(&mut self, link: &str, present: bool) {
        let addr = "192.0.2.1".parse().unwrap();
        self.change(&Change::Address { link: link.to_owned(), addr, prefix_len: 24, present });
    }

    fn reload(&mut self) {
        let held = self.held.clone();
        self.linux.load(None, Some(&held)).unwrap();
    }
}

type Fault = (&'static str, fn(&mut Box_), fn(&mut Box_));

const FAULTS: &[Fault] = &[
    (
        "link-up",
        |it| it.change(&up("left", false)),
        |it| {
            it.change(&up("left", true));
            it.restore();
        },
    ),
    ("address", |it| it.address("left", false), |it| it.address("left", true)),
    (
        "address-elsewhere",
        |it| {
            it.address("left", false);
            it.address("right", true);
        },
        |it| {
            it.address("right", false);
            it.address("left", true);
        },
    ),
    ("table", |_| nft("flush ruleset"), Box_::reload),
    ("rules", |_| nft("insert rule inet segwall forward tcp dport 22 accept"), Box_::reload),
    ("foreign-tables", |_| nft(OTHERS), |_| nft("delete table ip filter")),
    ("forwarding", |_| sysctl::set(FORWARD_V4, "0").unwrap(), |_| sysctl::set(FORWARD_V4, "1").unwrap()),
    (
        "rp-filter",
        |_| sysctl::set("net/ipv4/conf/left/rp_filter", "1").unwrap(),
        |_| sysctl::set("net/ipv4/conf/left/rp_filter", "0").unwrap(),
    ),
    (
        "boot-forwarding",
        |it| it.write("etc/sysctl.d/router.conf", "net.ipv4.ip_forward = 1\n"),
        |it| it.remove("etc/sysctl.d/router.conf"),
    ),
    (
        "rsyslog-blocks",
        |it| it.write("etc/rsyslog.d/far.conf", "*.* @@192.0.2.9:514\n"),
        |it| it.remove("etc/rsyslog.d/far.conf"),
    ),
    ("applied", |it| it.write("etc/segwall/segwall.toml", "# edited\n"), |it| it.remove("etc/segwall/segwall.toml")),
    ("files", |it| it.write("etc/sysctl.d/segwall.conf", "# emptied\n"), Box_::rewrite_files),
    (
        "interface-at-boot",
        |it| it.write("etc/network/interfaces", "auto lo\n"),
        |it| it.write("etc/network/interfaces", "source /etc/network/interfaces.d/*\n"),
    ),
];

fn up(link: &str, up: bool) -> Change {
    Change::Up { link: link.to_owned(), up }
}

impl Box_ {
    /// The kernel takes IPv6 addresses away with the interface.
    fn restore(&mut self) {
        for (link, addr, prefix_len) in self.held.wanted.addresses.clone() {
            self.change(&Change::Address { link, addr, prefix_len, present: true });
        }
    }

    fn rewrite_files(&mut self) {
        let (path, file) = self.held.wanted.files.iter().find(|(path, _)| path.contains("sysctl")).unwrap();
        fs::write(self.dir.join(path.trim_start_matches('/')), &file.bytes).unwrap();
    }
}

fn faults_of_a_box_are_found_and_named() {
    let dir = Dir::new("doctor");
    let (gateway, far) = wired(&["left", "right"]);
    gateway
        .run(|| {
            let mut it = Box_::new(&dir, &far);
            it.write("etc/network/interfaces", "source /etc/network/interfaces.d/*\n");
            // What this machine lacks (an NTP client, ifup, memory limits of the container) is so before and after.
            let before = it.bad();
            let planted: BTreeSet<&str> = FAULTS.iter().map(|(name, ..)| *name).collect();
            assert!(before.is_disjoint(&planted), "{before:?}");
            for (name, plant, mend) in FAULTS {
                plant(&mut it);
                let new: BTreeSet<&str> = it.bad().difference(&before).copied().collect();
                assert_eq!(new, BTreeSet::from([*name]));
                mend(&mut it);
                assert_eq!(it.bad(), before, "after {name} was mended");
            }
            // Somebody on the segment has the box's address: a socket there is enough for its kernel to answer.
            far.run(|| {
                let mut rtnl = rtnl::Rtnl::open().unwrap();
                let link = rtnl.links().unwrap()["far1"].index;
                let addr: IpAddr = "192.0.2.1".parse().unwrap();
                rtnl.apply(&[rtnl::Change::Address { link, addr, prefix_len: 24 }]).unwrap();
            })
            .unwrap();
            let new: BTreeSet<&str> = it.bad().difference(&before).copied().collect();
            assert_eq!(new, BTreeSet::from(["address-duplicate"]));
        })
        .unwrap();
}

fn rules_are_told_by_what_they_mean() {
    let dir = Dir::new("meaning");
    let (gateway, far) = wired(&["left", "right"]);
    gateway
        .run(|| {
            let mut it = Box_::new(&dir, &far);
            let held = it.held.clone();
            let found = it.linux.kernel_rules(Some(&held));
            assert_eq!((found.rules, found.edited), (Rules::Proved, Vec::new()));
            // It drops what nobody lets through anyway.
            nft("add rule inet segwall forward iifname \"left\" oifname \"right\" udp dport 9 drop");
            let found = it.linux.kernel_rules(Some(&held));
            assert_eq!(found.rules, Rules::Proved, "what it means is the same");
            assert!(found.edited.iter().any(|one| one.contains("the chain forward has")), "{:?}", found.edited);
            it.reload();
            assert!(it.linux.kernel_rules(Some(&held)).edited.is_empty());
            nft("insert rule inet segwall forward iifname \"left\" oifname \"right\" tcp dport 81 accept");
            let Rules::Refuted(packets) = it.linux.kernel_rules(Some(&held)).rules else {
                panic!("it lets more through")
            };
            assert!(packets[0].contains("81"), "{packets:?}");
            it.reload();
            nft("delete element inet segwall accept_forward_in_out_port { \"left\" . \"right\" . tcp . 80 }");
            let found = it.linux.kernel_rules(Some(&held));
            let Rules::Refuted(packets) = found.rules else { panic!("{found:?}: it lets less through") };
            assert!(packets[0].contains(":80"), "{packets:?}");
            assert!(found.edited.is_empty(), "no rule was touched");
            nft("flush ruleset");
            assert!(matches!(it.linux.kernel_rules(Some(&held)).rules, Rules::Refuted(_)));
            it.address("left", false);
            let drift = apply::plan(&mut it.linux, &held, false).unwrap();
            let steps: Vec<String> = drift.plan.changes.iter().map(ToString::to_string).collect();
            assert!(steps.contains(&"give 192.0.2.1/24 to left".to_owned()), "{steps:?}");
            assert!(steps.iter().any(|step| step.starts_with("load the rules")), "{steps:?}");
            it.address("left", true);
            // Ours is as it was; what else decides is told apart.
            it.reload();
            nft(OTHERS);
            let found = it.linux.kernel_rules(Some(&held));
            assert_eq!(found.rules, Rules::Proved);
            assert!(found.tables.unwrap().iter().any(|table| table.name == "ip filter" && !table.harmless));
            let listener = UdpSocket::bind("0.0.0.0:67").unwrap();
            let system = it.linux.facts().system;
            let subject = Subject { policy: &it.policy, wanted: &held.wanted, system };
            let facts = it.linux.examine(&subject, Some(&held), Look { ask_neighbours: false }).unwrap();
            let seen = facts.listeners.unwrap();
            assert!(seen.iter().any(|one| one.port == 67 && one.pid == std::process::id()), "{seen:?}");
            drop(listener);
        })
        .unwrap();
}
