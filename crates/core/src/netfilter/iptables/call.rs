//! One call of iptables: from words to a request, as its own option parser does it.

use super::matches::proto_of;
use super::modules::{Args, Opt, match_named, match_of_protocol, target_named};
use super::numbers::number;
use super::options::{Found, Missing, args_of, find};
use super::spec::{Command, Given, Instance, Kind, Request, Target, interface, once};
use super::{Refusal, Version, Word};
use crate::source::Span;

/// Where a call comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// A line of a save file.
    Save,
    /// A command line.
    Shell,
}

/// Reads a call; `words` are its arguments.
pub(super) fn read(words: &[Word], version: Version, from: From) -> Result<Request, Refusal> {
    let mut reader = Reader {
        words,
        at: 0,
        version,
        from,
        not: None,
        request: Request::default(),
        loaded: Vec::new(),
        protocol_tried: false,
    };
    while let Some(word) = reader.next() {
        reader.word(word)?;
        if reader.request.elsewhere {
            break;
        }
    }
    if let Some(span) = reader.not {
        return Err(Refusal::new(span, "nothing follows this `!`"));
    }
    Ok(reader.request)
}

struct Reader<'w> {
    words: &'w [Word],
    at: usize,
    version: Version,
    from: From,
    /// A `!` that the next option takes.
    not: Option<Span>,
    request: Request,
    /// Extensions in the order they were loaded.
    loaded: Vec<Slot>,
    /// The extension of the protocol is loaded at most once.
    protocol_tried: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Match(usize),
    Target,
}

impl<'w> Reader<'w> {
    fn next(&mut self) -> Option<&'w Word> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    /// The next word, unless it begins an option.
    fn value_if_any(&mut self) -> Option<Word> {
        let word = self.words.get(self.at).filter(|word| !word.text.starts_with(['-', '!']))?;
        self.at += 1;
        Some(word.clone())
    }

    fn value(&mut self, option: &Word) -> Result<Word, Refusal> {
        self.next().cloned().ok_or_else(|| Refusal::new(option.span, format!("`{}` needs a value", option.text)))
    }

    fn word(&mut self, word: &'w Word) -> Result<(), Refusal> {
        if word.text == "!" {
            return match self.not.replace(word.span) {
                None => Ok(()),
                Some(_) => Err(Refusal::new(word.span, "a second `!`")),
            };
        }
        if let Some(long) = word.text.strip_prefix("--").filter(|long| !long.is_empty()) {
            return self.long(word, long);
        }
        match word.text.strip_prefix('-').filter(|rest| !rest.is_empty() && *rest != "-") {
            Some(letters) => self.letters(word, letters),
            None => Err(Refusal::new(word.span, format!("no option begins with `{}`", word.text))),
        }
    }

    fn letters(&mut self, word: &'w Word, letters: &str) -> Result<(), Refusal> {
        for (at, letter) in letters.char_indices() {
            let rest = &letters[at + letter.len_utf8()..];
            let attached = (!rest.is_empty()).then(|| Word { text: rest.to_owned(), span: word.span });
            match args_of(letter).filter(|_| letter != '0') {
                None => return Err(Refusal::new(word.span, format!("unknown option `-{letter}`"))),
                Some(Args::None) => self.base(letter, word, None)?,
                Some(Args::One | Args::Two | Args::Maybe) => return self.base(letter, word, attached),
            }
        }
        Ok(())
    }

    fn long(&mut self, word: &'w Word, long: &str) -> Result<(), Refusal> {
        let (name, attached) = match long.split_once('=') {
            Some((name, value)) => (name, Some(Word { text: value.to_owned(), span: word.span })),
            None => (long, None),
        };
        loop {
            // The newest extension is asked first.
            let slots: Vec<Slot> = self.loaded.iter().rev().copied().collect();
            let options: Vec<&'static [Opt]> = slots.iter().map(|slot| self.options(*slot)).collect();
            match find(name, &options) {
                Ok(Found::Base(letter)) => return self.base(letter, word, attached),
                Ok(Found::Of(at, opt)) => return self.given(slots[at], opt, name, word, attached),
                Err(Missing::Ambiguous(first, second)) => {
                    return Err(Refusal::new(word.span, format!("`--{name}` may be `--{first}` or `--{second}`")));
                }
                Err(Missing::Unknown) if self.load_protocol(word.span) => {}
                Err(Missing::Unknown) => return self.foreign(name, word, attached),
            }
        }
    }

