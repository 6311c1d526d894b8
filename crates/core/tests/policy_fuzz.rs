//! Any bytes as a policy give diagnostics or a policy, never a panic.

use proptest::prelude::*;
use segwall_core::diag::Severity;
use segwall_core::policy::{Context, load, read_bytes};

const OFFICE: &str = include_str!("../../../examples/office.toml");

/// Texts that stand in policies, to be put where they do not belong.
const PIECES: &[&str] = &[
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "=",
    ".",
    ",",
    "#",
    "\n",
    "\r\n",
    "\\",
    "\u{0}",
    "\u{feff}",
    "é",
    "\u{1f6e1}",
    "any",
    "gateway",
    "segments",
    "internet",
    "internet/",
    "gateway/10.0.0.1",
    "/",
    "-",
    "0",
    "4095",
    "-1",
    "1e9",
    "18446744073709551616",
    "0x10",
    "2027-06-30",
    "24:00",
    "true",
    "nan",
    "::",
    "0.0.0.0/0",
    "::/0",
    "255.255.255.255",
    "192.168.10.0/24",
    "192.168.10.255",
    "fe80::1",
    "fd00:20::/64",
    "tcp/0-65535",
    "icmp/256/1",
    "proto/",
    "mon-sun",
    "1/second burst 0",
    "office",
    "[groups]",
    "[[accept]]",
    "[segments.dmz]",
    "from = \"any\"",
    "to = \"office\"",
    "vlan = 10",
];

/// Whether what comes out is of use: places inside the text, in order, and a policy exactly without errors.
fn check(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let context = Context { today: jiff::civil::date(2026, 11, 22), timezone: jiff::tz::TimeZone::UTC };
    let (source, diagnostics) = match read_bytes("fuzz.toml", bytes) {
        Ok(source) => {
            let loaded = load(&source, &context);
            let errors = loaded.diagnostics.iter().any(|found| found.severity == Severity::Error);
            prop_assert_eq!(loaded.policy.is_none(), errors, "{:?}", loaded.diagnostics);
            (source, loaded.diagnostics)
        }
        Err(unreadable) => (unreadable.source, vec![unreadable.diagnostic]),
    };
    let spans =
        diagnostics.iter().flat_map(|found| std::iter::once(found.span).chain(found.labels.iter().map(|it| it.span)));
    for span in spans {
        prop_assert!(
            source.text().get(span.range()).is_some(),
            "{:?} is no place in the text: {:?}",
            span,
            diagnostics
        );
    }
    prop_assert!(diagnostics.is_sorted_by_key(|found| found.span.start));
    prop_assert!(diagnostics.iter().all(|found| !found.message.is_empty()));
    Ok(())
}

#[derive(Debug, Clone)]
enum Change {
    DeleteLine(prop::sample::Index),
    RepeatLine(prop::sample::Index, prop::sample::Index),
    SwapLines(prop::sample::Index, prop::sample::Index),
    DeleteChars(prop::sample::Index, u8),
    Insert(prop::sample::Index, prop::sample::Index),
    ReplaceWord(prop::sample::Index, prop::sample::Index),
    CopyWord(prop::sample::Index, prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        index().prop_map(Change::DeleteLine),
        (index(), index()).prop_map(|(a, b)| Change::RepeatLine(a, b)),
        (index(), index()).prop_map(|(a, b)| Change::SwapLines(a, b)),
        (index(), 1..8u8).prop_map(|(at, count)| Change::DeleteChars(at, count)),
        (index(), index()).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (index(), index()).prop_map(|(at, piece)| Change::ReplaceWord(at, piece)),
        (index(), index()).prop_map(|(from, to)| Change::CopyWord(from, to)),
    ]
}

/// The words of a text: what stands in quotes, or a run of letters and digits.
fn words(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices() {
        let inside = c.is_alphanumeric() || matches!(c, '.' | '/' | ':' | '-' | '_');
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                words.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn apply(text: &str, change: &Change) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut chars: Vec<char> = text.chars().collect();
    if lines.is_empty() {
        return PIECES[0].to_owned();
    }
    match change {
        Change::DeleteLine(at) => {
            lines.remove(at.index(lines.len()));
            lines.concat()
        }
        Change::RepeatLine(from, to) => {
            lines.insert(to.index(lines.len()), lines[from.index(lines.len())]);
            lines.concat()
        }
        Change::SwapLines(a, b) => {
            let (a, b) = (a.index(lines.len()), b.index(lines.len()));
            lines.swap(a, b);
            lines.concat()
        }
        Change::DeleteChars(at, count) => {
            let from = at.index(chars.len());
            chars.drain(from..(from + usize::from(*count)).min(chars.len()));
            chars.into_iter().collect()
        }
        Change::Insert(at, piece) => {
            let at = at.index(chars.len());
            chars.splice(at..at, PIECES[piece.index(PIECES.len())].chars());
            chars.into_iter().collect()
        }
        Change::ReplaceWord(at, piece) => {
            let words = words(text);
            let mut text = text.to_owned();
            if !words.is_empty() {
                text.replace_range(words[at.index(words.len())].clone(), PIECES[piece.index(PIECES.len())]);
            }
            text
        }
        Change::CopyWord(from, to) => {
            let words = words(text);
            let mut changed = text.to_owned();
            if !words.is_empty() {
                let word = &text[words[from.index(words.len())].clone()];
                changed.replace_range(words[to.index(words.len())].clone(), word);
            }
            changed
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        check(bytes)?;
    }

    #[test]
    fn random_texts_do_no_harm(text in "(\\PC|[\\[\\]{}=\"'.,#\n]){0,200}") {
        check(text.into_bytes())?;
    }

    #[test]
    fn pieces_in_any_order_do_no_harm(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        check(pieces.concat().into_bytes())?;
    }

    #[test]
    fn a_changed_example_does_no_harm(changes in prop::collection::vec(change(), 1..12)) {
        let text = changes.iter().fold(OFFICE.to_owned(), |text, change| apply(&text, change));
        check(text.into_bytes())?;
    }

    /// One changed word at a time keeps the file valid TOML, so that the later passes are what is tried.
    #[test]
    fn a_changed_word_does_no_harm(changes in prop::collection::vec(
        (any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(|(a, b)| Change::CopyWord(a, b)), 1..4
    )) {
        let text = changes.iter().fold(OFFICE.to_owned(), |text, change| apply(&text, change));
        check(text.into_bytes())?;
    }
}
