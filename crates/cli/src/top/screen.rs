//! What the tabs with lists have in common: rows that are sorted and filtered, columns, and where the cursor is.

use segwall_watch::view::Refused;

use super::app::{App, Tab};
use super::paint::{Cell, Column};
use super::{alerts, drops, flows, interfaces, leases, talkers};

/// A tab with a list.
pub trait Screen {
    /// Its columns.
    fn columns(&self, app: &App) -> Vec<Column>;
    /// Places of the rows in what they are made of, in the order they are shown, before any filter.
    fn rows(&self, app: &App) -> Vec<usize>;
    /// What stays the same of a row from one view to the next.
    fn key(&self, app: &App, row: usize) -> String;
    /// A row, a cell for each column.
    fn cells(&self, app: &App, row: usize) -> Vec<Cell>;
    /// What is said above the list.
    fn head(&self, app: &App) -> String;
    /// What is said where there is no row.
    fn empty(&self, app: &App) -> String;
    /// What Enter does, and what else can be done with a row.
    fn hints(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    /// What Enter on a row opens.
    fn open(&self, _app: &App, _row: usize) -> Option<Opened> {
        None
    }
}

/// What Enter on a row opens.
#[derive(Debug)]
pub enum Opened {
    /// A text.
    Text(Popup),
    /// What the policy says of it.
    Explain(Box<Refused>),
    /// Another tab with a filter.
    Tab(Tab, String),
}

/// The list of a tab; the matrix is none.
pub fn of(tab: Tab) -> Option<&'static dyn Screen> {
    match tab {
        Tab::Matrix => None,
        Tab::Interfaces => Some(&interfaces::Interfaces),
        Tab::Flows => Some(&flows::Flows),
        Tab::Drops => Some(&drops::Drops),
        Tab::Talkers => Some(&talkers::Talkers),
        Tab::Alerts => Some(&alerts::Alerts),
        Tab::Leases => Some(&leases::Leases),
    }
}

/// Whether a row has every word of a filter.
pub fn takes(filter: &str, cells: &[Cell]) -> bool {
    if filter.trim().is_empty() {
        return true;
    }
    let text = cells.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join(" ").to_lowercase();
    filter.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

/// Where the cursor is in a list, and the first row that is shown.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// The row with the cursor.
    pub cursor: usize,
    /// The first row that is shown.
    pub top: usize,
    /// The row that the cursor stays on; none at the top, where the newest comes.
    held: Option<String>,
}

impl List {
    /// Moves the cursor.
    pub fn step(&mut self, by: isize, rows: usize) {
        self.cursor = self.cursor.saturating_add_signed(by).min(rows.saturating_sub(1));
    }

    /// Remembers the row under the cursor.
    pub fn hold(&mut self, key: Option<String>) {
        self.held = key.filter(|_| self.cursor > 0);
    }

    /// The cursor goes where its row went, and stays in sight.
    pub fn settle(&mut self, keys: impl Fn(usize) -> String, rows: usize, height: usize) {
        if let Some(held) = &self.held
            && let Some(place) = (0..rows).find(|row| keys(*row) == *held)
        {
            self.cursor = place;
        }
        self.cursor = self.cursor.min(rows.saturating_sub(1));
        self.top = in_sight(self.top, self.cursor, rows, height);
    }
}

/// The first row to show, so that the cursor is seen and no room is left empty.
pub fn in_sight(top: usize, cursor: usize, rows: usize, height: usize) -> usize {
    let height = height.max(1);
    let top = top.min(rows.saturating_sub(height));
    top.clamp((cursor + 1).saturating_sub(height), cursor)
}

/// A text over the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Popup {
    /// What it is about.
    pub title: String,
    /// Its lines; longer ones are wrapped.
    pub lines: Vec<String>,
    /// The first line that is shown.
    pub top: usize,
}

impl Popup {
    /// A text of several lines.
    pub fn of(title: impl Into<String>, text: &str) -> Self {
        Self { title: title.into(), lines: text.lines().map(str::to_owned).collect(), top: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_always_in_sight() {
        assert_eq!(in_sight(0, 5, 100, 10), 0);
        assert_eq!(in_sight(0, 15, 100, 10), 6);
        assert_eq!(in_sight(20, 15, 100, 10), 15);
        assert_eq!(in_sight(95, 99, 100, 10), 90);
        assert_eq!(in_sight(7, 0, 0, 0), 0);
    }

    #[test]
    fn the_cursor_follows_its_row() {
        let mut list = List::default();
        list.step(2, 5);
        list.hold(Some("c".to_owned()));
        let rows = ["x", "y", "a", "b", "c"];
        list.settle(|row| rows[row].to_owned(), rows.len(), 3);
        assert_eq!((list.cursor, list.top), (4, 2));
        list.step(-9, 5);
        list.hold(Some("x".to_owned()));
        list.settle(|row| ["new", "x"][row].to_owned(), 2, 3);
        assert_eq!(list.cursor, 0);
    }
}
