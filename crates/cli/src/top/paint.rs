//! The only door to the screen: every text goes through [`put`], which cuts it and takes away what could do something to a
//! terminal. And tables: which columns fit, and rows of them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::words::{cut, cut_middle, width};
use crate::text::Escaped;

/// Styles; without colour only those that a terminal of 1980 has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether colour is wanted and can be seen.
    pub is_coloured: bool,
}

impl Look {
    fn colour(self, colour: Color) -> Style {
        if self.is_coloured { Style::new().fg(colour) } else { Style::new() }
    }

    /// Good, or a little.
    pub fn good(self) -> Style {
        self.colour(Color::Green)
    }

    /// To be looked at, or much.
    pub fn care(self) -> Style {
        self.colour(Color::Yellow)
    }

    /// Refused, or critical.
    pub fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Not the point.
    pub fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Headings.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Where the cursor is.
    pub fn cursor(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

/// Writes a text into a line, in so many columns at most.
pub fn put(buf: &mut Buffer, x: u16, y: u16, columns: u16, text: &str, style: Style) {
    let area = buf.area;
    if y >= area.bottom() || x >= area.right() {
        return;
    }
    let room = columns.min(area.right() - x);
    let safe = if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        cut(text, room.into())
    } else {
        cut(&Escaped(text).to_string(), room.into())
    };
    buf.set_stringn(x, y, safe, room.into(), style);
}

/// Gives a stretch of a line a style.
pub fn tint(buf: &mut Buffer, area: Rect, style: Style) {
    buf.set_style(area.intersection(buf.area), style);
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Below so many columns it is left out.
    pub least: u16,
    /// It takes at most so many.
    pub most: u16,
    /// Numbers stand at the right.
    pub right: bool,
    /// What is too wide loses its middle: of an address and port, both ends tell most.
    pub middle: bool,
    /// Those with the highest are left out first; 0 never is.
    pub rank: u8,
}

impl Column {
    /// A text.
    pub const fn text(title: &'static str, least: u16, most: u16, rank: u8) -> Self {
        Self { title, least, most, right: false, middle: false, rank }
    }

    /// A number.
    pub const fn number(title: &'static str, columns: u16, rank: u8) -> Self {
        Self { title, least: columns, most: columns, right: true, middle: false, rank }
    }

    /// An address, or a name.
    pub const fn place(title: &'static str, least: u16, most: u16, rank: u8) -> Self {
        Self { title, least, most, right: false, middle: true, rank }
    }
}

/// A cell.
#[derive(Debug, Clone)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// How.
    pub style: Style,
}

impl Cell {
    /// As everything else.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), style: Style::new() }
    }

    /// In a style.
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

/// Which columns fit, and how wide each is; one column lies between two.
pub fn fit(columns: &[Column], room: u16) -> Vec<(usize, u16)> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let need = |kept: &[usize]| -> u16 { kept.iter().map(|at| columns[*at].least + 1).sum::<u16>().saturating_sub(1) };
    while need(&kept) > room {
        let Some(place) =
            (0..kept.len()).filter(|at| columns[kept[*at]].rank > 0).max_by_key(|at| columns[kept[*at]].rank)
        else {
            break;
        };
        kept.remove(place);
    }
    let mut left = room.saturating_sub(need(&kept));
    let mut widths: Vec<(usize, u16)> = kept.iter().map(|at| (*at, columns[*at].least)).collect();
    // In turn, so that none starves.
    while left > 0 && widths.iter().any(|(at, wide)| *wide < columns[*at].most) {
        for (at, wide) in &mut widths {
            if left > 0 && *wide < columns[*at].most {
                (*wide, left) = (*wide + 1, left - 1);
            }
        }
    }
    widths
}

/// One row of a table.
pub fn row(buf: &mut Buffer, area: Rect, columns: &[Column], widths: &[(usize, u16)], cells: &[Cell]) {
    let mut x = area.x;
    for (at, wide) in widths {
        let Some(cell) = cells.get(*at) else { continue };
        let safe = Escaped(&cell.text).to_string();
        let text = if columns[*at].middle { cut_middle(&safe, (*wide).into()) } else { cut(&safe, (*wide).into()) };
        let shift = if columns[*at].right { wide.saturating_sub(u16::try_from(width(&text)).unwrap_or(0)) } else { 0 };
        put(buf, x + shift, area.y, wide - shift, &text, cell.style);
        x += wide + 1;
    }
}

/// The headings.
pub fn headings(buf: &mut Buffer, area: Rect, columns: &[Column], widths: &[(usize, u16)], look: Look) {
    let cells: Vec<Cell> = columns.iter().map(|column| Cell::styled(column.title, look.strong())).collect();
    row(buf, area, columns, widths, &cells);
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [Column::text("name", 6, 12, 0), Column::number("rate", 5, 0), Column::text("more", 8, 40, 1)];

    #[test]
    fn what_does_not_fit_is_left_out_by_rank() {
        assert_eq!(fit(&COLUMNS, 21), [(0, 6), (1, 5), (2, 8)]);
        assert_eq!(fit(&COLUMNS, 25), [(0, 8), (1, 5), (2, 10)]);
        assert_eq!(fit(&COLUMNS, 20), [(0, 12), (1, 5)]);
        assert_eq!(fit(&COLUMNS, 3), [(0, 6), (1, 5)]);
    }

    #[test]
    fn nothing_reaches_the_terminal_as_it_came() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 24, 1));
        put(&mut buf, 0, 0, 24, "a\u{1b}[2J\u{202e}b", Style::new());
        let line: String = (0..24).map(|x| buf[(x, 0)].symbol()).collect();
        assert_eq!(line.trim_end(), "a\\u{1b}[2J\\u{202e}b");
        put(&mut buf, 90, 90, 5, "outside", Style::new());
    }
}
