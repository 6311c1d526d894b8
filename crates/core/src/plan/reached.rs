//! Whether the states that a plan names are there: what a way back looks at when it is done.

use super::{Change, Interest, Inventory, block_of};

impl Interest {
    /// Adds what a change is about.
    pub fn add_change(&mut self, change: &Change) {
        match change {
            Change::File { path, .. } | Change::Block { path, .. } => self.files.insert(path.clone()),
            Change::Sysctl { key, .. } => self.sysctls.insert(key.clone()),
            Change::Module { .. }
            | Change::Vlan { .. }
            | Change::Up { .. }
            | Change::Address { .. }
            | Change::Route { .. }
            | Change::Ifup { .. }
            | Change::Rules { .. }
            | Change::Table { .. }
            | Change::Enabled { .. }
            | Change::Running { .. }
            | Change::Renew { .. } => false,
        };
    }
}

impl Change {
    /// Whether the state it names is there; `None` where that cannot be seen of what was looked at.
    ///
    /// Services are left out, for they start and stop by themselves, and so are rules, which are proved instead.
    #[must_use]
    pub fn is_reached(&self, there: &Inventory) -> Option<bool> {
        match self {
            Self::File { path, to, .. } => Some(there.files.get(path) == to.as_ref()),
            Self::Block { path, to, .. } => {
                let file = there.files.get(path);
                let block = file.and_then(|file| block_of(&String::from_utf8_lossy(&file.bytes)));
                Some(block == *to)
            }
            Self::Vlan { name, trunk, id, present } => {
                let has = |link: &super::Link| link.vlan.as_ref() == Some(&(trunk.clone(), *id));
                Some(there.links.get(name).is_some_and(has) == *present)
            }
            Self::Up { link, up } => there.links.get(link).map(|link| link.up == *up),
            Self::Address { link, addr, prefix_len, present } => {
                let link = there.links.get(link);
                Some(link.is_some_and(|link| link.addresses.contains(&(*addr, *prefix_len))) == *present)
            }
            Self::Route { to, via, link, present } => {
                Some(there.routes.contains(&(to.0, *via, link.clone())) == *present)
            }
            // One without a value before belongs to a device that was not there.
            Self::Sysctl { to, .. } if to.is_empty() => None,
            Self::Sysctl { key, to, .. } => {
                there.sysctls.get(key).map(|now| now.split_whitespace().eq(to.split_whitespace()))
            }
            Self::Module { .. }
            | Self::Ifup { .. }
            | Self::Rules { .. }
            | Self::Table { .. }
            | Self::Enabled { .. }
            | Self::Running { .. }
            | Self::Renew { .. } => None,
        }
    }
}
