//! Every change, there and back, twice.

use std::fs;

use segwall_core::plan::{Change, Interest, Inventory};
use segwall_host::apply::Host;
use segwall_host::linux::Linux;
use segwall_host::sysctl;

use crate::harness::Case;
use crate::world::{Dir, wired};

pub const ALL: &[Case] = &[
    ("every_change_goes_there_and_back_twice", every_change_goes_there_and_back_twice),
    ("a_route_that_was_there_is_there_again", a_route_that_was_there_is_there_again),
    ("other_addresses_of_an_interface_stay", other_addresses_of_an_interface_stay),
    ("a_device_of_somebody_else_is_not_touched", a_device_of_somebody_else_is_not_touched),
    ("settings_of_devices_that_are_not_there_wait", settings_of_devices_that_are_not_there_wait),
    ("services_start_and_stop", services_start_and_stop),
    ("an_absent_init_system_is_named", an_absent_init_system_is_named),
];

const SETTING: &str = "net/ipv4/conf/eth0.10/rp_filter";

fn look(linux: &mut Linux) -> Inventory {
    let interest = Interest { sysctls: [SETTING.to_owned()].into(), ..Interest::default() };
    linux.inventory(&interest).unwrap()
}

fn address(link: &str, addr: &str, prefix_len: u8) -> Change {
    Change::Address { link: link.to_owned(), addr: addr.parse().unwrap(), prefix_len, present: true }
}

fn route(to: &str, via: &str, link: &str) -> Change {
    let (to, via) = (to.to_owned().try_into().unwrap(), via.parse().unwrap());
    Change::Route { to, via, link: link.to_owned(), present: true }
}

fn every_change_goes_there_and_back_twice() {
    let dir = Dir::new("changes");
    let (gateway, _far) = wired(&["eth0", "eth0.10"]);
    gateway
        .run(|| {
            let mut linux = dir.linux();
            // What stands in for a VLAN is there before and after; the VLAN itself is tried in the virtual machine.
            linux.change(&Change::Up { link: "eth0".to_owned(), up: true }).unwrap();
            let changes = [
                Change::Module { name: "no_such_module".to_owned() },
                Change::Up { link: "eth0.10".to_owned(), up: true },
                address("eth0.10", "192.0.2.1", 24),
                address("eth0.10", "2001:db8::1", 64),
                address("eth0.10", "192.0.2.9", 31),
                route("203.0.113.0/24", "192.0.2.2", "eth0.10"),
                route("0.0.0.0/0", "192.0.2.3", "eth0.10"),
                route("::/0", "2001:db8::2", "eth0.10"),
                route("2001:db8:9::/48", "2001:db8::3", "eth0.10"),
                Change::Sysctl { key: SETTING.to_owned(), from: sysctl::get(SETTING).unwrap(), to: "2".to_owned() },
            ];
            let modules = fs::metadata("/proc/modules").is_ok();
            let changes = &changes[usize::from(modules)..];
            // Link-local addresses come by themselves when it is up: first once there and back.
            for change in changes {
                linux.change(change).unwrap_or_else(|error| panic!("{}", error.chain()));
            }
            for change in changes.iter().rev() {
                linux.change(&change.inverse()).unwrap();
            }
            let before = look(&mut linux);
            for change in changes {
                for _ in 0..2 {
                    linux.change(change).unwrap_or_else(|error| panic!("{change}: {}", error.chain()));
                }
            }
            let there = look(&mut linux);
            let link = &there.links["eth0.10"];
            assert!(link.up);
            for (addr, len) in [("192.0.2.1", 24), ("2001:db8::1", 64), ("192.0.2.9", 31)] {
                assert!(link.addresses.contains(&(addr.parse().unwrap(), len)), "{addr}: {link:?}");
            }
            for (to, via) in [
                ("203.0.113.0/24", "192.0.2.2"),
                ("0.0.0.0/0", "192.0.2.3"),
                ("::/0", "2001:db8::2"),
                ("2001:db8:9::/48", "2001:db8::3"),
            ] {
                let wanted = (to.parse().unwrap(), via.parse().unwrap(), "eth0.10".to_owned());
                assert!(there.routes.contains(&wanted), "{to}: {:?}", there.routes);
            }
            assert_eq!(there.sysctls[SETTING], "2");
            for change in changes.iter().rev() {
                for _ in 0..2 {
                    linux.change(&change.inverse()).unwrap_or_else(|error| panic!("{change}: {}", error.chain()));
                }
            }
            assert_eq!(look(&mut linux), before);
            assert_ne!(before, there);
        })
        .unwrap();
}

