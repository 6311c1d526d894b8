//! What a rule's log prefix says became of the packet.

use std::collections::BTreeMap;

use crate::event::{Reason, Verdict};

/// Prefixes that are remembered; a log that has more is read as fast, but for those beyond.
const PREFIXES_MAX: usize = 256;

/// Texts that decide before the table does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// A prefix that holds one of these was accepted.
    pub accepted: Vec<String>,
    /// A prefix that holds one of these was refused.
    pub dropped: Vec<String>,
}

/// Words of prefixes that other programs, books and tutorials use, in capitals.
const ACCEPTED: &[&str] =
    &["ACCEPT", "ACCEPTED", "ALLOW", "ALLOWED", "PASS", "PASSED", "PERMIT", "PERMITTED", "OK", "NEW"];
const DROPPED: &[&str] = &[
    "DROP", "DROPPED", "DROPS", "DENY", "DENIED", "REJECT", "REJECTED", "BLOCK", "BLOCKED", "BLK", "INVALID",
    "REFUSED", "DISCARD", "BAD", "SPOOF", "SPOOFED", "MARTIAN",
];
const NOTED: &[&str] = &["AUDIT", "DEBUG", "TRACE"]; // ufw's audit lines tell of every packet

/// Prefixes, each worked out once.
#[derive(Debug, Default)]
pub struct Prefixes {
    words: Words,
    known: BTreeMap<Vec<u8>, (Verdict, bool)>,
}

impl Prefixes {
    /// With texts that decide before the table does.
    #[must_use]
    pub fn new(words: Words) -> Self {
        Self { words, known: BTreeMap::new() }
    }

    /// The verdict, and whether the prefix says it.
    pub fn verdict(&mut self, prefix: &[u8]) -> (Verdict, bool) {
        if let Some(known) = self.known.get(prefix) {
            return *known;
        }
        let found = decide(&self.words, &String::from_utf8_lossy(prefix));
        let decided = (found.unwrap_or(Verdict::Refused(Reason::Foreign)), found.is_some());
        if self.known.len() < PREFIXES_MAX {
            self.known.insert(prefix.to_owned(), decided);
        }
        decided
    }
}

fn decide(words: &Words, prefix: &str) -> Option<Verdict> {
    let holds = |list: &[String]| list.iter().any(|text| !text.is_empty() && prefix.contains(text.as_str()));
    if holds(&words.accepted) {
        return Some(Verdict::Accepted);
    }
    if holds(&words.dropped) {
        return Some(Verdict::Refused(Reason::Foreign));
    }
    if let Some(ours) = prefix.strip_prefix("segwall ") {
        return ours_said(ours);
    }
    let capitals = prefix.to_ascii_uppercase();
    let parts = || capitals.split(|c: char| !c.is_ascii_alphabetic()).filter(|part| !part.is_empty());
    let names = |list: &[&str]| parts().any(|part| list.contains(&part));
    // `NEW-DROPPED` is dropped, `AUDIT BLOCK` too: what refuses is said for its own sake.
    if names(DROPPED) {
        Some(Verdict::Refused(Reason::Foreign))
    } else if names(NOTED) {
        Some(Verdict::Noted)
    } else {
        names(ACCEPTED).then_some(Verdict::Accepted)
    }
}

/// `drop REASON `, `reject rule `, `accept `: what Segwall's own rules put there.
fn ours_said(text: &str) -> Option<Verdict> {
    let mut words = text.split(' ');
    match (words.next()?, words.next().unwrap_or_default()) {
        ("accept", _) => Some(Verdict::Accepted),
        ("reject", _) => Some(Verdict::Refused(Reason::Reject)),
        ("drop", word) => {
            let known = Reason::ALL.into_iter().find(|reason| reason.word() == word);
            Some(Verdict::Refused(known.unwrap_or(Reason::Foreign)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(prefix: &str) -> Option<Verdict> {
        decide(&Words::default(), prefix)
    }

    #[test]
    fn common_prefixes_are_understood() {
        let foreign = Some(Verdict::Refused(Reason::Foreign));
        for prefix in [
            "DROP",
            "[NETFILTER-DROP] ",
            "DROPPED: ",
            "INPUT DROPPED: ",
            "[UFW BLOCK] ",
            "iptables denied: ",
            "REJECT ",
            "FINAL_REJECT: ",
            "Shorewall:net-fw:DROP:",
            "IN_public_DROP: ",
            "fw4: reject wan in: ",
            "NEW-DROPPED ",
        ] {
            assert_eq!(said(prefix), foreign, "{prefix}");
        }
        for prefix in ["ACCEPT ", "[UFW ALLOW] ", "NEW CONN: ", "Shorewall:loc-net:ACCEPT:", "segwall accept "] {
            assert_eq!(said(prefix), Some(Verdict::Accepted), "{prefix}");
        }
        assert_eq!(said("[UFW AUDIT] "), Some(Verdict::Noted));
        for prefix in ["", "fw: ", "DROPBOX ", "raindrop", "segwall "] {
            assert_eq!(said(prefix), None, "{prefix}");
        }
        assert_eq!(said("segwall drop not-syn "), Some(Verdict::Refused(Reason::NotSyn)));
        assert_eq!(said("segwall reject rule "), Some(Verdict::Refused(Reason::Reject)));
        for reason in Reason::ALL {
            assert_eq!(said(&format!("segwall drop {} ", reason.word())), Some(Verdict::Refused(reason)));
        }
    }

    #[test]
    fn what_was_told_goes_before_the_table() {
        let words = Words { accepted: vec!["DROP-TEST".to_owned()], dropped: vec!["fw:".to_owned()] };
        assert_eq!(decide(&words, "DROP-TEST "), Some(Verdict::Accepted));
        assert_eq!(decide(&words, "fw: "), Some(Verdict::Refused(Reason::Foreign)));
        let mut prefixes = Prefixes::new(words);
        assert_eq!(prefixes.verdict(b"what? "), (Verdict::Refused(Reason::Foreign), false));
        for n in 0..1_000u32 {
            prefixes.verdict(&n.to_be_bytes());
        }
        assert!(prefixes.known.len() <= PREFIXES_MAX);
    }
}
