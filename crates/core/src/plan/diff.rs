//! From what is wanted and what is there to the steps between them.

use std::fmt;

use super::wanted::{BOOT_SERVICE, INTERFACES, OUR_INTERFACES, Wanted};
use super::{Change, FileState, Inventory, Plan, ServiceState};
use crate::plan::change::AddrRangeText;

/// Why no plan can be made: something that the admin has to decide or mend first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// A file of somebody else lies where one of ours belongs.
    ForeignFile(String),
    /// An interface that the policy names is not on this box.
    NoInterface {
        /// Its name.
        name: String,
        /// Interfaces that are.
        there: Vec<String>,
    },
    /// An interface has the name of a VLAN device of ours and is something else.
    OtherDevice {
        /// Its name.
        name: String,
        /// The interface that is to carry it.
        trunk: String,
        /// Its VLAN.
        id: u16,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignFile(path) => {
                write!(f, "{path} exists and Segwall did not write it; move it away")
            }
            Self::NoInterface { name, there } => {
                write!(
                    f,
                    "this box has no interface {name} (it has {}); plug it in, or name another in the policy",
                    there.join(", ")
                )
            }
            Self::OtherDevice { name, trunk, id } => write!(
                f,
                "the interface {name} is there and is not VLAN {id} on {trunk}; remove it (`ip link delete {name}`), or name \
                 the segment's device otherwise"
            ),
        }
    }
}

/// What of others is retired, before and after the rules are loaded. See [`super::foreign`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Files and services.
    pub before: Vec<Change>,
    /// What may only go when our rules are in.
    pub after: Vec<Change>,
}

/// What starts the boot service.
const BOOT_SCRIPTS: [&str; 2] = ["/etc/init.d/segwall", "/etc/systemd/system/segwall.service"];

/// Bytes at a file's beginning in which a file of ours says so.
const HEAD_BYTES: usize = 512;

/// Whether Segwall wrote a file: it says so in its first lines.
fn is_ours(file: &FileState) -> bool {
    let head = &file.bytes[..file.bytes.len().min(HEAD_BYTES)];
    String::from_utf8_lossy(head).contains("Segwall")
}

/// The plan from `old` (what the last generation wanted, where there is one) to `new` on a box, and what stands in its way.
///
/// `rules` are the generations whose rules are loaded and are to be.
#[must_use]
pub fn diff(
    new: &Wanted,
    old: Option<&Wanted>,
    inventory: &Inventory,
    rules: (Option<u64>, Option<u64>),
    taken: &Taken,
) -> (Plan, Vec<Obstacle>) {
    let mut making = Making { inventory, changes: Vec::new(), obstacles: Vec::new() };
    let nothing = Wanted::default();
    let old = old.unwrap_or(&nothing);
    making.boot_service(new);
    making.stop_services(new, old);
    making.modules(new);
    making.changes.extend(taken.before.iter().cloned());
    making.files(new, old);
    making.settings(new, false);
    // Rules name interfaces, and do not need them: what appears later is closed from its first packet on.
    if rules.0 != rules.1 || !inventory.table {
        making.changes.push(Change::Rules { from: rules.0.filter(|_| inventory.table), to: rules.1 });
    }
    making.changes.extend(taken.after.iter().cloned());
    making.take_away(new, old);
    making.devices(new, old);
    making.settings(new, true);
    making.forwarding(new);
    making.services(new);
    (Plan { changes: making.changes }, making.obstacles)
}

struct Making<'a> {
    inventory: &'a Inventory,
    changes: Vec<Change>,
    obstacles: Vec<Obstacle>,
}

