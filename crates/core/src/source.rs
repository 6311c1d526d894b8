//! The text of a policy and places in it.

/// Stands in the first line of everything Segwall writes (behind `#!` where that must come first), before the policy's
/// name: what lacks it is somebody else's, and is never overwritten.
pub const OURS: &str = "Written by Segwall from";

/// Bytes `start..end` of the policy file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span of a byte range.
    ///
    /// # Panics
    /// Past 4 GiB; files over [`SOURCE_BYTES_MAX`] are refused before they are read.
    #[must_use]
    pub fn new(range: std::ops::Range<usize>) -> Self {
        let offset = |at: usize| u32::try_from(at).expect("files are at most 64 MiB");
        Self { start: offset(range.start), end: offset(range.end) }
    }

    /// As a range of bytes.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// Larger policy files are refused.
pub const SOURCE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One policy file: its name as the user gave it, its text, and where its lines begin.
#[derive(Debug, Clone)]
pub struct Source {
    name: String,
    text: String,
    line_starts: Vec<u32>,
}

/// A place as people count: lines and columns from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Source {
    /// A source from its text.
    #[must_use]
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let mut line_starts = vec![0];
        line_starts.extend(
            text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| Span::new(at + 1..at + 1).start),
        );
        Self { name: name.into(), text, line_starts }
    }

    /// The name the user gave, `<stdin>` for `-`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line of a byte offset, from 1.
    #[must_use]
    pub fn line(&self, offset: u32) -> u32 {
        u32::try_from(self.line_starts.partition_point(|start| *start <= offset)).expect("fewer lines than bytes")
    }

    /// Line and column of a byte offset; an offset inside a character counts as its beginning.
    #[must_use]
    pub fn position(&self, offset: u32) -> Position {
        let line = self.line(offset);
        let start = self.line_starts[line as usize - 1] as usize;
        let mut end = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let column = u32::try_from(self.text[start..end].chars().count()).expect("fewer characters than bytes") + 1;
        Position { line, column }
    }

    /// The text of a span.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }
}
