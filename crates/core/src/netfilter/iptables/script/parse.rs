//! From tokens to commands.

use super::lexer::{Kind, Piece, Token};
use crate::source::Span;

/// Commands in commands in commands.
const DEPTH_MAX: usize = 40;

/// Commands one after another.
pub(super) type List = Vec<Chain>;

/// Commands joined by `&&` and `||`.
#[derive(Debug)]
pub(super) struct Chain {
    pub first: Pipeline,
    /// Whether the one before must succeed, and what is then done.
    pub then: Vec<(bool, Pipeline)>,
}

/// Commands joined by `|`.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// `!`
    pub not: bool,
    pub commands: Vec<Command>,
}

/// A command.
#[derive(Debug)]
pub(super) enum Command {
    Simple(Simple),
    /// `{ …; }` or, in a shell of its own, `( … )`.
    Group(List),
    /// `if`, `for` and their like: what they are called, and everything inside them.
    Compound {
        what: &'static str,
        lists: Vec<List>,
        variable: Option<String>,
        span: Span,
    },
    Function {
        name: String,
        body: Box<Command>,
        span: Span,
    },
}

/// Assignments, words, and where things are written.
#[derive(Debug, Default)]
pub(super) struct Simple {
    pub words: Vec<(Vec<Piece>, Span)>,
    pub redirects: Vec<Vec<Piece>>,
    /// A document that it reads: its bytes, and whether it is taken as it stands.
    pub document: Option<(Span, bool)>,
    pub span: Span,
}

