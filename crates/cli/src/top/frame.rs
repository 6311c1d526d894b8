//! What stands around every tab: title, tabs, what is shown, keys; and texts over all of it.

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::app::{App, BELOW, BODY, LEAST, Tab};
use super::paint::{fit, headings, put, row, tint};
use super::screen::{self, Popup};
use super::words::{clock, cut, number, width, wrapped};

/// A tab's name on the screen.
#[derive(Debug)]
pub struct Place {
    /// Which.
    pub tab: Tab,
    /// Where it begins.
    pub x: u16,
    /// How wide it is.
    pub columns: u16,
    text: String,
}

/// The tabs as they stand in the second line.
pub fn tabs(app: &App) -> Vec<Place> {
    let open = app.view.as_ref().map_or(0, |view| view.alerts.iter().filter(|alert| alert.open).count());
    let named = |most: usize| -> Vec<String> {
        let text = |tab: &Tab| {
            let name: String = tab.name().chars().take(most).collect();
            let count = if *tab == Tab::Alerts && open > 0 { format!(" {open}") } else { String::new() };
            format!(" {} {name}{count} ", tab.place() + 1)
        };
        Tab::ALL.iter().map(text).collect()
    };
    let mut texts = named(usize::MAX);
    if texts.iter().map(String::len).sum::<usize>() > app.size.0.into() {
        texts = named(4);
    }
    let mut x = 0;
    let place = |(tab, text): (&Tab, String)| {
        let columns = u16::try_from(text.len()).unwrap_or(u16::MAX);
        x += columns;
        Place { tab: *tab, x: x - columns, columns, text }
    };
    Tab::ALL.iter().zip(texts).map(place).collect()
}

/// A key in the last line.
#[derive(Debug)]
pub struct Hint {
    /// Where it begins.
    pub x: u16,
    /// How wide it is.
    pub columns: u16,
    /// The key that a click on it presses.
    pub code: Option<KeyCode>,
    key: &'static str,
    word: &'static str,
}

/// The keys of the last line, as many as fit.
pub fn hints(app: &App) -> Vec<Hint> {
    let mut words: Vec<(&'static str, &'static str)> = Vec::new();
    if app.popup.is_some() {
        words.extend([("Esc", "close"), ("Up/Down", "scroll")]);
    } else if app.typing {
        words.extend([("Enter", "keep the filter"), ("Esc", "clear it")]);
    } else {
        match screen::of(app.tab) {
            None => words.extend([("Enter", "flows"), ("u", "unit"), ("o", "order")]),
            Some(screen) => words.extend(screen.hints()),
        }
        words.push(("/", "filter"));
        if !app.filter().is_empty() {
            words.push(("Esc", "all"));
        }
        words.push(("p", if app.paused { "go on" } else { "pause" }));
        words.extend([("?", "help"), ("q", "quit")]);
    }
    let mut x = 0;
    let mut placed = Vec::new();
    for (key, word) in words {
        let columns = u16::try_from(key.len() + word.len() + 1).unwrap_or(u16::MAX);
        if x + columns > app.size.0 {
            break;
        }
        placed.push(Hint { x, columns, code: code(key), key, word });
        x += columns + 2;
    }
    placed
}

fn code(key: &str) -> Option<KeyCode> {
    let mut letters = key.chars();
    match (key, letters.next(), letters.next()) {
        ("Enter", ..) => Some(KeyCode::Enter),
        ("Esc", ..) => Some(KeyCode::Esc),
        (_, Some(letter), None) => Some(KeyCode::Char(letter)),
        _ => None,
    }
}

impl App {
    /// Draws all of it.
    pub fn draw(&self, buf: &mut Buffer) {
        let area = buf.area;
        if !self.fits() || area.width < LEAST.0 || area.height < LEAST.1 {
            let (columns, rows) = LEAST;
            let text = format!(
                "segwall top needs {columns} columns and {rows} rows; there are {} and {}: make the window larger, or q",
                area.width, area.height
            );
            for (y, line) in (0u16..).zip(wrapped(&text, area.width.into())) {
                put(buf, 0, y, area.width, &line, Style::new());
            }
            return;
        }
        self.draw_title(buf, area);
        for place in tabs(self) {
            let style = if place.tab == self.tab { self.look.cursor() } else { self.look.strong() };
            put(buf, place.x, 1, place.columns, &place.text, style);
        }
        let body = Rect::new(0, BODY, area.width, area.height - BODY - BELOW);
        if self.view.is_none() {
            put(buf, 0, BODY, area.width, "waiting for the first view", self.look.quiet());
        } else if let Some(screen) = screen::of(self.tab) {
            self.draw_head(buf, area.width, &screen.head(self));
            self.draw_list(buf, body, screen);
        } else {
            self.draw_head(buf, area.width, &self.matrix_head());
            self.draw_matrix(buf, body);
            put(buf, 0, area.height - 2, area.width, &self.matrix_part(), self.look.quiet());
        }
        if let Some(popup) = &self.popup {
            self.draw_popup(buf, popup);
        }
        let y = area.height - 1;
        for hint in hints(self) {
            put(buf, hint.x, y, hint.columns, hint.key, self.look.cursor());
            let room = hint.columns.saturating_sub(u16::try_from(hint.key.len()).unwrap_or(0) + 1);
            put(buf, hint.x + hint.columns - room, y, room, hint.word, Style::new());
        }
    }

