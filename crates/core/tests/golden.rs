//! One folder a case: `policy.toml` and what is emitted for it. `UPDATE_GOLDEN=1` writes anew; a person reads the diff.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use segwall_core::emit::{iptables, nft};
use segwall_core::policy::{Context, load};
use segwall_core::ruleset::{At, lower};
use segwall_core::source::Source;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry").path()).collect();
    cases.sort();
    cases
}

#[test]
fn every_artifact_is_as_it_was_read() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let cases = cases();
    assert!(cases.len() >= 8, "cases are missing");
    for case in cases {
        let text = fs::read_to_string(case.join("policy.toml")).expect("every case has a policy");
        let source = Source::new("segwall.toml", text);
        let context = Context { today: "2026-11-22".parse().expect("a date"), timezone: TimeZone::UTC };
        let loaded = load(&source, &context);
        let policy = loaded.policy.unwrap_or_else(|| panic!("{}: {:#?}", case.display(), loaded.diagnostics));
        let ruleset = lower(&policy, &source, &TimeZone::UTC);
        let at = At::Instant("2026-11-22T12:00:00Z".parse().expect("an instant"));
        for (name, got) in [
            ("ruleset.nft", nft::compile(&ruleset, at).script()),
            ("iptables.rules", iptables::v4(&ruleset, at)),
            ("ip6tables.rules", iptables::v6(&ruleset, at)),
        ] {
            let path = case.join(name);
            if update {
                fs::write(&path, got).expect("the folder can be written");
                continue;
            }
            let wanted = fs::read_to_string(&path).unwrap_or_default();
            let differs = wanted.lines().zip(got.lines()).position(|(a, b)| a != b);
            assert!(
                wanted == got,
                "{} differs at line {} (UPDATE_GOLDEN=1 writes it anew):\n{got}",
                path.display(),
                differs.map_or(wanted.lines().count().min(got.lines().count()), |at| at) + 1,
            );
        }
    }
}