impl Making<'_> {
    fn modules(&mut self, new: &Wanted) {
        let missing = new.modules.iter().filter(|name| !self.inventory.modules.contains(*name));
        self.changes.extend(missing.map(|name| Change::Module { name: name.clone() }));
    }

    /// First of all, and so last on the way back: from here on a reboot meets the boot service, which finds the journal.
    fn boot_service(&mut self, new: &Wanted) {
        for path in BOOT_SCRIPTS {
            if let Some(to) = new.files.get(path) {
                self.file(path, to);
            }
        }
        if new.services.iter().any(|service| service.name == BOOT_SERVICE) && !self.state(BOOT_SERVICE).enabled {
            self.changes.push(Change::Enabled { service: BOOT_SERVICE.to_owned(), enabled: true });
        }
    }

    fn file(&mut self, path: &str, to: &FileState) {
        let from = self.inventory.files.get(path);
        if from.is_some_and(|from| from == to) {
            return;
        }
        if from.is_some_and(|from| !is_ours(from)) {
            self.obstacles.push(Obstacle::ForeignFile(path.to_owned()));
        }
        self.changes.push(Change::File { path: path.to_owned(), from: from.cloned(), to: Some(to.clone()) });
    }

    fn files(&mut self, new: &Wanted, old: &Wanted) {
        for (path, to) in new.files.iter().filter(|(path, _)| !BOOT_SCRIPTS.contains(&path.as_str())) {
            self.file(path, to);
        }
        for path in old.files.keys().filter(|path| !new.files.contains_key(*path)) {
            if let Some(from) = self.inventory.files.get(path).filter(|from| is_ours(from)) {
                self.changes.push(Change::File { path: path.clone(), from: Some(from.clone()), to: None });
            }
        }
        let file = self.inventory.files.get(INTERFACES);
        let from = file.and_then(|file| super::block_of(&String::from_utf8_lossy(&file.bytes)));
        let to = self.source_line(new);
        if from != to {
            self.changes.push(Change::Block { path: INTERFACES.to_owned(), from, to });
        }
    }

    /// The line by which our interfaces are read, where nobody else's does it.
    fn source_line(&self, new: &Wanted) -> Option<String> {
        new.files.get(OUR_INTERFACES)?;
        let file = self.inventory.files.get(INTERFACES);
        let text = file.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default();
        let others = super::with_block(&text, None);
        (!super::foreign::reads(&others, OUR_INTERFACES)).then(|| format!("source {OUR_INTERFACES}\n"))
    }

    /// Settings of the box, or those of interfaces, which come when these are there.
    fn settings(&mut self, new: &Wanted, of_interfaces: bool) {
        let devices = || new.vlans.iter().map(|(name, ..)| name).chain(&new.up);
        for (key, to) in &new.sysctls {
            let device = devices().find(|device| key.split('/').any(|part| part == *device));
            if device.is_some() != of_interfaces {
                continue;
            }
            match self.inventory.sysctls.get(key) {
                Some(from) if from.split_whitespace().ne(to.split_whitespace()) => {
                    self.changes.push(Change::Sysctl { key: key.clone(), from: from.clone(), to: to.clone() });
                }
                // What a device has that is not there yet goes with it.
                None if device.is_some_and(|device| !self.inventory.links.contains_key(device)) => {
                    self.changes.push(Change::Sysctl { key: key.clone(), from: String::new(), to: to.clone() });
                }
                _ => {}
            }
        }
    }

    fn take_away(&mut self, new: &Wanted, old: &Wanted) {
        let there = self.inventory;
        // With an address the kernel takes routes away that go by it: they are steps of their own, there and back.
        let losing = self.losing(new, old);
        let goes = |route: &&(_, _, String)| !new.routes.contains(route) || losing.contains(&route.2);
        for route in old.routes.iter().filter(|route| there.routes.contains(route)).filter(goes) {
            self.route(route, false);
        }
        for address in old.addresses.iter().filter(|address| !new.addresses.contains(address)) {
            if self.has_address(address) {
                self.address(address, false);
            }
        }
        for (name, trunk, id) in old.vlans.iter().filter(|vlan| !new.vlans.iter().any(|kept| kept.0 == vlan.0)) {
            let Some(link) = there.links.get(name).filter(|link| link.vlan.as_ref() == Some(&(trunk.clone(), *id)))
            else {
                continue;
            };
            if link.up {
                self.changes.push(Change::Up { link: name.clone(), up: false });
            }
            self.changes.push(Change::Vlan { name: name.clone(), trunk: trunk.clone(), id: *id, present: false });
        }
    }

    /// Interfaces that lose an address.
    fn losing(&self, new: &Wanted, old: &Wanted) -> Vec<String> {
        let gone = |address: &&(String, _, u8)| !new.addresses.contains(address) && self.has_address(address);
        old.addresses.iter().filter(gone).map(|(link, ..)| link.clone()).collect()
    }

    fn has_address(&self, (link, addr, len): &(String, std::net::IpAddr, u8)) -> bool {
        self.inventory.links.get(link).is_some_and(|link| link.addresses.contains(&(*addr, *len)))
    }

    fn address(&mut self, (link, addr, prefix_len): &(String, std::net::IpAddr, u8), present: bool) {
        self.changes.push(Change::Address { link: link.clone(), addr: *addr, prefix_len: *prefix_len, present });
    }

    fn route(&mut self, (to, via, link): &(segwall_packetset::AddrRange, std::net::IpAddr, String), present: bool) {
        self.changes.push(Change::Route { to: AddrRangeText(*to), via: *via, link: link.clone(), present });
    }

    fn devices(&mut self, new: &Wanted, old: &Wanted) {
        let there = self.inventory;
        let losing = self.losing(new, old);
        let ours = |name: &String| new.vlans.iter().any(|(vlan, ..)| vlan == name);
        for name in new.up.iter().filter(|name| !ours(name) && !there.links.contains_key(*name)) {
            let there = there.links.keys().filter(|name| *name != "lo").cloned().collect();
            self.obstacles.push(Obstacle::NoInterface { name: name.clone(), there });
        }
        for (name, trunk, id) in &new.vlans {
            match there.links.get(name) {
                None => {
                    self.changes.push(Change::Vlan { name: name.clone(), trunk: trunk.clone(), id: *id, present: true })
                }
                Some(link) if link.vlan.as_ref() == Some(&(trunk.clone(), *id)) => {}
                Some(_) => {
                    self.obstacles.push(Obstacle::OtherDevice { name: name.clone(), trunk: trunk.clone(), id: *id })
                }
            }
        }
        for name in new.up.iter().filter(|name| there.links.get(*name).is_none_or(|link| !link.up)) {
            self.changes.push(Change::Up { link: name.clone(), up: true });
        }
        for address in new.addresses.iter().filter(|address| !self.has_address(address)).collect::<Vec<_>>() {
            self.address(address, true);
        }
        let comes = |route: &&(_, _, String)| !there.routes.contains(route) || losing.contains(&route.2);
        for route in new.routes.iter().filter(comes) {
            self.route(route, true);
        }
        for name in &new.ifup {
            // An uplink that has an address is up already, whoever saw to it.
            let link_local =
                |addr: &std::net::IpAddr| matches!(addr, std::net::IpAddr::V6(v6) if v6.is_unicast_link_local());
            let ours = |addr: &std::net::IpAddr| old.addresses.iter().any(|(link, own, _)| link == name && own == addr);
            let stays = |addr: &std::net::IpAddr| !link_local(addr) && !ours(addr);
            let alive = there.links.get(name).is_some_and(|link| link.addresses.iter().any(|(addr, _)| stays(addr)));
            if !alive {
                self.changes.push(Change::Ifup { link: name.clone(), up: true });
            }
        }
    }

    fn forwarding(&mut self, new: &Wanted) {
        for key in &new.forwarding {
            if let Some(from) = self.inventory.sysctls.get(key).filter(|from| from.trim() == "0") {
                self.changes.push(Change::Sysctl { key: key.clone(), from: from.clone(), to: "1".to_owned() });
            }
        }
    }

    fn state(&self, service: &str) -> ServiceState {
        self.inventory.services.get(service).copied().unwrap_or_default()
    }

    /// Services that are not wanted any more stop while their files are still there; the way back starts them when they are
    /// there again.
    fn stop_services(&mut self, new: &Wanted, old: &Wanted) {
        for service in old.services.iter().filter(|service| service.ours) {
            let now = self.state(&service.name);
            if new.services.iter().any(|kept| kept.name == service.name) {
                continue;
            }
            if now.running {
                self.changes.push(Change::Running { service: service.name.clone(), running: false });
            }
            if now.enabled {
                self.changes.push(Change::Enabled { service: service.name.clone(), enabled: false });
            }
        }
        // While the file that tells how is still there: who asked for addresses asks no more.
        for link in old.ifup.iter().filter(|link| !new.ifup.contains(link) && self.inventory.links.contains_key(*link))
        {
            self.changes.push(Change::Ifup { link: link.clone(), up: false });
        }
    }

    fn services(&mut self, new: &Wanted) {
        let changed: Vec<String> = self
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::File { path, .. } => Some(path.clone()),
                _ => None,
            })
            .collect();
        for service in &new.services {
            let now = self.state(&service.name);
            // What the boot service starts is loaded already; it was enabled first.
            if service.name == BOOT_SERVICE {
                continue;
            }
            if service.ours && !now.enabled {
                self.changes.push(Change::Enabled { service: service.name.clone(), enabled: true });
            }
            if service.ours && !now.running {
                self.changes.push(Change::Running { service: service.name.clone(), running: true });
            } else if now.running && service.files.iter().any(|file| changed.contains(file)) {
                self.changes.push(Change::Renew { service: service.name.clone() });
            }
        }
    }
}
