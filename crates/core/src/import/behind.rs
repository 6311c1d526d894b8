//! Which networks are behind which interface, as an audit asks for them.

use std::collections::BTreeMap;

use segwall_packetset::AddrRange;

use super::Interfaces;
use crate::analysis::foreign::Interface;

impl Interfaces {
    /// Every interface once, with the networks of its addresses and those that are routed behind it. A default route is
    /// no network behind anything.
    #[must_use]
    pub fn behind(&self) -> Vec<Interface> {
        let mut list: BTreeMap<&str, Vec<AddrRange>> = BTreeMap::new();
        for stanza in &self.stanzas {
            let networks = list.entry(&stanza.name).or_default();
            networks.extend(stanza.addresses.iter().map(|one| AddrRange::prefix(one.addr, one.prefix_len)));
            let whole = |network: &AddrRange| *network == AddrRange::all(network.family());
            networks.extend(stanza.routes.iter().map(|(network, _)| *network).filter(|network| !whole(network)));
        }
        let of = |(name, networks): (&str, Vec<AddrRange>)| Interface {
            name: name.to_owned(),
            networks: AddrRange::merge(networks),
        };
        list.into_iter().map(of).collect()
    }
}
