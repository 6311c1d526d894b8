//! Words of `dhcpd.conf` (dhcpd.conf(5)): names, quoted texts, and the signs that end and enclose statements.

use crate::source::{Source, Span};

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word: a name, number, address.
    Word,
    /// A text in quotes; the token's text is without them.
    Text,
    /// `{`
    Open,
    /// `}`
    Close,
    /// `;`
    End,
    /// `,`
    Comma,
    /// `=` and the other signs of expressions.
    Sign,
}

/// A token and its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'s> {
    pub kind: Kind,
    pub text: &'s str,
    pub span: Span,
}

/// The tokens of a file. A quoted text that is never closed ends with its line.
pub(super) fn tokens(source: &Source) -> Vec<Token<'_>> {
    let text = source.text();
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let (kind, inner) = match bytes[at] {
            b'#' => {
                at = line_end(bytes, at);
                continue;
            }
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'"' => {
                let end = quote_end(bytes, at + 1);
                at = (end + usize::from(bytes.get(end) == Some(&b'"'))).min(bytes.len());
                (Kind::Text, start + 1..end)
            }
            sign @ (b'{' | b'}' | b';' | b',' | b'=' | b'(' | b')' | b'!' | b'~') => {
                at += 1;
                let kind = match sign {
                    b'{' => Kind::Open,
                    b'}' => Kind::Close,
                    b';' => Kind::End,
                    b',' => Kind::Comma,
                    _ => Kind::Sign,
                };
                (kind, start..at)
            }
            _ => {
                at = word_end(bytes, at);
                (Kind::Word, start..at)
            }
        };
        let text = text.get(inner).unwrap_or_default();
        tokens.push(Token { kind, text, span: Span::new(start..at) });
    }
    tokens
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |offset| from + offset)
}

/// The closing quote, or the end of the line without one.
fn quote_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while at < bytes.len() && !matches!(bytes[at], b'"' | b'\n') {
        at += if bytes[at] == b'\\' && bytes.get(at + 1).is_some_and(|next| *next != b'\n') { 2 } else { 1 };
    }
    at.min(bytes.len())
}

fn word_end(bytes: &[u8], from: usize) -> usize {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"{};,=()!~\"#".contains(byte);
    bytes[from..].iter().position(ends).map_or(bytes.len(), |offset| from + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_comments_and_signs_are_told_apart() {
        let source = Source::new("dhcpd.conf", "a 1.2.3.4, \"b;\\\"c\"; # no\nd{}\"open\ne\\");
        let found: Vec<(Kind, &str)> = tokens(&source).into_iter().map(|token| (token.kind, token.text)).collect();
        assert_eq!(
            found,
            [
                (Kind::Word, "a"),
                (Kind::Word, "1.2.3.4"),
                (Kind::Comma, ","),
                (Kind::Text, "b;\\\"c"),
                (Kind::End, ";"),
                (Kind::Word, "d"),
                (Kind::Open, "{"),
                (Kind::Close, "}"),
                (Kind::Text, "open"),
                (Kind::Word, "e\\"),
            ]
        );
    }
}
