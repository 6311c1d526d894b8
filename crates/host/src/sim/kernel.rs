//! What is lost when the power goes: rules, interfaces, settings; and services, of which it is known at boot which start.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use segwall_core::plan::{
    Change, FORWARD_V4, FORWARD_V6, FileState, ForeignTable, Interest, Inventory, Link, ServiceState,
};
use segwall_packetset::AddrRange;

/// Interfaces, addresses, routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Net {
    /// Every interface.
    pub links: BTreeMap<String, Link>,
    /// Routes with a next hop.
    pub routes: Vec<(AddrRange, IpAddr, String)>,
}

/// A service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// It starts at boot.
    pub enabled: bool,
    /// The files it has read, while it runs.
    pub running: Option<BTreeMap<String, FileState>>,
    /// Files that it reads.
    pub files: BTreeSet<String>,
}

/// The kernel and the init system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kernel {
    /// The generation whose rules are loaded.
    pub rules: Option<u64>,
    /// The kernel holds something else than was loaded.
    pub spoilt: bool,
    /// Connections are being closed.
    pub closing: bool,
    /// Interfaces.
    pub net: Net,
    /// Settings below `/proc/sys`.
    pub sysctls: BTreeMap<String, String>,
    /// Modules.
    pub modules: BTreeSet<String>,
    /// Services.
    pub services: BTreeMap<String, Service>,
    /// Tables of others.
    pub tables: Vec<ForeignTable>,
    /// What the service iptables loads when it starts.
    pub saved: Vec<ForeignTable>,
}

impl Kernel {
    /// Whether any packet may pass from interface to interface.
    #[must_use]
    pub fn forwards(&self) -> bool {
        [FORWARD_V4, FORWARD_V6].iter().any(|key| self.sysctls.get(*key).is_some_and(|value| value != "0"))
    }

    pub(super) fn lose_power(&mut self) {
        self.rules = None;
        self.spoilt = false;
        self.closing = false;
        self.net = Net::default();
        self.tables.clear();
        self.sysctls.retain(|key, _| !key.contains("/conf/") || key == FORWARD_V6);
        for key in [FORWARD_V4, FORWARD_V6] {
            self.sysctls.insert(key.to_owned(), "0".to_owned());
        }
        for service in self.services.values_mut() {
            service.running = None;
        }
    }

    pub(super) fn start_enabled(&mut self, files: &BTreeMap<String, FileState>) {
        if self.services.get("iptables").is_some_and(|service| service.enabled) {
            self.tables.clone_from(&self.saved);
        }
        for service in self.services.values_mut().filter(|service| service.enabled) {
            service.running = Some(read_by(service, files));
        }
    }

    pub(super) fn inventory(&self, files: &BTreeMap<String, FileState>, interest: &Interest) -> Inventory {
        let asked = |path: &&String| interest.files.contains(*path);
        let services: Vec<&str> = interest.services.iter().map(String::as_str).collect();
        Inventory {
            files: files
                .iter()
                .filter(|(path, _)| asked(path))
                .map(|(path, file)| (path.clone(), file.clone()))
                .collect(),
            links: self.net.links.clone(),
            routes: self.net.routes.clone(),
            sysctls: self.sysctls.clone(),
            modules: self.modules.clone(),
            services: self.services_of(&services),
            table: self.rules.is_some(),
            holes: Vec::new(),
        }
    }

    pub(super) fn services_of(&self, names: &[&str]) -> BTreeMap<String, ServiceState> {
        let state = |name: &&str| {
            let state = self.services.get(*name).map_or_else(ServiceState::default, |service| ServiceState {
                installed: true,
                enabled: service.enabled,
                running: service.running.is_some(),
            });
            ((*name).to_owned(), state)
        };
        names.iter().map(state).collect()
    }

    pub(super) fn change(&mut self, change: &Change, files: &BTreeMap<String, FileState>) {
        match change {
            Change::Module { name } => {
                self.modules.insert(name.clone());
            }
            Change::Vlan { name, trunk, id, present: true } => {
                let vlan = Some((trunk.clone(), *id));
                self.net.links.entry(name.clone()).or_insert(Link { vlan, carrier: true, ..Link::default() });
            }
            Change::Vlan { name, present: false, .. } => {
                self.net.links.remove(name);
                self.net.routes.retain(|(_, _, link)| link != name);
                self.sysctls.retain(|key, _| !key.split('/').any(|part| part == name));
            }
            Change::Up { link, up } | Change::Ifup { link, up } => {
                if let Some(link) = self.net.links.get_mut(link) {
                    link.up = *up;
                }
            }
            Change::Address { link, addr, prefix_len, present } => {
                if let Some(link) = self.net.links.get_mut(link) {
                    link.addresses.retain(|address| *address != (*addr, *prefix_len));
                    if *present {
                        link.addresses.push((*addr, *prefix_len));
                    }
                    link.addresses.sort_unstable();
                }
            }
            Change::Route { to, via, link, present } => {
                let route = (to.0, *via, link.clone());
                self.net.routes.retain(|one| *one != route);
                if *present {
                    self.net.routes.push(route);
                }
                self.net.routes.sort_unstable();
            }
            Change::Sysctl { to, .. } if to.is_empty() => {}
            Change::Sysctl { key, .. } if of_absent(&self.net, key) => {}
            Change::Sysctl { key, to, .. } => {
                self.sysctls.insert(key.clone(), to.clone());
            }
            Change::Table { table, present } => {
                self.tables.retain(|one| (&one.family, &one.name) != (&table.family, &table.name));
                if *present {
                    self.tables.push(table.clone());
                }
            }
            Change::Enabled { service, enabled } => {
                if let Some(service) = self.services.get_mut(service) {
                    service.enabled = *enabled;
                }
            }
            Change::Running { service, running } => {
                if let Some(service) = self.services.get_mut(service) {
                    service.running = running.then(|| read_by(service, files));
                }
            }
            Change::Renew { service } => {
                if let Some(service) = self.services.get_mut(service).filter(|service| service.running.is_some()) {
                    service.running = Some(read_by(service, files));
                }
            }
            Change::File { .. } | Change::Block { .. } | Change::Rules { .. } => {
                unreachable!("these are not the kernel's")
            }
        }
    }
}

/// A setting of an interface that is not there.
fn of_absent(net: &Net, key: &str) -> bool {
    let parts: Vec<&str> = key.split('/').collect();
    matches!(parts.as_slice(), ["net", "ipv4" | "ipv6", "conf", name, _] if *name != "all" && !net.links.contains_key(*name))
}

fn read_by(service: &Service, files: &BTreeMap<String, FileState>) -> BTreeMap<String, FileState> {
    let read = |path: &String| files.get(path).map(|file| (path.clone(), file.clone()));
    service.files.iter().filter_map(read).collect()
}
