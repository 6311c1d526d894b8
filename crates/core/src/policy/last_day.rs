//! The last day on which something holds.

use jiff::civil::Date;
use toml::de::DeValue;

use super::codes;
use super::faults::Faults;
use super::reader::{Table, span_of};
use crate::source::Span;

/// xtables keeps the end of a rule as seconds in 32 bits, which end in January 2038.
const LAST: Date = Date::constant(2037, 12, 31);

/// The day under a key, and its place.
pub(super) fn last_day(key: &str, table: &Table<'_>, faults: &mut Faults<'_>) -> Option<(Date, Span)> {
    let value = table.get(key)?;
    let span = span_of(value);
    let mut bad = |message: String, help: String| {
        faults.error(codes::BAD_DATE, span, message, "", help);
        None
    };
    let usual = "the last valid day, such as 2027-06-30";
    let date = match value.get_ref() {
        DeValue::Datetime(at) => match (at.date, at.time, at.offset) {
            (Some(date), None, None) => date,
            _ => return bad(format!("`{key}` is a day without a time"), usual.to_owned()),
        },
        DeValue::String(text) if text.parse::<Date>().is_ok() => {
            return bad(format!("`{key}` must be a date, not a text"), format!("write it without quotes: {text}"));
        }
        _ => {
            let help = "the last valid day, without quotes, such as 2027-06-30".to_owned();
            return bad(format!("`{key}` must be a date"), help);
        }
    };
    let parts = (i16::try_from(date.year), i8::try_from(date.month), i8::try_from(date.day));
    let day = match parts {
        (Ok(year), Ok(month), Ok(day)) => Date::new(year, month, day).ok(),
        _ => None,
    };
    let Some(day) = day else { return bad("there is no such day".to_owned(), "such as 2027-06-30".to_owned()) };
    if day > LAST {
        let help = format!("the last one is {LAST}; leave `{key}` out for what has no end");
        return bad("the kernel cannot count to that day".to_owned(), help);
    }
    Some((day, span))
}
