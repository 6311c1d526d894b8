//! `statements.json` is what nft 1.0.6 listed for one rule of each statement and match, with the rule's own text as its
//! comment. `UPDATE_GOLDEN=1` writes anew what was read; a person reads the diff.

use std::fmt::Write as _;
use std::path::Path;

use segwall_core::netfilter::{Action, Content, Match, NoteKind, Program, Step, read_nft_json};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/netfilter/nft")
}

fn text(program: &Program) -> String {
    let mut out = String::new();
    for note in &program.notes {
        writeln!(out, "note {:?}: {}", note.kind, note.text).unwrap();
    }
    for table in &program.tables {
        writeln!(out, "table {:?} {}", table.family, table.name).unwrap();
        for set in &table.sets {
            writeln!(out, "  set {} of {}: {:?}", set.name, set.keys, set.content).unwrap();
        }
        for chain in &table.chains {
            writeln!(out, "  chain {} {:?}", chain.name, chain.base).unwrap();
            for rule in &chain.rules {
                writeln!(out, "    {}", rule.comment.as_deref().unwrap_or("-")).unwrap();
                for step in &rule.steps {
                    match step {
                        Step::Match(found) => writeln!(out, "      {found:?}").unwrap(),
                        other => writeln!(out, "      {other:?}").unwrap(),
                    }
                }
            }
        }
    }
    out
}

#[test]
fn every_statement_is_as_it_was_read() {
    let program = read_nft_json(&std::fs::read(folder().join("statements.json")).unwrap()).unwrap();
    let got = text(&program);
    let path = folder().join("statements.expected");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, got).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = wanted.lines().zip(got.lines()).find(|(a, b)| a != b);
    assert!(wanted == got, "{differs:#?} (UPDATE_GOLDEN=1 writes it anew)");
}

