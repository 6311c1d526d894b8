//! Follows a script command by command.

use std::collections::BTreeMap;

use super::expand::{Unclear, Variables, assignment};
use super::harmless::{is_harmless, succeeds};
use super::lexer::tokens;
use super::parse::{Chain, Command, List, Pipeline, Simple, bare, commands, parse, span_of};
use crate::netfilter::iptables::call::From;
use crate::netfilter::iptables::ipset::IpSets;
use crate::netfilter::iptables::perform::Machine;
use crate::netfilter::iptables::save::{Line, lines_of, read_into};
use crate::netfilter::iptables::{Version, Word};
use crate::netfilter::{NoteKind, Program, Script};
use crate::source::Source;

/// A script while it is followed.
pub(super) struct Runner<'s> {
    source: &'s Source,
    machine: Machine,
    variables: Variables,
    /// Functions, and whether one could change rules.
    functions: BTreeMap<String, bool>,
    /// `set -e`
    stops_at_failure: bool,
    /// `exit` was reached.
    over: bool,
}

impl<'s> Runner<'s> {
    pub fn new(source: &'s Source, sets: &IpSets) -> Self {
        let mut machine = Machine { sets: sets.clone(), ..Machine::default() };
        machine.sets.notes.clear();
        let first = source.text().lines().next().unwrap_or_default();
        let stops_at_failure = first.starts_with("#!") && first.split_whitespace().skip(1).any(sets_errexit);
        Self {
            source,
            machine,
            variables: Variables::default(),
            functions: BTreeMap::new(),
            stops_at_failure,
            over: false,
        }
    }

    pub fn run(&mut self) {
        let (tokens, unclosed) = tokens(self.source.text());
        let (list, stuck) = parse(tokens);
        if let Some(span) = unclosed {
            self.machine.note(NoteKind::NotUnderstood, span, "this is never closed: what follows it is not read");
        }
        self.list(&list);
        if let Some(span) = stuck {
            self.machine.note(NoteKind::NotUnderstood, span, "the script is not understood from here on");
        }
    }

    pub fn finish(mut self) -> Program {
        let mut notes = Vec::new();
        for (version, table) in self.machine.tables.all() {
            let Some(first) = table.first else { continue };
            let before: Vec<String> = table
                .chains()
                .filter(|(_, chain)| chain.base.is_some() && !chain.flushed)
                .map(|(name, _)| format!("`{name}`"))
                .collect();
            if !before.is_empty() {
                let program = if version == Version::V6 { "ip6tables" } else { "iptables" };
                let text = format!(
                    "{program} never empties {} of the table `{}`: what was there before stays, and is read as nothing",
                    before.join(", "),
                    table.name
                );
                notes.push((first, text));
            }
        }
        for (first, text) in notes {
            self.machine.note(NoteKind::Before, first, text);
        }
        let more = std::mem::take(&mut self.machine.sets.notes);
        self.machine.notes.extend(more);
        let calls = std::mem::take(&mut self.machine.calls);
        let mut program = self.machine.finish();
        program.script = Some(Script { calls, stops_at_failure: self.stops_at_failure });
        program
    }

    fn list(&mut self, list: &List) {
        for chain in list {
            if self.over {
                return;
            }
            self.chain(chain);
        }
    }

    fn chain(&mut self, chain: &Chain) {
        let mut status = self.pipeline(&chain.first);
        for (and, next) in &chain.then {
            if self.over {
                return;
            }
            match status {
                Some(succeeded) if succeeded == *and => status = self.pipeline(next),
                Some(_) => {}
                None if next.commands.iter().any(|command| self.matters(command)) => {
                    let span = span_of(&next.commands[0]);
                    let text = "whether this is run depends on another command's success";
                    self.machine.note(NoteKind::NotUnderstood, span, text);
                }
                None => {}
            }
        }
        // A failure that `||` caught, or that is asked for, stops nothing.
        if chain.then.is_empty() && !chain.first.not && status == Some(false) && self.stops_at_failure {
            let span = span_of(&chain.first.commands[0]);
            self.machine.note(NoteKind::Aside, span, "the script ends here: this fails, and `set -e` holds");
            self.over = true;
        }
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Option<bool> {
        let mut status = None;
        for command in &pipeline.commands {
            status = self.command(command);
        }
        status.map(|succeeded| succeeded != pipeline.not)
    }

    fn command(&mut self, command: &Command) -> Option<bool> {
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Group(list) => {
                self.list(list);
                None
            }
            Command::Compound { what, lists, variable, span } => {
                let matters = lists.iter().any(|list| self.any_matters(list));
                let (kind, text) = if matters {
                    (NoteKind::NotUnderstood, format!("`{what}` is not followed, and it may change rules"))
                } else {
                    (NoteKind::Aside, format!("`{what}` is not followed; it changes no rule"))
                };
                self.machine.note(kind, *span, text);
                if let Some(name) = variable {
                    self.variables.set(name, Err("is set in a loop that is not followed"));
                }
                for list in lists {
                    self.blur(list);
                }
                None
            }
            Command::Function { name, body, span } => {
                let matters = self.matters(body);
                let (kind, text) = if matters {
                    (NoteKind::NotUnderstood, format!("the function `{name}` is not followed, and it may change rules"))
                } else {
                    (NoteKind::Aside, format!("the function `{name}` changes no rule"))
                };
                self.machine.note(kind, *span, text);
                self.functions.insert(name.clone(), matters);
                Some(true)
            }
        }
    }

