//! Well-formed, complete, the same every time.

use jiff::tz::TimeZone;
use proptest::prelude::*;
use segwall_core::report::{ProofOutcome, ProofSummary, diagram, html, markdown, network};
use segwall_core::ruleset::lower;
use segwall_core::testing::{scale_policy, source_of, to_toml};

use crate::common::{BRANCH, OFFICE, Sound, TUTORIAL, count, every_text, random, sound, words_of};

/// What nobody may have to look for in vain.
fn everything_in(sound: &Sound) -> Vec<String> {
    let policy = &sound.policy;
    let mut wanted = Vec::new();
    for segment in &policy.segments {
        wanted.push(segment.name.clone());
        wanted
            .extend(segment.subnets.iter().flat_map(|subnet| [subnet.network.to_string(), subnet.gateway.to_string()]));
    }
    wanted.extend(policy.uplinks.iter().flat_map(|uplink| uplink.addresses.iter().map(|own| own.addr.to_string())));
    wanted.extend(policy.hosts.iter().flat_map(|host| host.addresses.iter().map(ToString::to_string)));
    wanted.extend(policy.sets.iter().flat_map(|set| set.addresses.iter().map(ToString::to_string)));
    let network = sound.network();
    let phrases = network.reach.pairs.iter().flat_map(|pair| &pair.phrases);
    wanted.extend(phrases.map(|phrase| phrase.text.clone()));
    wanted.sort();
    wanted.dedup();
    wanted
}

/// What is wrapped is compared without its spaces.
fn tight(text: &str) -> String {
    text.split_whitespace().collect()
}

fn is_complete(name: &str, sound: &Sound) {
    let network = sound.network();
    let markdown = tight(&markdown(&network, None).replace('\\', ""));
    let page = tight(&words_of(&html(&network, None)));
    let drawing = tight(&words_of(&diagram::svg(&network)));
    for wanted in everything_in(sound) {
        let wanted = tight(&wanted);
        for (what, text) in [("Markdown", &markdown), ("HTML", &page), ("SVG", &drawing)] {
            // What the box opens without a rule is a note of the drawing.
            assert!(text.contains(&wanted), "{name}: {what} lacks {wanted:?}");
        }
    }
    for rule in &sound.ruleset.rules {
        if rule.line > 0 {
            assert!(markdown.contains(&tight(&format!("| {} |", rule.line))), "{name}: line {}", rule.line);
        }
    }
}

#[test]
fn every_segment_address_and_service_can_be_found() {
    for (name, text) in [("tutorial.toml", TUTORIAL), ("branch.toml", BRANCH), ("office.toml", OFFICE)] {
        is_complete(name, &sound(name, text));
    }
    // No part of a drawing.
    let office = words_of(&html(&sound("office.toml", OFFICE).network(), None));
    assert!(office.contains("/etc/segwall/collector-ca.pem"), "{office}");
    is_complete("fifty.toml", &sound("fifty.toml", &scale_policy(50)));
}

#[test]
fn links_lead_to_what_is_there_and_nowhere_else() {
    for text in [TUTORIAL.to_owned(), BRANCH.to_owned(), scale_policy(50)] {
        let sound = sound("policy.toml", &text);
        let page = crate::common::parsed(&html(&sound.network(), None));
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        let tree = roxmltree::Document::parse_with_options(&page, options).expect("well-formed");
        let values = |name: &str| -> Vec<String> {
            let elements = tree.descendants().filter(roxmltree::Node::is_element);
            elements.filter_map(|node| node.attribute(name)).map(str::to_owned).collect()
        };
        let mut ids = values("id");
        ids.sort();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all, "ids are there once");
        let links = values("href");
        assert!(links.len() > 10, "{links:?}");
        for link in links {
            assert!(ids.iter().any(|id| link == format!("#{id}")), "{link} leads nowhere");
        }
        assert_eq!(values("src"), Vec::<String>::new());
    }
}

