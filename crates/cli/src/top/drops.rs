//! Refused packets, the newest first.

use segwall_watch::view::Refused;

use super::app::App;
use super::flows::place;
use super::paint::{Cell, Column};
use super::screen::{Opened, Screen};
use super::words::{clock, number};

pub struct Drops;

/// The packet of a row.
pub fn refused(app: &App, row: usize) -> Option<&Refused> {
    app.view.as_ref()?.drops.get(row)
}

/// What was tried: `tcp SYN`, `icmp 8`.
fn what(one: &Refused) -> String {
    match (one.kind, one.flags.as_str()) {
        (Some(kind), _) => format!("{} {kind}", one.proto),
        (None, "" | "SYN") => one.proto.clone(),
        (None, flags) => format!("{} {flags}", one.proto),
    }
}

impl Screen for Drops {
    fn columns(&self, _app: &App) -> Vec<Column> {
        vec![
            Column::text("time", 8, 8, 0),
            Column::text("why", 7, 17, 1),
            Column::place("from>to", 15, 32, 0),
            Column::text("proto", 5, 12, 0),
            Column::place("source", 14, 47, 0),
            Column::place("destination", 18, 47, 0),
        ]
    }

    fn rows(&self, app: &App) -> Vec<usize> {
        (0..app.view.as_ref().map_or(0, |view| view.drops.len())).rev().collect()
    }

    fn key(&self, app: &App, row: usize) -> String {
        refused(app, row).map_or_else(String::new, |one| one.number.to_string())
    }

    fn cells(&self, app: &App, row: usize) -> Vec<Cell> {
        let Some(one) = refused(app, row) else { return Vec::new() };
        vec![
            Cell::styled(clock(one.at_ms, &app.timezone), app.look.quiet()),
            Cell::styled(&one.reason, app.look.bad()),
            Cell::plain(format!("{}>{}", one.from, one.to)),
            Cell::plain(what(one)),
            Cell::plain(one.src.to_string()),
            Cell::plain(place(one.dst, one.dport)),
        ]
    }

    fn head(&self, app: &App) -> String {
        let Some(view) = &app.view else { return String::new() };
        let now: u64 = app.rates.pairs.iter().map(|pair| pair.refused).sum();
        format!(
            "{} packets/s are refused; rules write some of them down, here are the newest {}",
            number(now),
            view.drops.len()
        )
    }

    fn empty(&self, _app: &App) -> String {
        "nothing was refused since this is watched".to_owned()
    }

    fn hints(&self) -> &'static [(&'static str, &'static str)] {
        &[("Enter", "explain"), ("r", "make a rule")]
    }

    fn open(&self, app: &App, row: usize) -> Option<Opened> {
        Some(Opened::Explain(Box::new(refused(app, row)?.clone())))
    }
}