    /// Variables that are set where nobody follows are not known any more.
    fn blur(&mut self, list: &List) {
        for command in commands(list) {
            match command {
                Command::Simple(simple) => {
                    for (pieces, _) in &simple.words {
                        if let Some((name, _)) = assignment(pieces) {
                            self.variables.set(&name, Err("is set where it is not followed"));
                        }
                    }
                }
                Command::Group(inner) => self.blur(inner),
                Command::Compound { lists, variable, .. } => {
                    if let Some(name) = variable {
                        self.variables.set(name, Err("is set in a loop that is not followed"));
                    }
                    lists.iter().for_each(|inner| self.blur(inner));
                }
                Command::Function { .. } => {}
            }
        }
    }

    fn any_matters(&self, list: &List) -> bool {
        commands(list).any(|command| self.matters(command))
    }

    /// Whether a command could change rules.
    fn matters(&self, command: &Command) -> bool {
        match command {
            Command::Simple(simple) => {
                let name = simple.words.iter().map(|(pieces, _)| pieces).find(|pieces| assignment(pieces).is_none());
                match name.map(|pieces| bare(pieces)) {
                    None => false,
                    Some(Some("exit" | "return" | "break" | "continue" | "read")) => false,
                    Some(Some(name)) if self.functions.get(name) == Some(&false) => false,
                    Some(Some(name)) => !is_harmless(base_name(name)),
                    Some(None) => true,
                }
            }
            Command::Group(list) => self.any_matters(list),
            Command::Compound { lists, .. } => lists.iter().any(|list| self.any_matters(list)),
            Command::Function { body, .. } => self.matters(body),
        }
    }

    fn simple(&mut self, simple: &Simple) -> Option<bool> {
        let assigned = simple.words.iter().map_while(|(pieces, _)| assignment(pieces)).collect::<Vec<_>>();
        let rest = &simple.words[assigned.len()..];
        if rest.is_empty() {
            for (name, pieces) in assigned {
                let value = self.variables.whole(&pieces).map_err(|unclear| unclear.why);
                self.variables.set(&name, value);
            }
            return None;
        }
        let mut words = Vec::new();
        for (pieces, span) in rest {
            // The arguments of `export` are assignments, which are not parted.
            let kept = words.first().is_some_and(|word: &Word| DECLARES.contains(&word.text.as_str()));
            let read = match assignment(pieces).filter(|_| kept) {
                Some((name, value)) => {
                    let value = self.variables.whole(&value).map_err(|unclear| unclear.why);
                    self.variables.set(&name, value);
                    Ok(())
                }
                None => self.variables.words(pieces, *span, &mut words),
            };
            if let Err(unclear) = read {
                return self.unclear(&words, &unclear, simple);
            }
        }
        let written: Vec<String> =
            simple.redirects.iter().filter_map(|pieces| self.variables.whole(pieces).ok()).collect();
        self.named(&words, simple, &written)
    }

    /// A command with a word that is not known.
    fn unclear(&mut self, words: &[Word], unclear: &Unclear, simple: &Simple) -> Option<bool> {
        let harmless = words.first().is_some_and(|word| is_harmless(base_name(&word.text)));
        if harmless {
            self.machine.note(NoteKind::Aside, simple.span, "changes no rule");
        } else {
            self.machine.note(NoteKind::NotUnderstood, simple.span, format!("not read: {}", unclear.text()));
        }
        None
    }

