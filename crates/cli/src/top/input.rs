//! What keys and the mouse mean.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::app::{App, Ask, BODY, Tab};
use super::drops;
use super::frame;
use super::screen::{self, Opened};

/// Rows that the wheel turns at once.
const WHEEL: isize = 3;
/// Longer filters nobody types.
const FILTER_MAX: usize = 60;

impl App {
    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent) -> Option<Ask> {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Some(Ask::Quit),
                KeyCode::Char('z') => Some(Ask::Suspend),
                KeyCode::Char('l') => Some(Ask::Redraw),
                _ => None,
            };
        }
        if key.modifiers.contains(KeyModifiers::ALT) {
            // Esc and a key that came in one piece look like this.
            return self
                .key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE))
                .or_else(|| self.key(KeyEvent::new(key.code, key.modifiers.difference(KeyModifiers::ALT))));
        }
        if self.popup.is_some() {
            self.popup_key(key.code);
            return None;
        }
        if self.typing {
            self.filter_key(key.code);
            return None;
        }
        match key.code {
            KeyCode::Char('q') => return Some(Ask::Quit),
            KeyCode::Char('?') | KeyCode::F(1) => self.popup = Some(frame::help()),
            KeyCode::Char(digit @ '1'..='7') => {
                let place = digit as usize - '1' as usize;
                return self.turn(Tab::ALL[place]);
            }
            KeyCode::Tab => return self.turn(Tab::ALL[(self.tab.place() + 1) % Tab::ALL.len()]),
            KeyCode::BackTab => {
                return self.turn(Tab::ALL[(self.tab.place() + Tab::ALL.len() - 1) % Tab::ALL.len()]);
            }
            KeyCode::Char('p' | ' ') => self.pause(),
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Esc => {
                self.filter_mut().clear();
                self.refresh();
            }
            code if self.tab == Tab::Matrix => return self.matrix_key(code),
            code => return self.list_key(code),
        }
        None
    }

    fn list_key(&mut self, code: KeyCode) -> Option<Ask> {
        let page = isize::try_from(self.height()).unwrap_or(1).max(1);
        match code {
            KeyCode::Up | KeyCode::Char('k') => self.step(-1),
            KeyCode::Down | KeyCode::Char('j') => self.step(1),
            KeyCode::PageUp => self.step(-page),
            KeyCode::PageDown => self.step(page),
            KeyCode::Home | KeyCode::Char('g') => self.step(isize::MIN / 2),
            KeyCode::End | KeyCode::Char('G') => self.step(isize::MAX / 2),
            KeyCode::Left | KeyCode::Char('h') if self.tab == Tab::Talkers => self.next_zone(-1),
            KeyCode::Right | KeyCode::Char('l') if self.tab == Tab::Talkers => self.next_zone(1),
            KeyCode::Enter => return self.open(),
            KeyCode::Char('r') if self.tab == Tab::Drops => {
                let row = self.chosen()?;
                return drops::refused(self, row).map(|refused| Ask::Rule(Box::new(refused.clone())));
            }
            _ => {}
        }
        None
    }

    /// Enter, or a second click.
    fn open(&mut self) -> Option<Ask> {
        let row = self.chosen()?;
        let opened = screen::of(self.tab)?.open(self, row)?;
        self.opened(opened)
    }

    /// Shows what was opened.
    pub fn opened(&mut self, opened: Opened) -> Option<Ask> {
        match opened {
            Opened::Text(popup) => self.popup = Some(popup),
            Opened::Explain(refused) => return Some(Ask::Explain(refused)),
            Opened::Tab(tab, filter) => {
                self.tab = tab;
                *self.filter_mut() = filter;
                return self.turn(tab);
            }
        }
        None
    }

    fn filter_key(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.filter_mut().clear();
                self.typing = false;
            }
            KeyCode::Backspace => drop(self.filter_mut().pop()),
            KeyCode::Char(c) if self.filter().len() < FILTER_MAX && !c.is_control() => self.filter_mut().push(c),
            _ => {}
        }
        self.refresh();
    }

    fn popup_key(&mut self, code: KeyCode) {
        let page = frame::popup_height(self.size);
        let Some(popup) = &mut self.popup else { return };
        match code {
            KeyCode::Up | KeyCode::Char('k') => popup.top = popup.top.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => popup.top += 1,
            KeyCode::PageUp => popup.top = popup.top.saturating_sub(page),
            KeyCode::PageDown => popup.top += page,
            KeyCode::Home => popup.top = 0,
            _ => self.popup = None,
        }
        if let Some(popup) = &mut self.popup {
            popup.top = popup.top.min(frame::popup_lines(popup, self.size.0).len().saturating_sub(page));
        }
    }

    /// The mouse was clicked or its wheel was turned.
    pub fn mouse(&mut self, mouse: MouseEvent) -> Option<Ask> {
        let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
        match mouse.kind {
            MouseEventKind::ScrollUp if self.popup.is_some() => self.popup_key(KeyCode::Up),
            MouseEventKind::ScrollDown if self.popup.is_some() => self.popup_key(KeyCode::Down),
            MouseEventKind::ScrollUp => self.wheel(-WHEEL),
            MouseEventKind::ScrollDown => self.wheel(WHEEL),
            MouseEventKind::Down(MouseButton::Left) if self.popup.is_some() => self.popup = None,
            MouseEventKind::Down(MouseButton::Left) if mouse.row == 1 => {
                let tabs = frame::tabs(self);
                let found = tabs.iter().find(|tab| (tab.x..tab.x + tab.columns).contains(&mouse.column))?;
                return self.turn(found.tab);
            }
            MouseEventKind::Down(MouseButton::Left) if mouse.row + 1 == self.size.1 => {
                let hints = frame::hints(self);
                let found = hints.iter().find(|hint| (hint.x..hint.x + hint.columns).contains(&mouse.column))?;
                return self.key(key(found.code?));
            }
            MouseEventKind::Down(MouseButton::Left) if mouse.row >= BODY => {
                let row = usize::from(mouse.row - BODY);
                if self.tab == Tab::Matrix {
                    return self.matrix_click(mouse.column, row);
                }
                let (at, before) = (self.list().top + row, self.list().cursor);
                if at >= self.rows().len() {
                    return None;
                }
                if at == before {
                    return self.open();
                }
                let by = |to: usize, from: usize| isize::try_from(to).unwrap_or(0) - isize::try_from(from).unwrap_or(0);
                self.step(by(at, before));
            }
            _ => {}
        }
        None
    }

    fn wheel(&mut self, by: isize) {
        if self.tab == Tab::Matrix { self.matrix_step((by, 0)) } else { self.step(by) }
    }
}
