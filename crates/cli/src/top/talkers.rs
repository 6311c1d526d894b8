//! Who talks most, in each segment: its own members, never who is at the other end.

use segwall_watch::view::Talker;

use super::app::{App, Tab};
use super::paint::{Cell, Column};
use super::screen::{Opened, Screen};
use super::words::{bits, cell, number, short};

/// Hosts of a segment where all segments are shown.
const OF_EACH: usize = 5;

pub struct Talkers;

fn talker(app: &App, row: usize) -> Option<&Talker> {
    app.view.as_ref()?.talkers.get(row)
}

impl Screen for Talkers {
    fn columns(&self, _app: &App) -> Vec<Column> {
        vec![
            Column::place("segment", 10, 31, 0),
            Column::place("host", 15, 39, 0),
            Column::text("name", 8, 31, 2),
            Column::number("sends bit/s", 11, 0),
            Column::number("gets bit/s", 10, 0),
            Column::number("sent", 6, 1),
            Column::number("got", 6, 1),
        ]
    }

    fn rows(&self, app: &App) -> Vec<usize> {
        let Some(view) = &app.view else { return Vec::new() };
        let mut rows: Vec<usize> = (0..view.talkers.len()).collect();
        // In a zone they come as they are to stand.
        rows.sort_by_key(|row| (view.talkers[*row].zone, *row));
        if let Some(name) = &app.zone {
            rows.retain(|row| app.zone_name(view.talkers[*row].zone) == name);
            return rows;
        }
        let (mut last, mut count) = (None, 0);
        rows.retain(|row| {
            let zone = view.talkers[*row].zone;
            count = if last == Some(zone) { count + 1 } else { 1 };
            last = Some(zone);
            count <= OF_EACH
        });
        rows
    }

    fn key(&self, app: &App, row: usize) -> String {
        talker(app, row).map_or_else(String::new, |one| format!("{} {}", one.zone, one.addr))
    }

    fn cells(&self, app: &App, row: usize) -> Vec<Cell> {
        let Some(one) = talker(app, row) else { return Vec::new() };
        vec![
            Cell::plain(app.zone_name(one.zone)),
            Cell::plain(one.addr.to_string()),
            Cell::plain(one.name.as_deref().unwrap_or("-")),
            Cell::plain(cell(bits(one.sent_s))),
            Cell::plain(cell(bits(one.received_s))),
            Cell::styled(format!("{}B", short(one.sent.bytes)), app.look.quiet()),
            Cell::styled(format!("{}B", short(one.received.bytes)), app.look.quiet()),
        ]
    }

    fn head(&self, app: &App) -> String {
        let Some(view) = &app.view else { return String::new() };
        let zone = app.zone.as_ref().and_then(|name| view.zones.iter().find(|zone| zone.name == *name));
        match zone {
            Some(zone) => {
                format!("{}: {} hosts were heard of; left, right: another segment", zone.name, number(zone.hosts))
            }
            None => format!("the {OF_EACH} that talk most in each segment; left, right: one segment"),
        }
    }

    fn empty(&self, app: &App) -> String {
        match app.view.as_ref().and_then(|view| view.listed_ms) {
            None => "the kernel's table of connections is listed in a moment".to_owned(),
            Some(_) => "nobody was heard of".to_owned(),
        }
    }

    fn hints(&self) -> &'static [(&'static str, &'static str)] {
        &[("Enter", "its flows"), ("Left/Right", "segment")]
    }

    fn open(&self, app: &App, row: usize) -> Option<Opened> {
        Some(Opened::Tab(Tab::Flows, talker(app, row)?.addr.to_string()))
    }
}

impl App {
    /// The next segment with hosts, or all of them.
    pub fn next_zone(&mut self, by: isize) {
        let Some(view) = &self.view else { return };
        let mut places: Vec<u32> = view.talkers.iter().map(|one| one.zone).collect();
        places.sort_unstable();
        places.dedup();
        let names: Vec<&str> = places.iter().map(|place| self.zone_name(*place)).collect();
        // Place 0 is all of them.
        let now =
            self.zone.as_deref().and_then(|zone| names.iter().position(|name| *name == zone)).map_or(0, |at| at + 1);
        let count = isize::try_from(names.len() + 1).unwrap_or(1);
        let next = (isize::try_from(now).unwrap_or(0) + by).rem_euclid(count);
        self.zone = usize::try_from(next - 1).ok().and_then(|at| names.get(at)).map(|name| (*name).to_owned());
        self.refresh();
    }
}
