//! What is wrong with a box, from what was seen on it: every fault has a cause and a next step.
//!
//! [`Facts`] go in and [`Check`]s come out; nothing is looked at here. A fault is reported once: what only follows from it
//! (the address of an interface that is not there) is not asked for.

mod addresses;
mod boot;
mod check;
mod clock;
mod conntrack;
mod dhcp;
mod edited;
mod facts;
mod firewalls;
mod forwarding;
mod links;
mod logging;
mod names;
mod programs;
mod rules;
mod services;
mod store;

use std::collections::BTreeSet;

use crate::emit::System;
use crate::plan::{Interest, Wanted};
use crate::policy::Policy;

pub use check::{Check, State};
pub use conntrack::{COUNT as CONNTRACK_COUNT, MAX as CONNTRACK_MAX};
pub use dhcp::SERVER_PORTS;
pub use edited::edited;
pub use facts::{
    Conntrack, Disk, Duplicate, Facts, ForeignTable, Held, Lbu, Leases, Listener, Rules, Transaction, Unreadable,
    WallClock,
};
pub use names::{CHECKS, explain};
pub use programs::{Program, programs};

use check::Checks;

/// What a box is held against.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// What it wants of the box.
    pub wanted: &'a Wanted,
    /// The box's init system.
    pub system: System,
}

impl<'a> Subject<'a> {
    /// Interfaces of segments and uplinks, and the trunks below them.
    fn devices(&self) -> impl Iterator<Item = &'a String> {
        let policy = self.policy;
        let own = policy.segments.iter().map(|segment| &segment.device);
        let own: BTreeSet<&String> = own.chain(policy.uplinks.iter().map(|uplink| &uplink.device)).collect();
        let trunks: BTreeSet<&String> = self.wanted.vlans.iter().map(|(_, trunk, _)| trunk).collect();
        own.union(&trunks).copied().collect::<Vec<_>>().into_iter()
    }

    /// Whether Segwall makes this interface as a VLAN device.
    fn is_vlan(&self, name: &str) -> bool {
        self.wanted.vlans.iter().any(|(vlan, ..)| vlan == name)
    }
}

/// Every check, in the order in which people mend things: what is missing first.
#[must_use]
pub fn examine(subject: &Subject<'_>, facts: &Facts) -> Vec<Check> {
    let mut checks = Checks::default();
    programs::check(&mut checks, subject, facts);
    links::check(&mut checks, subject, facts);
    addresses::check(&mut checks, subject, facts);
    boot::check(&mut checks, subject, facts);
    rules::check(&mut checks, facts);
    forwarding::check(&mut checks, subject, facts);
    firewalls::check(&mut checks, subject, facts);
    services::check(&mut checks, subject, facts);
    dhcp::check(&mut checks, subject, facts);
    logging::check(&mut checks, subject, facts);
    conntrack::check(&mut checks, subject, facts);
    clock::check(&mut checks, facts);
    store::check(&mut checks, facts);
    checks.list
}

/// What an inventory must tell so that a box can be examined.
#[must_use]
pub fn interest(subject: &Subject<'_>) -> Interest {
    let mut interest = Interest::default();
    interest.add(subject.wanted);
    interest.sysctls.extend(forwarding::settings(subject));
    interest.sysctls.extend([CONNTRACK_COUNT, CONNTRACK_MAX].map(str::to_owned));
    interest.services.extend(firewalls::SERVICES.iter().chain(&dhcp::SERVICES).map(|name| (*name).to_owned()));
    interest
}

/// How a service is told to start at boot, or not to; to run, or not to.
fn command(system: System, verb: Verb, service: &str) -> String {
    match (system, verb) {
        (System::Alpine, Verb::Enable) => format!("rc-update add {service}"),
        (System::Alpine, Verb::Disable) => format!("rc-update --all del {service}"),
        (System::Alpine, Verb::Start) => format!("rc-service {service} start"),
        (System::Alpine, Verb::Stop) => format!("rc-service {service} stop"),
        (System::Debian, Verb::Enable) => format!("systemctl enable {service}"),
        (System::Debian, Verb::Disable) => format!("systemctl disable {service}"),
        (System::Debian, Verb::Start) => format!("systemctl start {service}"),
        (System::Debian, Verb::Stop) => format!("systemctl stop {service}"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Enable,
    Disable,
    Start,
    Stop,
}
