//! `status` for people.

use std::fmt::Write;

use super::quarantine_text;
use super::status::{Data, Device};
use crate::out::{BAD, CARE, GOOD, QUIET, STRONG};
use crate::text::Escaped;

/// One screen.
pub fn text(data: &Data) -> String {
    let mut text = String::new();
    head(&mut text, data);
    if data.generation.is_none() {
        let _ = writeln!(text, "`segwall plan` shows what an apply would do");
        return text;
    }
    let rules = match data.rules {
        "proved" => format!("{GOOD}proved{GOOD:#}"),
        "undetermined" => format!("{CARE}not proved{CARE:#}"),
        "different" => format!("{BAD}not those of the generation{BAD:#}"),
        _ => format!("{BAD}missing{BAD:#}"),
    };
    let why = data.why.as_ref().map_or_else(String::new, |why| format!(": {}", Escaped(why)));
    let _ = writeln!(text, "rules        {rules}{why}");
    let on = |on: Option<bool>| match on {
        Some(true) => "on",
        Some(false) => "off",
        None => "not known",
    };
    let _ = writeln!(text, "forwarding   IPv4 {}, IPv6 {}", on(data.forwarding), on(data.forwarding6));
    if let Some([count, max]) = data.connections {
        let _ = writeln!(text, "connections  {count} of {max}");
    }
    let mut rows: Vec<[String; 4]> = Vec::new();
    for segment in &data.segments {
        let leases = segment.leases.map_or_else(String::new, |[taken, all]| format!("{taken} of {all} leases"));
        rows.push(row(&segment.name, &segment.device, leases));
    }
    for uplink in &data.uplinks {
        let gateways: Vec<String> = uplink.gateways.iter().map(|via| format!("by {via}")).collect();
        rows.push(row(&uplink.name, &uplink.device, gateways.join(", ")));
    }
    let widths: [usize; 4] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    text.push('\n');
    let devices = data.segments.iter().map(|it| &it.device).chain(data.uplinks.iter().map(|it| &it.device));
    for (row, device) in rows.iter().zip(devices) {
        let [name, link, addresses, rest] = row;
        let style = if device.state == "up" && device.lacks.is_empty() { GOOD } else { BAD };
        let line = format!("{addresses:<0$}  {rest}", widths[2]);
        let _ = write!(text, "{STRONG}{name:<0$}{STRONG:#}  {link:<1$}  ", widths[0], widths[1]);
        let _ = write!(text, "{style}{:<10}{style:#}  {}", device.state, line.trim_end());
        for lack in &device.lacks {
            let _ = write!(text, "  {BAD}lacks {lack}{BAD:#}");
        }
        text.push('\n');
    }
    text.push('\n');
    for service in &data.services {
        let (style, word) = match (service.good, service.name == segwall_core::plan::BOOT_SERVICE) {
            (true, true) => (GOOD, "starts at boot"),
            (false, true) => (BAD, "does not start at boot"),
            (true, false) => (GOOD, "runs"),
            (false, false) => (BAD, "does not run"),
        };
        let _ = writeln!(text, "{:<14} {style}{word}{style:#}", service.name);
    }
    for one in &data.learning {
        let _ = writeln!(text, "\n{CARE}open:{CARE:#} {}", Escaped(one));
    }
    if !data.quarantined.is_empty() {
        text.push_str("\nquarantine\n");
        data.quarantined.iter().for_each(|row| quarantine_text::line(&mut text, row));
    }
    text
}

fn head(text: &mut String, data: &Data) {
    let _ = match &data.generation {
        None => writeln!(text, "generation   {CARE}none holds yet{CARE:#}"),
        Some(one) => {
            let [user, via] = [&one.user, &one.via].map(|word| Escaped(word).to_string());
            let comment = one.comment.as_ref().map_or_else(String::new, |why| format!(": {}", Escaped(why)));
            writeln!(
                text,
                "generation   {STRONG}{}{STRONG:#}  {}  {QUIET}{user}, {via}{comment}{QUIET:#}",
                one.number, one.applied
            )
        }
    };
    if let Some(waiting) = &data.waiting {
        let left = waiting.left_s.map_or_else(String::new, |left| format!(": {left} s left"));
        let number = waiting.number;
        let _ = writeln!(text, "waiting      {CARE}generation {number} waits for `segwall confirm`{left}{CARE:#}");
    }
    let _ = match data.apply {
        Some("stuck") => writeln!(text, "apply        {BAD}was left half way; `segwall rollback` leads back{BAD:#}"),
        Some(word) => writeln!(text, "apply        {CARE}{word}{CARE:#}"),
        None => Ok(()),
    };
}

fn row(name: &str, device: &Device, rest: String) -> [String; 4] {
    [name.to_owned(), device.name.clone(), device.addresses.join(" "), rest]
}
