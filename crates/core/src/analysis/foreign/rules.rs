//! Rules as lints look at them: what they do, what they name, where they stand.

use segwall_packetset::Field;

use crate::netfilter::{Action, Element, Key, Match, Program, Rule, Step, Table, Values, Verdicts};

/// How a rule ends for the packets that match it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Accept,
    Drop,
    Reject,
    /// It goes on with the next rule, whatever it wrote down.
    Passes,
    /// Anything else: a jump, a return, a map of verdicts, something unknown.
    Other,
}

impl End {
    /// How a rule ends.
    pub fn of(rule: &Rule) -> Self {
        let mut end = Self::Passes;
        for step in &rule.steps {
            match step {
                Step::Match(_) => {}
                Step::Verdicts { .. } => return Self::Other,
                Step::Do(action) => match action {
                    Action::Accept => end = Self::Accept,
                    Action::Drop => end = Self::Drop,
                    Action::Reject(_) => end = Self::Reject,
                    Action::Log(_) | Action::Nothing | Action::Continue => {}
                    Action::Return
                    | Action::Jump(_)
                    | Action::Goto(_)
                    | Action::Queue { .. }
                    | Action::SetMark { .. }
                    | Action::ForgetMark
                    | Action::NoTrack
                    | Action::Nat(_)
                    | Action::Unknown(_) => return Self::Other,
                },
            }
        }
        end
    }

    /// For `this … `.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
            Self::Reject => "reject",
            Self::Passes | Self::Other => "rule",
        }
    }

    /// Whether it refuses.
    pub fn refuses(self) -> bool {
        matches!(self, Self::Drop | Self::Reject)
    }
}

/// Whether a rule writes a message to the kernel's log.
pub(super) fn logs(rule: &Rule) -> bool {
    rule.steps.iter().any(|step| matches!(step, Step::Do(Action::Log(log)) if log.group.is_none()))
}

/// Whether a rule asks for something that the model has no words for.
pub(super) fn has_unknown(rule: &Rule) -> bool {
    rule.steps.iter().any(|step| matches!(step, Step::Match(Match::Unknown(_))))
}

/// Chains that a rule leads to.
pub(super) fn leads_to<'r>(table: &'r Table, rule: &'r Rule) -> Vec<&'r str> {
    let target = |action: &'r Action| match action {
        Action::Jump(name) | Action::Goto(name) => Some(name.as_str()),
        _ => None,
    };
    let mut names = Vec::new();
    for step in &rule.steps {
        match step {
            Step::Match(_) => {}
            Step::Do(action) => names.extend(target(action)),
            Step::Verdicts { entries: Verdicts::Here(list), .. } => {
                names.extend(list.iter().filter_map(|(_, action)| target(action)));
            }
            Step::Verdicts { entries: Verdicts::Map(name), .. } => {
                let sets = table.sets.iter().filter(|set| set.name == *name);
                for set in sets {
                    if let crate::netfilter::Content::Verdicts(list) = &set.content {
                        names.extend(list.iter().filter_map(|(_, action)| target(action)));
                    }
                }
            }
        }
    }
    names
}

/// What rules change of packets, so that later rules do not see them as they came.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Changed {
    mark: bool,
    state: bool,
    /// Something that the model has no words for.
    anything: bool,
}

impl Changed {
    /// By any rule.
    pub fn by(programs: &[&Program]) -> Self {
        let mut changed = Self::default();
        let chains = programs.iter().flat_map(|program| &program.tables).flat_map(|table| &table.chains);
        for step in chains.flat_map(|chain| &chain.rules).flat_map(|rule| &rule.steps) {
            match step {
                Step::Do(Action::SetMark { .. } | Action::ForgetMark) => changed.mark = true,
                Step::Do(Action::NoTrack) => changed.state = true,
                Step::Do(Action::Unknown(_)) => changed.anything = true,
                Step::Do(_) | Step::Match(_) | Step::Verdicts { .. } => {}
            }
        }
        changed
    }

    /// Whether a rule may see something that was changed.
    pub fn concerns(self, rule: &Rule) -> bool {
        self.anything || self.mark && asks(rule, Field::Mark) || self.state && asks(rule, Field::State)
    }
}

/// Whether a rule asks for a field, in any way.
pub(super) fn asks(rule: &Rule, wanted: Field) -> bool {
    rule.steps.iter().any(|step| match step {
        Step::Match(Match::Among { keys, .. }) | Step::Verdicts { keys, .. } => {
            keys.iter().any(|key| field_of(*key) == Some(wanted))
        }
        Step::Match(Match::Rate(_) | Match::Unknown(_)) | Step::Do(_) => false,
    })
}

fn field_of(key: Key) -> Option<Field> {
    match key {
        Key::Field(field) | Key::Masked(field, _) => Some(field),
        Key::TransportSource => Some(Field::Sport),
        Key::TransportDestination => Some(Field::Dport),
        Key::SentDestination | Key::SentPort => None,
    }
}

/// Ranges of a field that rules of a program name, with whether they are named to be left out.
pub(super) fn named(program: &Program, wanted: Field, mut each: impl FnMut(&Table, (u128, u128))) {
    for table in &program.tables {
        for rule in table.chains.iter().flat_map(|chain| &chain.rules) {
            named_by(table, rule, wanted, &mut |range| each(table, range));
        }
    }
}

/// Ranges of a field that one rule names.
pub(super) fn named_by(table: &Table, rule: &Rule, wanted: Field, each: &mut dyn FnMut((u128, u128))) {
    let mut take = |keys: &[Key], elements: &mut dyn Iterator<Item = &Element>| {
        let places: Vec<usize> = (0..keys.len()).filter(|at| keys[*at] == Key::Field(wanted)).collect();
        if places.is_empty() {
            return;
        }
        for element in elements {
            for range in places.iter().filter_map(|at| element.get(*at)) {
                each(*range);
            }
        }
    };
    let content = |name: &str| table.sets.iter().find(|set| set.name == name).map(|set| &set.content);
    for step in &rule.steps {
        match step {
            Step::Match(Match::Among { keys, values: Values::Here(elements), .. }) => take(keys, &mut elements.iter()),
            Step::Match(Match::Among { keys, values: Values::Set(name), .. }) => {
                if let Some(crate::netfilter::Content::Elements(elements)) = content(name) {
                    take(keys, &mut elements.iter());
                }
            }
            Step::Verdicts { keys, entries: Verdicts::Here(list) } => {
                take(keys, &mut list.iter().map(|(element, _)| element));
            }
            Step::Verdicts { keys, entries: Verdicts::Map(name) } => {
                if let Some(crate::netfilter::Content::Verdicts(list)) = content(name) {
                    take(keys, &mut list.iter().map(|(element, _)| element));
                }
            }
            Step::Match(Match::Rate(_) | Match::Unknown(_)) | Step::Do(_) => {}
        }
    }
}

/// Ranges that a rule wants a field to have; `None` where it does not ask for it, or asks for what it must not be.
pub(super) fn wanted(table: &Table, rule: &Rule, field: Field) -> Option<Vec<(u128, u128)>> {
    let excludes = |step: &Step| matches!(step, Step::Match(Match::Among { keys, not: true, .. }) if keys.iter().any(|key| field_of(*key) == Some(field)));
    if rule.steps.iter().any(excludes) {
        return None;
    }
    let mut ranges = Vec::new();
    named_by(table, rule, field, &mut |range| ranges.push(range));
    (!ranges.is_empty()).then_some(ranges)
}
