//! The rules script of a well-known tutorial, as a user would have it.

use segwall_core::netfilter::{NoteKind, TableFamily, read_iptables_script};
use segwall_core::source::Source;

use crate::show;

fn tutorial() -> Source {
    Source::new("rules.sh", include_str!("../netfilter/tutorial/rules.sh"))
}

#[test]
fn the_tutorials_script_is_understood() {
    let source = tutorial();
    let program = read_iptables_script(&source);
    assert_eq!(show::notes(&source, &program), Vec::<String>::new());
    let names: Vec<_> = program.tables.iter().map(|table| (table.family, table.name.as_str())).collect();
    assert_eq!(names, [(TableFamily::Ip, "filter"), (TableFamily::Ip, "nat")], "IPv6 is never mentioned");
    let rules = show::rules(&program);
    assert_eq!(rules.len(), 21);
    for wanted in [
        "filter INPUT: In={lo} -> accept",
        "filter FORWARD: State={1,2} -> accept",
        "filter INPUT: Src={192.168.100.0-192.168.100.255} Proto={6} Dport={22} -> accept",
        "filter FORWARD: Dst={192.168.10.0-192.168.10.255} Proto={6} Dport={443} -> accept",
        "filter FORWARD: Src={192.168.10.0-192.168.10.255} Dst={192.168.20.0-192.168.20.255} -> drop",
        "filter FORWARD: -> log Some(\"DROPPED: \") None",
        "nat POSTROUTING: Out={eth1} -> masquerade",
    ] {
        assert!(rules.iter().any(|rule| rule == wanted), "{wanted} is not in\n{}", rules.join("\n"));
    }
    let filter = &program.tables[0];
    let policies: Vec<_> =
        filter.chains.iter().filter_map(|chain| chain.base.map(|base| (chain.name.as_str(), base.accepts))).collect();
    assert_eq!(policies, [("INPUT", false), ("FORWARD", false), ("OUTPUT", true)]);
}

#[test]
fn every_rule_knows_its_call() {
    let source = tutorial();
    let program = read_iptables_script(&source);
    for rule in program.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules) {
        let call = source.slice(rule.span.expect("a script is text"));
        assert!(call.starts_with("iptables ") && call.contains(" -A "), "{call:?}");
        assert!(!call.contains(['#', '\n']), "{call:?}");
    }
}

#[test]
fn without_the_flush_what_was_before_is_not_known() {
    let text = tutorial().text().replace("iptables -F\n", "").replace("iptables -t nat -F\n", "");
    let source = Source::new("rules.sh", text);
    let program = read_iptables_script(&source);
    let before = show::of_kind(&source, &program, NoteKind::Before);
    assert_eq!(before.len(), 2, "{before:?}");
    assert!(before[0].contains("`INPUT`, `FORWARD`, `OUTPUT` of the table `filter`"), "{before:?}");
}
