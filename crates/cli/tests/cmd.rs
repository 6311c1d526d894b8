//! Transcripts of commands: what a person types and sees. `TRYCMD=overwrite cargo test -p segwall --test cmd` renews
//! them; the diff is for a person to read.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn transcripts() {
    // Transcripts name files as a person in the repository does.
    std::env::set_current_dir(root()).expect("the workspace is above its crates");
    trycmd::TestCases::new()
        .env("TZ", "UTC")
        .env("NO_COLOR", "1")
        .env("COLUMNS", "100")
        .register_bin("segwall", trycmd::cargo::cargo_bin!("segwall"))
        .case("crates/cli/tests/cmd/*.trycmd");
}
