//! A program that gets the alert as JSON on its standard input, and must end well within a bound of time.

use std::fmt;
use std::time::Duration;

use segwall_host::exec::{self, Fed};
use serde_json::Value;

use super::NotifyError;

const RUN: Duration = Duration::from_secs(30);

/// Somebody who may start programs. Whoever reads what strangers send may not, and asks another process to do it.
pub trait Runs: fmt::Debug + Send + Sync {
    /// Runs a program with this on its standard input, and waits until it ended.
    ///
    /// # Errors
    /// Why it did not do what it should, as a sentence about it.
    fn run(&self, words: &[String], input: &str) -> Result<(), String>;
}

/// Starts programs itself.
#[derive(Debug, Clone, Copy)]
pub struct Itself;

impl Runs for Itself {
    fn run(&self, words: &[String], input: &str) -> Result<(), String> {
        match exec::feed(words, input.as_bytes(), RUN) {
            Ok(Fed::Ended(0)) => Ok(()),
            Ok(Fed::Ended(code)) => Err(format!("it ended with exit code {code}")),
            Ok(Fed::Overdue) => Err(format!("it had not ended after {} s, and was killed", RUN.as_secs())),
            Err(error) => Err(segwall_host::error::chain(&error)),
        }
    }
}

pub fn run(words: &[String], document: &Value, runs: &dyn Runs) -> Result<(), NotifyError> {
    let program = words.first().cloned().unwrap_or_default();
    runs.run(words, &format!("{document}\n")).map_err(|why| NotifyError::Command { program, why })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sh(text: &str) -> Vec<String> {
        ["/bin/sh", "-c", text].map(str::to_owned).to_vec()
    }

    #[test]
    fn the_alert_comes_on_its_standard_input() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("alert");
        let document = json!({ "kind": "scan-vertical", "source": "192.168.200.7" });
        run(&sh(&format!("cat > {}", file.display())), &document, &Itself).unwrap();
        let read: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(read, document);
    }

    #[test]
    fn one_that_fails_or_reads_nothing_is_told_apart() {
        assert!(run(&sh("exit 0"), &json!("x".repeat(1 << 20)), &Itself).is_ok());
        let why = run(&sh("cat >/dev/null; exit 3"), &json!({}), &Itself).unwrap_err().to_string();
        assert!(why.ends_with("/bin/sh: it ended with exit code 3"), "{why}");
        let why = run(&["/no/such".to_owned()], &json!({}), &Itself).unwrap_err().to_string();
        assert!(why.contains("/no/such"), "{why}");
    }
}
