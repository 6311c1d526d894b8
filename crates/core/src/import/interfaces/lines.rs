//! Lines of `/etc/network/interfaces`, as ifupdown counts them: joined where a backslash ends them, comments apart.

use crate::source::{Source, Span};

/// A word and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'s> {
    pub text: &'s str,
    pub span: Span,
}

/// A line that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'s> {
    /// At least one.
    pub words: Vec<Word<'s>>,
    /// All of it.
    pub span: Span,
}

/// A line, or what stands between lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item<'s> {
    /// Words.
    Line(Line<'s>),
    /// A comment, without its sign.
    Comment(&'s str),
    /// Nothing.
    Blank,
}

/// Every line of a file, in order.
pub(super) fn items(source: &Source) -> Vec<Item<'_>> {
    let text = source.text();
    let mut items = Vec::new();
    let mut open: Option<Line<'_>> = None;
    let mut at = 0;
    for raw in text.split_inclusive('\n') {
        let (start, end) = (at, at + raw.len());
        at = end;
        let line = raw.trim_end_matches(['\n', '\r']);
        let goes_on = line.ends_with('\\');
        let line = line.strip_suffix('\\').unwrap_or(line);
        if open.is_none()
            && let Some(comment) = line.trim_start().strip_prefix('#')
        {
            // A comment is not continued.
            items.push(Item::Comment(comment.trim_matches(|c: char| c == '#' || c.is_whitespace())));
            continue;
        }
        let words = words(line, start);
        let whole = open.get_or_insert_with(|| Line { words: Vec::new(), span: Span::new(start..start) });
        whole.words.extend(words);
        whole.span = Span { end: Span::new(start..start + line.len()).end, ..whole.span };
        if goes_on {
            continue;
        }
        items.extend(open.take().map(finished));
    }
    items.extend(open.take().map(finished));
    items
}

fn finished(line: Line<'_>) -> Item<'_> {
    if line.words.is_empty() { Item::Blank } else { Item::Line(line) }
}

fn words(line: &str, start: usize) -> impl Iterator<Item = Word<'_>> {
    let base = line.as_ptr() as usize;
    line.split_whitespace().map(move |text| {
        let offset = start + (text.as_ptr() as usize - base);
        Word { text, span: Span::new(offset..offset + text.len()) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_comments_are_apart() {
        let source = Source::new("interfaces", "# DMZ #\nauto a \\\n  b\n\niface\\");
        let found = items(&source);
        assert_eq!(found[0], Item::Comment("DMZ"));
        let Item::Line(line) = &found[1] else { panic!("{found:?}") };
        assert_eq!(line.words.iter().map(|word| word.text).collect::<Vec<_>>(), ["auto", "a", "b"]);
        assert_eq!(source.slice(line.words[2].span), "b");
        assert_eq!(found[2], Item::Blank);
        assert!(matches!(&found[3], Item::Line(line) if line.words[0].text == "iface"));
    }
}
