//! `[quarantine]`.

use segwall_packetset::AddrRange;

use super::codes;
use super::ends;
use super::env::Env;
use super::faults::Faults;
use super::keys;
use super::model::{End, Quarantine, Zone};
use super::reader::Table;

pub(super) fn read(top: &Table<'_>, env: &Env<'_>, faults: &mut Faults<'_>) -> Quarantine {
    let table = top.table("quarantine", &keys::QUARANTINE, faults);
    let texts = table.and_then(|table| table.texts("allow", faults)).unwrap_or_default();
    let ends = ends::resolve(&texts, env, faults).unwrap_or_default();
    Quarantine { allow: ends.list.iter().flat_map(|end| addresses(end, env, faults)).collect() }
}

/// The addresses of an end: a quarantine that everything is allowed in would be none.
fn addresses(end: &End, env: &Env<'_>, faults: &mut Faults<'_>) -> Vec<AddrRange> {
    let segment = |at: usize| env.segments[at].subnets.iter();
    match (&end.addresses, end.zone) {
        (Some(addresses), _) => addresses.clone(),
        (None, Zone::Segment(id)) => segment(id.index()).map(|subnet| subnet.network).collect(),
        (None, Zone::Gateway) => {
            let inner = (0..env.segments.len()).flat_map(segment).map(|subnet| subnet.gateway);
            let outer = env.uplinks.iter().flat_map(|uplink| &uplink.addresses).map(|address| address.addr);
            inner.chain(outer).map(AddrRange::single).collect()
        }
        (None, Zone::Segments | Zone::Internet) => {
            let help = "name the hosts that a quarantined host may still reach, such as a page that tells it why";
            let message = "a quarantine cannot allow every segment, or the whole internet";
            faults.error(codes::WRONG_KIND, end.span, message, "", help);
            Vec::new()
        }
    }
}
