//! The names of the file: what may be one, who has which, and what was probably meant.

use std::collections::BTreeMap;

use super::codes;
use super::faults::{Faults, shorten};
use super::reader::{Entry, Text};
use crate::diag::Diagnostic;
use crate::source::Span;

/// Names longer than this are refused: they go into comments of rules and into tables people read.
pub(super) const NAME_LEN_MAX: usize = 31;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Segment,
    Uplink,
    Host,
    Set,
    Group,
}

impl Kind {
    pub fn with_article(self) -> &'static str {
        match self {
            Self::Segment => "a segment",
            Self::Uplink => "an uplink",
            Self::Host => "a host",
            Self::Set => "a set",
            Self::Group => "a group",
        }
    }
}

/// The ends that are no names.
pub(super) const RESERVED: [&str; 4] = ["any", "gateway", "internet", "segments"];

/// What has a name, and where it is named.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named {
    pub kind: Kind,
    /// Its place among its kind.
    pub index: usize,
    pub span: Span,
}

/// The one namespace of segments, uplinks, hosts, sets and groups.
#[derive(Debug, Default)]
pub(super) struct Names<'d> {
    map: BTreeMap<&'d str, Named>,
}

impl<'d> Names<'d> {
    /// Takes in the names of one kind.
    pub fn add(&mut self, kind: Kind, entries: &[Entry<'d>], faults: &mut Faults<'_>) {
        for (index, entry) in entries.iter().enumerate() {
            let (name, span) = (entry.name.text, entry.name.span);
            check_name(entry.name, kind.with_article(), faults);
            if RESERVED.contains(&name) {
                let message = format!("`{name}` is reserved");
                faults.error(codes::RESERVED_NAME, span, message, "it stands for itself in rules", "take another name");
            }
            if let Some(first) = self.map.get(name) {
                let message = format!("`{name}` names {} and {}", first.kind.with_article(), kind.with_article());
                faults.push(
                    Diagnostic::error(codes::NAME_TWICE, span, message)
                        .label("again here")
                        .also(first.span, "first here")
                        .help("segments, uplinks, hosts, sets and groups share their names; rename one of them"),
                );
                continue;
            }
            self.map.insert(name, Named { kind, index, span });
        }
    }

    pub fn get(&self, name: &str) -> Option<Named> {
        self.map.get(name).copied()
    }

    /// What stands under a name that must be of one kind; says so where it is not.
    pub fn expect(&self, text: Text<'_>, kind: Kind, faults: &mut Faults<'_>) -> Option<usize> {
        match self.get(text.text) {
            Some(named) if named.kind == kind => Some(named.index),
            Some(named) => {
                let message = format!("`{}` is {}, not {}", text.text, named.kind.with_article(), kind.with_article());
                faults.push(
                    Diagnostic::error(codes::WRONG_KIND, text.span, message)
                        .also(named.span, "given here")
                        .help(self.known_of(kind)),
                );
                None
            }
            None => {
                let of_kind = self.map.iter().filter(|(_, named)| named.kind == kind).map(|(name, _)| *name);
                let nearest = faults.nearest(text.text, of_kind);
                let message = format!("there is no {} `{}`", bare(kind.with_article()), shorten(text.text));
                let help = match nearest {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => self.known_of(kind),
                };
                faults.error(codes::UNKNOWN_NAME, text.span, message, "", help);
                None
            }
        }
    }

    /// `segments: dmz, guest, …`.
    fn known_of(&self, kind: Kind) -> String {
        const SHOWN_MAX: usize = 8;
        let mut names = self.map.iter().filter(|(_, named)| named.kind == kind).map(|(name, _)| *name);
        let mut shown: Vec<&str> = names.by_ref().take(SHOWN_MAX).collect();
        if names.next().is_some() {
            shown.push("…");
        }
        if shown.is_empty() {
            return format!("the policy has no {}", bare(kind.with_article()));
        }
        format!("{}s: {}", bare(kind.with_article()), shown.join(", "))
    }

    /// The name or reserved end that was probably meant.
    pub fn nearest_end(&self, word: &str, faults: &mut Faults<'_>) -> Option<&'d str> {
        faults.nearest(word, self.map.keys().copied().chain(RESERVED))
    }
}

fn bare(with_article: &'static str) -> &'static str {
    with_article.split_once(' ').map_or(with_article, |(_, word)| word)
}

/// Whether a text is a name: `[a-z][a-z0-9_-]{0,30}`.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= NAME_LEN_MAX
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
}

/// Says why a text is no name.
pub(super) fn check_name(name: Text<'_>, what: &str, faults: &mut Faults<'_>) {
    if is_name(name.text) {
        return;
    }
    let message = format!("`{}` cannot name {what}", shorten(name.text));
    let proposal: String = name
        .text
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
        .skip_while(|c| !c.is_ascii_lowercase())
        .take(NAME_LEN_MAX)
        .collect();
    let label = if name.text.len() > NAME_LEN_MAX { "too long" } else { "" };
    let rule = "a name is a letter a-z and up to 30 more of a-z, 0-9, _ and -";
    let help = if is_name(&proposal) { format!("{rule}, such as `{proposal}`") } else { rule.to_owned() };
    faults.error(codes::BAD_NAME, name.span, message, label, help);
}
