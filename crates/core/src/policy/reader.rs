//! Small typed helpers over the spanned TOML tree. Each reports what it cannot use and gives `None`.

use serde_spanned::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::codes;
use super::faults::{Faults, list_words, shorten};
use super::keys::Keys;
use crate::diag::Diagnostic;
use crate::source::Span;

pub(super) type Value<'d> = Spanned<DeValue<'d>>;

/// A text of the policy and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'d> {
    pub text: &'d str,
    /// With its quotes.
    pub span: Span,
}

impl Text<'_> {
    /// The place of some of its bytes: exact where the text is written as it is read, else all of it.
    pub fn part(&self, range: std::ops::Range<usize>) -> Span {
        let written_len = (self.span.end - self.span.start) as usize;
        if written_len != self.text.len() + 2 {
            return self.span;
        }
        let at = self.span.start as usize + 1;
        Span::new(at + range.start..at + range.end)
    }
}

/// A whole number and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    pub value: u64,
    pub span: Span,
}

/// One entry of a table whose keys are names the user chose.
#[derive(Clone, Copy)]
pub(super) struct Entry<'d> {
    pub name: Text<'d>,
    pub value: &'d Value<'d>,
}

/// A table whose keys Segwall gives.
#[derive(Clone, Copy)]
pub(super) struct Table<'d> {
    map: &'d DeTable<'d>,
    /// Its header, or all of an inline table.
    pub span: Span,
    what: &'static str,
}

pub(super) fn span_of(value: &Value<'_>) -> Span {
    Span::new(value.span())
}

/// What a value is, for messages.
fn kind_of(value: &Value<'_>) -> &'static str {
    match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn wrong_type(value: &Value<'_>, key: &str, expected: &str, faults: &mut Faults<'_>) {
    let mut found = Diagnostic::error(codes::WRONG_TYPE, span_of(value), format!("`{key}` must be {expected}"))
        .label(format!("this is {}", kind_of(value)));
    let written = faults.text.get(value.span()).unwrap_or_default();
    if matches!(value.get_ref(), DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_))
        && expected.contains("text")
        && !written.is_empty()
    {
        found = found.help(format!("put it in quotes: \"{written}\""));
    }
    faults.push(found);
}

/// A text without control characters: it goes into files that other programs read line by line.
pub(super) fn text_of<'d>(
    value: &'d Value<'d>,
    key: &str,
    expected: &str,
    faults: &mut Faults<'_>,
) -> Option<Text<'d>> {
    let DeValue::String(text) = value.get_ref() else {
        wrong_type(value, key, expected, faults);
        return None;
    };
    let found = Text { text, span: span_of(value) };
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        faults.error(
            codes::CONTROL_CHARACTER,
            found.span,
            format!("`{key}` holds a control character (U+{:04X})", u32::from(control)),
            "",
            "write the text in one line, without tabs and escapes",
        );
        return None;
    }
    Some(found)
}

/// One text or a list of texts; `None` if any of it is broken.
pub(super) fn texts_of<'d>(
    value: &'d Value<'d>,
    key: &str,
    expected: &str,
    faults: &mut Faults<'_>,
) -> Option<Vec<Text<'d>>> {
    let array = match value.get_ref() {
        DeValue::Array(array) => array,
        DeValue::String(_) => return text_of(value, key, expected, faults).map(|text| vec![text]),
        _ => {
            wrong_type(value, key, &format!("{expected} or a list of them"), faults);
            return None;
        }
    };
    if array.is_empty() {
        faults.error(
            codes::EMPTY_LIST,
            span_of(value),
            format!("`{key}` is an empty list"),
            "",
            "leave the key out, or name at least one",
        );
        return None;
    }
    let texts: Vec<_> = array.iter().map(|item| text_of(item, key, expected, faults)).collect();
    texts.into_iter().collect()
}

pub(super) fn integer_of(
    value: &Value<'_>,
    key: &str,
    range: std::ops::RangeInclusive<u64>,
    faults: &mut Faults<'_>,
) -> Option<Number> {
    let bounds = format!("{} to {}", range.start(), range.end());
    let DeValue::Integer(integer) = value.get_ref() else {
        let expected = format!("a number, {bounds}");
        let mut found = Diagnostic::error(codes::WRONG_TYPE, span_of(value), format!("`{key}` must be {expected}"))
            .label(format!("this is {}", kind_of(value)));
        if let DeValue::String(text) = value.get_ref()
            && text.parse::<u64>().is_ok_and(|number| range.contains(&number))
        {
            found = found.help(format!("write it without quotes: {text}"));
        }
        faults.push(found);
        return None;
    };
    let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
    match number.and_then(|number| u64::try_from(number).ok()).filter(|number| range.contains(number)) {
        Some(number) => Some(Number { value: number, span: span_of(value) }),
        None => {
            faults.push(
                Diagnostic::error(codes::OUT_OF_RANGE, span_of(value), format!("`{key}` must be {bounds}"))
                    .label("out of range"),
            );
            None
        }
    }
}

