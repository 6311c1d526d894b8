//! Variables and what words become of them.

use std::collections::BTreeMap;

use super::lexer::Piece;
use crate::netfilter::iptables::Word;
use crate::source::Span;

/// A longer value is not followed: values in values grow without end.
const VALUE_BYTES_MAX: usize = 64 * 1024;
/// All that expansions of one script may come to.
const EXPANDED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Variables of a script. A value that is not known is kept as the reason.
#[derive(Debug, Default)]
pub(super) struct Variables {
    values: BTreeMap<String, Result<String, &'static str>>,
    spent: usize,
}

/// Why a word is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unclear {
    /// `$NAME`, where a variable is to blame.
    pub name: Option<String>,
    pub why: &'static str,
}

impl Unclear {
    /// In a sentence.
    pub fn text(&self) -> String {
        match &self.name {
            Some(name) => format!("`${name}` {}", self.why),
            None => format!("a word of this call {}", self.why),
        }
    }
}

impl Variables {
    pub fn set(&mut self, name: &str, value: Result<String, &'static str>) {
        self.values.insert(name.to_owned(), value);
    }

    pub fn forget(&mut self, name: &str) {
        self.values.remove(name);
    }

    fn get(&mut self, name: &str) -> Result<String, &'static str> {
        let value = self.values.get(name).ok_or("is not set in this script")?.clone()?;
        self.spend(value.len())?;
        Ok(value)
    }

    fn spend(&mut self, bytes: usize) -> Result<(), &'static str> {
        self.spent = self.spent.saturating_add(bytes);
        if self.spent > EXPANDED_BYTES_MAX { Err("is more than is followed") } else { Ok(()) }
    }

    /// The value of an assignment, which is not parted.
    pub fn whole(&mut self, pieces: &[Piece]) -> Result<String, Unclear> {
        let mut value = String::new();
        for piece in pieces {
            match piece {
                Piece::Text { text, .. } => value.push_str(text),
                Piece::Variable { name, default, .. } => value.push_str(&self.variable(name, default.as_deref())?),
                Piece::Unknown(why) => return Err(Unclear { name: None, why }),
            }
            if value.len() > VALUE_BYTES_MAX {
                return Err(Unclear { name: None, why: "is more than is followed" });
            }
        }
        Ok(value)
    }

    fn variable(&mut self, name: &str, default: Option<&[Piece]>) -> Result<String, Unclear> {
        match (self.values.contains_key(name), default) {
            (false, Some(default)) => self.whole(default),
            _ => self.get(name).map_err(|why| Unclear { name: Some(name.to_owned()), why }),
        }
    }

    /// The words that a word becomes: what is not quoted is parted at white space.
    pub fn words(&mut self, pieces: &[Piece], span: Span, words: &mut Vec<Word>) -> Result<(), Unclear> {
        let mut open: Option<String> = None;
        for piece in pieces {
            match piece {
                Piece::Text { text, .. } => open.get_or_insert_default().push_str(text),
                Piece::Variable { name, quoted: true, default } => {
                    let value = self.variable(name, default.as_deref())?;
                    open.get_or_insert_default().push_str(&value);
                }
                Piece::Variable { name, quoted: false, default } => {
                    let value = self.variable(name, default.as_deref())?;
                    for (at, part) in value.split(|c: char| c.is_ascii_whitespace()).enumerate() {
                        if at > 0 {
                            words.extend(open.take().map(|text| Word { text, span }));
                        }
                        if !part.is_empty() {
                            open.get_or_insert_default().push_str(part);
                        }
                    }
                }
                Piece::Unknown(why) => return Err(Unclear { name: None, why }),
            }
        }
        words.extend(open.map(|text| Word { text, span }));
        Ok(())
    }
}

/// `NAME=value` in front of a command, or the arguments of `export`.
pub(super) fn assignment(pieces: &[Piece]) -> Option<(String, Vec<Piece>)> {
    let (Piece::Text { text, quoted: false }, rest) = pieces.split_first()? else { return None };
    let (name, value) = text.split_once('=')?;
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let value = Piece::Text { text: value.to_owned(), quoted: false };
    is_name.then(|| (name.to_owned(), std::iter::once(value).chain(rest.iter().cloned()).collect()))
}
