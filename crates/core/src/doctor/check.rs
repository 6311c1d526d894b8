//! One question about a box, and its answer.

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// It could not be looked at.
    Unknown,
    /// It does not matter on this box, or waits for something else that is reported.
    NotNeeded,
}

impl State {
    /// For machines.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
            Self::NotNeeded => "not needed",
        }
    }
}

/// One question and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its stable name; [`super::explain`] tells more.
    pub name: &'static str,
    /// What it came to.
    pub state: State,
    /// What was seen, in a sentence.
    pub what: String,
    /// Why it matters, or where it comes from.
    pub cause: Option<String>,
    /// What to do.
    pub next: Option<String>,
}

/// Something that is not as it should be.
#[derive(Debug)]
pub(super) struct Fault {
    pub what: String,
    pub cause: String,
    pub next: String,
}

impl Fault {
    pub fn new(what: impl Into<String>, cause: impl Into<String>, next: impl Into<String>) -> Self {
        Self { what: what.into(), cause: cause.into(), next: next.into() }
    }
}

/// Checks so far.
#[derive(Debug, Default)]
pub(super) struct Checks {
    pub list: Vec<Check>,
}

impl Checks {
    /// Each fault is a check of its own; without one the check is good.
    pub fn faults(&mut self, name: &'static str, faults: Vec<Fault>, good: impl Into<String>) {
        if faults.is_empty() {
            return self.add(name, State::Good, good.into(), None, None);
        }
        for Fault { what, cause, next } in faults {
            self.add(name, State::Bad, what, Some(cause), Some(next));
        }
    }

    pub fn unknown(&mut self, name: &'static str, what: impl Into<String>, next: impl Into<String>) {
        self.add(name, State::Unknown, what.into(), None, Some(next.into()));
    }

    pub fn not_needed(&mut self, name: &'static str, why: impl Into<String>) {
        self.add(name, State::NotNeeded, why.into(), None, None);
    }

    fn add(&mut self, name: &'static str, state: State, what: String, cause: Option<String>, next: Option<String>) {
        debug_assert!(super::explain(name).is_some(), "`{name}` is in the list");
        self.list.push(Check { name, state, what, cause, next });
    }
}
