use segwall_core::analysis::{Explanation, explain};

use crate::{BRANCH, TUTORIAL, noon, sound};

fn ask(text: &str, from: &str, to: &str, service: &str) -> Explanation {
    let (policy, ruleset) = sound(text);
    explain(&policy, &ruleset, from, to, Some(service), noon())
        .unwrap_or_else(|fault| panic!("{from} {to} {service}: {fault:?}"))
}

/// What a person would read, without line numbers that move with the file.
fn told(text: &str, from: &str, to: &str, service: &str) -> String {
    let found = ask(text, from, to, service);
    let mut lines = vec![found.outcome.to_owned()];
    for part in &found.parts {
        let mut line = format!("- {}", part.verdict);
        for (word, value) in
            [("in", &part.family), ("from", &part.sources), ("to", &part.destinations), ("on", &part.services)]
        {
            line.extend(value.iter().map(|value| format!(" {word} {value}")));
        }
        line.push_str(&format!(": {}", part.reason));
        line.extend(part.path.sent_to.iter().map(|sent| format!(", sent to {sent}")));
        line.extend(part.path.masqueraded_as.iter().map(|by| format!(", as {by}")));
        line.extend(part.times.iter().map(|time| format!("; {time}")));
        lines.push(line);
    }
    lines.extend(found.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(found.advice.iter().map(|advice| format!("advice: {advice}")));
    lines.join("\n")
}

#[test]
fn an_accept_is_named_with_its_translation() {
    assert_eq!(
        told(TUTORIAL, "192.168.20.7", "8.8.8.8", "dns"),
        "accept\n- accept: the accept at line 116, as the uplink's address\n\
         advice: to refuse it, take out or narrow the accept at line 116"
    );
}

#[test]
fn what_differs_is_told_apart() {
    let told = told(TUTORIAL, "internal", "server", "any");
    assert!(told.starts_with(
        "depends\n- accept on mysql, postgresql: the accept at line 96\n- accept to resolver on dns: the accept at line \
         102\n- drop to all but resolver on everything but mysql, postgresql: no rule accepts it\n- drop to resolver on \
         everything but dns, mysql, postgresql: no rule accepts it"
    ), "{told}");
}

#[test]
fn a_missing_rule_is_written_out() {
    assert_eq!(
        told(TUTORIAL, "guest", "server", "ssh"),
        "drop\n- drop: no rule accepts it\nadvice: to accept it, add\n\
         [[accept]]\nfrom = \"guest\"\nto = \"server\"\nservice = \"ssh\"\n"
    );
}

#[test]
fn a_port_forward_opens_only_the_uplinks_address() {
    let found = ask(TUTORIAL, "internet", "web", "https");
    assert_eq!(found.outcome, "depends");
    assert_eq!(found.parts[0].path.sent_to.as_deref(), Some("the uplink's address port 443"));
    let gateway = ask(TUTORIAL, "internet", "gateway", "https");
    assert_eq!((gateway.outcome, gateway.parts.len()), ("accept", 1));
}

#[test]
fn hairpin_is_found_by_the_uplinks_address() {
    let found = ask(BRANCH, "staff", "203.0.113.2", "https");
    assert_eq!(found.outcome, "accept");
    assert_eq!(found.parts[0].path.sent_to.as_deref(), Some("203.0.113.2 port 443"));
}

#[test]
fn families_that_fare_differently_are_told_apart() {
    let told = told(BRANCH, "staff", "internet", "any");
    assert!(
        told.contains("- accept in IPv4 to all but 198.51.100.128/25 on everything but smtp, tcp/135-139"),
        "{told}"
    );
    assert!(told.contains("- accept in IPv6 on everything but smtp, tcp/135-139"), "{told}");
}

#[test]
fn a_schedule_is_told_with_the_next_change() {
    let told = told(BRANCH, "server", "printers", "ipp");
    assert!(told.contains("covers it only mon-fri 06:00-20:00, now too; drop at Wednesday 2026-11-25 20:00"), "{told}");
}

#[test]
fn what_opens_no_connection_is_said_to() {
    assert!(told(TUTORIAL, "guest", "gateway", "icmp/0").contains("no such packet opens a connection"));
}

#[test]
fn the_wire_inside_a_segment_is_not_ours() {
    assert!(told(TUTORIAL, "internal", "internal", "ssh").contains("stays on the wire"));
}

#[test]
fn words_that_nobody_knows_are_errors_with_a_way_out() {
    let (policy, ruleset) = sound(TUTORIAL);
    let fault = |from: &str, to: &str, service: &str| {
        explain(&policy, &ruleset, from, to, Some(service), noon()).expect_err("a fault")
    };
    assert_eq!(fault("guset", "web", "ssh").help.as_deref(), Some("did you mean `guest`?"));
    assert_eq!(fault("guest", "web", "htps").help.as_deref(), Some("did you mean `https`?"));
    assert!(fault("guest/10.0.0.1", "web", "ssh").message.contains("no packet can come from"));
    assert!(fault("guest", "192.168.10.0-192.168.20.9", "ssh").message.contains("more than one zone"));
}
