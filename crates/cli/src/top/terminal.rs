//! The terminal, borrowed: whatever ends the program gives it back as it was.

use std::io::{self, Stdout};
use std::panic;
use std::sync::mpsc::SyncSender;
use std::thread;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, DisableMouseCapture, EnableMouseCapture};
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use ratatui::crossterm::{cursor, execute};

use super::app::App;
use super::feed::News;

/// The terminal while we have it.
pub struct Screen {
    inner: Terminal<CrosstermBackend<Stdout>>,
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture, cursor::Hide)
}

/// As it was; what cannot be said any more, because the terminal is gone, need not be.
fn give_back() {
    let _ = execute!(io::stdout(), DisableMouseCapture, LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
}

impl Screen {
    /// Takes the terminal.
    pub fn open() -> io::Result<Self> {
        // A panic in any thread ends the process at once, with words for which the terminal has to be as it was.
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            give_back();
            before(what);
        }));
        take().inspect_err(|_| give_back())?;
        Ok(Self { inner: Terminal::new(CrosstermBackend::new(io::stdout()))? })
    }

    /// Columns and rows.
    pub fn size(&self) -> (u16, u16) {
        size().unwrap_or((80, 24))
    }

    /// Draws what changed.
    pub fn draw(&mut self, app: &App) -> io::Result<()> {
        self.inner.draw(|frame| app.draw(frame.buffer_mut())).map(drop)
    }

    /// Draws all of it, whatever stands there.
    pub fn redraw(&mut self, app: &App) -> io::Result<()> {
        // Not `clear`: that asks the terminal where its cursor is, and the answer comes to whoever reads keys.
        execute!(io::stdout(), Clear(ClearType::All))?;
        self.inner = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        self.draw(app)
    }

    /// Gives the terminal to the shell until we are called back.
    pub fn suspend(&mut self) -> io::Result<()> {
        give_back();
        // The kernel passes over it where no shell could call us back.
        let _ = signal_hook::low_level::raise(signal_hook::consts::SIGTSTP);
        take()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Sends keys, the mouse and sizes to the screen.
pub fn listen(screen: SyncSender<News>) -> io::Result<()> {
    thread::Builder::new().name("keys".to_owned()).spawn(move || {
        // A terminal that is gone has no keys; a signal tells of that.
        while let Ok(event) = event::read() {
            if screen.send(News::Terminal(event)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}
