//! The screen as a value: what was said to it changes it, and it is drawn from itself alone. No terminal, clock or file.

use jiff::tz::TimeZone;
use segwall_watch::view::{Refused, View};

use super::matrix::Matrix;
use super::paint::Look;
use super::rates::Rates;
use super::screen::{self, List, Popup};
use crate::commands::LeasesData;

/// The tabs, in the order of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Matrix,
    Interfaces,
    Flows,
    Drops,
    Talkers,
    Alerts,
    Leases,
}

impl Tab {
    /// Every tab.
    pub const ALL: [Self; 7] =
        [Self::Matrix, Self::Interfaces, Self::Flows, Self::Drops, Self::Talkers, Self::Alerts, Self::Leases];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Matrix => "Matrix",
            Self::Interfaces => "Interfaces",
            Self::Flows => "Flows",
            Self::Drops => "Drops",
            Self::Talkers => "Talkers",
            Self::Alerts => "Alerts",
            Self::Leases => "Leases",
        }
    }

    /// Its place, from 0.
    pub fn place(self) -> usize {
        Self::ALL.iter().position(|tab| *tab == self).expect("all are listed")
    }
}

/// What the screen wants of whoever holds the terminal.
#[derive(Debug)]
pub enum Ask {
    /// To end.
    Quit,
    /// To be put aside (Ctrl-Z).
    Suspend,
    /// To be drawn anew, whatever stands there.
    Redraw,
    /// The leases.
    Leases,
    /// What the policy says of a packet.
    Explain(Box<Refused>),
    /// The lines that would allow it.
    Rule(Box<Refused>),
}

/// Rows above a list: title, tabs, what is shown, headings.
pub const BODY: u16 = 4;
/// Rows below: which part is seen, and keys.
pub const BELOW: u16 = 2;
/// Smaller than this nothing can be read.
pub const LEAST: (u16, u16) = (60, 12);
/// Views between two looks at the leases.
const LEASES_EVERY: u32 = 5;

/// The screen.
#[derive(Debug)]
pub struct App {
    /// Styles.
    pub look: Look,
    /// The box's time zone.
    pub timezone: TimeZone,
    /// Columns and rows.
    pub size: (u16, u16),
    /// The tab that is shown.
    pub tab: Tab,
    /// What is shown.
    pub view: Option<View>,
    /// Its rates.
    pub rates: Rates,
    /// The matrix' own.
    pub matrix: Matrix,
    /// The segment whose talkers are shown; none: all.
    pub zone: Option<String>,
    /// The leases, or why there are none.
    pub leases: Option<Result<LeasesData, String>>,
    /// A text over the screen.
    pub popup: Option<Popup>,
    /// A filter is being typed.
    pub typing: bool,
    /// Nothing moves.
    pub paused: bool,
    /// Nothing comes any more, for this reason.
    pub lost: Option<String>,
    rows: Vec<usize>,
    lists: [List; 7],
    filters: [String; 7],
    behind: Option<View>,
    views: u32,
}

impl App {
    /// Nothing is known yet.
    pub fn new(look: Look, timezone: TimeZone, size: (u16, u16)) -> Self {
        Self {
            look,
            timezone,
            size,
            tab: Tab::Matrix,
            view: None,
            rates: Rates::default(),
            matrix: Matrix::default(),
            zone: None,
            leases: None,
            popup: None,
            typing: false,
            paused: false,
            lost: None,
            rows: Vec::new(),
            lists: Default::default(),
            filters: Default::default(),
            behind: None,
            views: 0,
        }
    }

    /// A view came.
    pub fn show(&mut self, view: View) -> Option<Ask> {
        self.lost = None;
        self.views = self.views.wrapping_add(1);
        if self.paused && self.view.is_some() {
            self.behind = Some(view);
            return None;
        }
        self.absorb(view);
        (self.tab == Tab::Leases && self.views.is_multiple_of(LEASES_EVERY)).then_some(Ask::Leases)
    }

    fn absorb(&mut self, view: View) {
        self.rates.next(self.view.as_ref(), &view);
        self.view = Some(view);
        self.refresh();
    }

    /// Nothing comes any more.
    pub fn lose(&mut self, why: String) {
        self.lost = Some(why);
    }

    /// Leases were read, or could not be.
    pub fn lease(&mut self, leases: Result<LeasesData, String>) {
        self.leases = Some(leases);
        self.refresh();
    }

    /// The terminal has another size.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
        self.refresh();
    }

    /// Whether there is room for anything.
    pub fn fits(&self) -> bool {
        self.size.0 >= LEAST.0 && self.size.1 >= LEAST.1
    }

    /// Rows of a list that are shown at once.
    pub fn height(&self) -> usize {
        self.size.1.saturating_sub(BODY + BELOW).into()
    }

    /// Rows of the tab that is shown, after the filter.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// Where the cursor is in the list that is shown.
    pub fn list(&self) -> &List {
        &self.lists[self.tab.place()]
    }

    /// The filter of the tab that is shown.
    pub fn filter(&self) -> &str {
        &self.filters[self.tab.place()]
    }

    /// The filter of the tab that is shown, to be changed.
    pub fn filter_mut(&mut self) -> &mut String {
        &mut self.filters[self.tab.place()]
    }

    /// The name of a zone.
    pub fn zone_name(&self, place: u32) -> &str {
        let zones = self.view.as_ref().map_or(&[] as &[_], |view| &view.zones);
        zones.get(place as usize).map_or("unknown", |zone| &zone.name)
    }

    /// Rows are sorted and filtered anew, and the cursor goes where its row went.
    pub fn refresh(&mut self) {
        let Some(screen) = screen::of(self.tab) else {
            let mut matrix = std::mem::take(&mut self.matrix);
            matrix.settle(self);
            self.matrix = matrix;
            return;
        };
        let mut rows = screen.rows(self);
        if !self.filter().trim().is_empty() {
            rows.retain(|row| screen::takes(self.filter(), &screen.cells(self, *row)));
        }
        let mut list = self.list().clone();
        list.settle(|at| screen.key(self, rows[at]), rows.len(), self.height());
        self.lists[self.tab.place()] = list;
        self.rows = rows;
    }

    /// Shows another tab.
    pub fn turn(&mut self, tab: Tab) -> Option<Ask> {
        (self.tab, self.typing) = (tab, false);
        self.refresh();
        (tab == Tab::Leases).then_some(Ask::Leases)
    }

    /// Moves the cursor of a list.
    pub fn step(&mut self, by: isize) {
        let rows = self.rows.len();
        self.lists[self.tab.place()].step(by, rows);
        let key = screen::of(self.tab).and_then(|screen| Some(screen.key(self, *self.rows.get(self.list().cursor)?)));
        self.lists[self.tab.place()].hold(key);
        self.refresh();
    }

    /// The row under the cursor.
    pub fn chosen(&self) -> Option<usize> {
        self.rows.get(self.list().cursor).copied()
    }

    /// Stops, or goes on with the newest.
    pub fn pause(&mut self) {
        self.paused = !self.paused;
        if !self.paused
            && let Some(view) = self.behind.take()
        {
            self.absorb(view);
        }
    }
}
