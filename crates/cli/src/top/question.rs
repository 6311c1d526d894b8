//! What the policy says of a packet, and which lines would allow it. Lines are tried before they are shown, and never
//! written anywhere.

use std::fmt::Write;
use std::net::IpAddr;

use jiff::Timestamp;
use segwall_core::analysis::{self, Explanation};
use segwall_core::ruleset::At;
use segwall_packetset::proto;
use segwall_watch::view::Refused;

use super::flows::place;
use super::screen::Popup;
use crate::commands::explained;
use crate::load::{self, Checked, Reading};

/// The box itself, as an end of a rule.
const GATEWAY: &str = "gateway";

/// Why a packet was refused that no rule is about; nothing where rules decide.
fn beyond_rules(one: &Refused) -> Option<String> {
    let input = &one.input;
    Some(match one.reason.as_str() {
        "spoofed" => format!(
            "Its source address does not belong behind {input}. Anti-spoofing comes before every rule, and no rule allows \
             it. If the address is right, it is missing in the segment's `subnets` or `routes`."
        ),
        "unknown-interface" => {
            format!("The policy does not name the interface {input}: make it a segment's or an uplink's.")
        }
        "quarantine" => "One of its ends is in quarantine: `segwall release` ends that.".to_owned(),
        "invalid" => {
            "Connection tracking calls it invalid: it is broken, or belongs to no connection that it knows. Late \
                      packets of a connection that ended look like this. Rules are about new connections."
                .to_owned()
        }
        "untracked" => "Connection tracking was told not to follow it, and then nothing accepts it.".to_owned(),
        "not-syn" => {
            "A TCP packet of no known connection that opens none: late packets after a time-out or a restart look \
                      like this, and scans with ACK, FIN, NULL and Xmas. Rules are about new connections."
                .to_owned()
        }
        "family" => {
            "A segment at one of its ends has no subnet of this address family: add one to the policy.".to_owned()
        }
        "broadcast" => {
            "A broadcast or multicast that nobody here asked for. It is counted apart, and no alert is about it."
                .to_owned()
        }
        _ => return None,
    })
}

/// As `explain` and rules name it: `tcp/22`, `icmp/8`, `esp`.
fn service(one: &Refused) -> Option<String> {
    match (one.dport, one.kind) {
        (Some(port), _) => Some(format!("{}/{port}", one.proto)),
        (None, Some(kind)) => Some(format!("{}/{kind}", one.proto)),
        // A later fragment, or one that was cut, does not tell its port.
        (None, None) if proto::number(&one.proto).is_some_and(proto::has_ports) => None,
        (None, None) => {
            let number = proto::number(&one.proto).map_or_else(|| one.proto.clone(), |number| number.to_string());
            Some(format!("proto/{number}"))
        }
    }
}

/// An end with its address, as a person would write it: a host's name, `guest/192.168.200.7`.
fn narrow(checked: &Checked, zone: &str, addr: IpAddr) -> String {
    let host = checked.policy.hosts.iter().find(|host| host.addresses.contains(&addr) && host.addresses.len() == 1);
    match (zone, host) {
        (GATEWAY, _) => format!("{GATEWAY}/{addr}"),
        (_, Some(host)) => host.name.clone(),
        (zone, None) => format!("{zone}/{addr}"),
    }
}

fn ask(checked: &Checked, ends: (&str, &str), service: Option<&str>, now: Timestamp) -> Result<Explanation, String> {
    analysis::explain(&checked.policy, &checked.ruleset, ends.0, ends.1, service, At::Instant(now))
        .map_err(|fault| fault.message)
}

/// What the policy says of just this packet.
fn asked(checked: &Checked, one: &Refused, now: Timestamp) -> Result<Explanation, String> {
    // What the box sends needs no address: which one it takes is its own matter.
    let from = if one.from == GATEWAY { GATEWAY.to_owned() } else { format!("{}/{}", one.from, one.src) };
    let to = format!("{}/{}", one.to, one.dst);
    let service = service(one);
    ask(checked, (&from, &to), service.as_deref(), now).or_else(|why| match one.to.as_str() {
        GATEWAY => ask(checked, (&from, GATEWAY), service.as_deref(), now),
        _ => Err(why),
    })
}

/// Without styles: the screen has its own.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

fn title(word: &str, one: &Refused) -> String {
    let service = service(one).unwrap_or_else(|| one.proto.clone());
    format!("{word}: {} {} > {} {}, {service}", one.from, one.src, one.to, one.dst)
}

/// What the policy says of it, with rules and their lines.
pub fn explain(checked: &Checked, one: &Refused, now: Timestamp) -> Popup {
    let mut text = String::new();
    if one.number > 0 {
        let flags = if one.flags.is_empty() { String::new() } else { format!(", {}", one.flags) };
        let side = |name: &str| if name.is_empty() { "the box".to_owned() } else { name.to_owned() };
        let _ = writeln!(
            text,
            "{} {} > {}{flags}, from {} to {}: refused, {}\n",
            one.proto,
            place(one.src, one.sport),
            place(one.dst, one.dport),
            side(&one.input),
            side(&one.output),
            one.reason
        );
    }
    if let Some(why) = beyond_rules(one) {
        let _ = writeln!(text, "{why}\n\nOf a new connection between these two the policy says:\n");
    }
    match asked(checked, one, now) {
        Ok(explanation) => text.push_str(&plain(&explained(&explanation, checked.source.name()))),
        Err(why) => {
            let _ = writeln!(text, "{why}: is the policy here the one that is watched?");
        }
    }
    Popup::of(title("Explain", one), &text)
}

