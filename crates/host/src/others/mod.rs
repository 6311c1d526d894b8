//! What else decides about packets on this box, beside nftables.
//!
//! A proof speaks of nftables alone. Whatever else may drop, move or let pass a packet is looked for by its own interface:
//! legacy xtables and IPVS in `/proc`, XDP programs, ports of bridges and traffic control by rtnetlink, BPF programs at
//! netfilter's hooks and at devices by `bpf(2)`.

mod bpf;
mod links;
mod proc;
mod tc;

use crate::netlink::Socket;

/// One sentence for each thing that may drop or move packets, in the namespace of this process. What cannot be looked at is
/// a sentence too: nothing is taken for absent because it could not be asked.
///
/// `devices` are the interfaces by which the packets in question come and go.
#[must_use]
pub fn filters(devices: &[&str]) -> Vec<String> {
    let mut found = proc::tables();
    match links::list() {
        Ok(list) => {
            found.extend(links::in_the_way(&list, devices));
            match Socket::open(netlink_sys::protocols::NETLINK_ROUTE) {
                Ok(mut socket) => found.extend(tc::filters(&mut socket, &list)),
                Err(error) => found.push(format!("cannot ask for traffic control: {error}")),
            }
            found.extend(bpf::at_devices(&list));
        }
        Err(error) => found.push(format!("cannot list interfaces: {error}")),
    }
    found.extend(bpf::at_netfilter());
    found
}