impl<'d> Table<'d> {
    /// The table a value is; unknown keys are reported.
    pub fn of(value: &'d Value<'d>, key: &str, keys: &Keys, faults: &mut Faults<'_>) -> Option<Self> {
        let DeValue::Table(map) = value.get_ref() else {
            wrong_type(value, key, "a table", faults);
            return None;
        };
        Some(Self::of_map(map, span_of(value), keys, faults))
    }

    /// As [`Table::of`], for the whole file.
    pub fn of_map(map: &'d DeTable<'d>, span: Span, keys: &Keys, faults: &mut Faults<'_>) -> Self {
        for key in map.keys() {
            let name = key.get_ref().as_ref();
            if keys.known.contains(&name) {
                continue;
            }
            let place = Span::new(key.span());
            if let Some((_, feature)) = keys.later.iter().find(|(later, _)| *later == name) {
                faults.not_yet(place, feature);
                continue;
            }
            let useful: Vec<&str> = keys.known.iter().copied().filter(|known| !keys.refused.contains(known)).collect();
            let help = match faults.nearest(name, useful.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("possible: {}", useful.join(", ")),
            };
            let message = format!("unknown key `{}` in {}", shorten(name), keys.what);
            faults.error(codes::UNKNOWN_KEY, place, message, "", help);
        }
        Self { map, span, what: keys.what }
    }

    pub fn get(&self, key: &str) -> Option<&'d Value<'d>> {
        self.map.get(key)
    }

    pub fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    /// The place of a key, or the table's where it is not there.
    pub fn key_span(&self, key: &str) -> Span {
        self.map.get_key_value(key).map_or(self.span, |(key, _)| Span::new(key.span()))
    }

    /// The value of a key that must be there.
    pub fn require(&self, key: &str, help: &str, faults: &mut Faults<'_>) -> Option<&'d Value<'d>> {
        let value = self.get(key);
        if value.is_none() {
            let message = format!("{} needs `{key}`", self.what);
            faults.error(codes::MISSING_KEY, self.span, message, "", help);
        }
        value
    }

    pub fn text(&self, key: &str, faults: &mut Faults<'_>) -> Option<Text<'d>> {
        text_of(self.get(key)?, key, "a text", faults)
    }

    pub fn texts(&self, key: &str, faults: &mut Faults<'_>) -> Option<Vec<Text<'d>>> {
        texts_of(self.get(key)?, key, "a text", faults)
    }

    pub fn integer(&self, key: &str, range: std::ops::RangeInclusive<u64>, faults: &mut Faults<'_>) -> Option<Number> {
        integer_of(self.get(key)?, key, range, faults)
    }

    /// True or false; the default where it is not given or broken.
    pub fn boolean(&self, key: &str, default: bool, faults: &mut Faults<'_>) -> bool {
        let Some(value) = self.get(key) else { return default };
        match value.get_ref() {
            DeValue::Boolean(given) => *given,
            _ => {
                wrong_type(value, key, "true or false", faults);
                default
            }
        }
    }

    /// One of some words.
    pub fn word<T: Copy>(&self, key: &str, words: &[(&str, T)], faults: &mut Faults<'_>) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let found = text_of(self.get(key)?, key, &format!("one of {}", list_words(&names)), faults)?;
        let meant = words.iter().find(|(word, _)| *word == found.text).map(|(_, meant)| *meant);
        if meant.is_none() {
            faults.unknown_word(found, key, &names);
        }
        meant
    }

    /// A table within.
    pub fn table(&self, key: &str, keys: &Keys, faults: &mut Faults<'_>) -> Option<Table<'d>> {
        Table::of(self.get(key)?, key, keys, faults)
    }

    /// The entries of a table within whose keys the user chose, in the file's order.
    pub fn entries(&self, key: &str, faults: &mut Faults<'_>) -> Vec<Entry<'d>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Table(map) = value.get_ref() else {
            wrong_type(value, key, "a table of names", faults);
            return Vec::new();
        };
        let mut entries: Vec<_> = map
            .iter()
            .map(|(name, value)| Entry { name: Text { text: name.get_ref(), span: Span::new(name.span()) }, value })
            .collect();
        entries.sort_by_key(|entry| entry.name.span.start);
        entries
    }

    /// The tables of a list within (`[[key]]`), in the file's order.
    pub fn tables(&self, key: &str, keys: &Keys, faults: &mut Faults<'_>) -> Vec<Table<'d>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Array(array) => tables_of(array, key, keys, faults),
            DeValue::Table(_) => {
                let message = format!("`{key}` is a list of tables");
                faults.error(
                    codes::WRONG_TYPE,
                    span_of(value),
                    message,
                    "this is one table",
                    format!("write [[{key}]]"),
                );
                Vec::new()
            }
            _ => {
                wrong_type(value, key, &format!("a list of tables, each headed [[{key}]]"), faults);
                Vec::new()
            }
        }
    }
}

/// The tables of a list.
pub(super) fn tables_of<'d>(array: &'d DeArray<'d>, key: &str, keys: &Keys, faults: &mut Faults<'_>) -> Vec<Table<'d>> {
    array.iter().filter_map(|item| Table::of(item, key, keys, faults)).collect()
}
