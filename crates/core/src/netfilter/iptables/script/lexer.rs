//! A shell script as tokens.

use crate::source::Span;

/// A token with its place.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub kind: Kind,
    pub span: Span,
}

/// Kinds of tokens.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Word(Vec<Piece>),
    /// `;`, `&` or the end of a line.
    End,
    And,
    Or,
    Pipe,
    Open,
    Close,
    /// `;;` and its like.
    CaseEnd,
    /// What is read or written elsewhere; the word behind it says where.
    Redirect,
    /// A document in the script: its bytes, and whether it is taken as it stands.
    Document {
        body: Span,
        plain: bool,
    },
}

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it stands; what is quoted is no keyword and is not parted.
    Text { text: String, quoted: bool },
    /// `$NAME` or `${NAME:-default}`
    Variable { name: String, quoted: bool, default: Option<Vec<Piece>> },
    /// What a shell would have to run, or what is not read; said in a few words.
    Unknown(&'static str),
}

/// Depth of defaults in defaults.
const NESTED_MAX: usize = 8;

/// Parts a script; what is not closed ends with it, which is told by the second value.
pub(super) fn tokens(text: &str) -> (Vec<Token>, Option<Span>) {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new(), pending: Vec::new(), unclosed: None };
    lexer.run();
    (lexer.tokens, lexer.unclosed)
}

