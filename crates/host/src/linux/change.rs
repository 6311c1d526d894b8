//! Every change but files and rules: a state that is reached, or was reached already.

use std::fs;
use std::time::Duration;

use segwall_core::plan::Change;

use super::Linux;
use super::inventory::LOADED_MODULES;
use super::network;
use super::run::{self, Overdue};
use crate::apply::HostError;

/// `ifup` is waited for this long. Where no server answers it goes on in the background: the uplink comes when it comes.
const IFUP: Duration = Duration::from_secs(15);
/// `ifdown` is done within this time.
const IFDOWN: Duration = Duration::from_secs(15);
const MODPROBE: Duration = Duration::from_secs(20);

impl Linux {
    pub(super) fn perform(&mut self, change: &Change) -> Result<(), HostError> {
        match change {
            Change::Module { name } => self.module(name),
            Change::Vlan { name, trunk, id, present } => network::vlan(name, trunk, *id, *present),
            Change::Up { link, up } => network::up(link, *up),
            Change::Address { link, addr, prefix_len, present } => network::address(link, *addr, *prefix_len, *present),
            Change::Route { to, via, link, present } => network::route(to.0, *via, link, *present),
            Change::Ifup { link, up } => ifup(link, *up),
            Change::Sysctl { key, to, .. } => network::setting(key, to),
            Change::Table { table, present } => self.table(table, *present),
            Change::Enabled { service, enabled } => self.init.enable(&self.root, service, *enabled),
            Change::Running { service, running } => self.init.run(&self.root, service, *running),
            Change::Renew { service } => self.init.renew(&self.root, service),
            Change::File { path, .. } | Change::Block { path, .. } => Err(not_here(path)),
            Change::Rules { .. } => Err(not_here("the rules")),
        }
    }

    fn module(&self, name: &str) -> Result<(), HostError> {
        if fs::metadata(LOADED_MODULES).is_err() || self.modules().contains(name) {
            return Ok(());
        }
        // Many are built in without a trace of it. What a kernel lacks is told where it is needed, and in better words.
        let _ = run::run("modprobe", &["-q", name], MODPROBE, Overdue::Kill);
        Ok(())
    }
}

fn not_here(what: &str) -> HostError {
    HostError::new(format!("change {what}"), "the transaction does this itself (a fault of Segwall's)")
}

fn ifup(link: &str, up: bool) -> Result<(), HostError> {
    if !up && network::index_of(link)?.is_none() {
        return Ok(());
    }
    let (program, bound, overdue) =
        if up { ("ifup", IFUP, Overdue::LetRun) } else { ("ifdown", IFDOWN, Overdue::Kill) };
    let ran = run::run(program, &[link], bound, overdue)?;
    match ran.status {
        None if up => Ok(()),
        Some(status) if status.success() => Ok(()),
        _ => Err(HostError::new(
            format!("bring {link} {}", if up { "up" } else { "down" }),
            run::sentence(program, &[link], &ran, bound),
        )),
    }
}
