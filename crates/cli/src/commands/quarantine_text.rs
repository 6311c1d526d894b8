//! `quarantine` and `release` for people.

use std::fmt::Write;
use std::net::IpAddr;

use super::quarantine::{CutOff, Data, Row};
use crate::out::{BAD, CARE, GOOD, QUIET, STRONG};
use crate::text::{Escaped, count, duration};

/// What was done, and who is cut off.
pub fn text(data: &Data) -> String {
    let mut text = String::new();
    if let Some(one) = &data.cut_off {
        cut_off(&mut text, one);
        return text;
    }
    if data.quarantined.is_empty() {
        text.push_str("nobody is in quarantine\n");
    }
    for row in &data.quarantined {
        line(&mut text, row);
    }
    if data.skipped > 0 {
        let _ = writeln!(text, "{CARE}{} of the list make no sense{CARE:#}", count(data.skipped, "line"));
    }
    text
}

fn cut_off(text: &mut String, one: &CutOff) {
    let host = Escaped(&one.host);
    let _ = writeln!(text, "{GOOD}{host} is cut off{GOOD:#}: {}", addresses(&one.addresses));
    let _ = writeln!(text, "{} ended", count(one.connections, "open connection"));
    for segment in &one.segments {
        let name = Escaped(segment);
        let _ = writeln!(text, "{CARE}traffic inside the segment {name} goes on{CARE:#}: it does not pass this box");
    }
    let _ = match one.allowed.as_slice() {
        [] => writeln!(text, "it keeps its lease, and reaches nothing else"),
        list => writeln!(text, "it keeps its lease, and what the policy accepts with {}", list.join(", ")),
    };
    let _ = writeln!(text, "{QUIET}`segwall release {host}` lets it go{QUIET:#}");
}

/// `192.0.2.7, fe80::7`.
pub fn addresses(list: &[IpAddr]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// One address in quarantine.
pub fn line(text: &mut String, row: &Row) {
    let host = row.host.as_ref().filter(|host| **host != row.address.to_string());
    let host = host.map_or_else(String::new, |host| format!(" ({})", Escaped(host)));
    let left = match (row.left_s, &row.host) {
        (Some(left), _) => format!("{} left", duration(i64::try_from(left).unwrap_or(i64::MAX))),
        (None, Some(_)) => "until it is released".to_owned(),
        (None, None) => "put in by other means".to_owned(),
    };
    let because = row.because.as_ref().map_or_else(String::new, |why| format!(": {}", Escaped(why)));
    let user = row.user.as_ref().map_or_else(String::new, |user| format!("  {QUIET}{}{QUIET:#}", Escaped(user)));
    let force = if row.in_force { String::new() } else { format!("  {BAD}not in the kernel{BAD:#}") };
    let _ = writeln!(text, "{STRONG}{}{STRONG:#}{host}  {left}{because}{user}{force}", row.address);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_cannot_draw_on_the_screen() {
        let row = Row {
            address: "192.168.20.7".parse().unwrap(),
            host: Some("lap\u{1b}[2Jtop".to_owned()),
            mac: None,
            since: None,
            left_s: Some(90_061),
            because: Some("it\u{202e}scans".to_owned()),
            user: Some("root".to_owned()),
            in_force: false,
        };
        let mut text = String::new();
        line(&mut text, &row);
        assert!(text.contains("lap\\u{1b}[2Jtop") && text.contains("it\\u{202e}scans"), "{text}");
        assert!(text.contains("1 d 1 h left") && text.contains("not in the kernel"), "{text}");
    }
}