struct Lexer<'s> {
    text: &'s str,
    at: usize,
    tokens: Vec<Token>,
    /// Documents that begin behind this line: place of their token, end word, whether tabs are cut, whether plain.
    pending: Vec<(usize, String, bool, bool)>,
    unclosed: Option<Span>,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn push(&mut self, kind: Kind, start: usize) {
        self.tokens.push(Token { kind, span: Span::new(start..self.at) });
    }

    fn run(&mut self) {
        while let Some(c) = self.peek() {
            let start = self.at;
            match c {
                ' ' | '\t' | '\r' => {
                    self.at += 1;
                }
                '\\' if self.take("\\\n") || self.take("\\\r\n") => {}
                '\n' => {
                    self.at += 1;
                    self.push(Kind::End, start);
                    self.documents();
                }
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                ';' | '&' | '|' | '(' | ')' => self.operator(start),
                '<' | '>' => self.redirect(start),
                _ => self.word_or_number(start),
            }
        }
    }

    fn operator(&mut self, start: usize) {
        let kind = if self.take("&>>") || self.take("&>") {
            Kind::Redirect
        } else if self.take(";;&") || self.take(";;") || self.take(";&") {
            Kind::CaseEnd
        } else if self.take("&&") {
            Kind::And
        } else if self.take("||") {
            Kind::Or
        } else if self.take("|&") || self.take("|") {
            Kind::Pipe
        } else if self.take("(") {
            Kind::Open
        } else if self.take(")") {
            Kind::Close
        } else {
            self.at += 1;
            Kind::End
        };
        self.push(kind, start);
    }

    fn redirect(&mut self, start: usize) {
        if self.take("<<<") {
            return self.push(Kind::Redirect, start);
        }
        if self.take("<<") {
            let tabs = self.take("-");
            while matches!(self.peek(), Some(' ' | '\t')) {
                self.at += 1;
            }
            let pieces = self.word();
            let plain = pieces.iter().any(|piece| matches!(piece, Piece::Text { quoted: true, .. }));
            let end: String = pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text { text, .. } => text.as_str(),
                    Piece::Variable { .. } | Piece::Unknown(_) => "",
                })
                .collect();
            self.pending.push((self.tokens.len(), end, tabs, plain));
            return self.push(Kind::Document { body: Span::new(self.at..self.at), plain }, start);
        }
        let known = ["<&", "<>", "<", ">>", ">&", ">|", ">"];
        let found = known.iter().any(|operator| self.take(operator));
        debug_assert!(found);
        self.push(Kind::Redirect, start);
    }

    /// Bodies of the documents that were announced on the line before.
    fn documents(&mut self) {
        for (token, end, tabs, plain) in std::mem::take(&mut self.pending) {
            let start = self.at;
            let mut stop = self.text.len();
            let mut closed = false;
            while self.at < self.text.len() {
                let line_start = self.at;
                let line = self.rest().split_inclusive('\n').next().unwrap_or_default();
                self.at += line.len();
                let bare = line.trim_end_matches(['\n', '\r']);
                if bare == end || (tabs && bare.trim_start_matches('\t') == end) {
                    stop = line_start;
                    closed = true;
                    break;
                }
            }
            if !closed {
                self.unclosed.get_or_insert(self.tokens[token].span);
            }
            let body = Span::new(start..stop.max(start));
            let plain = plain || !self.text[body.range()].contains(['$', '`', '\\']);
            self.tokens[token].kind = Kind::Document { body, plain };
        }
    }

    fn word_or_number(&mut self, start: usize) {
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && matches!(self.rest().as_bytes().get(digits), Some(b'<' | b'>')) {
            self.at += digits;
            return self.redirect(start);
        }
        let pieces = self.word();
        self.push(Kind::Word(pieces), start);
    }

    /// A word; at least one character is taken.
    fn word(&mut self) -> Vec<Piece> {
        let mut pieces = Pieces::default();
        while let Some(c) = self.peek() {
            let start = self.at;
            match c {
                ' ' | '\t' | '\n' | '\r' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => break,
                '\\' => {
                    self.at += 1;
                    match self.bump() {
                        Some('\n') | None => {}
                        Some('\r') if self.take("\n") => {}
                        Some(c) => pieces.text(c, true),
                    }
                }
                '\'' => {
                    self.at += 1;
                    let length = self.rest().find('\'');
                    if length.is_none() {
                        self.unclosed.get_or_insert(Span::new(start..start + 1));
                    }
                    let text = &self.rest()[..length.unwrap_or(self.rest().len())];
                    pieces.quoted(text);
                    self.at = (self.at + text.len() + 1).min(self.text.len());
                }
                '"' => {
                    self.at += 1;
                    self.double_quoted(&mut pieces, start);
                }
                '$' => {
                    self.at += 1;
                    self.dollar(&mut pieces, false, 0);
                }
                '`' => self.backquoted(&mut pieces),
                c => {
                    self.at += c.len_utf8();
                    pieces.text(c, false);
                }
            }
        }
        pieces.0
    }

    fn double_quoted(&mut self, pieces: &mut Pieces, start: usize) {
        pieces.quoted("");
        loop {
            match self.peek() {
                None => {
                    self.unclosed.get_or_insert(Span::new(start..start + 1));
                    return;
                }
                Some('"') => {
                    self.at += 1;
                    return;
                }
                Some('$') => {
                    self.at += 1;
                    self.dollar(pieces, true, 0);
                }
                Some('`') => self.backquoted(pieces),
                Some('\\') => {
                    self.at += 1;
                    match self.bump() {
                        Some('\n') | None => {}
                        Some(c @ ('$' | '`' | '"' | '\\')) => pieces.text(c, true),
                        Some(c) => {
                            pieces.text('\\', true);
                            pieces.text(c, true);
                        }
                    }
                }
                Some(c) => {
                    self.at += c.len_utf8();
                    pieces.text(c, true);
                }
            }
        }
    }

    fn backquoted(&mut self, pieces: &mut Pieces) {
        self.at += 1;
        loop {
            match self.bump() {
                Some('\\') => {
                    self.bump();
                }
                Some('`') | None => break,
                Some(_) => {}
            }
        }
        pieces.0.push(Piece::Unknown("takes what a command prints"));
    }

    /// What stands behind a `$`.
    fn dollar(&mut self, pieces: &mut Pieces, quoted: bool, depth: usize) {
        if self.take("(") {
            let arithmetic = self.take("(");
            self.skip_parentheses(if arithmetic { 2 } else { 1 });
            let what = if arithmetic { "is calculated" } else { "takes what a command prints" };
            pieces.0.push(Piece::Unknown(what));
        } else if self.take("{") {
            self.braced(pieces, quoted, depth);
        } else if self.rest().starts_with('\'') && !quoted {
            pieces.0.push(Piece::Unknown("is written in a way that is not read"));
        } else {
            let name = self.name();
            if !name.is_empty() {
                pieces.0.push(Piece::Variable { name, quoted, default: None });
            } else if let Some('0'..='9' | '@' | '*' | '#' | '?' | '-' | '$' | '!') = self.peek() {
                self.at += 1;
                pieces.0.push(Piece::Unknown("depends on how the script is run"));
            } else {
                pieces.text('$', quoted);
            }
        }
    }

    fn name(&mut self) -> String {
        let is_name = |(at, c): &(usize, char)| *c == '_' || c.is_ascii_alphabetic() || (*at > 0 && c.is_ascii_digit());
        let length = self.rest().char_indices().take_while(is_name).count();
        let name = self.rest()[..length].to_owned();
        self.at += length;
        name
    }

    fn braced(&mut self, pieces: &mut Pieces, quoted: bool, depth: usize) {
        let name = self.name();
        let mut default = None;
        if !name.is_empty() && self.take("}") {
            pieces.0.push(Piece::Variable { name, quoted, default });
            return;
        }
        if !name.is_empty() && depth < NESTED_MAX && (self.take(":-") || self.take("-")) {
            let mut inner = Pieces::default();
            loop {
                match self.peek() {
                    Some('}') | None => break,
                    Some('$') => {
                        self.at += 1;
                        self.dollar(&mut inner, quoted, depth + 1);
                    }
                    Some('\'' | '"') => self.at += 1,
                    Some('`') => self.backquoted(&mut inner),
                    Some(c) => {
                        self.at += c.len_utf8();
                        inner.text(c, quoted);
                    }
                }
            }
            self.take("}");
            default = Some(inner.0);
            pieces.0.push(Piece::Variable { name, quoted, default });
            return;
        }
        self.at += self.rest().find('}').map_or(self.rest().len(), |at| at + 1);
        pieces.0.push(Piece::Unknown("is an expansion that is not followed"));
    }

    /// To behind the parentheses that are open; what is quoted inside does not count.
    fn skip_parentheses(&mut self, mut open: usize) {
        while open > 0 {
            match self.bump() {
                Some('(') => open += 1,
                Some(')') => open -= 1,
                Some('\\') => {
                    self.bump();
                }
                Some(quote @ ('\'' | '"')) => {
                    while let Some(c) = self.bump() {
                        if c == quote {
                            break;
                        }
                        if c == '\\' && quote == '"' {
                            self.bump();
                        }
                    }
                }
                Some(_) => {}
                None => return,
            }
        }
    }
}

/// Pieces of a word while it is read; neighbouring text grows together.
#[derive(Default)]
struct Pieces(Vec<Piece>);

impl Pieces {
    fn text(&mut self, c: char, is_quoted: bool) {
        match self.0.last_mut() {
            Some(Piece::Text { text, quoted }) if *quoted == is_quoted => text.push(c),
            _ => self.0.push(Piece::Text { text: c.to_string(), quoted: is_quoted }),
        }
    }

    fn quoted(&mut self, more: &str) {
        match self.0.last_mut() {
            Some(Piece::Text { text, quoted: true }) => text.push_str(more),
            _ => self.0.push(Piece::Text { text: more.to_owned(), quoted: true }),
        }
    }
}
