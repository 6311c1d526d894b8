//! The live screen. [`app`] is a value, changed by what is said to it and drawn from itself alone; around it the
//! [`feed`] of views, the [`terminal`], and what is asked of the policy and the box.

mod alerts;
mod app;
mod drops;
mod feed;
mod flows;
mod frame;
mod input;
mod interfaces;
mod leases;
mod matrix;
mod once;
mod paint;
mod question;
mod rates;
mod screen;
mod talkers;
mod terminal;
#[cfg(test)]
mod tests;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use ratatui::crossterm::event::{Event, KeyEventKind};
use segwall_host::linux::is_root;
use segwall_watch::view::Refused;

pub use feed::Source;
pub use once::{Once, once};

use self::app::{App, Ask};
use self::feed::News;
use self::paint::Look;
use self::screen::Popup;
use crate::commands;
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::load::{self, Checked, Reading};
use crate::{clock, out, router, text};

/// News that wait; who sends more waits, and a daemon passes over who waits.
const WAITING_MAX: usize = 16;
/// How often it is looked whether a signal came.
const SIGNALS: Duration = Duration::from_millis(200);

/// Shows views until somebody quits.
pub fn run(source: Source, policy: Option<PathBuf>) -> Result<Answer, Failure> {
    let failed = |error: std::io::Error| Failure::Refused(format!("this terminal cannot be drawn on: {error}"));
    let stop = signals().map_err(|error| Failure::Bug(format!("signals cannot be caught: {error}")))?;
    let mut terminal = terminal::Screen::open().map_err(failed)?;
    let look = Look { is_coloured: out::is_coloured() };
    let mut app = App::new(look, clock::timezone(), terminal.size());
    let (sender, inbox) = mpsc::sync_channel(WAITING_MAX);
    terminal::listen(sender.clone()).map_err(failed)?;
    feed::follow(source, sender).map_err(failed)?;
    terminal.draw(&app).map_err(failed)?;
    loop {
        let Some(ask) = heard(&mut app, &inbox, &stop) else { return Ok(Answer::Yes) };
        if let Some(ask) = ask {
            match ask {
                Ask::Quit => return Ok(Answer::Yes),
                Ask::Suspend => {
                    terminal.suspend().map_err(failed)?;
                    let (columns, rows) = terminal.size();
                    app.resize(columns, rows);
                    terminal.redraw(&app).map_err(failed)?;
                }
                Ask::Redraw => terminal.redraw(&app).map_err(failed)?,
                Ask::Leases => app.lease(commands::leases_now().map_err(|failure| failure.to_string())),
                Ask::Explain(one) => app.popup = Some(answered(policy.clone(), &one, question::explain)),
                Ask::Rule(one) => app.popup = Some(answered(policy.clone(), &one, question::rule)),
            }
        }
        terminal.draw(&app).map_err(failed)?;
    }
}

/// What ends it from outside.
fn signals() -> std::io::Result<Arc<AtomicBool>> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let stop = Arc::new(AtomicBool::new(false));
    for number in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::flag::register(number, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// Waits for news, and says all that came to the screen. None: it is to end.
fn heard(app: &mut App, inbox: &Receiver<News>, stop: &AtomicBool) -> Option<Option<Ask>> {
    let mut news = loop {
        if stop.load(Ordering::Relaxed) {
            return None;
        }
        match inbox.recv_timeout(SIGNALS) {
            Ok(news) => break news,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    };
    loop {
        let ask = match news {
            News::View(view) => app.show(*view),
            News::Lost(why) => {
                app.lose(why);
                None
            }
            News::Terminal(Event::Key(key)) if key.kind != KeyEventKind::Release => app.key(key),
            News::Terminal(Event::Mouse(mouse)) => app.mouse(mouse),
            News::Terminal(Event::Resize(columns, rows)) => {
                app.resize(columns, rows);
                None
            }
            News::Terminal(_) => None,
        };
        if ask.is_some() {
            return Some(ask);
        }
        // What came in a moment is drawn once; what is asked for is answered before the next key.
        match inbox.try_recv() {
            Ok(more) => news = more,
            Err(_) => return Some(None),
        }
    }
}

/// What the policy says of a packet, or why nobody can tell.
fn answered(named: Option<PathBuf>, one: &Refused, answer: fn(&Checked, &Refused, jiff::Timestamp) -> Popup) -> Popup {
    match policy(named) {
        Ok(checked) => answer(&checked, one, clock::now()),
        Err(why) => Popup::of("The policy cannot be asked", &text::escaped_lines(&why)),
    }
}

/// The policy that was named, else that of the generation that holds, else the box's own file; read anew each time.
fn policy(named: Option<PathBuf>) -> Result<Box<Checked>, String> {
    if named.is_none()
        && is_root()
        && let Ok(Some(measure)) = router::open().and_then(|mut linux| router::held(&mut linux))
    {
        return Ok(measure.checked);
    }
    let location = Location::of(named);
    match load::read(&location) {
        Ok(Reading::Sound(checked)) => Ok(checked),
        Ok(Reading::Faulty { .. }) => Err(format!("{} has errors; `segwall check` shows them", location.name())),
        Err(failure) => Err(failure.to_string()),
    }
}
