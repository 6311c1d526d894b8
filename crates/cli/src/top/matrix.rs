//! The matrix: who opens connections to whom, and how much goes on between them right now.

use std::cmp::Reverse;

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::Rect;
use segwall_watch::view::View;

use super::app::{App, Ask, BODY, Tab};
use super::paint::{put, tint};
use super::rates::PairRate;
use super::screen::{Opened, in_sight};
use super::words::{NOTHING, bits, cell, cut, cut_middle, number, of, short, width};

/// What a cell counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unit {
    /// Bits a second.
    #[default]
    Bits,
    /// Packets a second.
    Packets,
    /// Connections that begin, a second.
    Connections,
    /// Packets that are refused, a second.
    Refused,
}

impl Unit {
    fn of(self, rate: &PairRate) -> u64 {
        match self {
            Self::Bits => bits(rate.bytes),
            Self::Packets => rate.packets,
            Self::Connections => rate.connections,
            Self::Refused => rate.refused,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Bits => "bit/s",
            Self::Packets => "packets/s",
            Self::Connections => "new connections/s",
            Self::Refused => "refused packets/s",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Bits => Self::Packets,
            Self::Packets => Self::Connections,
            Self::Connections => Self::Refused,
            Self::Refused => Self::Bits,
        }
    }
}

/// Columns for the names at the left.
const NAME_LEAST: u16 = 8;
const NAME_MOST: u16 = 16;
/// Columns of a cell, with the one between two.
const CELL_LEAST: u16 = 7;
const CELL_SCROLLED: u16 = 9;
const CELL_MOST: u16 = 12;

/// What the matrix remembers.
#[derive(Debug, Default)]
pub struct Matrix {
    /// What cells count.
    pub unit: Unit,
    /// Those with most traffic come first; else in the policy's order.
    pub by_traffic: bool,
    /// Row and column of the cursor.
    cursor: (usize, usize),
    top: (usize, usize),
    /// Places of zones, in the order they are shown.
    order: Vec<usize>,
    /// What all cells of a row have together, by the zone's place.
    sums: Vec<u64>,
    most: u64,
    /// Columns for names, columns of a cell, cells in a row.
    shape: (u16, u16, usize),
}

impl Matrix {
    /// After anything changed.
    pub fn settle(&mut self, app: &App) {
        let Some(view) = &app.view else { return };
        let kept = |places: (usize, usize)| (self.order.get(places.0).copied(), self.order.get(places.1).copied());
        let held = kept(self.cursor);
        let (mut sums, mut both) = (vec![0u64; view.zones.len()], vec![0u64; view.zones.len()]);
        self.most = 0;
        for (pair, rate) in view.pairs.iter().zip(&app.rates.pairs) {
            let value = self.unit.of(rate);
            self.most = self.most.max(value);
            for (place, list) in [(pair.from, &mut sums), (pair.from, &mut both)] {
                if let Some(sum) = list.get_mut(place as usize) {
                    *sum = sum.saturating_add(value);
                }
            }
            if let Some(sum) = both.get_mut(pair.to as usize) {
                *sum = sum.saturating_add(value);
            }
        }
        let filter = app.filter().to_lowercase();
        let wanted = |place: &usize| {
            let name = view.zones[*place].name.to_lowercase();
            filter.trim().is_empty() || filter.split_whitespace().any(|word| name.contains(word))
        };
        let mut order: Vec<usize> = (0..view.zones.len()).filter(wanted).collect();
        if self.by_traffic {
            order.sort_by_key(|place| (Reverse(both[*place]), *place));
        }
        (self.order, self.sums) = (order, sums);
        // Sorted by traffic the cursor stays where the busiest are, else on its zones.
        if !self.by_traffic {
            let find = |zone: Option<usize>| zone.and_then(|zone| self.order.iter().position(|place| *place == zone));
            self.cursor = (find(held.0).unwrap_or(self.cursor.0), find(held.1).unwrap_or(self.cursor.1));
        }
        self.shape = shape(app, &self.order);
        let last = self.order.len().saturating_sub(1);
        self.cursor = (self.cursor.0.min(last), self.cursor.1.min(last));
        self.top.0 = in_sight(self.top.0, self.cursor.0, self.order.len(), app.height());
        self.top.1 = in_sight(self.top.1, self.cursor.1, self.order.len(), self.shape.2);
    }

    fn cell(&self) -> Option<(usize, usize)> {
        Some((*self.order.get(self.cursor.0)?, *self.order.get(self.cursor.1)?))
    }
}

