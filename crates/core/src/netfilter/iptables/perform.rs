//! Calls of iptables, done one after another to the tables.

use segwall_packetset::Field;

use super::call::{self, From};
use super::ipset::{self, IpSets};
use super::matches::{Context, rules};
use super::modules::target_named;
use super::spec::{Command, Request, Target};
use super::tables::{ChainState, TableState, Tables, is_table};
use super::targets::CHANGES_HOPS;
use super::{Refusal, Version, Word};
use crate::netfilter::{Action, Call, Change, Key, Match, Note, NoteKind, Program, Rule, Step};
use crate::source::Span;

/// Longest name of a chain (`XT_EXTENSION_MAXNAMELEN`).
const CHAIN_BYTES_MAX: usize = 28;
/// Names that no chain may have.
const VERDICTS: [&str; 4] = ["ACCEPT", "DROP", "QUEUE", "RETURN"];

/// Tables, sets and notes while a source is read.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub tables: Tables,
    pub sets: IpSets,
    pub notes: Vec<Note>,
    /// Calls that were done, where they are done one by one.
    pub calls: Vec<Call>,
}

impl Machine {
    /// Writes something down about the source.
    pub fn note(&mut self, kind: NoteKind, span: Span, text: impl Into<String>) {
        self.notes.push(Note { kind, text: text.into(), span });
    }

    /// One call; returns whether iptables would have been content.
    pub fn call(&mut self, words: &[Word], version: Version, from: From, table: Option<&str>, span: Span) -> bool {
        match self.attempt(words, version, from, table, span) {
            Ok(content) => content,
            Err(refusal) => {
                self.note(refusal.kind, refusal.span, refusal.text);
                false
            }
        }
    }

    fn attempt(
        &mut self,
        words: &[Word],
        version: Version,
        from: From,
        table: Option<&str>,
        span: Span,
    ) -> Result<bool, Refusal> {
        let mut request = call::read(words, version, from)?;
        if request.elsewhere {
            return Ok(true);
        }
        let Some(command) = request.command.take() else {
            return Err(Refusal::new(span, "nothing is asked for: no command"));
        };
        let asked = request.table.as_ref().map(|word| (word.text.clone(), word.span));
        let (name, name_span) = asked.unwrap_or_else(|| (table.unwrap_or("filter").to_owned(), span));
        if !is_table(&name) {
            return Err(Refusal::new(name_span, format!("there is no table `{name}`")));
        }
        if command == Command::Look {
            if from == From::Shell {
                self.note(NoteKind::Aside, span, "shows rules or zeroes counters");
            }
            return Ok(true);
        }
        let made = match &command {
            Command::Append(_)
            | Command::Insert(..)
            | Command::Delete(_)
            | Command::Replace(..)
            | Command::Check(_) => self.make(&request, version, &name, span)?,
            _ => Vec::new(),
        };
        if let (Command::Append(_) | Command::Insert(..), Some(Target::Jump(target))) = (&command, &request.spec.target)
        {
            for set in ipset::written(target) {
                self.sets.changed_by_rules(set);
            }
        }
        let state = self.tables.table(version, &name);
        state.first.get_or_insert(span);
        let change = (from == From::Shell).then(|| change_of(&command)).flatten();
        let content = self.on_table(command, version, &name, made, span)?;
        if let Some(change) = change {
            self.calls.push(Call { family: version.family(), table: name, change, span });
        }
        Ok(content)
    }

    fn make(&mut self, request: &Request, version: Version, name: &str, span: Span) -> Result<Vec<Rule>, Refusal> {
        let table = &*self.tables.table(version, name);
        let is_chain = |chain: &str| table.has(chain);
        let cx = Context { version, table: name, protocol: None, sets: &self.sets, is_chain: &is_chain };
        rules(&request.spec, cx, span)
    }

