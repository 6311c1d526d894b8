//! How far an intruder gets, against the oracle and against what people expect.

use segwall_core::analysis::{Blast, NoBlast, blast};

use crate::{BRANCH, TUTORIAL, noon, sound};

fn of(text: &str, from: &str, hops_max: Option<u32>) -> Blast {
    let (policy, ruleset) = sound(text);
    blast(&policy, &ruleset, from, hops_max, noon()).unwrap_or_else(|why| panic!("{from}: {why:?}"))
}

/// `1 dmz>internet dns, http`.
fn told(blast: &Blast) -> Vec<String> {
    let ways = |step: &segwall_core::analysis::Step| {
        let words = step.ways.iter().map(|way| {
            let to = way.to.as_ref().map_or_else(String::new, |to| format!(" to {to}"));
            let line = if way.line == 0 { "unasked " } else { "" };
            format!("{line}{}{to}", way.services.join(" "))
        });
        words.collect::<Vec<_>>().join("; ")
    };
    let ping = |only| if only { "(ping) " } else { "" };
    blast
        .steps
        .iter()
        .map(|step| format!("{} {} {}{}", step.hop, step.path.join(">"), ping(step.only_icmp), ways(step)))
        .collect()
}

const CHAIN: &str = "[segments.a]\ninterface = \"a0\"\nsubnets = [\"10.0.0.0/24\"]\n\n\
    [segments.b]\ninterface = \"b0\"\nsubnets = [\"10.0.1.0/24\"]\n\n\
    [segments.c]\ninterface = \"c0\"\nsubnets = [\"10.0.2.0/24\"]\n\n\
    [segments.d]\ninterface = \"d0\"\nsubnets = [\"10.0.3.0/24\"]\n\n\
    [hosts]\nweb = { address = \"10.0.1.10\" }\nother = { address = \"10.0.1.11\" }\n\n\
    [[accept]]\nfrom = \"a\"\nto = \"web\"\nservice = \"https\"\n\n\
    [[accept]]\nfrom = \"web\"\nto = \"c\"\nservice = \"mysql\"\n\n\
    [[accept]]\nfrom = \"other\"\nto = \"c\"\nservice = \"ssh\"\n\n\
    [[accept]]\nfrom = \"a\"\nto = \"c\"\nservice = \"mysql\"\nschedule = { days = \"sun\", hours = \"01:00-02:00\" }\n\n\
    [[accept]]\nfrom = \"c\"\nto = \"d\"\nservice = \"ping\"\n\n\
    [[drop]]\nfrom = \"c\"\nto = \"b\"\n";

#[test]
fn hops_are_counted_and_only_what_is_new_is_told() {
    let found = of(CHAIN, "a", None);
    assert_eq!(
        told(&found),
        [
            "1 a>b https to web",
            "1 a>c mysql",
            "1 a>gateway (ping) unasked echo requests to the box's own address; unasked IGMP reports",
            "2 a>c>d (ping) ping",
        ]
    );
    assert_eq!(found.not_reached, ["d", "gateway"]);
    let direct = of(CHAIN, "a", Some(1));
    assert_eq!((direct.steps.len(), direct.not_followed), (3, vec!["b".to_owned(), "c".to_owned()]));
}

#[test]
fn a_host_begins_with_its_own_address() {
    let found = of(CHAIN, "web", None);
    assert_eq!(found.zone, "b");
    assert_eq!(
        told(&found)[..2],
        [
            "1 b>c mysql".to_owned(),
            "1 b>gateway (ping) unasked echo requests to the box's own address; unasked IGMP reports".to_owned(),
        ]
    );
    // Of its neighbours on the wire the box knows nothing, and `other` may open ssh: but c is taken by then.
    assert_eq!(told(&found)[2..], ["2 b>c>d (ping) ping"]);
    let other = of(&CHAIN.replace("from = \"web\"", "from = \"b/10.0.1.200\""), "web", None);
    assert_eq!(told(&other)[1..], ["2 b>c mysql; ssh", "3 b>c>d (ping) ping"]);
}

#[test]
fn the_examples() {
    let dmz = of(TUTORIAL, "dmz", None);
    // The box serves DHCP there, and nothing else.
    assert_eq!(dmz.not_reached, ["internal", "server", "management", "guest"]);
    let internet = of(TUTORIAL, "internet", None);
    assert_eq!(
        told(&internet),
        [
            "1 internet>dmz http to web; https to web",
            "1 internet>gateway unasked DHCP replies from the provider",
            "2 internet>dmz>gateway unasked DHCP requests to the box; unasked echo requests to the box's own address; \
             unasked IGMP reports",
        ]
    );
    let staff = of(BRANCH, "staff", None);
    assert!(staff.steps.iter().any(|step| step.path == ["staff", "server", "plant"] && step.hop == 2), "{staff:#?}");
    assert!(staff.not_reached.contains(&"visitor".to_owned()));
}

#[test]
fn what_is_no_place_is_an_error_with_a_way_out() {
    let (policy, ruleset) = sound(TUTORIAL);
    for word in ["any", "nowhere", "dmz/10.0.0.1", "segments"] {
        let Err(NoBlast::Misunderstood(fault)) = blast(&policy, &ruleset, word, None, noon()) else {
            panic!("{word} is understood")
        };
        assert!(fault.help.is_some(), "{word}");
    }
}
