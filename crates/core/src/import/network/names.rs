//! Names for what had none: from the comments that people wrote, else from VLANs and interfaces.

use std::collections::BTreeSet;

/// Words of a comment that say nothing about who is there.
const EMPTY_WORDS: &[&str] = &[
    "a",
    "an",
    "and",
    "the",
    "for",
    "of",
    "to",
    "our",
    "vlan",
    "vlans",
    "network",
    "networks",
    "net",
    "lan",
    "segment",
    "interface",
    "subnet",
    "zone",
    "main",
    "config",
    "configuration",
    "static",
    "this",
    "is",
];
/// The policy's own ends.
const RESERVED: &[&str] = &["any", "gateway", "internet", "segments"];
/// The longest name of a policy.
const NAME_BYTES_MAX: usize = 31;
/// A comment of more words that mean something is a sentence, not a name.
const NAME_WORDS_MAX: usize = 2;

/// Names that are taken.
#[derive(Debug)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub fn new(uplink: Option<&str>) -> Self {
        Self(RESERVED.iter().copied().chain(uplink).map(str::to_owned).collect())
    }

    /// A segment's name.
    pub fn of_segment(&mut self, comment: Option<&str>, device: &str, vlan: Option<u16>) -> String {
        let plain = match vlan {
            Some(id) => format!("vlan{id}"),
            None => name_of(device).unwrap_or_else(|| "segment".to_owned()),
        };
        let wanted = comment.and_then(from_comment).filter(|name| !self.0.contains(name)).unwrap_or(plain);
        self.fresh(&wanted)
    }

    /// A host's name.
    pub fn of_host(&mut self, name: &str) -> String {
        let wanted = name_of(name).unwrap_or_else(|| "host".to_owned());
        self.fresh(&wanted)
    }

    /// The name, or one like it that is free.
    fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 2u32;
        while !self.0.insert(name.clone()) {
            let end = format!("-{number}");
            let stem: String = wanted.chars().take(NAME_BYTES_MAX - end.len()).collect();
            name = stem + &end;
            number += 1;
        }
        name
    }
}

/// `# DMZ VLAN (VLAN 10)` names `dmz`.
fn from_comment(comment: &str) -> Option<String> {
    let mut depth = 0usize;
    let outside: String = comment
        .chars()
        .filter(|c| {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth = depth.saturating_sub(1),
                _ => return depth == 0,
            }
            false
        })
        .collect();
    let words: Vec<String> = outside
        .split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_')
        .map(str::to_lowercase)
        .filter(|word| !word.is_empty() && !EMPTY_WORDS.contains(&word.as_str()))
        .filter(|word| !word.chars().all(|c| c.is_ascii_digit()))
        .collect();
    if words.is_empty() || words.len() > NAME_WORDS_MAX {
        return None;
    }
    name_of(&words.join("-"))
}

/// The nearest text that a policy takes for a name.
fn name_of(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
        .skip_while(|c| !c.is_ascii_lowercase())
        .take(NAME_BYTES_MAX)
        .collect();
    let name = name.trim_end_matches('-');
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_name_segments_and_sentences_do_not() {
        assert_eq!(from_comment("DMZ VLAN (VLAN 10)").as_deref(), Some("dmz"));
        assert_eq!(from_comment("Internal Network VLAN (VLAN 20)").as_deref(), Some("internal"));
        assert_eq!(from_comment("Guest Wi-Fi network 200").as_deref(), Some("guest-wi-fi"));
        assert_eq!(from_comment("the network that was added when the printers moved"), None);
        assert_eq!(from_comment("VLAN 20"), None);
        assert_eq!(from_comment("通り"), None);
    }

    #[test]
    fn names_are_given_once() {
        let mut names = Names::new(Some("wan"));
        assert_eq!(names.of_segment(Some("Guests"), "eth0.20", Some(20)), "guests");
        assert_eq!(names.of_segment(Some("Guests"), "eth0.30", Some(30)), "vlan30");
        assert_eq!(names.of_segment(Some("gateway"), "eth0.40", Some(40)), "vlan40");
        assert_eq!(names.of_segment(None, "br-lan", None), "br-lan");
        assert_eq!(names.of_segment(None, "br-lan", None), "br-lan-2");
        assert_eq!(names.of_host("Printer.Floor_2"), "printer-floor_2");
    }
}