    fn on_table(
        &mut self,
        command: Command,
        version: Version,
        name: &str,
        made: Vec<Rule>,
        span: Span,
    ) -> Result<bool, Refusal> {
        if !self.tables.expand(made.len()) {
            return Err(Refusal::beyond(span, "too many rules come of lists of addresses"));
        }
        let moved = if self.tables.exhausted() { 1 } else { self.cost(&command, version, name) };
        if !self.tables.afford(moved) && !matches!(command, Command::Append(_)) {
            self.note(NoteKind::NotUnderstood, span, "too many insertions and deletions to follow");
            return Ok(true);
        }
        let table = self.tables.table(version, name);
        match command {
            Command::Append(chain) => existing(table, &chain)?.rules.extend(made),
            Command::Insert(chain, at) => {
                let rules = &mut existing(table, &chain)?.rules;
                if at > rules.len() + 1 {
                    return Err(Refusal::new(span, format!("there is no place {at} to insert at")));
                }
                // One by one at the same place, as iptables does it: the last one stands first.
                for rule in made {
                    rules.insert(at - 1, rule);
                }
            }
            Command::Delete(chain) => delete(existing(table, &chain)?, &made, span)?,
            Command::DeleteAt(chain, at) => {
                if existing(table, &chain)?.rules.remove(at - 1).is_none() {
                    return Err(Refusal::new(span, format!("there is no rule {at} to delete")));
                }
            }
            Command::Replace(chain, at) => {
                let rules = &mut existing(table, &chain)?.rules;
                match (rules.get_mut(at - 1), made.into_iter()) {
                    (Some(place), mut made) if made.len() == 1 => {
                        *place = made.next().expect("there is one");
                    }
                    (Some(_), _) => return Err(Refusal::new(span, "several rules cannot replace one")),
                    (None, _) => return Err(Refusal::new(span, format!("there is no rule {at} to replace"))),
                }
            }
            Command::Check(chain) => {
                let rules = &existing(table, &chain)?.rules;
                return Ok(made.iter().all(|wanted| rules.iter().any(|rule| same(rule, wanted))));
            }
            Command::Flush(None) => table.chains().for_each(|(_, chain)| empty(chain)),
            Command::Flush(Some(chain)) => empty(existing(table, &chain)?),
            Command::Policy(chain, policy) => set_policy(table, name, &chain, &policy)?,
            Command::NewChain(chain) => {
                check_name(table, &chain, version)?;
                table.add(&chain.text, ChainState { span: Some(span), flushed: true, ..ChainState::default() });
            }
            Command::DeleteChain(chain) => delete_chains(table, chain.as_ref(), span)?,
            Command::Rename(chain, to) => {
                existing(table, &chain)?;
                check_name(table, &to, version)?;
                table.rename(&chain.text, &to.text);
                for step in table.rules().flat_map(|rule| &mut rule.steps) {
                    if let Step::Do(Action::Jump(target) | Action::Goto(target)) = step
                        && *target == chain.text
                    {
                        target.clone_from(&to.text);
                    }
                }
            }
            Command::Look => {}
        }
        Ok(true)
    }

    /// How many rules a command moves or looks at.
    fn cost(&mut self, command: &Command, version: Version, name: &str) -> usize {
        let table = self.tables.table(version, name);
        let mut length = |chain: &Word| table.chain(&chain.text).map_or(0, |chain| chain.rules.len());
        match command {
            Command::Insert(chain, at) | Command::DeleteAt(chain, at) => (*at).min(length(chain)),
            Command::Delete(chain) | Command::Check(chain) => length(chain),
            Command::DeleteChain(_) | Command::Rename(..) => {
                table.chains().map(|(_, chain)| chain.rules.len() + 1).sum()
            }
            Command::Flush(None) => table.chains().count(),
            _ => 0,
        }
    }

    /// What was read, with what there is to say of all of it.
    pub fn finish(mut self) -> Program {
        settle_hops(&mut self.tables);
        let mut program = Program { tables: Vec::new(), notes: self.notes, script: None };
        let sets = self.sets;
        self.tables.finish(&mut program, |version, name| sets.content(version, name));
        program
    }
}

/// What a command changes; `None` where it only looks.
fn change_of(command: &Command) -> Option<Change> {
    let name = |chain: &Word| chain.text.clone();
    Some(match command {
        Command::Append(chain) | Command::Insert(chain, _) | Command::Replace(chain, _) => Change::Rule(name(chain)),
        Command::Flush(chain) => Change::Flush(chain.as_ref().map(name)),
        Command::DeleteChain(chain) => Change::DeleteChain(chain.as_ref().map(name)),
        Command::Policy(chain, policy) => Change::Policy(name(chain), policy.text == "ACCEPT"),
        Command::Delete(_) | Command::DeleteAt(..) | Command::NewChain(_) | Command::Rename(..) => Change::Other,
        Command::Check(_) | Command::Look => return None,
    })
}

