//! Where the rules of an nft text stand in it.
//!
//! What a text means is asked of nft itself, and its JSON says nothing of lines. So the text is looked through once more, only
//! for where rules begin and end. A chain whose rules are not as many as nft found there keeps none of the places: with
//! variables, includes or anonymous chains a line is not a rule.

use std::collections::BTreeMap;

use crate::netfilter::{Program, TableFamily};
use crate::source::{Source, Span};

/// A chain by family, table and name.
type Name = (TableFamily, String, String);

/// What a text says of a chain.
#[derive(Debug, Default)]
struct Said {
    declared: Option<Span>,
    rules: Vec<Span>,
    /// Rules were put somewhere else than at the end, or taken out.
    unclear: bool,
}

/// Gives rules and chains their places in a text in nft's own words, as far as these can be told.
pub fn place_nft_rules(program: &mut Program, source: &Source) {
    let mut said = Looking { text: source.text(), at: 0, chains: BTreeMap::new() }.all();
    for table in &mut program.tables {
        for chain in &mut table.chains {
            let name = (table.family, table.name.clone(), chain.name.clone());
            let Some(found) = said.remove(&name) else { continue };
            chain.span = found.declared;
            if !found.unclear && found.rules.len() == chain.rules.len() {
                for (rule, span) in chain.rules.iter_mut().zip(found.rules) {
                    rule.span = Some(span);
                }
            }
        }
    }
}

struct Looking<'t> {
    text: &'t str,
    at: usize,
    chains: BTreeMap<Name, Said>,
}

/// Why a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// By a line's end or `;`.
    Whole,
    /// A block begins: `table inet filter {`.
    Opens,
    /// The block around it ends.
    Closes,
    /// The text does.
    Text,
}

impl Looking<'_> {
    fn all(mut self) -> BTreeMap<Name, Said> {
        loop {
            let (span, ended) = self.statement(false);
            let words: Vec<&str> = self.text[span.range()].split_whitespace().collect();
            match (words.as_slice(), ended) {
                (["table", rest @ ..] | ["add" | "create", "table", rest @ ..], Ended::Opens) => match table_of(rest) {
                    Some((family, name)) => self.table(family, &name),
                    None => self.skip(),
                },
                (_, Ended::Opens) => self.skip(),
                (_, Ended::Text) => return self.chains,
                (["add", "rule", rest @ ..], Ended::Whole) => self.added(rest, span),
                (["insert" | "delete" | "replace" | "reset", "rule", rest @ ..], Ended::Whole) => {
                    if let Some(name) = chain_of(rest) {
                        self.chains.entry(name).or_default().unclear = true;
                    }
                }
                (_, Ended::Whole | Ended::Closes) => {}
            }
        }
    }

    fn added(&mut self, words: &[&str], span: Span) {
        if let Some(name) = chain_of(words) {
            self.chains.entry(name).or_default().rules.push(span);
        }
    }

    fn table(&mut self, family: TableFamily, table: &str) {
        loop {
            let (span, ended) = self.statement(false);
            let words: Vec<&str> = self.text[span.range()].split_whitespace().collect();
            match (words.as_slice(), ended) {
                (["chain", name], Ended::Opens) => {
                    let name = (family, table.to_owned(), (*name).to_owned());
                    self.chains.entry(name.clone()).or_default().declared.get_or_insert(span);
                    self.chain(&name);
                }
                (_, Ended::Opens) => self.skip(),
                (_, Ended::Closes | Ended::Text) => return,
                (_, Ended::Whole) => {}
            }
        }
    }

    fn chain(&mut self, name: &Name) {
        loop {
            // Braces in a rule are those of its sets.
            let (span, ended) = self.statement(true);
            let text = &self.text[span.range()];
            let first = text.split_whitespace().next().unwrap_or_default();
            if !matches!(first, "" | "type" | "policy" | "devices" | "device" | "flags")
                && !text.starts_with("comment \"")
            {
                self.chains.entry(name.clone()).or_default().rules.push(span);
            }
            if ended != Ended::Whole {
                return;
            }
        }
    }

    /// To behind the brace that closes what was opened.
    fn skip(&mut self) {
        loop {
            match self.statement(false).1 {
                Ended::Opens => self.skip(),
                Ended::Closes | Ended::Text => return,
                Ended::Whole => {}
            }
        }
    }

    /// The next statement without white space around it, and why it ended. `inside`: braces belong to it.
    fn statement(&mut self, inside: bool) -> (Span, Ended) {
        let bytes = self.text.as_bytes();
        let (mut start, mut depth, mut quoted) = (self.at, 0_usize, false);
        let mut end = None;
        while let Some(byte) = bytes.get(self.at).copied() {
            let here = self.at;
            self.at += 1;
            let ended = match byte {
                b'"' => {
                    quoted = !quoted;
                    continue;
                }
                _ if quoted => continue,
                b'#' => {
                    while bytes.get(self.at).is_some_and(|byte| *byte != b'\n') {
                        self.at += 1;
                    }
                    if self.text[start..here].trim().is_empty() {
                        start = self.at;
                    } else {
                        end.get_or_insert(here);
                    }
                    continue;
                }
                b'\\' if bytes.get(self.at) == Some(&b'\n') => {
                    self.at += 1;
                    continue;
                }
                b'{' if inside => {
                    depth += 1;
                    continue;
                }
                b'}' if depth > 0 => {
                    depth -= 1;
                    continue;
                }
                b'\n' | b';' if depth > 0 => continue,
                b'\n' | b';' if self.text[start..here].trim().is_empty() => {
                    start = self.at;
                    continue;
                }
                b'\n' | b';' => Ended::Whole,
                b'{' => Ended::Opens,
                b'}' => Ended::Closes,
                _ => continue,
            };
            return (self.trimmed(start, end.unwrap_or(here)), ended);
        }
        (self.trimmed(start, end.unwrap_or(self.at)), Ended::Text)
    }

    fn trimmed(&self, start: usize, end: usize) -> Span {
        let text = &self.text[start..end];
        let before = text.len() - text.trim_start().len();
        Span::new(start + before..start + before + text.trim().len())
    }
}

