//! What is on the box.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use nix::sys::utsname::uname;
use segwall_core::emit::nft::TABLE;
use segwall_core::plan::{Interest, Inventory, Link};
use segwall_packetset::AddrRange;

use super::Linux;
use super::network::unanswered;
use crate::apply::HostError;
use crate::{rtnl_dump, sysctl};

pub(super) const LOADED_MODULES: &str = "/proc/modules";

impl Linux {
    pub(super) fn look(&mut self, interest: &Interest) -> Result<Inventory, HostError> {
        let table = self.has_table(TABLE)?;
        Ok(Inventory { table, ..self.look_without_rules(interest)? })
    }

    /// All but whether our table is there: for a box on which nft cannot be asked.
    pub(super) fn look_without_rules(&mut self, interest: &Interest) -> Result<Inventory, HostError> {
        let mut inventory = Inventory { modules: self.modules(), ..Inventory::default() };
        // A file that cannot be read must not pass for one that is not there: going back would remove it.
        for path in &interest.files {
            if let Some(file) = self.root.read(path)? {
                inventory.files.insert(path.clone(), file);
            }
        }
        for key in &interest.sysctls {
            match sysctl::get(key) {
                Some(value) if sysctl::is_writable(key) => {
                    inventory.sysctls.insert(key.clone(), value);
                }
                // In a container the machine outside decides some of them.
                Some(value) => inventory
                    .holes
                    .push(format!("the kernel does not let {} be set here; it stays {value}", key.replace('/', "."))),
                None => {}
            }
        }
        for name in &interest.services {
            let state = self.init.state(&self.root, name)?;
            inventory.services.insert(name.clone(), state);
        }
        self.network(&mut inventory)?;
        Ok(inventory)
    }

    fn network(&self, inventory: &mut Inventory) -> Result<(), HostError> {
        let links = rtnl_dump::links().map_err(unanswered)?;
        let name = |index: u32| links.get(&index).map(|link| link.name.clone());
        for link in links.values() {
            let trunk = link.below.and_then(name);
            let vlan = trunk.zip(link.vlan);
            let facts = Link { vlan, up: link.up, carrier: link.carrier, addresses: Vec::new() };
            inventory.links.insert(link.name.clone(), facts);
        }
        for found in rtnl_dump::addresses().map_err(unanswered)? {
            if let Some(link) = name(found.link).and_then(|name| inventory.links.get_mut(&name)) {
                link.addresses.push((found.addr, found.prefix_len));
            }
        }
        for route in rtnl_dump::routes().map_err(unanswered)? {
            if let Some(link) = name(route.link) {
                inventory.routes.push((AddrRange::prefix(route.to, route.prefix_len), route.via, link));
            }
        }
        Ok(())
    }

    /// The box's addresses by interface, as they are now.
    pub(super) fn addresses(&self) -> Result<BTreeMap<String, Vec<std::net::IpAddr>>, HostError> {
        let links = rtnl_dump::links().map_err(unanswered)?;
        let mut addresses: BTreeMap<String, Vec<std::net::IpAddr>> = BTreeMap::new();
        for found in rtnl_dump::addresses().map_err(unanswered)? {
            if let Some(link) = links.get(&found.link) {
                addresses.entry(link.name.clone()).or_default().push(found.addr);
            }
        }
        Ok(addresses)
    }

    /// Modules that are loaded or built in, as far as the kernel tells.
    pub(super) fn modules(&self) -> BTreeSet<String> {
        let mut modules = BTreeSet::new();
        // A kernel without modules has all that it ever will, and no list of it; what it lacks shows where it is needed.
        let Ok(loaded) = fs::read_to_string(LOADED_MODULES) else { return self.asked_modules.clone() };
        modules.extend(loaded.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned));
        // Built-in ones that have parameters stand here, the others in the list that comes with the kernel.
        if let Ok(entries) = fs::read_dir("/sys/module") {
            modules.extend(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()));
        }
        let release = uname().ok().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
        let list = fs::read_to_string(format!("/lib/modules/{release}/modules.builtin")).unwrap_or_default();
        let stem = |line: &str| Some(line.rsplit('/').next()?.split(".ko").next()?.replace('-', "_"));
        modules.extend(list.lines().filter_map(stem));
        modules
    }
}