/// A rule as lines of a policy.
fn lines(from: &str, to: &str, service: Option<&str>) -> String {
    let mut text = format!("[[accept]]\nfrom    = \"{from}\"\nto      = \"{to}\"\n");
    if let Some(service) = service {
        let _ = writeln!(text, "service = \"{service}\"");
    }
    text
}

/// What a policy with more lines says of the packet.
fn tried(checked: &Checked, more: &str, one: &Refused, now: Timestamp) -> String {
    let text = format!("{}\n\n{more}", checked.source.text());
    match load::from_bytes(checked.source.name(), text.into_bytes()) {
        Reading::Faulty { findings, .. } => {
            let why = findings.first().map_or("it has errors", |finding| finding.message.as_str());
            format!("tried: the policy is not sound with these lines: {why}")
        }
        Reading::Sound(with) => match asked(&with, one, now) {
            Ok(explanation) if explanation.outcome == "accept" => "tried: with these lines it is accepted".to_owned(),
            Ok(explanation) => {
                let why = explanation.parts.first().map_or("", |part| part.reason.as_str());
                format!("tried: these lines alone do not allow it ({why})")
            }
            Err(why) => format!("tried: {why}"),
        },
    }
}

/// The lines that would allow it: for these two hosts, and for their segments.
pub fn rule(checked: &Checked, one: &Refused, now: Timestamp) -> Popup {
    let title = title("Make a rule", one);
    if let Some(why) = beyond_rules(one) {
        return Popup::of(title, &format!("No rule allows this packet.\n\n{why}"));
    }
    if asked(checked, one, now).is_ok_and(|explanation| explanation.outcome == "accept") {
        return Popup::of(title, "The policy accepts it now, as it stands: is it applied? `segwall plan` tells.");
    }
    let service = service(one);
    let from = if one.from == GATEWAY { GATEWAY.to_owned() } else { narrow(checked, &one.from, one.src) };
    let to = narrow(checked, &one.to, one.dst);
    let hosts = lines(&from, &to, service.as_deref());
    let zones = lines(&one.from, &one.to, service.as_deref());
    let mut text = format!("Only these two:\n{hosts}{}\n", tried(checked, &hosts, one, now));
    if hosts != zones {
        let _ =
            write!(text, "\nAll of {} to all of {}:\n{zones}{}\n", one.from, one.to, tried(checked, &zones, one, now));
    }
    let _ = write!(
        text,
        "\nNothing was changed. Put the lines into {}, then: segwall check, segwall apply",
        checked.source.name()
    );
    Popup::of(title, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Location;

    fn tutorial() -> Box<Checked> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/tutorial.toml");
        match load::read(&Location::of(Some(path.into()))).unwrap() {
            Reading::Sound(checked) => checked,
            Reading::Faulty { findings, .. } => panic!("{findings:?}"),
        }
    }

    fn packet(reason: &str, from: &str, src: &str, to: &str, dst: &str, port: u16) -> Refused {
        Refused {
            number: 1,
            at_ms: 0,
            reason: reason.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            input: "eth0.200".to_owned(),
            output: "eth0.30".to_owned(),
            proto: "tcp".to_owned(),
            src: src.parse().unwrap(),
            dst: dst.parse().unwrap(),
            sport: Some(40_000),
            dport: Some(port),
            kind: None,
            code: None,
            flags: "SYN".to_owned(),
        }
    }

    #[test]
    fn a_rule_is_shown_with_what_it_does() {
        let (checked, now) = (tutorial(), Timestamp::UNIX_EPOCH);
        let one = packet("unnamed", "guest", "192.168.200.7", "server", "192.168.30.10", 22);
        let text = rule(&checked, &one, now).lines.join("\n");
        assert!(
            text.contains("from    = \"guest/192.168.200.7\"\nto      = \"resolver\"\nservice = \"tcp/22\""),
            "{text}"
        );
        assert_eq!(text.matches("with these lines it is accepted").count(), 2, "{text}");
        let text = explain(&checked, &one, now).lines.join("\n");
        assert!(text.contains("refused, unnamed") && text.contains("drop"), "{text}");
    }

    #[test]
    fn what_no_rule_allows_is_said() {
        let (checked, now) = (tutorial(), Timestamp::UNIX_EPOCH);
        let one = packet("spoofed", "guest", "10.0.0.1", "server", "192.168.30.10", 22);
        let text = rule(&checked, &one, now).lines.join("\n");
        assert!(text.starts_with("No rule allows") && !text.contains("[[accept]]"), "{text}");
        let one = packet("rule", "management", "192.168.100.9", "gateway", "192.168.100.1", 22);
        let text = rule(&checked, &one, now).lines.join("\n");
        assert!(text.contains("accepts it now"), "{text}");
    }
}
