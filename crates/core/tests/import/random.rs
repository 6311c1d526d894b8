//! Random policies, emitted, imported again: for the packets of the promise what comes back is what was there.

use std::fmt::Write;

use jiff::tz::TimeZone;
use segwall_core::diag::Severity;
use segwall_core::emit::iptables;
use segwall_core::import::Answer;
use segwall_core::netfilter::TableFamily;
use segwall_core::policy::{Policy, load};
use segwall_core::ruleset::{At, lower};
use segwall_core::source::Source;
use segwall_core::testing::{Seeded, random_policy, source_of, to_toml};

use crate::box_of::{Files, context, told};

const SEED: u64 = 0x1_4907;
const POLICIES: u64 = 50;

fn full(count: u64) -> u64 {
    if std::env::var_os("SEGWALL_FULL").is_some() { count * 10 } else { count }
}

/// A random policy without what no import reads: limits and times.
fn policy(seed: u64) -> Policy {
    let mut choices = Seeded(seed);
    let mut policy = random_policy(&mut |bound| choices.below(bound));
    for rule in &mut policy.rules {
        (rule.limit, rule.schedule, rule.expires) = (None, None, None);
    }
    policy.expects.clear();
    policy
}

/// What `/etc/network/interfaces` says of a policy's box.
fn interfaces(policy: &Policy) -> String {
    let mut text = String::new();
    for segment in &policy.segments {
        for subnet in &segment.subnets {
            let family = if subnet.gateway.is_ipv4() { "inet" } else { "inet6" };
            let length = subnet.network.prefix_len().expect("a network");
            let _ = writeln!(
                text,
                "# {}\niface {} {family} static\n    address {}/{length}",
                segment.name, segment.device, subnet.gateway
            );
            for route in segment.routes.iter().filter(|route| subnet.network.contains(route.via)) {
                let _ = writeln!(text, "    up ip route add {} via {}", route.to, route.via);
            }
            text.push('\n');
        }
    }
    for uplink in &policy.uplinks {
        for one in &uplink.addresses {
            let family = if one.addr.is_ipv4() { "inet" } else { "inet6" };
            let hop = uplink.gateways.iter().find(|hop| hop.is_ipv4() == one.addr.is_ipv4());
            let hop = hop.map_or_else(String::new, |hop| format!("    gateway {hop}\n"));
            let _ = write!(
                text,
                "iface {} {family} static\n    address {}/{}\n{hop}\n",
                uplink.device, one.addr, one.prefix_len
            );
        }
        for (on, words) in [(uplink.dhcp, "inet dhcp"), (uplink.ra, "inet6 auto")] {
            if on {
                let _ = write!(text, "iface {} {words}\n\n", uplink.device);
            }
        }
    }
    text
}

fn fault(seed: u64) -> Option<String> {
    let policy = policy(seed);
    let ruleset = lower(&policy, &source_of(&policy), &TimeZone::UTC);
    let at = At::ClockUnknown;
    let files = Files::default()
        .save("rules.v4", TableFamily::Ip, &iptables::v4(&ruleset, at))
        .save("rules.v6", TableFamily::Ip6, &iptables::v6(&ruleset, at))
        .interfaces(&interfaces(&policy));
    let import = match files.import(&[]) {
        Ok(import) => import,
        Err(why) => return Some(format!("no policy: {why:#?}\n{}", interfaces(&policy))),
    };
    let again = files.import(&[]).expect("as before");
    if import != again {
        return Some("not the same twice".to_owned());
    }
    let loaded = load(&Source::new("x", import.policy.clone()), &context());
    let sound = loaded.diagnostics.iter().all(|one| one.severity != Severity::Error);
    let lines = import.policy.ends_with('\n') && !import.policy.ends_with("\n\n");
    if import.answer == Answer::Equal && sound && lines {
        return None;
    }
    let promised: Vec<_> = import.differences.iter().filter(|one| one.is_promised()).cloned().collect();
    let shown = segwall_core::import::Import { differences: promised, ..import.clone() };
    Some(format!("{}\nimported:\n{}\nsound {sound}, lines {lines}", told(&shown), import.policy))
}

#[test]
fn random_policies_come_back() {
    let mut faults = Vec::new();
    for number in 0..full(POLICIES) {
        let seed = SEED + number;
        if let Some(fault) = fault(seed) {
            faults.push(format!("seed {seed:#x}: {fault}\nfrom:\n{}", to_toml(&policy(seed))));
        }
    }
    let shown: Vec<&String> = faults.iter().take(3).collect();
    assert!(
        faults.is_empty(),
        "{} of {}:\n{}",
        faults.len(),
        full(POLICIES),
        shown.iter().map(|text| text.as_str()).collect::<Vec<_>>().join("\n\n")
    );
}
