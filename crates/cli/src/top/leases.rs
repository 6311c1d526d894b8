//! Leases, as `segwall leases` has them.

use super::app::{App, Tab};
use super::paint::{Cell, Column};
use super::screen::{Opened, Screen};
use super::words::{number, span};
use crate::commands::LeaseRow;

pub struct Leases;

fn lease(app: &App, row: usize) -> Option<&LeaseRow> {
    app.leases.as_ref()?.as_ref().ok()?.leases.get(row)
}

impl Screen for Leases {
    fn columns(&self, _app: &App) -> Vec<Column> {
        vec![
            Column::text("address", 15, 39, 0),
            Column::text("segment", 10, 31, 0),
            Column::text("name", 12, 40, 0),
            Column::text("card", 17, 17, 0),
            Column::text("maker", 8, 30, 1),
            Column::text("ends", 12, 14, 0),
        ]
    }

    fn rows(&self, app: &App) -> Vec<usize> {
        let count = app.leases.as_ref().and_then(|leases| leases.as_ref().ok()).map_or(0, |data| data.leases.len());
        (0..count).collect()
    }

    fn key(&self, app: &App, row: usize) -> String {
        lease(app, row).map_or_else(String::new, |one| one.address.to_string())
    }

    fn cells(&self, app: &App, row: usize) -> Vec<Cell> {
        let Some(one) = lease(app, row) else { return Vec::new() };
        let word = |word: &Option<String>| Cell::plain(word.as_deref().unwrap_or("-"));
        let ends = match (one.reserved, one.left_s) {
            (true, _) => "reserved".to_owned(),
            (false, None) => "never".to_owned(),
            (false, Some(left)) if left > 0 => format!("in {}", span(left.saturating_mul(1_000))),
            (false, Some(_)) => "ended".to_owned(),
        };
        vec![
            Cell::plain(one.address.to_string()),
            Cell::plain(one.segment.as_deref().unwrap_or("none any more")),
            word(&one.name),
            word(&one.mac),
            word(&one.vendor),
            Cell::plain(ends),
        ]
    }

    fn head(&self, app: &App) -> String {
        match &app.leases {
            Some(Ok(data)) => format!("{} leases", number(data.leases.len() as u64)),
            Some(Err(_)) | None => String::new(),
        }
    }

    fn empty(&self, app: &App) -> String {
        match &app.leases {
            Some(Ok(_)) => "nobody has a lease".to_owned(),
            Some(Err(why)) => why.clone(),
            None => "the leases are read".to_owned(),
        }
    }

    fn hints(&self) -> &'static [(&'static str, &'static str)] {
        &[("Enter", "its flows")]
    }

    fn open(&self, app: &App, row: usize) -> Option<Opened> {
        Some(Opened::Tab(Tab::Flows, lease(app, row)?.address.to_string()))
    }
}
