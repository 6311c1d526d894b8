//! Whether whoever asks could still reach the box under new rules.

use std::net::IpAddr;

use segwall_packetset::{Flow, Header, Place, proto};

use crate::ruleset::{At, Decision, Ruleset};

/// A source port as clients take it; no rule speaks of it.
const CLIENT_PORT: u16 = 50_000;

/// What the policy says of opening this connection to the box anew: from where the box would route an answer to, which is
/// the only place the connection can have come from.
#[must_use]
pub fn reaches(ruleset: &Ruleset, peer: IpAddr, local: IpAddr, port: u16, at: At) -> (Flow, Decision) {
    let flow = Flow {
        input: ruleset.route(peer),
        output: Place::Gateway,
        proto: proto::TCP,
        src: peer,
        dst: local,
        header: Header::Ports { sport: CLIENT_PORT, dport: port },
        sent: None,
    };
    (flow, ruleset.eval(&flow, at))
}