/// `inet filter`, or a name alone: of IPv4.
fn table_of(words: &[&str]) -> Option<(TableFamily, String)> {
    match words {
        [name] => Some((TableFamily::Ip, (*name).to_owned())),
        [family, name] => Some((family_of(family)?, (*name).to_owned())),
        _ => None,
    }
}

/// `inet filter input …`, or without a family.
fn chain_of(words: &[&str]) -> Option<Name> {
    match words {
        [family, table, chain, ..] if family_of(family).is_some() => {
            Some((family_of(family)?, (*table).to_owned(), (*chain).to_owned()))
        }
        [table, chain, ..] => Some((TableFamily::Ip, (*table).to_owned(), (*chain).to_owned())),
        _ => None,
    }
}

fn family_of(word: &str) -> Option<TableFamily> {
    Some(match word {
        "ip" => TableFamily::Ip,
        "ip6" => TableFamily::Ip6,
        "inet" => TableFamily::Inet,
        "arp" => TableFamily::Arp,
        "bridge" => TableFamily::Bridge,
        "netdev" => TableFamily::Netdev,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netfilter::{Chain, Rule, Table};

    fn program(family: TableFamily, table: &str, chains: &[(&str, usize)]) -> Program {
        let chains = chains.iter().map(|(name, rules)| Chain {
            name: (*name).to_owned(),
            base: None,
            rules: vec![Rule::default(); *rules],
            span: None,
        });
        let table = Table { family, name: table.to_owned(), chains: chains.collect(), sets: Vec::new() };
        Program { tables: vec![table], ..Program::default() }
    }

    fn placed(mut program: Program, text: &str) -> Vec<Option<String>> {
        let source = Source::new("x", text);
        place_nft_rules(&mut program, &source);
        let rules = program.tables[0].chains.iter().flat_map(|chain| &chain.rules);
        rules.map(|rule| rule.span.map(|span| source.slice(span).to_owned())).collect()
    }

    fn some(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned())).collect()
    }

    #[test]
    fn rules_of_a_listing_stand_where_they_stand() {
        let text = "#!/usr/sbin/nft -f\nflush ruleset\ntable inet filter {\n\tset x {\n\t\ttype ipv4_addr\n\t\telements = { 10.0.0.1,\n\t\t\t10.0.0.2 }\n\t}\n\
                    \tchain input { # the box\n\t\ttype filter hook input priority filter; policy drop;\n\t\tct state vmap { established : accept,\n\t\t\t invalid : drop }\n\
                    \t\tip saddr @x tcp dport { 22, 80 } accept comment \"a; } b\"\n\n\t\t# nothing\n\t\ttcp dport 1 drop; udp dport 2 drop # two\n\t}\n}\n";
        let found = placed(program(TableFamily::Inet, "filter", &[("input", 4)]), text);
        let expected = some(&[
            "ct state vmap { established : accept,\n\t\t\t invalid : drop }",
            "ip saddr @x tcp dport { 22, 80 } accept comment \"a; } b\"",
            "tcp dport 1 drop",
            "udp dport 2 drop",
        ]);
        assert_eq!(found, expected);
    }

    #[test]
    fn rules_that_are_added_and_chains_that_do_not_fit() {
        let text = "add table ip t\nadd chain ip t c\nadd rule ip t c accept\nadd rule t c drop\n";
        let rules = some(&["add rule ip t c accept", "add rule t c drop"]);
        assert_eq!(placed(program(TableFamily::Ip, "t", &[("c", 2)]), text), rules);
        assert_eq!(placed(program(TableFamily::Ip, "t", &[("c", 3)]), text), [None, None, None]);
        let text = format!("{text}insert rule ip t c counter\n");
        assert_eq!(placed(program(TableFamily::Ip, "t", &[("c", 2)]), &text), [None, None]);
    }

    #[test]
    fn any_text_ends() {
        for text in [
            "",
            "{",
            "}",
            "table",
            "table inet x {",
            "table inet x { chain y {",
            "\"",
            "#",
            "a {{{}}}",
            "\\",
            "table x { chain y { a {",
        ] {
            placed(program(TableFamily::Ip, "x", &[("y", 1)]), text);
        }
    }
}
