//! Interfaces: what the kernel counts on them, tagged and untagged, whatever the policy says.

use super::app::App;
use super::paint::{Cell, Column};
use super::screen::Screen;
use super::words::{bits, cell, number, short};

pub struct Interfaces;

impl Screen for Interfaces {
    fn columns(&self, _app: &App) -> Vec<Column> {
        vec![
            Column::text("interface", 10, 15, 0),
            Column::place("zone", 10, 31, 0),
            Column::text("link", 4, 4, 0),
            Column::number("in bit/s", 8, 0),
            Column::number("out bit/s", 9, 0),
            Column::number("in pkt/s", 8, 2),
            Column::number("out pkt/s", 9, 3),
            Column::number("errors", 7, 1),
            Column::number("no room", 7, 4),
            Column::number("in all", 7, 5),
            Column::number("out all", 7, 6),
        ]
    }

    /// Those of the policy first, in its order.
    fn rows(&self, app: &App) -> Vec<usize> {
        let Some(view) = &app.view else { return Vec::new() };
        let mut rows: Vec<usize> = (0..view.interfaces.len()).collect();
        rows.sort_by_key(|row| (view.interfaces[*row].zone.unwrap_or(u32::MAX), *row));
        rows
    }

    fn key(&self, app: &App, row: usize) -> String {
        app.view.as_ref().map_or_else(String::new, |view| view.interfaces[row].name.clone())
    }

    fn cells(&self, app: &App, row: usize) -> Vec<Cell> {
        let Some(view) = &app.view else { return Vec::new() };
        let one = &view.interfaces[row];
        let rate = app.rates.interfaces.get(row).copied().unwrap_or_default();
        let faults = |count: u64| {
            if count == 0 {
                Cell::styled(cell(0), app.look.quiet())
            } else {
                Cell::styled(short(count), app.look.care())
            }
        };
        vec![
            Cell::plain(&one.name),
            one.zone.map_or_else(|| Cell::styled("-", app.look.quiet()), |zone| Cell::plain(app.zone_name(zone))),
            if one.up { Cell::styled("up", app.look.good()) } else { Cell::styled("down", app.look.bad()) },
            Cell::plain(cell(bits(rate.received))),
            Cell::plain(cell(bits(rate.sent))),
            Cell::plain(cell(rate.received_packets)),
            Cell::plain(cell(rate.sent_packets)),
            faults(one.errors),
            faults(one.dropped),
            Cell::plain(format!("{}B", short(one.received.bytes))),
            Cell::plain(format!("{}B", short(one.sent.bytes))),
        ]
    }

    fn head(&self, app: &App) -> String {
        let interfaces = app.view.as_ref().map_or(&[] as &[_], |view| &view.interfaces);
        let down = interfaces.iter().filter(|one| !one.up && one.zone.is_some()).count();
        let all = number(interfaces.len() as u64);
        if down == 0 { format!("{all} interfaces") } else { format!("{all} interfaces, {down} of the policy down") }
    }

    fn empty(&self, _app: &App) -> String {
        "the kernel tells of no interface".to_owned()
    }
}
