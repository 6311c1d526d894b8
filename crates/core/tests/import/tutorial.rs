//! The tutorial's box: its script, interfaces and dhcpd.conf.

use segwall_core::import::{Answer, Class, Difference, How, Import, Which};
use segwall_core::netfilter::Hook;
use segwall_core::policy::{Policy, load};
use segwall_core::source::Source;

use crate::box_of::{Files, context, rules, told};

const RULES: &str = include_str!("../netfilter/tutorial/rules.sh");
const INTERFACES: &str = include_str!("../netfilter/tutorial/interfaces");
const DHCPD: &str = include_str!("../netfilter/tutorial/dhcpd.conf");

fn files() -> Files {
    Files::default().script(RULES).interfaces(INTERFACES).dhcpd(DHCPD)
}

fn tutorial() -> Import {
    files().uplink("eth1=dhcp").import(&[]).expect("a policy")
}

fn policy(import: &Import) -> Policy {
    let loaded = load(&Source::new("segwall.toml", import.policy.clone()), &context());
    assert!(loaded.diagnostics.iter().all(|one| one.severity != segwall_core::diag::Severity::Error));
    loaded.policy.expect("check accepts it")
}

fn closed(import: &Import, class: Class, hook: Hook) -> &Difference {
    let found = import
        .differences
        .iter()
        .find(|one| one.which == Which::Class(class) && one.how == How::Closed && one.hook == hook);
    found.unwrap_or_else(|| panic!("{class:?} is not listed:\n{}", told(import)))
}

#[test]
fn it_is_equal_and_says_what_the_script_says() {
    let import = tutorial();
    assert_eq!(import.answer, Answer::Equal, "{}", told(&import));
    assert_eq!(import.reasons, Vec::<String>::new());
    assert_eq!(
        rules(&import.policy),
        [
            "accept: from = \"management\" to = \"gateway\" service = \"ssh\"",
            "accept: from = \"any\" to = \"dmz\" service = [\"http\", \"https\"]",
            "accept: from = \"dmz\" to = \"any\" service = \"dns\"",
            "accept: from = \"internal\" to = \"server\"",
            "accept: from = \"management\" to = \"any\"",
        ]
    );
    let policy = policy(&import);
    let segments: Vec<&str> = policy.segments.iter().map(|segment| segment.name.as_str()).collect();
    assert_eq!(segments, ["dmz", "internal", "server", "management"]);
    let pools: Vec<Option<String>> = policy
        .segments
        .iter()
        .map(|segment| segment.dhcp.as_ref().and_then(|dhcp| dhcp.pool).map(|pool| pool.to_string()))
        .collect();
    assert_eq!(
        pools,
        [
            Some("192.168.10.100-192.168.10.200".to_owned()),
            Some("192.168.20.100-192.168.20.200".to_owned()),
            Some("192.168.30.100-192.168.30.150".to_owned()),
            None
        ]
    );
    assert_eq!(policy.dhcp.lease_s, 600);
    assert_eq!(policy.gateway.management.len(), 1);
    assert!(policy.uplinks[0].nat);
}

#[test]
fn rules_stand_under_their_lines() {
    let import = tutorial();
    for (line, rule) in [
        ("# rules.sh:18: iptables -A INPUT -s 192.168.100.0/24", "to = \"gateway\""),
        ("# rules.sh:22: iptables -A FORWARD -d 192.168.10.0/24 -p tcp --dport 443", "to = \"dmz\""),
        ("# rules.sh:38: iptables -A FORWARD -s 192.168.100.0/24 -j ACCEPT", "from = \"management\""),
    ] {
        let behind = import.policy.split(line).nth(1).unwrap_or_else(|| panic!("{line}: {}", import.policy));
        let next = behind.split("\n\n").next().expect("the rule");
        assert!(next.contains(rule), "{line}: {next}");
    }
}

