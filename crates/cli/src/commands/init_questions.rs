//! The questions of `segwall init`, and the policy that the answers make.

use std::fmt::Write;

use segwall_packetset::{AddrRange, Family};

/// The answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    uplink: String,
    trunk: String,
    segments: Vec<Segment>,
    /// Which segment manages the box.
    management: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Segment {
    name: String,
    vlan: u16,
    subnet: AddrRange,
    internet: bool,
}

/// The most segments that are asked for; more are quicker written by hand.
const SEGMENTS_MAX: usize = 12;

/// Asks a question with a default; `None` when nobody answers any more.
pub type Ask<'a> = dyn FnMut(&str, &str) -> Option<String> + 'a;

/// Asks everything; `None` when nobody answers any more.
pub fn ask(ask: &mut Ask<'_>, complain: &mut dyn FnMut(&str)) -> Option<Plan> {
    let uplink = until(ask, complain, "Interface towards the provider", "eth1", interface)?;
    let trunk = until(ask, complain, "Interface that carries the segments as VLANs", "eth0", |text| {
        interface(text).and_then(|name| if name == uplink { Err("that one leads to the provider") } else { Ok(name) })
    })?;
    let mut segments: Vec<Segment> = Vec::new();
    let suggested = ["management", "internal", "server", "guest"];
    while segments.len() < SEGMENTS_MAX {
        let number = segments.len() + 1;
        let default = suggested.get(segments.len()).copied().unwrap_or("");
        let question = if number == 1 {
            "First segment's name".to_owned()
        } else {
            format!("Segment {number}'s name, or - when there are no more")
        };
        let default = if number > 2 && default.is_empty() { "-" } else { default };
        let name = until(ask, complain, &question, default, |text| {
            if text == "-" && number > 1 { Ok(text.to_owned()) } else { segment_name(text, &segments) }
        })?;
        if name == "-" {
            break;
        }
        let vlan = until(ask, complain, &format!("  VLAN of {name}"), &(number * 10).to_string(), |text| {
            match text.parse() {
                Ok(vlan @ 1..=4094) if segments.iter().any(|other| other.vlan == vlan) => Err("that VLAN is taken"),
                Ok(vlan @ 1..=4094) => Ok(vlan),
                _ => Err("a VLAN is a number from 1 to 4094"),
            }
        })?;
        let default = format!("192.168.{}.0/24", vlan.min(254));
        let subnet = until(ask, complain, &format!("  Subnet of {name}"), &default, |text| subnet(text, &segments))?;
        let internet =
            until(ask, complain, &format!("  May {name} open web pages on the internet?"), "yes", yes_or_no)?;
        segments.push(Segment { name, vlan, subnet, internet });
    }
    let first = segments[0].name.clone();
    let management = until(ask, complain, "Segment that manages the box by SSH", &first, |text| {
        segments.iter().position(|segment| segment.name == text).ok_or("no such segment")
    })?;
    Some(Plan { uplink, trunk, segments, management })
}

fn until<T>(
    ask: &mut Ask<'_>,
    complain: &mut dyn FnMut(&str),
    question: &str,
    default: &str,
    read: impl Fn(&str) -> Result<T, &'static str>,
) -> Option<T> {
    loop {
        match read(&ask(question, default)?) {
            Ok(value) => return Some(value),
            Err(fault) => complain(fault),
        }
    }
}

fn interface(text: &str) -> Result<String, &'static str> {
    let good = !text.is_empty()
        && text.len() <= 15
        && !matches!(text, "." | "..")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if good { Ok(text.to_owned()) } else { Err("an interface name has 1 to 15 letters, digits, dots, - or _") }
}

fn segment_name(text: &str, others: &[Segment]) -> Result<String, &'static str> {
    let mut bytes = text.bytes();
    let good = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte))
        && text.len() <= 31;
    if !good {
        Err("a name begins with a small letter; small letters, digits, - and _ may follow")
    } else if matches!(text, "any" | "segments" | "internet" | "gateway" | "wan") {
        Err("that name has a meaning of its own")
    } else if others.iter().any(|other| other.name == text) {
        Err("that name is taken")
    } else {
        Ok(text.to_owned())
    }
}

fn subnet(text: &str, others: &[Segment]) -> Result<AddrRange, &'static str> {
    let range: AddrRange = text.parse().map_err(|_| "a subnet is written 192.168.10.0/24")?;
    let len = range.prefix_len().filter(|_| text.contains('/')).ok_or("a subnet is written 192.168.10.0/24")?;
    if range.family() != Family::V4 || !(8..=28).contains(&len) {
        Err("an IPv4 subnet between /8 and /28; others are quickly added by hand")
    } else if others.iter().any(|other| other.subnet.overlaps(&range)) {
        Err("another segment has these addresses")
    } else {
        Ok(range)
    }
}

fn yes_or_no(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        _ => Err("yes or no"),
    }
}

