//! Whether packets pass from interface to interface, and what the kernel drops unseen.

use super::check::{Checks, Fault};
use super::{Facts, Rules, Subject};
use crate::plan::{FORWARD_V4, FORWARD_V6};

/// The strictest that `rp_filter` can be.
const STRICT: &str = "1";

/// Settings that these checks look at.
pub(super) fn settings(subject: &Subject<'_>) -> Vec<String> {
    let names = ["all", "default"].into_iter().chain(subject.devices().map(String::as_str));
    names.map(rp_filter).collect()
}

fn rp_filter(device: &str) -> String {
    format!("net/ipv4/conf/{device}/rp_filter")
}

pub(super) fn check(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    for (name, key, family) in [("forwarding", FORWARD_V4, "IPv4"), ("forwarding6", FORWARD_V6, "IPv6")] {
        let Some(value) = facts.inventory.sysctls.get(key) else {
            let dotted = key.replace('/', ".");
            if key == FORWARD_V6 && !subject.wanted.forwarding.iter().any(|wanted| wanted == key) {
                checks.not_needed(name, format!("this kernel has no {family}"));
            } else {
                checks.unknown(name, format!("{dotted} cannot be read"), format!("sysctl {dotted}"));
            }
            continue;
        };
        let on = value.trim() != "0";
        let needed = facts.held.is_some() && subject.wanted.forwarding.iter().any(|wanted| wanted == key);
        let fault = match (on, needed) {
            (true, true) => None,
            (false, true) => Some(off(key, family, facts)),
            // Our table, where it is in the kernel, says no to what the policy does not name; where it is missing from a
            // box with a generation, that is the fault.
            (true, false) if facts.held.is_none() && !facts.inventory.table => Some(Fault::new(
                format!("{family} is forwarded, and no rules say what may pass"),
                "somebody switched it on; every segment reaches every other",
                format!("sysctl -w {}=0 until `segwall apply` has loaded rules", key.replace('/', ".")),
            )),
            (true, false) if facts.held.is_some() && key == FORWARD_V6 => Some(Fault::new(
                "IPv6 is forwarded, and the policy has no IPv6 network",
                "somebody switched it on; if our table ever goes, nothing keeps the segments apart",
                format!(
                    "sysctl -w {}=0, and look for who sets it: `grep -r forwarding /etc/sysctl*`",
                    key.replace('/', ".")
                ),
            )),
            (_, false) => None,
        };
        let good = match (on, facts.held.is_some()) {
            (true, _) => format!("{family} is forwarded"),
            (false, true) => format!("{family} is not forwarded, and the policy has none"),
            (false, false) => format!("{family} is not forwarded before the first apply"),
        };
        checks.faults(name, fault.into_iter().collect(), good);
    }
    reverse_path(checks, subject, facts);
}

fn off(key: &str, family: &str, facts: &Facts) -> Fault {
    let dotted = key.replace('/', ".");
    let loaded = facts.inventory.table && !matches!(facts.rules, Rules::Refuted(_));
    let next = if loaded { format!("sysctl -w {dotted}=1, or segwall apply") } else { "segwall apply".to_owned() };
    Fault::new(
        format!("{family} is not forwarded ({dotted} is 0)"),
        "no segment reaches another, nor the internet; the boot service switches it on once the rules are loaded and proved",
        next,
    )
}

fn reverse_path(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    let value = |device: &str| facts.inventory.sysctls.get(&rp_filter(device)).map(|value| value.trim());
    // The kernel takes the stricter of `all` and the interface's own.
    let strict: Vec<&str> = subject
        .devices()
        .map(String::as_str)
        .filter(|device| facts.inventory.links.contains_key(*device))
        .filter(|device| value("all").max(value(device)) == Some(STRICT))
        .collect();
    if strict.is_empty() {
        return checks.faults("rp-filter", Vec::new(), "the kernel drops nothing unseen by its way back");
    }
    let fault = Fault::new(
        format!("the kernel filters by reverse path on {}", strict.join(", ")),
        "what rightly comes by another way is dropped without a count or a log; the rules check sources already",
        "set net.ipv4.conf.all.rp_filter and those of the interfaces to 0 (`segwall apply` does), and look for who sets \
         them: `grep -r rp_filter /etc/sysctl*`",
    );
    checks.faults("rp-filter", vec![fault], "");
}