#[test]
fn what_is_no_listing_is_told() {
    for bytes in
        ["", "{}", "[]", "null", r#"{"nftables": 1}"#, r#"{"nftables": [1]}"#, r#"{"nftables": []} x"#, "\u{0}"]
    {
        let error = read_nft_json(bytes.as_bytes()).expect_err(bytes).to_string();
        assert!(error.starts_with("this is not what `nft -j list ruleset` prints: "), "{error}");
    }
    let deep = format!(r#"{{"nftables": [{{"rule": {}{}}}]}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert!(read_nft_json(deep.as_bytes()).is_err());
    assert!(read_nft_json(b"\xff\xfe").is_err());
}

#[test]
fn what_is_not_understood_is_no_error() {
    let objects = [
        r#"{"table": {"family": "inet", "name": "t"}}"#,
        r#"{"table": {"family": "odd", "name": "u"}}"#,
        r#"{"chain": {"family": "inet", "table": "t", "name": "c", "type": "odd", "hook": "input"}}"#,
        r#"{"rule": {"family": "inet", "table": "t", "chain": "missing", "expr": []}}"#,
        r#"{"rule": {"family": "inet", "table": "t", "chain": "c", "expr": [{"odd": {}}, {"match": {}}, 7, {"vmap": {}}]}}"#,
        r#"{"set": {"family": "inet", "table": "t", "name": "s", "elem": [1, {"odd": 2}], "type": "odd"}}"#,
        r#"{"set": {"family": "inet", "table": "t", "name": "early", "elem": [22], "type": "inet_service"}}"#,
        r#"{"delete": {"rule": {}}}"#,
    ];
    let program = read_nft_json(format!(r#"{{"nftables": [{}]}}"#, objects.join(",")).as_bytes()).unwrap();
    let words: Vec<&str> = program.notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(
        words,
        [
            "table u has the unknown family odd",
            "chain c: its type odd is unknown",
            "a rule is in chain missing, which is not there",
            "`delete` is not understood",
        ]
    );
    let table = &program.tables[0];
    assert_eq!(table.chains[0].rules[0].steps.len(), 4);
    assert_eq!(table.sets[0].content, Content::Unknown("its type is not modelled"));
    assert_eq!(table.sets[1].content, Content::Elements(vec![vec![(22, 22)]]));
}

/// The model's maps end a rule: what the kernel does behind one is then not claimed.
#[test]
fn a_map_with_statements_behind_it_is_unknown() {
    let mark = r#"{"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"map": {"key": {"meta": {"key": "l4proto"}},
        "data": {"set": [["tcp", 1]]}}}}}"#;
    let goes_on = r#"{"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["new", {"continue": null}]]}}}"#;
    let ends = r#"{"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": [["new", {"accept": null}]]}}}"#;
    let accept = r#"{"accept": null}"#;
    for (statements, is_known) in [
        (vec![mark], true),
        (vec![mark, accept], false),
        (vec![goes_on], true),
        (vec![goes_on, accept], false),
        (vec![ends, accept], true),
    ] {
        let rule = format!(r#"{{"rule": {{"table": "t", "chain": "c", "expr": [{}]}}}}"#, statements.join(","));
        let text = format!(r#"{{"nftables": [{{"chain": {{"table": "t", "name": "c"}}}}, {rule}]}}"#);
        let program = read_nft_json(text.as_bytes()).unwrap();
        let steps = &program.tables[0].chains[0].rules[0].steps;
        let verdicts = steps.iter().any(|step| matches!(step, Step::Verdicts { .. }));
        assert_eq!(verdicts, is_known, "{rule}: {steps:?}");
    }
}

fn rule_of(statements: &str) -> Vec<Step> {
    let rule = format!(r#"{{"rule": {{"table": "t", "chain": "c", "expr": [{statements}, {{"accept": null}}]}}}}"#);
    let text = format!(r#"{{"nftables": [{{"chain": {{"table": "t", "name": "c"}}}}, {rule}]}}"#);
    read_nft_json(text.as_bytes()).unwrap().tables[0].chains[0].rules[0].steps.clone()
}

/// What the kernel answers with `NFT_BREAK` ends the rule: nothing behind it is sure.
#[test]
fn a_statement_that_may_end_its_rule_is_no_certainty() {
    let map =
        r#"{"map": {"key": {"payload": {"protocol": "ip", "field": "saddr"}}, "data": {"set": [["10.0.0.1", 1]]}}}"#;
    for statement in [
        format!(r#"{{"counter": {map}}}"#),
        format!(r#"{{"mangle": {{"key": {{"ct": {{"key": "mark"}}}}, "value": {map}}}}}"#),
        format!(r#"{{"mangle": {{"key": {{"meta": {{"key": "priority"}}}}, "value": {map}}}}}"#),
        format!(
            r#"{{"mangle": {{"key": {{"meta": {{"key": "mark"}}}}, "value": {{"jhash": {{"mod": 2, "expr": {map}}}}}}}}}"#
        ),
        r#"{"mangle": {"key": {"tcp option": {"name": "maxseg", "field": "size"}}, "value": 1400}}"#.to_owned(),
        r#"{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": {"set":
            [{"elem": {"val": "10.0.0.1", "limit": {"rate": 1, "per": "hour"}}}]}}}"#
            .to_owned(),
    ] {
        let steps = rule_of(&statement);
        let at = steps.iter().position(|step| matches!(step, Step::Match(Match::Unknown(_))));
        assert_eq!(at.map(|at| at + 2), Some(steps.len()), "{statement}: {steps:?}");
    }
    for statement in [
        r#"{"ct expectation": "e"}"#,
        r#"{"mangle": {"key": {"ct": {"key": "zone"}}, "value": 1}}"#,
        r#"{"mangle": {"key": {"payload": {"protocol": "ip", "field": "length"}}, "value": 1}}"#,
    ] {
        let steps = rule_of(statement);
        assert!(steps.iter().any(|step| matches!(step, Step::Do(Action::Unknown(_)))), "{statement}: {steps:?}");
    }
    for statement in [
        r#"{"mangle": {"key": {"ct": {"key": "mark"}}, "value": {"meta": {"key": "mark"}}}}"#,
        r#"{"mangle": {"key": {"payload": {"protocol": "ip", "field": "dscp"}}, "value": 1}}"#,
        r#"{"counter": {"packets": 1, "bytes": 1}}"#,
    ] {
        let steps = rule_of(statement);
        assert_eq!(steps, [Step::Do(Action::Nothing), Step::Do(Action::Accept)], "{statement}");
    }
}

/// nft 1.0.6 prints the table's name where a flag's name belongs.
#[test]
fn a_table_with_a_flag_that_is_not_named_may_be_dormant() {
    for (flags, kind) in [
        (r#""dormant""#, Some(NoteKind::Aside)),
        (r#"["dormant"]"#, Some(NoteKind::Aside)),
        (r#""owner""#, None),
        (r#""t""#, Some(NoteKind::NotUnderstood)),
        (r#"["owner", "t"]"#, Some(NoteKind::NotUnderstood)),
        ("1", Some(NoteKind::NotUnderstood)),
    ] {
        let text = format!(r#"{{"nftables": [{{"table": {{"family": "inet", "name": "t", "flags": {flags}}}}}]}}"#);
        let notes = read_nft_json(text.as_bytes()).unwrap().notes;
        assert_eq!(notes.first().map(|note| note.kind), kind, "{flags}");
    }
}
