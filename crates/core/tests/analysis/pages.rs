//! Every lint has a page, and the page is its test: the first policy on it has the finding, the second has not.

use std::path::Path;

use segwall_core::analysis::{check, check_within, codes};
use segwall_core::diag::{Diagnostic, Severity, Witness};

use crate::{noon, sound};

/// Its example would not fit on a page; `a_claim_that_gives_up_is_never_called_proved` makes it.
const WITHOUT_EXAMPLE: &str = "SW0806";

fn found(text: &str) -> Vec<Diagnostic> {
    let (policy, ruleset) = sound(text);
    check(&policy, &ruleset, noon())
}

/// The policies on a page.
fn policies(page: &str) -> Vec<&str> {
    page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().expect("a first part")).collect()
}

#[test]
fn every_lint_has_a_page_that_shows_it_and_its_mend() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lints");
    for (code, title) in codes::ALL {
        let path = folder.join(format!("{}.md", code.0));
        let page = std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        assert!(page.starts_with(&format!("# {}: {title}\n", code.0)), "the title of {}", path.display());
        if code.0 == WITHOUT_EXAMPLE {
            continue;
        }
        let [example, mended] = policies(&page)[..] else { panic!("{}: an example and its mend", path.display()) };
        let shown = found(example);
        assert_eq!(shown.iter().map(|finding| finding.code).collect::<Vec<_>>(), [*code], "{}: {shown:#?}", code.0);
        assert!(shown[0].help.is_some(), "{} has a help line", code.0);
        let left = found(mended);
        assert!(left.is_empty(), "{} mended: {left:#?}", code.0);
    }
}

#[test]
fn a_failed_claim_shows_its_flow_and_the_rule() {
    let text = "[segments.a]\ninterface = \"a0\"\nsubnets = [\"10.0.0.0/24\"]\n\n\
                [segments.b]\ninterface = \"b0\"\nsubnets = [\"10.0.1.0/24\"]\n\n\
                [[accept]]\nfrom = \"a\"\nto = \"b/10.0.1.64/26\"\nservice = \"tcp/8000-8100\"\n\
                schedule = { days = \"sat\", hours = \"10:00-11:00\" }\n\n\
                [[expect]]\nfrom = \"a\"\nto = \"b\"\nverdict = \"drop\"\n";
    let finding = found(text).pop().expect("a finding");
    assert_eq!((finding.code, finding.severity), (codes::EXPECT_FAILED, Severity::Error));
    let Some(Witness::Flow(flow)) = finding.witness else { panic!("a witness") };
    assert!("10.0.1.64/26".parse::<segwall_packetset::AddrRange>().expect("a range").contains(flow.dst), "{flow:?}");
    assert!((8000..=8100).contains(&flow.dport().expect("a port")), "{flow:?}");
    assert!(finding.message.ends_with("is accepted at Saturday 2026-11-28 10:00"), "{}", finding.message);
    assert_eq!(finding.labels.len(), 1);
}

#[test]
fn a_claim_through_a_port_forward() {
    let text = |claim: &str| {
        format!(
            "[uplinks.wan]\ninterface = \"wan0\"\naddresses = [\"dhcp\"]\n\n\
             [segments.b]\ninterface = \"b0\"\nsubnets = [\"10.0.1.0/24\"]\n\n\
             [hosts.web]\naddress = \"10.0.1.10\"\n\n[[forward]]\nport = \"tcp/8443\"\nto = \"web\"\nto_port = 443\n\n\
             [[expect]]\nfrom = \"internet\"\n{claim}\n"
        )
    };
    // What reaches its target through a port forward reaches it, and breaks a claim that it does not.
    assert_eq!(found(&text("to = \"web\"\nservice = \"https\"\nverdict = \"accept\"")), []);
    assert_eq!(found(&text("to = \"gateway\"\nservice = \"tcp/8443\"\nverdict = \"accept\"")), []);
    for claim in ["to = \"b\"\nverdict = \"drop\"", "to = \"gateway\"\nservice = \"tcp/8443\"\nverdict = \"drop\""] {
        let finding = found(&text(claim)).pop().expect("a finding");
        assert!(finding.message.contains("sent to the uplink's address port 8443"), "{}", finding.message);
    }
    assert_eq!(found(&text("to = \"web\"\nservice = \"http\"\nverdict = \"drop\"")), []);
}

