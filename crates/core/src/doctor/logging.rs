//! Logging that can stop: a copy to a collector without a queue of its own blocks all of rsyslog when the collector goes
//! away. And a copy that cannot begin.

use super::check::{Checks, Fault};
use super::{Facts, Subject, Unreadable};

pub(super) fn check(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    blocks(checks, facts);
    tls(checks, subject, facts);
}

fn tls(checks: &mut Checks, subject: &Subject<'_>, facts: &Facts) {
    if subject.policy.log.tls.files().next().is_none() {
        return checks.not_needed("log-tls", "the policy names no files for TLS to a collector");
    }
    let Some(unreadable) = &facts.log_tls else {
        return checks.unknown(
            "log-tls",
            "whether the daemon can read the files for TLS to a collector could not be tried",
            "run `segwall doctor` as root",
        );
    };
    let fault = |(path, why): &(String, Unreadable)| {
        let next = match why {
            Unreadable::Missing => "put it there, or name another in `tls` of [log]",
            Unreadable::Elsewhere(_) => "copy the file itself below /etc",
            Unreadable::Refused => {
                "let the group segwall read it, by chgrp and chmod 640, and pass the directories above it"
            }
        };
        Fault::new(
            format!("the daemon cannot read {path}: {why}"),
            "nothing is sent by TLS without it; what is to be sent waits",
            next,
        )
    };
    checks.faults("log-tls", unreadable.iter().map(fault).collect(), "the daemon can read the files for TLS");
}

fn blocks(checks: &mut Checks, facts: &Facts) {
    let mut faults = Vec::new();
    for (path, text) in &facts.log_files {
        for (number, line) in blocking(text) {
            faults.push(Fault::new(
                format!("{path}:{number} sends logs away over TCP without a queue: `{line}`"),
                "when the collector vanishes, local logging stops too",
                "take the line out and name the collector as `remote` of [log] in the policy, which gives it a queue that \
                 cannot block; or set queue.type for it",
            ));
        }
    }
    checks.faults("rsyslog-blocks", faults, "no rule of rsyslog can stop local logging");
}

/// Lines that forward over TCP through the main queue, with their numbers.
fn blocking(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut has_queue = false;
    for (number, line, statement) in statements(text) {
        let lower = statement.to_ascii_lowercase();
        if let Some(kind) = lower.strip_prefix("$actionqueuetype") {
            has_queue = kind.trim() != "direct";
            continue;
        }
        let is_action = lower.contains("omfwd");
        let by_tcp = is_action && parameter(&lower, "protocol").is_some_and(|protocol| protocol == "tcp");
        let queued = parameter(&lower, "queue.type").is_some_and(|kind| kind != "direct");
        let legacy = lower.split_whitespace().any(|word| word.starts_with("@@"));
        if (by_tcp && !queued) || (legacy && !has_queue) {
            found.push((number, line));
        }
        // A queue of the old syntax belongs to the next action only.
        if legacy || lower.split_whitespace().count() > 1 && !lower.starts_with('$') {
            has_queue = false;
        }
    }
    found
}

/// Statements: a line each, and those with brackets up to where these close. With the number and text of the first line.
fn statements(text: &str) -> Vec<(usize, String, String)> {
    let mut found: Vec<(usize, String, String)> = Vec::new();
    let mut depth = 0usize;
    for (number, line) in (1..).zip(text.lines()) {
        let code = line.split('#').next().unwrap_or_default().trim();
        if code.is_empty() {
            continue;
        }
        match found.last_mut().filter(|_| depth > 0) {
            Some((.., statement)) => {
                statement.push(' ');
                statement.push_str(code);
            }
            None => found.push((number, code.to_owned(), code.to_owned())),
        }
        for c in code.chars() {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
    found
}

/// `name="value"` of an action, in lower case.
fn parameter<'a>(statement: &'a str, name: &str) -> Option<&'a str> {
    let starts = statement.match_indices(name).map(|(at, _)| at);
    let is_word = |at: &usize| !statement[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '.' || c == '_');
    let value = starts.filter(is_word).find_map(|at| statement[at + name.len()..].trim_start().strip_prefix('='))?;
    value.trim_start().strip_prefix('"')?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_blocks_is_told_from_what_does_not() {
        let lines = |text: &str| blocking(text).into_iter().map(|(number, _)| number).collect::<Vec<_>>();
        assert_eq!(lines("# *.* @@a:514\n*.* @@192.168.30.5:514\n"), [2]);
        assert_eq!(lines("*.* @192.168.30.5\n"), [] as [usize; 0]);
        assert_eq!(lines("$ActionQueueType LinkedList\n*.* @@h\n*.* @@other\n"), [3]);
        let action = "action(type=\"omfwd\" target=\"h\"\n  protocol=\"tcp\"";
        assert_eq!(lines(&format!("{action})\n")), [1]);
        assert_eq!(lines(&format!("{action}\n queue.type=\"LinkedList\")\n")), [] as [usize; 0]);
    }
}
