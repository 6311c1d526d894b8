//! What one call of iptables asks for, word by word, before anything is made of it.

use super::modules::{Module, Opt};
use super::{Refusal, Word};
use crate::source::Span;

/// A call.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub command: Option<Command>,
    pub table: Option<Word>,
    pub spec: Spec,
    /// `-4` or `-6` in a save file, of the other program: nothing is meant here.
    pub elsewhere: bool,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    Append(Word),
    /// Before this rule, from 1.
    Insert(Word, usize),
    Delete(Word),
    /// By number, from 1.
    DeleteAt(Word, usize),
    Replace(Word, usize),
    Check(Word),
    /// A chain, or every chain.
    Flush(Option<Word>),
    Policy(Word, Word),
    NewChain(Word),
    DeleteChain(Option<Word>),
    Rename(Word, Word),
    /// Shows or zeroes counters.
    Look,
}

/// What a rule is made of.
#[derive(Debug, Default)]
pub(super) struct Spec {
    pub source: Option<Signed>,
    pub destination: Option<Signed>,
    pub protocol: Option<Signed>,
    pub input: Option<Signed>,
    pub output: Option<Signed>,
    /// `-f`, and whether it is negated.
    pub fragment: Option<bool>,
    pub matches: Vec<Instance>,
    pub target: Option<Target>,
}

/// A value that may be negated.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub not: bool,
    pub word: Word,
}

/// One use of an extension.
#[derive(Debug)]
pub(super) struct Instance {
    pub kind: Kind,
    /// How it was named, `None` where the protocol brought it along.
    pub name: Option<Word>,
    pub given: Vec<Given>,
    pub span: Span,
}

/// Which extension.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Known(&'static Module),
    /// One that iptables does not come with.
    Foreign(String),
}

/// An option with its values.
#[derive(Debug)]
pub(super) struct Given {
    pub not: bool,
    /// As it is known; of a foreign extension as it was written.
    pub name: String,
    /// As it was written, without `--`.
    pub written: String,
    pub args: Vec<Word>,
    pub span: Span,
}

/// Where a packet goes.
#[derive(Debug)]
pub(super) enum Target {
    /// A verdict, a chain, or an extension.
    Jump(Instance),
    /// `-g`
    Goto(Word),
}

impl Instance {
    pub fn is(&self, module: &Module) -> bool {
        matches!(&self.kind, Kind::Known(known) if known.name == module.name)
    }

    /// Every option as it was written.
    pub fn text(&self) -> String {
        let mut text = match &self.name {
            Some(name) => format!("-m {}", name.text),
            None => String::new(),
        };
        for given in &self.given {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&given.text());
        }
        text
    }

    /// The option of a name.
    pub fn get(&self, name: &str) -> Option<&Given> {
        self.given.iter().find(|given| given.name == name)
    }
}

impl Given {
    pub fn new(opt: &Opt, written: &str, not: bool, args: Vec<Word>, span: Span) -> Self {
        Self { not, name: opt.means.to_owned(), written: written.to_owned(), args, span }
    }

    /// As it was written.
    pub fn text(&self) -> String {
        let mut text = format!("{}--{}", if self.not { "! " } else { "" }, self.written);
        for arg in &self.args {
            text.push(' ');
            if arg.text.is_empty() || arg.text.contains([' ', '\t']) {
                text.push_str(&format!("{:?}", arg.text));
            } else {
                text.push_str(&arg.text);
            }
        }
        text
    }

    /// Its value, or its first.
    pub fn value(&self) -> &str {
        self.args.first().map_or("", |word| word.text.as_str())
    }

    /// Refused because of this option.
    pub fn refuse(&self, text: impl Into<String>) -> Refusal {
        let end = self.args.last().map_or(self.span.end, |word| word.span.end);
        Refusal::new(Span { start: self.span.start, end: end.max(self.span.end) }, text)
    }
}

/// Longest name of an interface, as the kernel has it.
const INTERFACE_BYTES_MAX: usize = 15;

/// The name of an interface, refused where the kernel has no room for it.
pub(super) fn interface(word: Word) -> Result<Word, Refusal> {
    if word.text.is_empty() {
        return Err(Refusal::new(word.span, "an interface without a name"));
    }
    if word.text.len() > INTERFACE_BYTES_MAX {
        return Err(Refusal::new(word.span, format!("`{}` is longer than a name of an interface", word.text)));
    }
    Ok(word)
}

/// Fills a place that can be filled once.
pub(super) fn once(place: &mut Option<Signed>, not: bool, option: &Word, word: Word) -> Result<(), Refusal> {
    match place.replace(Signed { not, word }) {
        None => Ok(()),
        Some(_) => Err(Refusal::new(option.span, format!("`{}` is given twice", option.text))),
    }
}