/// All commands; the span is where nothing more was understood.
pub(super) fn parse(tokens: Vec<Token>) -> (List, Option<Span>) {
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), depth: 0, stuck: None, last: Span::default() };
    let mut list = parser.list(&[]);
    while parser.tokens.peek().is_some() {
        // A closing word that closes nothing.
        let span = parser.tokens.next().map(|token| token.span).unwrap_or_default();
        parser.stuck.get_or_insert(span);
        list.extend(parser.list(&[]));
    }
    (list, parser.stuck)
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
    stuck: Option<Span>,
    /// The token that was taken last.
    last: Span,
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.next()?;
        self.last = token.span;
        Some(token)
    }

    fn keyword(&mut self) -> Option<&str> {
        match self.tokens.peek().map(|token| &token.kind) {
            Some(Kind::Word(pieces)) => bare(pieces),
            _ => None,
        }
    }

    fn take(&mut self, keyword: &str) -> bool {
        let found = self.keyword() == Some(keyword);
        if found {
            self.next();
        }
        found
    }

    fn is(&mut self, wanted: fn(&Kind) -> bool) -> bool {
        self.tokens.peek().is_some_and(|token| wanted(&token.kind))
    }

    fn ends(&mut self) {
        while self.is(|kind| matches!(kind, Kind::End)) {
            self.next();
        }
    }

    /// Something that should stand here does not: nothing behind it is understood.
    fn stick(&mut self) {
        let span = self.tokens.peek().map_or(self.last, |token| token.span);
        self.stuck.get_or_insert(span);
        while self.tokens.next().is_some() {}
    }

    /// Until one of the words that close it, `)`, `;;` or the end.
    fn list(&mut self, closing: &[&str]) -> List {
        let mut list = Vec::new();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            self.stick();
        }
        loop {
            self.ends();
            let at_end = self.tokens.peek().is_none()
                || self.is(|kind| matches!(kind, Kind::Close | Kind::CaseEnd))
                || self.keyword().is_some_and(|word| closing.contains(&word) || CLOSING.contains(&word));
            if at_end {
                break;
            }
            let first = self.pipeline();
            let mut then = Vec::new();
            while self.is(|kind| matches!(kind, Kind::And | Kind::Or)) {
                let and = self.is(|kind| matches!(kind, Kind::And));
                self.next();
                self.ends();
                then.push((and, self.pipeline()));
            }
            list.push(Chain { first, then });
        }
        self.depth -= 1;
        list
    }

    fn pipeline(&mut self) -> Pipeline {
        let mut not = false;
        while self.take("!") {
            not = !not;
        }
        let mut commands = vec![self.command()];
        while self.is(|kind| matches!(kind, Kind::Pipe)) {
            self.next();
            self.ends();
            commands.push(self.command());
        }
        Pipeline { not, commands }
    }

    fn command(&mut self) -> Command {
        let start = self.tokens.peek().map_or(self.last, |token| token.span);
        if self.is(|kind| matches!(kind, Kind::Open)) {
            self.next();
            let list = self.list(&[]);
            if self.is(|kind| matches!(kind, Kind::Close)) {
                self.next();
            } else {
                self.stick();
            }
            return Command::Group(list);
        }
        let what = match self.keyword() {
            Some("{") => {
                self.next();
                let list = self.list(&["}"]);
                self.expect("}");
                return Command::Group(list);
            }
            Some("if") => "if",
            Some("for" | "select") => "for",
            Some("while") => "while",
            Some("until") => "until",
            Some("case") => "case",
            Some("function") => {
                self.next();
                let name = self.keyword().unwrap_or_default().to_owned();
                self.next();
                self.parentheses();
                return self.function(name, start);
            }
            _ => return self.simple(start),
        };
        self.next();
        let (mut lists, mut variable) = (Vec::new(), None);
        match what {
            "if" => {
                lists.push(self.list(&["then"]));
                self.expect("then");
                lists.push(self.list(&["elif", "else", "fi"]));
                while self.take("elif") {
                    lists.push(self.list(&["then"]));
                    self.expect("then");
                    lists.push(self.list(&["elif", "else", "fi"]));
                }
                if self.take("else") {
                    lists.push(self.list(&["fi"]));
                }
                self.expect("fi");
            }
            "case" => lists = self.cases(),
            _ => {
                if what == "for" {
                    variable = self.keyword().map(str::to_owned);
                    // The names it runs over, or `((…))`.
                    while self.tokens.peek().is_some() && self.keyword() != Some("do") {
                        self.next();
                    }
                } else {
                    lists.push(self.list(&["do"]));
                }
                self.expect("do");
                lists.push(self.list(&["done"]));
                self.expect("done");
            }
        }
        let span = Span { start: start.start, end: self.last.end.max(start.end) };
        Command::Compound { what, lists, variable, span }
    }

    fn cases(&mut self) -> Vec<List> {
        let mut lists = Vec::new();
        self.next();
        self.ends();
        self.expect("in");
        loop {
            self.ends();
            if self.take("esac") || self.tokens.peek().is_none() {
                return lists;
            }
            while self.tokens.peek().is_some() && !self.is(|kind| matches!(kind, Kind::Close)) {
                self.next();
            }
            self.next();
            lists.push(self.list(&["esac"]));
            if self.is(|kind| matches!(kind, Kind::CaseEnd)) {
                self.next();
            } else if self.keyword() != Some("esac") {
                self.stick();
            }
        }
    }

    fn expect(&mut self, word: &str) {
        if !self.take(word) {
            self.stick();
        }
    }

    fn parentheses(&mut self) {
        if self.is(|kind| matches!(kind, Kind::Open)) {
            self.next();
            if self.is(|kind| matches!(kind, Kind::Close)) {
                self.next();
            }
        }
    }

    fn function(&mut self, name: String, start: Span) -> Command {
        self.ends();
        self.depth += 1;
        let body = if self.depth > DEPTH_MAX || self.tokens.peek().is_none() {
            self.stick();
            Command::Group(Vec::new())
        } else {
            self.command()
        };
        self.depth -= 1;
        Command::Function { name, body: Box::new(body), span: Span { start: start.start, end: self.last.end } }
    }

    fn simple(&mut self, start: Span) -> Command {
        let mut simple = Simple { span: start, ..Simple::default() };
        while let Some(token) = self.tokens.peek() {
            match &token.kind {
                Kind::Word(_) => {
                    let Some(Token { kind: Kind::Word(pieces), span }) = self.next() else { break };
                    simple.span.end = simple.span.end.max(span.end);
                    simple.words.push((pieces, span));
                }
                Kind::Redirect => {
                    self.next();
                    if let Some(Token { kind: Kind::Word(pieces), .. }) =
                        self.tokens.next_if(|token| matches!(token.kind, Kind::Word(_)))
                    {
                        simple.redirects.push(pieces);
                    }
                }
                Kind::Document { body, plain } => {
                    simple.document = Some((*body, *plain));
                    self.next();
                }
                Kind::Open => {
                    let name = match simple.words.as_slice() {
                        [(pieces, _)] => bare(pieces).map(str::to_owned),
                        _ => None,
                    };
                    let Some(name) = name else {
                        self.stick();
                        break;
                    };
                    self.parentheses();
                    return self.function(name, start);
                }
                Kind::End | Kind::And | Kind::Or | Kind::Pipe | Kind::Close | Kind::CaseEnd => break,
            }
        }
        if simple.words.is_empty() && simple.redirects.is_empty() && simple.document.is_none() {
            // `&&` behind nothing, and its like.
            self.stick();
        }
        Command::Simple(simple)
    }
}

/// Words that close something, wherever a command could begin.
const CLOSING: &[&str] = &["then", "elif", "else", "fi", "do", "done", "esac", "}"];

/// A word without quotes or expansions: it may be a keyword.
pub(super) fn bare(pieces: &[Piece]) -> Option<&str> {
    match pieces {
        [Piece::Text { text, quoted: false }] => Some(text),
        _ => None,
    }
}

/// Every command of a list, not those inside them.
pub(super) fn commands(list: &List) -> impl Iterator<Item = &Command> {
    list.iter().flat_map(|chain| {
        let later = chain.then.iter().map(|(_, pipeline)| pipeline);
        std::iter::once(&chain.first).chain(later).flat_map(|pipeline| &pipeline.commands)
    })
}

/// Where a command stands.
pub(super) fn span_of(command: &Command) -> Span {
    match command {
        Command::Simple(simple) => simple.span,
        Command::Compound { span, .. } | Command::Function { span, .. } => *span,
        Command::Group(list) => list.first().map_or(Span::default(), |chain| span_of(&chain.first.commands[0])),
    }
}
