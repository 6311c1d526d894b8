//! What stands below a drawing: lists in columns, and notes.

use super::metrics::{ascent, descent, pitch, width};
use super::scene::{Anchor, Item, Scene, Text};
use super::svg::HUES;
use super::wrap::wrap;

/// Font size of lists and notes.
pub(super) const SIZE: i32 = 12;
/// Text of a list wider than this is wrapped.
const COLUMN_MAX: i32 = 420;
/// Between columns.
const GAP: i32 = 28;
/// The mark before an entry has at least this much room.
const MARK_MIN: i32 = 24;

/// An entry of a list.
pub(super) struct Entry {
    /// A letter in its colour, or a name in bold.
    pub mark: Mark,
    pub words: String,
}

/// What stands before an entry.
pub(super) enum Mark {
    /// A tile of a class.
    Tile(usize, String),
    /// A name.
    Name(String),
}

impl Mark {
    fn width(&self) -> i32 {
        match self {
            Self::Tile(_, code) => width(code, SIZE, true) + 10,
            Self::Name(name) => width(name, SIZE, true),
        }
    }
}

/// A heading above a list.
pub(super) fn heading(scene: &mut Scene, x: i32, y: i32, words: &str) -> i32 {
    scene.text(Text::new((x, y + ascent(14)), 14, words).bold());
    y + pitch(14) + 6
}

/// A list in as many columns as fit between `x` and `right`; gives the place below it.
pub(super) fn list(scene: &mut Scene, x: i32, y: i32, right: i32, entries: &[Entry]) -> i32 {
    let marks = entries.iter().map(|entry| entry.mark.width()).max().unwrap_or(0).max(MARK_MIN) + 8;
    let text_max = COLUMN_MAX.min(right - x - marks).max(80);
    let wrapped: Vec<Vec<String>> = entries.iter().map(|entry| wrap(&entry.words, SIZE, false, text_max)).collect();
    let widest = wrapped.iter().flatten().map(|line| width(line, SIZE, false)).max().unwrap_or(0);
    let column = marks + widest + GAP;
    let columns = ((right - x + GAP) / column).max(1);
    let heights: Vec<i32> = wrapped.iter().map(|lines| entry_height(lines.len())).collect();
    // Filled one after the other, each up to the same height.
    let total: i32 = heights.iter().sum();
    let tallest = heights.iter().copied().max().unwrap_or(0);
    let full = total / columns + tallest;
    let (mut at, mut top, mut lowest) = (0, y, y);
    for ((entry, lines), height) in entries.iter().zip(&wrapped).zip(heights) {
        if top + height > y + full && at + 1 < columns {
            (at, top) = (at + 1, y);
        }
        draw(scene, x + at * column, top, marks, entry, lines);
        top += height;
        lowest = lowest.max(top);
    }
    lowest
}

fn entry_height(lines: usize) -> i32 {
    pitch(SIZE) * i32::try_from(lines).unwrap_or(1) + 5
}

fn draw(scene: &mut Scene, x: i32, y: i32, marks: i32, entry: &Entry, lines: &[String]) {
    let baseline = y + ascent(SIZE);
    match &entry.mark {
        Mark::Tile(class, code) => {
            let wide = entry.mark.width().max(MARK_MIN);
            scene.rect(x, y - 1, (wide, pitch(SIZE) + 2), 3, format!("a{}", class % HUES));
            scene.text(Text::new((x + wide / 2, baseline), SIZE, code).bold().anchor(Anchor::Middle));
        }
        Mark::Name(name) => scene.text(Text::new((x, baseline), SIZE, name).bold()),
    }
    for (line, row) in lines.iter().zip(0..) {
        scene.text(Text::new((x + marks, baseline + row * pitch(SIZE)), SIZE, line));
    }
}

/// Sentences, each wrapped; gives the place below them.
pub(super) fn notes(scene: &mut Scene, x: i32, mut y: i32, right: i32, notes: &[String]) -> i32 {
    for note in notes {
        for line in wrap(note, SIZE, false, right - x) {
            scene.text(Text::new((x, y + ascent(SIZE)), SIZE, line).class("q"));
            y += pitch(SIZE);
        }
        y += 3;
    }
    y
}

/// A row of an entry's mark in a grid: a tile with its letter.
pub(super) fn tile(scene: &mut Scene, (x, y): (i32, i32), (w, h): (i32, i32), class: usize, code: &str) {
    const LETTER: i32 = 10;
    scene.items.push(Item::Rect { x: x + 1, y: y + 1, w: w - 2, h: h - 2, r: 2, class: format!("a{}", class % HUES) });
    let baseline = y + h / 2 + (ascent(LETTER) - descent(LETTER)) / 2;
    scene.text(Text::new((x + w / 2, baseline), LETTER, code).bold().anchor(Anchor::Middle));
}

/// `A`, `B`, … `Z`, `AA`, … for a class.
pub(in crate::report) fn class_code(class: usize) -> String {
    let letter = |at: usize| char::from(b'A' + u8::try_from(at % 26).expect("below 26"));
    let mut code = String::new();
    let mut rest = class;
    loop {
        code.insert(0, letter(rest));
        match rest / 26 {
            0 => return code,
            more => rest = more - 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::class_code;

    #[test]
    fn codes_are_told_apart() {
        assert_eq!([0, 25, 26, 27, 51, 52, 701, 702].map(class_code), ["A", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA"]);
        let codes: std::collections::BTreeSet<String> = (0..5000).map(class_code).collect();
        assert_eq!(codes.len(), 5000);
    }
}