fn a_route_that_was_there_is_there_again() {
    let dir = Dir::new("routes");
    let (gateway, _far) = wired(&["wan"]);
    gateway
        .run(|| {
            let mut linux = dir.linux();
            linux.change(&Change::Up { link: "wan".to_owned(), up: true }).unwrap();
            linux.change(&address("wan", "192.0.2.1", 24)).unwrap();
            let (theirs, ours) = (route("0.0.0.0/0", "192.0.2.2", "wan"), route("0.0.0.0/0", "192.0.2.3", "wan"));
            linux.change(&theirs).unwrap();
            let before = look(&mut linux).routes;
            linux.change(&ours).unwrap();
            let there = look(&mut linux).routes;
            assert_eq!(there.iter().map(|route| route.1.to_string()).collect::<Vec<_>>(), ["192.0.2.3", "192.0.2.2"]);
            linux.change(&ours.inverse()).unwrap();
            assert_eq!(look(&mut linux).routes, before);
        })
        .unwrap();
}

fn other_addresses_of_an_interface_stay() {
    let dir = Dir::new("addresses");
    let (gateway, _far) = wired(&["lan"]);
    gateway
        .run(|| {
            let mut linux = dir.linux();
            linux.change(&Change::Up { link: "lan".to_owned(), up: true }).unwrap();
            let (ours, theirs) = (address("lan", "192.0.2.1", 24), address("lan", "192.0.2.200", 24));
            linux.change(&ours).unwrap();
            linux.change(&theirs).unwrap();
            linux.change(&ours.inverse()).unwrap();
            let left = look(&mut linux).links["lan"].addresses.clone();
            let v4: Vec<_> = left.iter().filter(|(addr, _)| addr.is_ipv4()).collect();
            assert_eq!(v4, [&("192.0.2.200".parse().unwrap(), 24)]);
            // The same address for a network of another size is not what was asked for.
            linux.change(&address("lan", "2001:db8::1", 64)).unwrap();
            let error = linux.change(&address("lan", "2001:db8::1", 48)).unwrap_err().chain();
            assert!(error.contains("another length"), "{error}");
        })
        .unwrap();
}

fn a_device_of_somebody_else_is_not_touched() {
    let dir = Dir::new("device");
    let (gateway, _far) = wired(&["eth0", "eth0.10"]);
    gateway
        .run(|| {
            let mut linux = dir.linux();
            let vlan =
                |name: &str, present| Change::Vlan { name: name.to_owned(), trunk: "eth0".to_owned(), id: 10, present };
            for present in [true, false] {
                let error = linux.change(&vlan("eth0.10", present)).unwrap_err().chain();
                assert!(error.contains("something else"), "{error}");
            }
            assert!(look(&mut linux).links.contains_key("eth0.10"));
            linux.change(&vlan("gone", false)).unwrap();
            let no_trunk = Change::Vlan { name: "x".to_owned(), trunk: "none".to_owned(), id: 1, present: true };
            let error = linux.change(&no_trunk).unwrap_err().chain();
            assert!(error.contains("no interface none"), "{error}");
            // With VLANs in this kernel, or with a sentence about them.
            match linux.change(&vlan("made", true)) {
                Ok(()) => {
                    linux.change(&vlan("made", true)).unwrap();
                    let links = look(&mut linux).links;
                    assert_eq!(links["made"].vlan, Some(("eth0".to_owned(), 10)));
                    linux.change(&vlan("made", false)).unwrap();
                    assert!(!look(&mut linux).links.contains_key("made"));
                }
                Err(error) => assert!(error.chain().contains("8021q"), "{}", error.chain()),
            }
            for change in [Change::Up { link: "none".to_owned(), up: true }, address("none", "192.0.2.1", 24)] {
                let error = linux.change(&change).unwrap_err().chain();
                assert!(error.contains("none") && error.contains("no such interface"), "{error}");
                linux.change(&change.inverse()).unwrap();
            }
        })
        .unwrap();
}