/// Names get what they need, cells the rest.
fn shape(app: &App, order: &[usize]) -> (u16, u16, usize) {
    let Some(view) = &app.view else { return (NAME_LEAST, CELL_LEAST, 1) };
    let longest = order.iter().map(|place| width(&view.zones[*place].name)).max().unwrap_or(0);
    let longest = u16::try_from(longest).unwrap_or(NAME_MOST);
    let names = longest.clamp(NAME_LEAST, NAME_MOST);
    // The sum of a row has a column of its own.
    let room = app.size.0.saturating_sub(names + CELL_LEAST + 1);
    let fair = room / u16::try_from(order.len().max(1)).unwrap_or(u16::MAX);
    // Where not all are seen anyway, a few that can be told apart are better than more.
    let least = if fair < CELL_LEAST { CELL_SCROLLED } else { CELL_LEAST };
    let wide = fair.max(least).min((longest + 2).clamp(CELL_LEAST, CELL_MOST));
    (names, wide, usize::from(room / wide).max(1))
}

/// A pair's rate and sums.
fn pair(app: &App, from: usize, to: usize) -> Option<usize> {
    let place = (u32::try_from(from).ok()?, u32::try_from(to).ok()?);
    app.view.as_ref()?.pairs.binary_search_by_key(&place, |pair| (pair.from, pair.to)).ok()
}

impl App {
    /// A key on the matrix.
    pub fn matrix_key(&mut self, code: KeyCode) -> Option<Ask> {
        let page = isize::try_from(self.height()).unwrap_or(1).max(1);
        let far = isize::MAX / 2;
        match code {
            KeyCode::Up | KeyCode::Char('k') => self.matrix_step((-1, 0)),
            KeyCode::Down | KeyCode::Char('j') => self.matrix_step((1, 0)),
            KeyCode::Left | KeyCode::Char('h') => self.matrix_step((0, -1)),
            KeyCode::Right | KeyCode::Char('l') => self.matrix_step((0, 1)),
            KeyCode::PageUp => self.matrix_step((-page, 0)),
            KeyCode::PageDown => self.matrix_step((page, 0)),
            KeyCode::Home => self.matrix_step((-far, -far)),
            KeyCode::End => self.matrix_step((far, far)),
            KeyCode::Char('u') => {
                self.matrix.unit = self.matrix.unit.next();
                self.refresh();
            }
            KeyCode::Char('o') => {
                self.matrix.by_traffic = !self.matrix.by_traffic;
                // From the top, and not to where the zones under the cursor went.
                (self.matrix.cursor, self.matrix.top) = ((0, 0), (0, 0));
                self.matrix.order.clear();
                self.refresh();
            }
            KeyCode::Enter => return self.matrix_open(),
            _ => {}
        }
        None
    }

    /// Moves the cursor, down and to the right.
    pub fn matrix_step(&mut self, by: (isize, isize)) {
        let last = self.matrix.order.len().saturating_sub(1);
        let moved = |at: usize, by: isize| at.saturating_add_signed(by).min(last);
        self.matrix.cursor = (moved(self.matrix.cursor.0, by.0), moved(self.matrix.cursor.1, by.1));
        self.refresh();
    }

    /// The flows of a cell; of refused packets, the drops.
    fn matrix_open(&mut self) -> Option<Ask> {
        let (from, to) = self.matrix.cell()?;
        let zones = &self.view.as_ref()?.zones;
        let filter = format!("{}>{}", zones[from].name, zones[to].name);
        let tab = if self.matrix.unit == Unit::Refused { Tab::Drops } else { Tab::Flows };
        self.opened(Opened::Tab(tab, filter))
    }

    /// A click on a cell moves the cursor there, a second one opens it.
    pub fn matrix_click(&mut self, column: u16, row: usize) -> Option<Ask> {
        let (names, wide, _) = self.matrix.shape;
        let row = self.matrix.top.0 + row;
        let first = names + 1 + CELL_LEAST;
        let cell = column.checked_sub(first).map(|column| self.matrix.top.1 + usize::from(column / wide));
        let column = cell.unwrap_or(self.matrix.cursor.1);
        if row >= self.matrix.order.len() || column >= self.matrix.order.len() {
            return None;
        }
        if cell.is_some() && (row, column) == self.matrix.cursor {
            return self.matrix_open();
        }
        self.matrix.cursor = (row, column);
        self.refresh();
        None
    }

