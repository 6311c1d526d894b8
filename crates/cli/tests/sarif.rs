//! What `--format sarif` prints is SARIF 2.1.0, by OASIS' own schema.

use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The log that a command prints, held against the schema.
fn log(args: &[&str]) -> Value {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_segwall"))
        .args(args)
        .current_dir(root())
        .output()
        .expect("the program starts");
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let log: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}\n{text}"));
    let schema: Value = serde_json::from_str(include_str!("sarif/schema.json")).expect("a schema");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let faults: Vec<String> = validator.iter_errors(&log).map(|fault| fault.to_string()).collect();
    assert_eq!(faults, Vec::<String>::new(), "{args:?}");
    log
}

fn results(log: &Value) -> &Vec<Value> {
    log["runs"][0]["results"].as_array().expect("a list")
}

#[test]
fn findings_of_rules_are_sarif() {
    let log = log(&["audit", "crates/core/tests/netfilter/tutorial/rules.sh", "--format", "sarif"]);
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().expect("a list");
    assert!(results(&log).len() > 20, "{}", results(&log).len());
    for result in results(&log) {
        let index = usize::try_from(result["ruleIndex"].as_u64().expect("a number")).expect("small");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(rules[index]["help"]["text"].as_str().is_some_and(|page| page.contains("Why it matters")));
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "crates/core/tests/netfilter/tutorial/rules.sh");
        assert!(place["region"]["startLine"].as_u64().is_some_and(|line| line > 1), "{result}");
    }
    let by_source = results(&log).iter().find(|result| result["ruleId"] == "SW0901").expect("found");
    assert_eq!(by_source["level"], "warning");
    assert_eq!(by_source["properties"]["witness"]["in"], "eth1");
    assert_eq!(by_source["relatedLocations"][0]["physicalLocation"]["region"]["startLine"], 38);
}

#[test]
fn findings_of_a_policy_are_sarif() {
    for (policy, least) in [("crates/cli/tests/policies/faults.toml", 2), ("examples/tutorial.toml", 0)] {
        let log = log(&["check", policy, "--format", "sarif"]);
        assert!(results(&log).len() >= least, "{policy}");
    }
}