/// Four million combinations of addresses and ports, which no list of them would hold.
fn crowded(claim: &str) -> String {
    let mut text = "[segments.a]\ninterface = \"a0\"\nsubnets = [\"10.0.0.0/22\"]\n\n\
                    [segments.b]\ninterface = \"b0\"\nsubnets = [\"10.1.0.0/22\"]\n\n"
        .to_owned();
    for n in 1..=200 {
        text.push_str(&format!(
            "[[accept]]\nfrom = \"a/10.0.2.{n}\"\nto = \"b/10.1.2.{n}\"\nservice = \"tcp/{}\"\n\n",
            5000 + n
        ));
    }
    text + &format!("[[expect]]\nfrom = \"a\"\nto = \"b\"\nservice = \"tcp/{claim}\"\nverdict = \"drop\"\n")
}

#[test]
fn a_claim_about_very_many_combinations_is_decided() {
    let [finding] = &found(&crowded("5200-6000"))[..] else { panic!("one finding") };
    assert_eq!((finding.code, finding.severity), (codes::EXPECT_FAILED, Severity::Error));
    let Some(Witness::Flow(flow)) = finding.witness else { panic!("a witness") };
    assert_eq!(
        (flow.src.to_string().as_str(), flow.dst.to_string().as_str(), flow.dport()),
        ("10.0.2.200", "10.1.2.200", Some(5200))
    );
    assert_eq!(found(&crowded("5201-6000")), []);
}

#[test]
fn a_claim_that_gives_up_is_never_called_proved() {
    const NODES_MAX: usize = 300;
    for claim in ["5200-6000", "5201-6000"] {
        let (policy, ruleset) = sound(&crowded(claim));
        let codes: Vec<_> =
            check_within(&policy, &ruleset, noon(), NODES_MAX).into_iter().map(|finding| finding.code).collect();
        assert_eq!(codes, [codes::UNDECIDED]);
    }
}

#[test]
fn management_is_held_against_drops_and_the_other_family() {
    let text = |rest: &str| {
        format!(
            "[gateway]\nmanagement = [\"a\"]\n\n[segments.a]\ninterface = \"a0\"\n\
             subnets = [\"10.0.0.0/24\", \"fd00:a::/64\"]\nipv6 = \"none\"\n\n{rest}"
        )
    };
    let open = "[[accept]]\nfrom = \"a\"\nto = \"gateway\"\nservice = \"ssh\"\n\n";
    assert_eq!(found(&text(open)), []);
    for rest in [
        String::new(),
        format!("{open}[[drop]]\nfrom = \"a/10.0.0.7\"\nto = \"gateway\"\n"),
        "[[accept]]\nfrom = \"a/10.0.0.0/24\"\nto = \"gateway\"\nservice = \"ssh\"\n".to_owned(),
        "[[accept]]\nfrom = \"a\"\nto = \"gateway\"\nservice = \"ssh\"\nexpires = 2030-01-01\n".to_owned(),
    ] {
        let mut codes: Vec<_> = found(&text(&rest)).into_iter().map(|finding| finding.code).collect();
        // The drop of one host's IPv4 address is its own finding.
        codes.retain(|code| *code != codes::IPV6_GAP);
        assert_eq!(codes, [codes::MANAGEMENT_LOCKED_OUT], "{rest}");
    }
}

#[test]
fn a_rule_that_several_drops_take_away_together() {
    let text = |second: &str| {
        format!(
            "[segments.a]\ninterface = \"a0\"\nsubnets = [\"10.0.0.0/24\"]\n\n\
             [segments.b]\ninterface = \"b0\"\nsubnets = [\"10.0.1.0/24\"]\n\n\
             [[accept]]\nfrom = \"a\"\nto = \"b\"\nservice = \"tcp/80-89\"\n\n\
             [[drop]]\nfrom = \"a\"\nto = \"b\"\nservice = \"tcp/80-85\"\n\n\
             [[reject]]\nfrom = \"a\"\nto = \"b\"\nservice = \"{second}\"\n"
        )
    };
    let together = found(&text("tcp/85-89"));
    assert_eq!(together.iter().map(|finding| finding.code).collect::<Vec<_>>(), [codes::RULE_REFUSED]);
    assert_eq!(together[0].labels.len(), 2);
    assert_eq!(found(&text("tcp/87-89")), []);
}

#[test]
fn the_examples_have_no_findings() {
    for text in [crate::TUTORIAL, crate::BRANCH, include_str!("../../../../examples/office.toml")] {
        assert_eq!(found(text), []);
    }
}

#[test]
fn generated_policies_are_sound_at_every_size() {
    for size in [2, 5, 300] {
        let (policy, ruleset) = sound(&segwall_core::testing::scale_policy(size));
        assert_eq!(check(&policy, &ruleset, noon()), []);
        let cells = segwall_core::analysis::matrix(&policy, &ruleset, noon()).cells.len();
        // Management reaches all others, the internet and the box; the others reach ten, or all there are.
        assert_eq!(cells, size + 1 + (size - 1) * 10.min(size - 2), "{size} segments");
    }
}
