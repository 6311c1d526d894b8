//! Alerts: what stands, then what ended since.

use segwall_watch::view::AlertRow;

use super::app::App;
use super::paint::{Cell, Column};
use super::screen::{Opened, Popup, Screen};
use super::words::{clock, moment, number, short, span};

pub struct Alerts;

fn alert(app: &App, row: usize) -> Option<&AlertRow> {
    app.view.as_ref()?.alerts.get(row)
}

impl Screen for Alerts {
    fn columns(&self, _app: &App) -> Vec<Column> {
        vec![
            Column::text("severity", 8, 8, 0),
            Column::text("since", 8, 8, 1),
            Column::text("kind", 10, 17, 2),
            Column::number("count", 5, 0),
            Column::text("what", 46, 200, 0),
        ]
    }

    fn rows(&self, app: &App) -> Vec<usize> {
        (0..app.view.as_ref().map_or(0, |view| view.alerts.len())).collect()
    }

    fn key(&self, app: &App, row: usize) -> String {
        alert(app, row).map_or_else(String::new, |one| one.id.to_string())
    }

    fn cells(&self, app: &App, row: usize) -> Vec<Cell> {
        let Some(one) = alert(app, row) else { return Vec::new() };
        let style = match (one.open, one.severity.as_str()) {
            (false, _) => app.look.quiet(),
            (true, "critical") => app.look.bad(),
            (true, "warning") => app.look.care(),
            (true, _) => app.look.good(),
        };
        vec![
            Cell::styled(if one.open { one.severity.as_str() } else { "over" }, style),
            Cell::styled(clock(one.first_ms, &app.timezone), app.look.quiet()),
            Cell::plain(&one.kind),
            Cell::plain(short(one.count)),
            Cell::plain(&one.summary),
        ]
    }

    fn head(&self, app: &App) -> String {
        let alerts = app.view.as_ref().map_or(&[] as &[_], |view| &view.alerts);
        let open = alerts.iter().filter(|one| one.open).count();
        format!("{open} open, {} that ended lately; `segwall alerts` lists all", alerts.len() - open)
    }

    fn empty(&self, _app: &App) -> String {
        "nothing to tell".to_owned()
    }

    fn hints(&self) -> &'static [(&'static str, &'static str)] {
        &[("Enter", "more")]
    }

    fn open(&self, app: &App, row: usize) -> Option<Opened> {
        let one = alert(app, row)?;
        let now_ms = app.view.as_ref()?.at_ms;
        let state = if one.open { "open" } else { "over" };
        let mut text = format!(
            "{}\n\n{}, {state}, from {}\nfirst  {}\nlast   {}, {} ago\ncount  {}\n",
            one.summary,
            one.severity,
            one.source,
            moment(one.first_ms, &app.timezone),
            moment(one.last_ms, &app.timezone),
            span(now_ms - one.last_ms),
            number(one.count),
        );
        for (word, list) in [("towards", &one.targets), ("on", &one.ports), ("by the policy", &one.policy)] {
            if !list.is_empty() {
                text.push_str(&format!("\n{word}\n    {}\n", list.join(", ")));
            }
        }
        text.push_str(&format!("\nWith its packets: segwall alerts --kind {} --format json\n", one.kind));
        Some(Opened::Text(Popup::of(format!("Alert {}: {}", one.id, one.kind), &text)))
    }
}