    /// What is said above the matrix: the cell under the cursor.
    pub fn matrix_head(&self) -> String {
        let (Some((from, to)), Some(view)) = (self.matrix.cell(), &self.view) else {
            return "no zone has such a name".to_owned();
        };
        let names = format!("{} > {}", cut(&view.zones[from].name, 16), cut(&view.zones[to].name, 16));
        let Some(at) = pair(self, from, to) else { return format!("{names}: nothing yet") };
        let (sums, rate) = (&view.pairs[at], self.rates.pairs.get(at).copied().unwrap_or_default());
        let refused = match sums.refused {
            0 => String::new(),
            all => format!(", {} refused ({}/s)", number(all), short(rate.refused)),
        };
        let carried = if self.rates.is_known { format!("{}, ", of(bits(rate.bytes), "bit/s")) } else { String::new() };
        format!(
            "{names}: {carried}{} sent, {} back, {} begun{refused}",
            of(sums.sent.bytes, "B"),
            of(sums.received.bytes, "B"),
            number(sums.connections)
        )
    }

    /// Draws it.
    pub fn draw_matrix(&self, buf: &mut Buffer, area: Rect) {
        let Some(view) = &self.view else { return };
        let Matrix { order, top, shape: (names, wide, across), .. } = &self.matrix;
        let columns: Vec<usize> = order.iter().skip(top.1).take(*across).copied().collect();
        let first = names + 1 + CELL_LEAST;
        put(buf, 0, BODY - 1, *names, "from \\ to", self.look.quiet());
        right(buf, (names + 1, BODY - 1), CELL_LEAST - 1, "all", self.look.strong());
        for (at, place) in (0u16..).zip(&columns) {
            let style =
                if top.1 + usize::from(at) == self.matrix.cursor.1 { self.look.cursor() } else { self.look.strong() };
            right(buf, (first + at * wide, BODY - 1), wide - 1, &view.zones[*place].name, style);
        }
        for (y, row) in (area.y..area.bottom()).zip(top.0..order.len()) {
            self.draw_row(buf, view, y, row, &columns);
        }
    }

    fn draw_row(&self, buf: &mut Buffer, view: &View, y: u16, row: usize, columns: &[usize]) {
        let Matrix { order, sums, top, cursor, shape: (names, wide, _), .. } = &self.matrix;
        let from = order[row];
        let style = if row == cursor.0 { self.look.cursor() } else { self.look.strong() };
        put(buf, 0, y, *names, &cut_middle(&view.zones[from].name, (*names).into()), style);
        right(buf, (names + 1, y), CELL_LEAST - 1, &cell(sums[from]), self.look.quiet());
        for (at, to) in (0u16..).zip(columns) {
            let found = pair(self, from, *to);
            let value = found.and_then(|at| self.rates.pairs.get(at)).map_or(0, |rate| self.matrix.unit.of(rate));
            // That there was traffic is told from none at all.
            let text = match (value, found) {
                (0, Some(_)) => "0".to_owned(),
                (0, None) => NOTHING.to_owned(),
                (value, _) => short(value),
            };
            let style = match value {
                0 => self.look.quiet(),
                _ if self.matrix.unit == Unit::Refused => self.look.bad(),
                value if value.saturating_mul(2) >= self.matrix.most => self.look.care(),
                _ => self.look.good(),
            };
            let x = names + 1 + CELL_LEAST + at * wide;
            right(buf, (x, y), wide - 1, &text, style);
            if (row, top.1 + usize::from(at)) == *cursor {
                tint(buf, Rect::new(x, y, wide - 1, 1), self.look.cursor());
            }
        }
    }

    /// Which part of the matrix is seen.
    pub fn matrix_part(&self) -> String {
        let Matrix { order, top, shape: (_, _, across), .. } = &self.matrix;
        let all = order.len();
        let (rows, columns) = (self.height().min(all - top.0.min(all)), (*across).min(all - top.1.min(all)));
        if rows >= all && columns >= all {
            return format!("{} in each cell; u: another unit", self.matrix.unit.words());
        }
        let of = |first: usize, count: usize| format!("{}-{}", first + 1, first + count);
        format!("{}; rows {}, columns {} of {all}", self.matrix.unit.words(), of(top.0, rows), of(top.1, columns))
    }
}

fn right(buf: &mut Buffer, at: (u16, u16), columns: u16, text: &str, style: ratatui::style::Style) {
    let text = cut_middle(text, columns.into());
    let shift = columns.saturating_sub(u16::try_from(width(&text)).unwrap_or(0));
    put(buf, at.0 + shift, at.1, columns - shift, &text, style);
}
