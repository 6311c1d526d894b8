//! Whether the box still is what holds: looked at from time to time by the command that a person would type, in a process of
//! its own, so that its memory is gone when it is done.

use std::process::{Command, Stdio};

use segwall_host::apply::Journal;
use segwall_host::exec;
use segwall_host::linux::Linux;
use serde_json::Value;

/// What came of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It differs in so many places.
    Differs(u32),
    /// Nothing can be said now: something is being applied, or nothing was.
    Nothing,
    /// Nothing can be said, for this reason.
    Undecided(String),
}

/// Looks. It takes a second of processor time for 30,000 rules.
pub fn look(linux: &mut Linux) -> Look {
    // Until it is confirmed the box is ahead of what holds.
    if !matches!(Journal::read(linux), Ok(None)) {
        return Look::Nothing;
    }
    let mut command = Command::new(super::reaction::THIS);
    command.args(["drift", "--format", "json"]).stdin(Stdio::null());
    match exec::die_with_us(&mut command).output() {
        // One that was begun meanwhile may have been seen half done.
        Ok(_) if !matches!(Journal::read(linux), Ok(None)) => Look::Nothing,
        Ok(said) => read(&said.stdout)
            .unwrap_or_else(|| Look::Undecided(String::from_utf8_lossy(&said.stderr).trim().to_owned())),
        Err(error) => Look::Undecided(error.to_string()),
    }
}

/// From the document that `segwall drift` prints.
fn read(document: &[u8]) -> Option<Look> {
    let document: Value = serde_json::from_slice(document).ok()?;
    let steps = u32::try_from(document.get("steps")?.as_array()?.len()).unwrap_or(u32::MAX);
    Some(match document.get("rules")?.as_str()? {
        "different" => Look::Differs(steps.max(1)),
        "equal" => Look::Differs(steps),
        _ if steps > 0 => Look::Differs(steps),
        _ => {
            let why = document
                .get("packets")?
                .as_array()?
                .first()
                .and_then(Value::as_str)
                .unwrap_or("the rules cannot be read");
            Look::Undecided(why.to_owned())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::drift::Data;
    use crate::json::Envelope;

    fn of(rules: &'static str, steps: &[&str]) -> Option<Look> {
        let words = |list: &[&str]| list.iter().map(ToString::to_string).collect();
        let (packets, steps) = (words(&["one", "two"]), words(steps));
        let data = Data { generation: Some(3), rules, packets, edited: Vec::new(), steps, obstacles: Vec::new() };
        let document = Envelope { version: 1, command: "drift", ok: false, findings: Vec::new(), data: Some(data) };
        read(&serde_json::to_vec(&document).unwrap())
    }

    #[test]
    fn what_drift_prints_is_understood() {
        assert_eq!(of("equal", &[]), Some(Look::Differs(0)));
        assert_eq!(of("equal", &["a", "b"]), Some(Look::Differs(2)));
        assert_eq!(of("different", &[]), Some(Look::Differs(1)));
        assert_eq!(of("undetermined", &[]), Some(Look::Undecided("one".to_owned())));
        assert_eq!(of("undetermined", &["a"]), Some(Look::Differs(1)));
        assert_eq!(read(b""), None);
    }
}
