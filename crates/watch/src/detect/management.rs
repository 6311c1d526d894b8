//! Tries to manage the box or the management segments' hosts, that are refused.

use std::net::IpAddr;

use segwall_packetset::proto;

use super::limits::{MANAGEMENT_MAX, MANAGEMENT_TRIES, MANAGEMENT_WINDOW_S};
use super::table::Table;
use super::{Around, What, what_of};
use crate::alert::{Draft, Evidence, Kind, Subject};
use crate::event::{At, Packet, Reason};
use crate::network::{Ends, Zone};

/// What hosts are managed by: SSH, Telnet, RDP, VNC, WinRM, IPMI, Proxmox, Webmin. Not SNMP: every printer's driver
/// asks by it.
const ADMIN: [What; 9] = [
    (proto::TCP, 22),
    (proto::TCP, 23),
    (proto::UDP, 623),
    (proto::TCP, 3_389),
    (proto::TCP, 5_900),
    (proto::TCP, 5_985),
    (proto::TCP, 5_986),
    (proto::TCP, 8_006),
    (proto::TCP, 10_000),
];

#[derive(Debug, Clone, Copy)]
struct Tries {
    since: At,
    count: u32,
}

/// Who tried.
#[derive(Debug, Clone)]
pub struct Management {
    tries: Table<(IpAddr, IpAddr, What), Tries>,
}

impl Default for Management {
    fn default() -> Self {
        Self { tries: Table::new(MANAGEMENT_MAX) }
    }
}

impl Management {
    /// A packet was refused that belongs to no scan.
    pub fn refused(&mut self, around: &mut Around<'_>, ends: Ends, packet: &Packet, reason: Reason) {
        let (network, what, at) = (around.network, what_of(packet), around.at);
        // Of the internet somebody always tries.
        let is_believed = reason != Reason::Spoofed
            && !packet.input.is_none()
            && super::scan::may_be_accused(network, packet.src)
            && !network.is_from_internet(ends, packet.src);
        let to_box = ends.to == Zone::Gateway && what == (proto::TCP, network.ssh_port());
        let to_management = network.is_management(ends.to) && ADMIN.contains(&what);
        let opens = packet.proto != proto::TCP || packet.flags.is_bare_syn();
        if !is_believed || !(to_box || to_management) || !opens {
            return;
        }
        let key = (packet.src, packet.dst, what);
        let fresh = Tries { since: at, count: 0 };
        match self.tries.get_mut(&key) {
            Some(tries) if at.since_s(tries.since) <= MANAGEMENT_WINDOW_S => {}
            Some(tries) => *tries = fresh,
            None => {
                self.tries.insert(key, fresh, 0);
            }
        }
        let Some(tries) = self.tries.get_mut(&key) else { return };
        tries.count += 1;
        if tries.count < MANAGEMENT_TRIES {
            return;
        }
        let subject = Subject::Addr(packet.src);
        let is_open = around.book.has(Kind::ManagementDenied, subject);
        let mut draft = Draft::new(Kind::ManagementDenied, subject, tries.since).within(ends.from);
        draft.count = if is_open { 1 } else { u64::from(tries.count) };
        draft.towards(packet.dst, Some(what));
        draft.show(Evidence::of(at, *packet));
        around.raise(draft);
    }

    pub fn lost(&self) -> u64 {
        self.tries.lost
    }
}
