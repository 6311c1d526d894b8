//! `segwall import`: streams, files, exit codes.

mod program;

use std::process::Output;

use program::{code, run, stderr, stdout};

const IMPORT_RULES: &str = "crates/core/tests/netfilter/tutorial/rules.sh";
const IMPORT_INTERFACES: &str = "crates/core/tests/netfilter/tutorial/interfaces";

#[test]
fn an_import_is_written_once_and_check_accepts_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("segwall.toml");
    let name = file.to_str().expect("UTF-8");
    let import = |more: &[&str]| run(&[&["import", IMPORT_RULES, IMPORT_INTERFACES, "--output", name], more].concat());
    let output = import(&[]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stdout(&output).contains("equal: 5 rules"), "{}", stdout(&output));
    assert_eq!(code(&run(&["check", name])), 0, "{}", stdout(&run(&["check", name])));
    let written = std::fs::read(&file).expect("written");
    let again = import(&["--keep-differences"]);
    assert_eq!(code(&again), 2, "{}", stderr(&again));
    assert_eq!(std::fs::read(&file).expect("still there"), written);
    // The policy alone goes where a shell redirects it.
    let piped = run(&["import", IMPORT_RULES, IMPORT_INTERFACES]);
    assert_eq!(piped.stdout, written);
    assert!(stderr(&piped).contains("equal: 5 rules"));
    let kept = run(&["import", IMPORT_RULES, IMPORT_INTERFACES, "--keep-differences"]);
    assert_eq!(code(&kept), 0);
    assert!(stdout(&kept).contains("gateway/192.168.20.1"), "{}", stdout(&kept));
    assert_eq!(code(&run(&["import", IMPORT_RULES, IMPORT_INTERFACES, "--close", "--keep-differences"])), 2);
    let none = run(&["import", IMPORT_RULES]);
    assert_eq!(code(&none), 1);
    assert!(stderr(&none).contains("no interface has an address"), "{}", stderr(&none));
}

#[test]
fn its_json_is_what_its_schema_says() {
    let parse = |output: &Output| -> serde_json::Value { serde_json::from_slice(&output.stdout).expect("JSON") };
    let schema = parse(&run(&["schema", "--output", "import"]));
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for (files, answer) in [(vec![IMPORT_RULES, IMPORT_INTERFACES], "equal"), (vec![IMPORT_RULES], "none")] {
        let output = run(&[vec!["import", "--format", "json"], files].concat());
        let json = parse(&output);
        let faults: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!((&json["answer"], &json["ok"]), (&answer.into(), &(code(&output) == 0).into()));
    }
}