impl Plan {
    /// The policy.
    pub fn to_toml(&self) -> String {
        let manager = &self.segments[self.management].name;
        let mut text = format!(
            "\
# Written by `segwall init`. `segwall check` reads it, `segwall matrix` shows who reaches whom, `segwall lab` tries it.
# Order never matters: a drop wins over a reject, a reject over an accept, and what no rule names is dropped.

[gateway]
trunk      = \"{}\"
management = [\"{manager}\"]   # check proves that these can always open SSH to the box

[uplinks.wan]
interface = \"{}\"
addresses = [\"dhcp\", \"ra\"]
",
            self.trunk, self.uplink
        );
        for segment in &self.segments {
            let Segment { name, vlan, subnet, .. } = segment;
            let (first, last) = pool(subnet);
            let _ = write!(
                text,
                "
[segments.{name}]
vlan    = {vlan}
subnets = [\"{subnet}\"]
dhcp    = {{ pool = \"{first}-{last}\", dns = [\"gateway\"], ntp = [\"gateway\"] }}
"
            );
        }
        text.push_str("\n[dns]\nupstream = [\"9.9.9.9\"]   # whom the box asks\n");
        let _ = write!(
            text,
            "
[[accept]]
from = \"{manager}\"
to = \"gateway\"
service = \"ssh\"

[[accept]]
from = \"{manager}\"
to = \"any\"
comment = \"narrow this when you know what {manager} needs\"
"
        );
        for segment in self.segments.iter().enumerate().filter(|(at, one)| one.internet && *at != self.management) {
            let name = &segment.1.name;
            let _ =
                write!(text, "\n[[accept]]\nfrom = \"{name}\"\nto = \"internet\"\nservice = [\"http\", \"https\"]\n");
        }
        text.push_str(
            "
# More accepts: from, to and service take one name or a list. Claims that check must prove:

[[expect]]
from = \"internet\"
to = \"segments\"
verdict = \"drop\"
",
        );
        text
    }
}

/// The upper half of a subnet, without its last address.
fn pool(subnet: &AddrRange) -> (std::net::IpAddr, std::net::IpAddr) {
    let first = subnet.nth(subnet.len() / 2).expect("half of a subnet lies inside");
    let last = subnet.nth(subnet.len() - 2).expect("a subnet has at least 16 addresses");
    (first, last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use jiff::tz::TimeZone;
    use segwall_core::analysis;
    use segwall_core::policy::{self, Context};
    use segwall_core::ruleset::{self, At};
    use segwall_core::source::Source;

    fn answered(answers: &[&str]) -> (Option<Plan>, Vec<String>) {
        let mut faults = Vec::new();
        let mut answers = answers.iter();
        let plan = ask(
            &mut |_, default| {
                answers.next().map(|text| if text.is_empty() { default.to_owned() } else { (*text).to_owned() })
            },
            &mut |fault| faults.push(fault.to_owned()),
        );
        (plan, faults)
    }

    const DEFAULTS: [&str; 12] = ["", "", "", "", "", "", "", "", "", "no", "-", ""];

    #[test]
    fn defaults_make_a_policy() {
        let (plan, faults) = answered(&DEFAULTS);
        assert_eq!(faults, Vec::<String>::new());
        let text = plan.expect("answered").to_toml();
        assert!(text.contains("[segments.internal]\nvlan    = 20\nsubnets = [\"192.168.20.0/24\"]"), "{text}");
        assert!(text.contains("pool = \"192.168.20.128-192.168.20.254\""), "{text}");
        let source = Source::new("init", text);
        let loaded = policy::load(&source, &Context { today: date(2026, 1, 1), timezone: TimeZone::UTC });
        assert_eq!(loaded.diagnostics, []);
        let policy = loaded.policy.expect("no errors");
        let ruleset = ruleset::lower(&policy, &source, &TimeZone::UTC);
        assert_eq!(analysis::check(&policy, &ruleset, At::ClockUnknown), []);
    }

    #[test]
    fn wrong_answers_are_asked_again() {
        let (plan, faults) = answered(&[
            "",
            "eth1",
            "eth0",
            "Bad",
            "any",
            "a",
            "0",
            "5",
            "10.0.0.1/8",
            "10.0.0.0/8",
            "maybe",
            "no", //
            "a",
            "b",
            "5",
            "6",
            "10.1.0.0/16",
            "10.0.0.0/30",
            "192.168.0.0/16",
            "y",
            "-",
            "c",
            "b",
        ]);
        let plan = plan.expect("answered");
        assert_eq!(faults.len(), 11, "{faults:?}");
        assert_eq!((plan.segments.len(), plan.management), (2, 1));
    }

    #[test]
    fn no_more_answers_is_no_plan() {
        for len in 0..DEFAULTS.len() {
            assert_eq!(answered(&DEFAULTS[..len]).0, None, "{len}");
        }
    }
}