    fn options(&self, slot: Slot) -> &'static [Opt] {
        match self.instance(slot).map(|instance| &instance.kind) {
            Some(Kind::Known(module)) => module.options,
            Some(Kind::Foreign(_)) | None => &[],
        }
    }

    fn instance(&self, slot: Slot) -> Option<&Instance> {
        match (slot, &self.request.spec.target) {
            (Slot::Match(at), _) => self.request.spec.matches.get(at),
            (Slot::Target, Some(Target::Jump(instance))) => Some(instance),
            (Slot::Target, Some(Target::Goto(_)) | None) => None,
        }
    }

    fn instance_mut(&mut self, slot: Slot) -> Option<&mut Instance> {
        match (slot, &mut self.request.spec.target) {
            (Slot::Match(at), _) => self.request.spec.matches.get_mut(at),
            (Slot::Target, Some(Target::Jump(instance))) => Some(instance),
            (Slot::Target, Some(Target::Goto(_)) | None) => None,
        }
    }

    /// Loads the extension of the protocol, where there is one and it was not loaded before.
    fn load_protocol(&mut self, span: Span) -> bool {
        let Some(protocol) = self.request.spec.protocol.as_ref().and_then(|signed| proto_of(&signed.word.text)) else {
            return false;
        };
        let Some(module) = match_of_protocol(protocol, self.version) else { return false };
        if self.protocol_tried || self.request.spec.matches.iter().any(|instance| instance.is(module)) {
            return false;
        }
        self.protocol_tried = true;
        self.load(Instance { kind: Kind::Known(module), name: None, given: Vec::new(), span });
        true
    }

    fn load(&mut self, instance: Instance) {
        self.loaded.push(Slot::Match(self.request.spec.matches.len()));
        self.request.spec.matches.push(instance);
    }

    fn given(
        &mut self,
        slot: Slot,
        opt: &'static Opt,
        written: &str,
        word: &'w Word,
        attached: Option<Word>,
    ) -> Result<(), Refusal> {
        let not = self.not.take().is_some();
        if not && !opt.negatable {
            return Err(Refusal::new(word.span, format!("`!` cannot stand before `--{}`", opt.name)));
        }
        let mut args = Vec::new();
        match opt.args {
            Args::None => {}
            Args::One => args.push(attached.map_or_else(|| self.value(word), Ok)?),
            Args::Maybe => args.extend(attached.or_else(|| self.value_if_any())),
            Args::Two => {
                args.push(attached.map_or_else(|| self.value(word), Ok)?);
                let second = self.value_if_any();
                args.push(second.ok_or_else(|| Refusal::new(word.span, format!("`--{}` needs two values", opt.name)))?);
            }
        }
        let given = Given::new(opt, written, not, args, word.span);
        if let Some(instance) = self.instance_mut(slot) {
            let repeats = matches!(instance.kind, Kind::Known(module) if module.name == "policy");
            if !repeats && instance.given.iter().any(|before| before.name == given.name) {
                return Err(given.refuse(format!("`--{}` is given twice", opt.name)));
            }
            instance.given.push(given);
        }
        Ok(())
    }

    /// An option of an extension that iptables does not come with.
    fn foreign(&mut self, name: &str, word: &'w Word, attached: Option<Word>) -> Result<(), Refusal> {
        let slot = self
            .loaded
            .iter()
            .rev()
            .copied()
            .find(|slot| matches!(self.instance(*slot), Some(Instance { kind: Kind::Foreign(_), .. })));
        let Some(slot) = slot else {
            return Err(Refusal::new(word.span, format!("unknown option `--{name}`")));
        };
        let mut args: Vec<Word> = attached.into_iter().collect();
        while let Some(value) = self.value_if_any() {
            args.push(value);
        }
        let not = self.not.take().is_some();
        let given = Given { not, name: name.to_owned(), written: name.to_owned(), args, span: word.span };
        if let Some(instance) = self.instance_mut(slot) {
            instance.given.push(given);
        }
        Ok(())
    }

    /// An option of iptables itself.
    fn base(&mut self, letter: char, word: &'w Word, attached: Option<Word>) -> Result<(), Refusal> {
        let not = self.not.take();
        if let Some(span) = not.filter(|_| !matches!(letter, 's' | 'd' | 'p' | 'i' | 'o' | 'f')) {
            return Err(Refusal::new(span, format!("`!` cannot stand before `{}`", word.text)));
        }
        let not = not.is_some();
        let attached_given = attached.is_some();
        let value = match args_of(letter) {
            Some(Args::One | Args::Two) => Some(attached.map_or_else(|| self.value(word), Ok)?),
            Some(Args::Maybe) => attached.or_else(|| self.value_if_any()),
            Some(Args::None) | None => None,
        };
        match (letter, value) {
            ('A' | 'I' | 'D' | 'R' | 'C' | 'N' | 'E' | 'P', Some(chain)) => self.on_chain(letter, word, chain),
            ('F', chain) => self.command(word, Command::Flush(chain)),
            ('X', chain) => self.command(word, Command::DeleteChain(chain)),
            ('L' | 'S' | 'Z', _) => {
                // `-L chain rule`; and `-Z` may come with `-L`.
                let _rule = self.value_if_any();
                match &self.request.command {
                    Some(Command::Look) => Ok(()),
                    _ => self.command(word, Command::Look),
                }
            }
            ('V' | 'h', _) => self.command(word, Command::Look),
            ('s', Some(value)) => once(&mut self.request.spec.source, not, word, value),
            ('d', Some(value)) => once(&mut self.request.spec.destination, not, word, value),
            ('p', Some(mut value)) => {
                value.text.make_ascii_lowercase();
                if not && proto_of(&value.text) == Some(0) {
                    return Err(Refusal::new(value.span, "no packet has none of all protocols"));
                }
                once(&mut self.request.spec.protocol, not, word, value)
            }
            ('i', Some(value)) => once(&mut self.request.spec.input, not, word, interface(value)?),
            ('o', Some(value)) => once(&mut self.request.spec.output, not, word, interface(value)?),
            ('f', _) => self.fragment(not, word),
            ('j', Some(value)) => self.jump(word, value),
            ('g', Some(value)) => self.target(word, Target::Goto(value)),
            ('m', Some(value)) => {
                let kind = match match_named(&value.text, self.version) {
                    Some(module) => Kind::Known(module),
                    None => Kind::Foreign(value.text.clone()),
                };
                let span = value.span;
                self.load(Instance { kind, name: Some(value), given: Vec::new(), span });
                Ok(())
            }
            ('t', Some(value)) => match (self.from, &self.request.table) {
                (From::Save, _) => Err(Refusal::new(word.span, "`-t` cannot stand in a save file")),
                (From::Shell, Some(_)) => Err(Refusal::new(word.span, "`-t` is given twice")),
                (From::Shell, None) => {
                    self.request.table = Some(value);
                    Ok(())
                }
            },
            ('c', Some(_)) => {
                // `-c packets bytes`, or both behind a comma.
                let _bytes = self.value_if_any();
                Ok(())
            }
            ('4', _) => self.only(Version::V4, word),
            ('6', _) => self.only(Version::V6, word),
            ('w' | 'W', _) if !attached_given => Ok(()),
            _ => Ok(()),
        }
    }

    /// A line that is for one of the two programs only.
    fn only(&mut self, version: Version, word: &Word) -> Result<(), Refusal> {
        if version != self.version {
            if self.from == From::Shell {
                return Err(Refusal::new(word.span, format!("`{}` belongs to the other program", word.text)));
            }
            self.request.elsewhere = true;
        }
        Ok(())
    }

    fn fragment(&mut self, not: bool, word: &Word) -> Result<(), Refusal> {
        if self.version == Version::V6 {
            return Err(Refusal::new(word.span, "`-f` is for IPv4 only"));
        }
        match self.request.spec.fragment.replace(not) {
            None => Ok(()),
            Some(_) => Err(Refusal::new(word.span, "`-f` is given twice")),
        }
    }

    fn on_chain(&mut self, letter: char, word: &Word, chain: Word) -> Result<(), Refusal> {
        let command = match letter {
            'A' => Command::Append(chain),
            'I' => {
                let at = self.rule_number()?;
                Command::Insert(chain, at.unwrap_or(1))
            }
            'D' => match self.rule_number()? {
                Some(at) => Command::DeleteAt(chain, at),
                None => Command::Delete(chain),
            },
            'R' => match self.rule_number()? {
                Some(at) => Command::Replace(chain, at),
                None => return Err(Refusal::new(word.span, "`-R` needs the number of a rule")),
            },
            'C' => Command::Check(chain),
            'N' => Command::NewChain(chain),
            'E' => match self.value_if_any() {
                Some(name) => Command::Rename(chain, name),
                None => return Err(Refusal::new(word.span, "`-E` needs the old and the new name")),
            },
            _ => match self.value_if_any() {
                Some(policy) => Command::Policy(chain, policy),
                None => return Err(Refusal::new(word.span, "`-P` needs a chain and a policy")),
            },
        };
        self.command(word, command)
    }

    fn rule_number(&mut self) -> Result<Option<usize>, Refusal> {
        let Some(word) = self.value_if_any() else { return Ok(None) };
        match number(&word.text, i32::MAX as u64).and_then(|at| usize::try_from(at).ok()) {
            Some(at) if at > 0 => Ok(Some(at)),
            _ => Err(Refusal::new(word.span, format!("`{}` is no number of a rule", word.text))),
        }
    }

    fn command(&mut self, word: &Word, command: Command) -> Result<(), Refusal> {
        match self.request.command.replace(command) {
            None => Ok(()),
            Some(_) => Err(Refusal::new(word.span, "a second command in one call")),
        }
    }

    fn jump(&mut self, word: &Word, value: Word) -> Result<(), Refusal> {
        let kind = match target_named(&value.text, self.version) {
            Some(module) => Kind::Known(module),
            None => Kind::Foreign(value.text.clone()),
        };
        let span = value.span;
        self.target(word, Target::Jump(Instance { kind, name: Some(value), given: Vec::new(), span }))?;
        self.loaded.push(Slot::Target);
        Ok(())
    }

    fn target(&mut self, word: &Word, target: Target) -> Result<(), Refusal> {
        match self.request.spec.target.replace(target) {
            None => Ok(()),
            Some(_) => Err(Refusal::new(word.span, "a second target")),
        }
    }
}