/// Each hole of the script, with the packet that shows it and the line that accepts it.
#[test]
fn holes_are_listed_each_with_a_packet() {
    let import = tutorial();
    // A host of the DMZ that takes an address of management.
    let one = closed(&import, Class::Spoofed, Hook::Input);
    assert_eq!(one.packet, "tcp 192.168.100.10:40000 to 192.168.10.1:22, in eth0.10 (dmz), new", "{}", told(&import));
    assert_eq!((one.before, one.now, one.rules[0].as_str()), ("accepted", "dropped", "rules.sh:18"));
    let one = closed(&import, Class::Spoofed, Hook::Forward);
    assert_eq!(one.rules[0], "rules.sh:38");
    // No rule at all about IPv6.
    for hook in [Hook::Input, Hook::Forward] {
        let one = closed(&import, Class::NotCarried, hook);
        assert!(one.packet.contains("[2001:db8::7]"), "{}", one.packet);
        assert_eq!(one.rules, Vec::<String>::new());
    }
    // The router's addresses in other segments.
    let one = closed(&import, Class::OtherAddress, Hook::Input);
    assert_eq!(one.rules[0], "rules.sh:18");
    // Interfaces that nobody configured.
    closed(&import, Class::Elsewhere, Hook::Forward);
    // What Segwall does otherwise by itself.
    for class in [Class::Invalid, Class::Related, Class::Established, Class::OpensNothing] {
        closed(&import, class, Hook::Forward);
    }
    let needs: Vec<&Difference> = import.differences.iter().filter(|one| one.which == Which::Implied).collect();
    assert!(!needs.is_empty() && needs.iter().all(|one| one.how == How::Opened));
}

#[test]
fn what_is_kept_and_worth_a_look_is_said() {
    let notes = tutorial().notes.join("\n");
    for words in [
        // Dead rules: both databases, and internal to the DMZ.
        "rules.sh:34 accepts nothing that an earlier line does not decide",
        "rules.sh:35 accepts nothing",
        "rules.sh:28 accepts nothing",
        "rules.sh:29 accepts nothing",
        // HTTP from anywhere, guests included; port 53 to anywhere, internal hosts included.
        "rules.sh:21, rules.sh:22: accepted from every zone, the internet included",
        "rules.sh:24, rules.sh:25: accepted to every zone, segments included",
        // NAT on an interface that is never configured.
        "eth1 is configured in none of the given files",
    ] {
        assert!(notes.contains(words), "{words}:\n{notes}");
    }
}

#[test]
fn without_a_word_about_the_uplink_it_is_found_by_the_masquerading() {
    let import = files().import(&[]).expect("a policy");
    assert_eq!(import.answer, Answer::Equal, "{}", told(&import));
    assert_eq!(import.policy.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>(), {
        let said = tutorial();
        said.policy.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    });
    assert!(import.notes.iter().any(|note| note.contains("eth1 is taken for the uplink: the rules translate sources")));
}

#[test]
fn holes_can_be_kept() {
    let import = files().uplink("eth1=dhcp").import(&Class::HOLES).expect("a policy");
    assert_eq!(import.answer, Answer::Equal, "{}", told(&import));
    let text = rules(&import.policy).join("\n");
    assert!(text.contains("gateway/192.168.20.1"), "{text}");
    assert!(text.contains("from = \"management\" to = \"management\""), "{text}");
    let listed = |class| import.differences.iter().any(|one| one.which == Which::Class(class));
    assert!(!listed(Class::OtherAddress) && !listed(Class::Back), "{}", told(&import));
    assert!(listed(Class::Spoofed), "no policy can keep a false source");
    policy(&import);
}

#[test]
fn a_line_that_is_not_read_makes_it_undetermined() {
    let rules =
        format!("{RULES}\niptables -A FORWARD -m string --string x --algo bm -j ACCEPT\nfor i in 1; do true; done\n");
    let import =
        Files::default().script(&rules).interfaces(INTERFACES).uplink("eth1=dhcp").import(&[]).expect("a policy");
    assert_eq!(import.answer, Answer::Undetermined, "{}", told(&import));
    assert!(!import.reasons.is_empty());
}
