//! `segwall watch --replay`: a log from its file to the last line that is printed.

mod program;

use program::{code, run, stderr, stdout, with_stdin};

const LOG: &str = "crates/cli/tests/logs/tutorial.log";
const TUTORIAL: &str = "examples/tutorial.toml";

fn json_lines(args: &[&str]) -> Vec<serde_json::Value> {
    let output = run(args);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    stdout(&output).lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

#[test]
fn a_log_gives_its_alert_and_a_summary() {
    let lines = json_lines(&["watch", "--replay", LOG, "--year", "2026", "--format", "json"]);
    let [opened, updated, summary] = lines.as_slice() else { panic!("{lines:#?}") };
    assert_eq!(opened["record"], "alert");
    assert_eq!((&opened["kind"], &opened["state"]), (&"scan-vertical".into(), &"open".into()));
    assert_eq!((&opened["source"], &opened["count"]), (&"192.168.200.66".into(), &9.into()));
    assert_eq!(opened["targets"], serde_json::json!(["192.168.30.10"]));
    assert_eq!(opened["technique"], "TCP SYN");
    assert_eq!(opened["first"], "2026-11-26T12:00:05.000Z");
    assert_eq!(opened["evidence"][0]["dport"], 80);
    assert_eq!((&updated["id"], &updated["state"]), (&opened["id"], &"update".into()));
    assert_eq!(summary["record"], "summary");
    assert_eq!((&summary["lines"], &summary["packets"], &summary["alerts"]), (&39.into(), &36.into(), &1.into()));
    assert_eq!((&summary["not_kernel"], &summary["broken"], &summary["other"]), (&1.into(), &1.into(), &1.into()));
}

#[test]
fn its_json_is_what_its_schema_says() {
    let schema = serde_json::from_str(&stdout(&run(&["schema", "--output", "watch"]))).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    for more in [&[][..], &["--policy", TUTORIAL]] {
        let args = [&["watch", "--replay", LOG, "--year", "2026", "--format", "json"], more].concat();
        for line in json_lines(&args) {
            let faults: Vec<String> = validator.iter_errors(&line).map(|fault| fault.to_string()).collect();
            assert_eq!(faults, Vec::<String>::new(), "{line}");
        }
    }
}

#[test]
fn a_policy_gives_the_names() {
    let output = run(&["watch", "--replay", LOG, "--year", "2026", "--policy", TUTORIAL]);
    assert!(stdout(&output).contains("192.168.200.66 in guest scans 192.168.30.10"), "{}", stdout(&output));
    let faulty = run(&["watch", "--replay", LOG, "--policy", "crates/cli/tests/policies/faults.toml"]);
    assert_eq!(code(&faulty), 1);
}

#[test]
fn words_decide_what_was_refused() {
    let of = |more: &[&str]| {
        let lines = json_lines(&[&["watch", "--replay", LOG, "--format", "json"], more].concat());
        lines.last().expect("a summary")["alerts"].clone()
    };
    assert_eq!(of(&[]), 1);
    assert_eq!(of(&["--accepted", "DROPPED"]), 0);
    assert_eq!(of(&["--dropped", "ACCEPT"]), 2);
}

#[test]
fn a_dash_several_files_and_files_that_cannot_be_read() {
    let log =
        std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(LOG)).expect("committed");
    let piped = with_stdin(&["watch", "--replay", "-", "--year", "2026"], &log);
    assert_eq!(stdout(&piped), stdout(&run(&["watch", "--replay", LOG, "--year", "2026"])));
    assert!(stdout(&piped).contains("36 packets of 39 lines: 1 alert"), "{}", stdout(&piped));
    let twice = run(&["watch", "--replay", LOG, LOG, "--year", "2026"]);
    assert!(stdout(&twice).contains("72 packets of 78 lines: 1 alert"), "{}", stdout(&twice));
    for bad in ["no-such-file", "crates"] {
        assert_eq!(code(&run(&["watch", "--replay", bad])), 2, "{bad}");
    }
    assert_eq!(code(&run(&["watch"])), 2, "there is no daemon yet");
}