#[test]
fn a_proof_is_told_and_its_absence_too() {
    let sound = sound("segwall.toml", TUTORIAL);
    let network = sound.network();
    let without = markdown(&network, None);
    assert!(without.contains("made from the policy alone") && without.contains("`segwall prove segwall.toml`"));
    let mut proof = ProofSummary {
        outcome: ProofOutcome::Proved,
        against: "what the kernel of gw1 holds".to_owned(),
        details: vec!["29,970 entries compared".to_owned()],
        at: None,
    };
    let with = markdown(&network, Some(&proof));
    assert!(with.contains("**proved**: what the kernel of gw1 holds treats every packet"), "{with}");
    assert!(with.contains("- 29,970 entries compared") && !with.contains("segwall prove"));
    proof.outcome = ProofOutcome::Undetermined;
    proof.at = Some("2026-11-25 11:00".to_owned());
    let page = words_of(&html(&network, Some(&proof)));
    assert!(page.contains("undetermined") && page.contains("Compared at 2026-11-25 11:00."), "{page}");
    assert!(page.contains("What is not covered") && page.contains("stays on the wire inside one segment"));
}

#[test]
fn what_has_ended_is_not_told_as_reach() {
    let text = TUTORIAL.to_owned()
        + "\n[[accept]]\nfrom = \"guest\"\nto = \"server\"\nservice = \"tcp/8443\"\nexpires = 2026-11-24\n"
        + "\n[[accept]]\nfrom = \"guest\"\nto = \"server\"\nservice = \"tcp/8444\"\nexpires = 2026-11-25\n";
    let sound = sound("segwall.toml", &text);
    let network = sound.network();
    let pair = network.reach.pairs.iter().find(|p| (p.from, p.to) == (4, 2)).expect("guest to server");
    assert_eq!(pair.text(), "tcp/8444 (until 2026-11-25)");
    let page = markdown(&network, None);
    assert!(page.contains("expired: last valid day 2026-11-24"), "{page}");
    assert!(page.contains("| last valid day 2026-11-25 |"), "{page}");
    // The first expectation is broken while the second accept lasts.
    assert!(page.contains("port 8444 is accepted, line "), "{page}");
}

#[test]
fn same_input_same_bytes() {
    let cases = u32::try_from(count(1_000)).expect("few");
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let outcome = runner.run(&any::<u64>(), |seed| {
        let (once, again) = (random(seed), random(seed));
        let (first, second) = (every_text(&once.network()), every_text(&again.network()));
        prop_assert!(first == second, "{}", to_toml(&once.policy));
        for (name, text) in &first {
            let ours = text.lines().next().is_some_and(|line| line.contains(segwall_core::report::OURS));
            prop_assert!(ours, "{} does not say whose it is", name);
        }
        // Both are well-formed.
        words_of(&first[1].1);
        words_of(&first[2].1);
        Ok(())
    });
    outcome.unwrap_or_else(|fault| panic!("{fault}"));
}

#[test]
fn the_clock_changes_nothing_but_what_has_ended() {
    for seed in 0..count(1_000) {
        let mut policy = random(seed).policy;
        policy.rules.iter_mut().for_each(|rule| rule.expires = None);
        let source = source_of(&policy);
        let ruleset = lower(&policy, &source, &TimeZone::UTC);
        let at = |instant: &str| {
            let now = instant.parse().expect("a constant");
            every_text(&network(&policy, &ruleset, &source, now))
        };
        let first = at("2026-11-25T11:00:00Z");
        for instant in ["2026-11-25T11:00:01Z", "2026-11-28T23:30:00Z", "2031-03-02T04:00:00Z"] {
            let other = at(instant);
            for ((name, text), (_, other)) in first.iter().zip(&other) {
                let differs = text.lines().zip(other.lines()).find(|(a, b)| a != b);
                assert!(text == other, "seed {seed}, {name} at {instant}: {differs:?}");
            }
        }
    }
}

#[test]
fn a_page_of_a_large_network_has_lists() {
    let sound = sound("large.toml", &scale_policy(300));
    let page = html(&sound.network(), None);
    assert!(
        !page.contains("<svg") && !markdown(&sound.network(), None).contains("```mermaid"),
        "no drawing of so many"
    );
    assert!(page.contains("s299"));
}