/// A changed number of hops has no consequence where no rule looks at it.
fn settle_hops(tables: &mut Tables) {
    let looked_at = |rule: &Rule| {
        rule.steps.iter().any(|step| match step {
            Step::Match(Match::Among { keys, .. }) => keys.contains(&Key::Field(Field::Hops)),
            _ => false,
        })
    };
    let mut looking: Vec<Version> = Vec::new();
    for (version, table) in tables.all() {
        if table.rules().any(|rule| looked_at(rule)) {
            looking.push(version);
        }
    }
    for (version, table) in tables.all() {
        if looking.contains(&version) {
            continue;
        }
        for step in table.rules().flat_map(|rule| &mut rule.steps) {
            if matches!(step, Step::Do(Action::Unknown(unknown)) if unknown.why == CHANGES_HOPS) {
                *step = Step::Do(Action::Nothing);
            }
        }
    }
}

fn existing<'t>(table: &'t mut TableState, chain: &Word) -> Result<&'t mut ChainState, Refusal> {
    let missing = || Refusal::new(chain.span, format!("there is no chain `{}` yet", chain.text));
    table.chain(&chain.text).ok_or_else(missing)
}

fn empty(chain: &mut ChainState) {
    chain.rules.clear();
    chain.flushed = true;
}

/// The same rule, wherever it stands.
fn same(a: &Rule, b: &Rule) -> bool {
    a.steps == b.steps && a.comment == b.comment
}

fn delete(chain: &mut ChainState, wanted: &[Rule], span: Span) -> Result<(), Refusal> {
    for wanted in wanted {
        match chain.rules.iter().position(|rule| same(rule, wanted)) {
            Some(at) => {
                chain.rules.remove(at);
            }
            // In a chain that still holds what was there before there may be such a rule.
            None if !chain.flushed => {}
            None => return Err(Refusal::new(span, "there is no such rule to delete")),
        }
    }
    Ok(())
}

fn set_policy(table: &mut TableState, name: &str, chain: &Word, policy: &Word) -> Result<(), Refusal> {
    let state = existing(table, chain)?;
    let Some(base) = &mut state.base else {
        return Err(Refusal::new(chain.span, format!("`{}` is no chain that has a policy", chain.text)));
    };
    base.accepts = match policy.text.as_str() {
        "ACCEPT" => true,
        "DROP" if name != "nat" => false,
        "DROP" => return Err(Refusal::new(policy.span, "the table `nat` is not for filtering")),
        other => return Err(Refusal::new(policy.span, format!("`{other}` is no policy"))),
    };
    state.policy_set = true;
    Ok(())
}

/// Refuses names that no new chain may have.
pub(super) fn check_name(table: &TableState, chain: &Word, version: Version) -> Result<(), Refusal> {
    let name = chain.text.as_str();
    let wrong = if table.has(name) {
        "there is one already"
    } else if name.is_empty() || name.len() > CHAIN_BYTES_MAX {
        "a name has 1 to 28 bytes"
    } else if name.starts_with(['-', '!']) || name.contains(|c: char| c.is_whitespace()) {
        "no such name"
    } else if target_named(name, version).is_some() || VERDICTS.contains(&name) {
        "it is the name of a target"
    } else {
        return Ok(());
    };
    Err(Refusal::new(chain.span, format!("no new chain `{name}`: {wrong}")))
}

fn delete_chains(table: &mut TableState, chain: Option<&Word>, span: Span) -> Result<(), Refusal> {
    let used: std::collections::BTreeSet<String> = table
        .rules()
        .flat_map(|rule| &rule.steps)
        .filter_map(|step| match step {
            Step::Do(Action::Jump(chain) | Action::Goto(chain)) => Some(chain.clone()),
            _ => None,
        })
        .collect();
    let goes = |name: &str, state: &ChainState| state.base.is_none() && state.rules.is_empty() && !used.contains(name);
    match chain {
        Some(word) => {
            let state = existing(table, word)?;
            if !goes(&word.text, state) {
                let text = format!("the chain `{}` is built in, in use or not empty", word.text);
                return Err(Refusal::new(word.span, text));
            }
            table.keep(|name, _| name != word.text);
        }
        None => {
            table.keep(|name, state| !goes(name, state));
            let left = table.chains().find(|(_, state)| state.base.is_none()).map(|(name, _)| name.to_owned());
            if let Some(name) = left {
                return Err(Refusal::new(span, format!("the chain `{name}` is in use or not empty")));
            }
        }
    }
    Ok(())
}
