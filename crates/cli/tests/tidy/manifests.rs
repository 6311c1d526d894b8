//! Every dependency has its reason beside it.

use crate::tree::{files, none};

#[test]
fn every_dependency_says_why() {
    let mut faults = Vec::new();
    for file in files().iter().filter(|file| file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml")) {
        let mut inside = false;
        let mut before = "";
        for (number, line) in (1..).zip(file.text.lines()) {
            if line.starts_with('[') {
                inside = line.ends_with("dependencies]");
            } else if inside && !line.trim().is_empty() && !line.starts_with('#') {
                let ours = line.starts_with("segwall-");
                let said = line.contains("# ") || before.starts_with("# ");
                if !ours && !said {
                    faults.push(format!("{}:{number}: {line}", file.path));
                }
            }
            before = line;
        }
    }
    none("dependencies without a reason on their line or the line above", faults);
}