    fn draw_title(&self, buf: &mut Buffer, area: Rect) {
        let Some(view) = &self.view else {
            put(buf, 0, 0, area.width, "segwall top", self.look.strong());
            return;
        };
        let time = clock(view.at_ms, &self.timezone);
        let right = if self.paused { format!("PAUSED {time}") } else { time };
        let columns = u16::try_from(width(&right)).unwrap_or(0);
        let style = if self.paused { self.look.care() } else { Style::new() };
        put(buf, area.width.saturating_sub(columns), 0, columns, &right, style);
        let room = area.width.saturating_sub(columns + 2);
        let connections = match view.conntrack {
            Some(fill) if fill.max > 0 => {
                format!("  {} of {} connections", number(fill.count), number(fill.max))
            }
            Some(fill) => format!("  {} connections", number(fill.count)),
            None => String::new(),
        };
        let lost: u64 = view.lost.iter().map(|loss| loss.count).sum();
        let lost = if lost > 0 { format!("  {} records lost", number(lost)) } else { String::new() };
        put(buf, 0, 0, room, &format!("segwall top  {}{connections}{lost}", view.policy), self.look.strong());
    }

    fn draw_head(&self, buf: &mut Buffer, columns: u16, head: &str) {
        let is_gone = self.view.as_ref().is_some_and(|view| view.table == Some(false));
        if let Some(why) = &self.lost {
            put(buf, 0, 2, columns, why, self.look.bad());
        } else if self.typing || !self.filter().is_empty() {
            let cursor = if self.typing { "_" } else { "" };
            let count =
                if self.tab == Tab::Matrix { String::new() } else { format!("  ({} shown)", self.rows().len()) };
            put(buf, 0, 2, columns, &format!("filter: {}{cursor}{count}", self.filter()), self.look.care());
        } else if is_gone {
            put(
                buf,
                0,
                2,
                columns,
                "the table inet segwall is not in the kernel: run `segwall status`",
                self.look.bad(),
            );
        } else {
            put(buf, 0, 2, columns, head, self.look.quiet());
        }
    }

    fn draw_list(&self, buf: &mut Buffer, body: Rect, screen: &dyn screen::Screen) {
        let columns = screen.columns(self);
        let widths = fit(&columns, body.width);
        headings(buf, Rect::new(0, BODY - 1, body.width, 1), &columns, &widths, self.look);
        if self.rows().is_empty() {
            let text = if self.filter().is_empty() { screen.empty(self) } else { "nothing here has that".to_owned() };
            for (y, line) in (body.y..body.bottom()).zip(wrapped(&text, body.width.into())) {
                put(buf, 0, y, body.width, &line, self.look.quiet());
            }
        }
        let list = self.list();
        if self.rows().len() > body.height.into() {
            let (first, last) = (list.top + 1, (list.top + usize::from(body.height)).min(self.rows().len()));
            let part = format!("{first}-{last} of {}", number(self.rows().len() as u64));
            put(buf, 0, body.bottom(), body.width, &part, self.look.quiet());
        }
        for (y, at) in (body.y..body.bottom()).zip(list.top..self.rows().len()) {
            let line = Rect::new(0, y, body.width, 1);
            row(buf, line, &columns, &widths, &screen.cells(self, self.rows()[at]));
            if at == list.cursor {
                tint(buf, line, self.look.cursor());
            }
        }
    }

    fn draw_popup(&self, buf: &mut Buffer, popup: &Popup) {
        let area = buf.area;
        let height = popup_height((area.width, area.height));
        let lines = popup_lines(popup, area.width);
        // All of the width and no frame beside the text: so it can be marked and copied line by line.
        for y in 2..area.height - 1 {
            put(buf, 0, y, area.width, &" ".repeat(area.width.into()), Style::new());
            tint(buf, Rect::new(0, y, area.width, 1), Style::reset());
        }
        let title = cut(&popup.title, usize::from(area.width) - 2);
        put(buf, 0, 2, area.width, &title, self.look.strong());
        let more = lines.len().saturating_sub(popup.top + height);
        for (y, line) in (4u16..).zip(lines.iter().skip(popup.top).take(height)) {
            put(buf, 0, y, area.width, line, Style::new());
        }
        if more > 0 {
            put(buf, 0, area.height - 2, area.width, &format!("{more} more lines: Down"), self.look.quiet());
        }
    }
}

/// Lines of a text over the screen that are shown at once.
pub fn popup_height(size: (u16, u16)) -> usize {
    usize::from(size.1).saturating_sub(6).max(1)
}

/// Its lines as they are shown.
pub fn popup_lines(popup: &Popup, columns: u16) -> Vec<String> {
    let safe = |line: &String| crate::text::Escaped(line).to_string();
    popup
        .lines
        .iter()
        .flat_map(|line| if line.is_empty() { vec![String::new()] } else { wrapped(&safe(line), columns.into()) })
        .collect()
}

/// Every key.
pub fn help() -> Popup {
    Popup::of(
        "Keys",
        "1 to 7, Tab   matrix, interfaces, flows, drops, talkers, alerts, leases
arrows, hjkl  move; PgUp, PgDn, Home, End
Enter         matrix: flows of a cell; talkers, leases: flows of a host;
              flows, drops: what the policy says; alerts: all that is known
/             filter: rows that have every word; Esc shows all again
p, space      pause, and go on with the newest
u, o          matrix: another unit; in the policy's order or most traffic first
left, right   talkers: one segment, the next, all
r             drops: the lines for the policy that would allow it
q, Ctrl-C     quit; Ctrl-Z puts aside; Ctrl-L draws anew

Mouse: click a tab, a row or a key below, click a row again to open it; the
wheel scrolls. Shift marks text.

Rates of connections are as of the kernel's table, which is listed every 2 s.
Traffic that stays inside a segment does not pass the box and is not seen.",
    )
}