fn settings_of_devices_that_are_not_there_wait() {
    let dir = Dir::new("settings");
    let (gateway, _far) = wired(&["eth0"]);
    gateway
        .run(|| {
            let mut linux = dir.linux();
            let set =
                |key: &str, to: &str| Change::Sysctl { key: key.to_owned(), from: String::new(), to: to.to_owned() };
            linux.change(&set("net/ipv6/conf/eth0.10/accept_ra", "0")).unwrap();
            linux.change(&set("net/ipv4/conf/eth0/rp_filter", "")).unwrap();
            let error = linux.change(&set("net/ipv4/conf/eth0/no_such_setting", "1")).unwrap_err().chain();
            assert!(error.contains("net.ipv4.conf.eth0.no_such_setting"), "{error}");
            let error = linux.change(&set("net/ipv4/ip_forward", "nonsense")).unwrap_err().chain();
            assert!(error.contains("net.ipv4.ip_forward to nonsense"), "{error}");
        })
        .unwrap();
}

fn services_start_and_stop() {
    let dir = Dir::new("services");
    let units = dir.path().join("etc/systemd/system");
    fs::create_dir_all(&units).unwrap();
    fs::write(units.join("segwall-dhcp.service"), "[Service]\nExecStart=/bin/sleep 60\n").unwrap();
    fs::write(units.join("broken.service"), "[Service]\nExecStart=/bin/false\n").unwrap();
    let mut linux = dir.linux();
    let name = || "segwall-dhcp".to_owned();
    let state = |linux: &mut Linux| {
        let interest = Interest { services: [name()].into(), ..Interest::default() };
        let state = linux.inventory(&interest).unwrap().services[&name()];
        (state.installed, state.enabled, state.running)
    };
    assert_eq!(state(&mut linux), (true, false, false));
    let changes =
        [Change::Enabled { service: name(), enabled: true }, Change::Running { service: name(), running: true }];
    for change in &changes {
        linux.change(change).unwrap();
        linux.change(change).unwrap();
    }
    assert_eq!(state(&mut linux), (true, true, true));
    let pid = || fs::read_to_string(dir.path().join("run/segwall/services/segwall-dhcp.pid")).unwrap();
    let before = pid();
    linux.change(&Change::Renew { service: name() }).unwrap();
    assert_ne!(pid(), before);
    // Another process finds it running, too, and can stop it.
    let mut other = dir.linux();
    assert_eq!(state(&mut other), (true, true, true));
    for change in changes.iter().rev() {
        linux.change(&change.inverse()).unwrap();
        linux.change(&change.inverse()).unwrap();
    }
    assert_eq!(state(&mut linux), (true, false, false));
    let broken = Change::Running { service: "broken".to_owned(), running: true };
    let error = linux.change(&broken).unwrap_err().chain();
    assert!(error.starts_with("cannot start the service broken") && error.contains("ended at once"), "{error}");
}

fn an_absent_init_system_is_named() {
    let dir = Dir::new("init");
    let mut linux = Linux::new(segwall_host::linux::Root::below(dir.path()));
    let change = Change::Running { service: "segwall-dhcp".to_owned(), running: true };
    let error = linux.change(&change).unwrap_err().chain();
    assert!(error.contains("neither OpenRC nor systemd"), "{error}");
    linux.change(&change.inverse()).unwrap();
}
