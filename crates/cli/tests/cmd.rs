//! Transcripts of commands: what a person types and sees. `TRYCMD=overwrite cargo test -p segwall --test cmd` renews
//! them; the diff is for a person to read.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Whether the lab works here; where it does not, its transcripts are skipped, loudly.
fn lab_works() -> bool {
    let output = std::process::Command::new(trycmd::cargo::cargo_bin!("segwall"))
        .args(["lab", "examples/tutorial.toml"])
        .output()
        .expect("the program starts");
    if output.status.code() == Some(4) {
        let must_run = std::env::var_os("SEGWALL_NO_SKIP").is_some_and(|value| value == "1");
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!must_run, "the lab does not work here: {why}");
        eprintln!("SKIPPED: README.md and transcripts of the lab: {why}");
        return false;
    }
    true
}

#[test]
fn transcripts() {
    // Transcripts name files as a person in the repository does.
    std::env::set_current_dir(root()).expect("the workspace is above its crates");
    let cases = trycmd::TestCases::new();
    cases
        .env("TZ", "UTC")
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .register_bin("segwall", trycmd::cargo::cargo_bin!("segwall"))
        .case("crates/cli/tests/cmd/*.trycmd");
    if lab_works() {
        cases.case("README.md").case("crates/cli/tests/cmd/lab/*.trycmd");
    }
}