    /// A command whose words are known.
    fn named(&mut self, words: &[Word], simple: &Simple, written: &[String]) -> Option<bool> {
        let (first, rest) = words.split_first()?;
        let span = simple.span;
        let name = base_name(&first.text);
        if let Some(matters) = self.functions.get(name) {
            if *matters {
                self.machine.note(NoteKind::NotUnderstood, span, format!("the function `{name}` is not followed"));
            }
            return None;
        }
        match name {
            "sudo"
            | "doas"
            | "command"
            | "nohup"
            | "nice"
            | "builtin"
            | "time"
            | "xtables-multi"
            | "xtables-legacy-multi"
            | "xtables-nft-multi"
                if rest.first().is_some_and(|word| !word.text.starts_with('-')) =>
            {
                self.named(rest, simple, written)
            }
            "exec" if !rest.is_empty() => {
                let status = self.named(rest, simple, written);
                self.over = true;
                status
            }
            "env" => {
                let at = rest.iter().position(|word| !word.text.contains('=')).unwrap_or(rest.len());
                self.named(&rest[at..], simple, written)
            }
            "iptables" | "iptables-legacy" | "iptables-nft" => {
                Some(self.machine.call(rest, Version::V4, From::Shell, None, span))
            }
            "ip6tables" | "ip6tables-legacy" | "ip6tables-nft" => {
                Some(self.machine.call(rest, Version::V6, From::Shell, None, span))
            }
            "iptables-restore" | "iptables-legacy-restore" | "iptables-nft-restore" => {
                self.restore(rest, Version::V4, simple)
            }
            "ip6tables-restore" | "ip6tables-legacy-restore" | "ip6tables-nft-restore" => {
                self.restore(rest, Version::V6, simple)
            }
            "ipset" => self.ipset(rest, simple),
            "exit" | "return" => {
                self.over = true;
                None
            }
            "read" => {
                for word in rest {
                    self.variables.set(&word.text, Err("is read while the script runs"));
                }
                None
            }
            "unset" => {
                rest.iter().for_each(|word| self.variables.forget(&word.text));
                Some(true)
            }
            "set" => {
                if rest.iter().any(|word| sets_errexit(&word.text) || word.text == "errexit") {
                    self.stops_at_failure = !rest.iter().any(|word| word.text == "+o");
                } else if rest.iter().any(|word| word.text.starts_with('+') && word.text.contains('e')) {
                    self.stops_at_failure = false;
                }
                Some(true)
            }
            "exec" => Some(true),
            name if DECLARES.contains(&name) => Some(true),
            name if is_harmless(name) => {
                let text = match written.iter().find(|path| path.starts_with("/proc/")) {
                    Some(path) => format!("writes to {path}"),
                    None => format!("`{name}` changes no rule"),
                };
                self.machine.note(NoteKind::Aside, span, text);
                succeeds(name)
            }
            name => {
                self.machine.note(NoteKind::NotUnderstood, span, format!("what `{name}` does is not known"));
                None
            }
        }
    }

    /// A save file in the script.
    fn restore(&mut self, args: &[Word], version: Version, simple: &Simple) -> Option<bool> {
        let whole_tables = args.iter().all(|word| !matches!(word.text.as_str(), "-n" | "--noflush" | "-t" | "--test"));
        match simple.document {
            Some((body, true)) if whole_tables => {
                let text = self.source.slice(body);
                read_into(&mut self.machine, lines_of(text, body.start as usize), version);
            }
            _ => {
                let text = "the rules that are loaded here stand elsewhere";
                self.machine.note(NoteKind::NotUnderstood, simple.span, text);
            }
        }
        None
    }

    fn ipset(&mut self, args: &[Word], simple: &Simple) -> Option<bool> {
        let words: Vec<&str> = args.iter().map(|word| word.text.as_str()).collect();
        match (words.as_slice(), simple.document) {
            (["restore" | "-R", ..], Some((body, true))) => {
                for (span, line) in lines_of(self.source.slice(body), body.start as usize) {
                    if let Line::Words(words) = line {
                        let words: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
                        self.machine.sets.read(&words, span);
                    }
                }
            }
            (["restore" | "-R", ..], _) => {
                let text = "the sets that are loaded here stand elsewhere";
                self.machine.note(NoteKind::NotUnderstood, simple.span, text);
            }
            (words, _) => self.machine.sets.read(words, simple.span),
        }
        None
    }
}

/// Commands whose arguments are assignments.
const DECLARES: [&str; 5] = ["export", "readonly", "local", "declare", "typeset"];

/// `-e`, alone or among other letters.
fn sets_errexit(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|letters| !letters.starts_with('-') && letters.contains('e'))
}

/// The name of a program without its folder.
fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
