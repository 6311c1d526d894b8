//! Large regular policies: how Segwall behaves when the network grows.

use std::fmt::Write;

/// VLANs on one trunk.
const VLANS_PER_TRUNK: usize = 4000;

/// A policy of `segments` segments as text: each reaches ten others on three services, the first is management, reaches all
/// and is reached by none. At most 65,536.
#[must_use]
pub fn scale_policy(segments: usize) -> String {
    let name = |at: usize| if at == 0 { "management".to_owned() } else { format!("s{at}") };
    let mut text = String::with_capacity(segments * 320);
    text.push_str("[gateway]\nmanagement = [\"management\"]\ntimezone = \"UTC\"\n\n");
    text.push_str("[uplinks.wan]\ninterface = \"wan0\"\n");
    text.push_str("addresses = [\"203.0.113.2/24\"]\ngateways = [\"203.0.113.1\"]\n");
    for at in 0..segments {
        let (trunk, vlan) = (at / VLANS_PER_TRUNK, at % VLANS_PER_TRUNK + 1);
        let (high, low) = (at / 256, at % 256);
        write!(
            text,
            "\n[segments.{}]\ntrunk = \"eth{trunk}\"\nvlan = {vlan}\nsubnets = [\"10.{high}.{low}.0/24\"]\n",
            name(at)
        )
        .expect("a string takes everything");
    }
    text.push_str("\n[[accept]]\nfrom = \"management\"\nto = \"gateway\"\nservice = \"ssh\"\n");
    text.push_str("\n[[accept]]\nfrom = \"management\"\nto = \"any\"\n");
    for at in 1..segments {
        let others = (1..(segments - 1).min(11)).map(|step| (at - 1 + step) % (segments - 1) + 1);
        let others: Vec<String> = others.map(|other| format!("\"{}\"", name(other))).collect();
        if others.is_empty() {
            continue;
        }
        write!(
            text,
            "\n[[accept]]\nfrom = \"{}\"\nto = [{}]\nservice = [\"https\", \"tcp/5432\", \"udp/53\"]\n",
            name(at),
            others.join(", ")
        )
        .expect("a string takes everything");
    }
    text
}
