//! A page as a value: both Markdown and HTML are made from it, so they cannot say different things.

use super::reach::Reach;

/// A page.
#[derive(Debug, Clone)]
pub(super) struct Document {
    /// The policy file's name.
    pub file: String,
    pub sections: Vec<Section>,
}

/// A part of it, under a heading.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// For links.
    pub id: &'static str,
    pub title: &'static str,
    pub blocks: Vec<Block>,
}

/// What stands in a section.
#[derive(Debug, Clone)]
pub(super) enum Block {
    Text(Line),
    List(Vec<Line>),
    Table(Table),
    /// Zones by zones.
    Reach(Reach),
    /// The drawing.
    Diagram,
}

/// A table; `rules` says that its first column is a rule's line, which others link to.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub head: Vec<&'static str>,
    pub rows: Vec<Vec<Line>>,
    pub rules: bool,
}

/// A run of text.
pub(super) type Line = Vec<Part>;

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// An address, a name of an interface: what is typed somewhere.
    Code(String),
    Strong(String),
    /// `line 12`: leads to the rule.
    Rule(u32),
    /// A verdict or a result, with its colour.
    Badge(Tone, &'static str),
}

/// What a word means for the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
    Care,
}

/// Plain text as a line.
pub(super) fn text(words: impl Into<String>) -> Line {
    vec![Part::Text(words.into())]
}

/// An address or a name as a line.
pub(super) fn code(word: impl ToString) -> Line {
    vec![Part::Code(word.to_string())]
}

/// Codes with commas between them.
pub(super) fn codes<T: ToString>(words: impl IntoIterator<Item = T>) -> Line {
    let mut line = Line::new();
    for word in words {
        if !line.is_empty() {
            line.push(Part::Text(", ".to_owned()));
        }
        line.push(Part::Code(word.to_string()));
    }
    line
}

impl Section {
    pub fn new(id: &'static str, title: &'static str) -> Self {
        Self { id, title, blocks: Vec::new() }
    }

    pub fn text(mut self, words: impl Into<String>) -> Self {
        self.blocks.push(Block::Text(text(words)));
        self
    }

    pub fn block(mut self, block: Block) -> Self {
        self.blocks.push(block);
        self
    }

    /// A table, or a sentence where it has no rows.
    pub fn table(mut self, head: &[&'static str], rows: Vec<Vec<Line>>, empty: &str) -> Self {
        if rows.is_empty() {
            return if empty.is_empty() { self } else { self.text(empty) };
        }
        self.blocks.push(Block::Table(Table { head: head.to_vec(), rows, rules: false }));
        self
    }
}
