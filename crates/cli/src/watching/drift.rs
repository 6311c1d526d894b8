//! Whether the box still is what holds: looked at from time to time by the command that a person would type, in a process of
//! its own, so that its memory is gone when it is done.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use segwall_host::apply::Journal;
use segwall_host::exec;
use segwall_host::linux::Linux;
use serde_json::Value;

/// A look takes a second of processor time for 30,000 rules; one that takes this long is not waited for.
const LOOK: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

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

/// Looks.
pub fn look(linux: &mut Linux) -> Look {
    // Until it is confirmed the box is ahead of what holds.
    if !matches!(Journal::read(linux), Ok(None)) {
        return Look::Nothing;
    }
    match drift() {
        // One that was begun meanwhile may have been seen half done.
        Ok(_) if !matches!(Journal::read(linux), Ok(None)) => Look::Nothing,
        Ok((said, why)) => {
            read(&said).unwrap_or_else(|| Look::Undecided(String::from_utf8_lossy(&why).trim().to_owned()))
        }
        Err(error) => Look::Undecided(error.to_string()),
    }
}

/// What `segwall drift` prints, and what it complains of.
fn drift() -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (said, why) = (exec::memory_file("segwall-drift")?, exec::memory_file("segwall-drift")?);
    let mut command = Command::new(super::reaction::THIS);
    command.args(["drift", "--format", "json"]);
    command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(why.try_clone()?);
    let mut child = exec::die_with_us(&mut command).spawn()?;
    let begun = Instant::now();
    while child.try_wait()?.is_none() {
        if begun.elapsed() > LOOK {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other(format!("`segwall drift` had not ended after {} s", LOOK.as_secs())));
        }
        thread::sleep(POLL);
    }
    let all = |mut file: File| {
        let mut bytes = Vec::new();
        file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map(|_| bytes)
    };
    Ok((all(said)?, all(why)?))
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
        let data = Data {
            generation: Some(3),
            rules,
            packets,
            edited: Vec::new(),
            let_go: Vec::new(),
            steps,
            obstacles: Vec::new(),
        };
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
