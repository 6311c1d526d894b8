//! What `iptables-save` and `ip6tables-save` write, hand-edited or not.

use super::call::From;
use super::ipset::IpSets;
use super::perform::{Machine, check_name};
use super::tables::{ChainState, is_table};
use super::{Version, Word};
use crate::netfilter::{NoteKind, Program, TableFamily};
use crate::source::{Source, Span};

/// Reads a save file. `family` says which program wrote it: [`TableFamily::Ip6`] for ip6tables, else iptables.
#[must_use]
pub fn read_iptables_save(source: &Source, family: TableFamily) -> Program {
    read_iptables_save_with(source, family, &IpSets::default())
}

/// Reads a save file whose rules ask sets of ipset.
#[must_use]
pub fn read_iptables_save_with(source: &Source, family: TableFamily, sets: &IpSets) -> Program {
    let version = if family == TableFamily::Ip6 { Version::V6 } else { Version::V4 };
    let mut machine = Machine { sets: sets.clone(), ..Machine::default() };
    read_into(&mut machine, lines(source), version);
    machine.finish()
}

/// A line of a save file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line<'s> {
    /// Behind `#`.
    Comment(&'s str),
    Words(Vec<Word>),
}

/// The lines that say something, each with its span.
pub(super) fn lines(source: &Source) -> impl Iterator<Item = (Span, Line<'_>)> {
    lines_of(source.text(), 0)
}

/// The lines of a part of a source that begins at `offset`.
pub(super) fn lines_of(text: &str, offset: usize) -> impl Iterator<Item = (Span, Line<'_>)> {
    let mut at = offset;
    text.split_inclusive('\n').filter_map(move |line| {
        let start = at + (line.len() - line.trim_start().len());
        at += line.len();
        let line = line.trim();
        if line.is_empty() {
            return None;
        }
        let span = Span::new(start..start + line.len());
        Some((span, line.strip_prefix('#').map_or_else(|| Line::Words(words(line, start)), Line::Comment)))
    })
}

/// Words as `iptables-restore` parts them: by white space, but for what stands in double quotes, where a backslash
/// takes the next character as it is. A closing quote ends a word.
fn words(line: &str, offset: usize) -> Vec<Word> {
    let mut words = Vec::new();
    let (mut text, mut start) = (String::new(), None);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in line.char_indices() {
        let ends = match c {
            _ if escaped => {
                text.push(c);
                escaped = false;
                false
            }
            '\\' if quoted => {
                escaped = true;
                false
            }
            '"' if quoted => {
                quoted = false;
                true
            }
            '"' => {
                quoted = true;
                start.get_or_insert(at);
                false
            }
            ' ' | '\t' if !quoted => !text.is_empty(),
            c => {
                start.get_or_insert(at);
                text.push(c);
                false
            }
        };
        if ends {
            let from = offset + start.take().unwrap_or(at);
            let to = offset + at + usize::from(c == '"');
            words.push(Word { text: std::mem::take(&mut text), span: Span::new(from..to) });
        }
    }
    if !text.is_empty() {
        let from = offset + start.unwrap_or(0);
        words.push(Word { text, span: Span::new(from..offset + line.len()) });
    }
    words
}

/// Does what the lines of a save file say.
pub(super) fn read_into<'s>(machine: &mut Machine, lines: impl Iterator<Item = (Span, Line<'s>)>, version: Version) {
    // The table that is open, and the line that opened it.
    let mut open: Option<(String, Span)> = None;
    for (span, line) in lines {
        let mut words = match line {
            Line::Comment(comment) => {
                remark(machine, comment, span);
                continue;
            }
            Line::Words(words) => words,
        };
        let first = words.first().map_or("", |word| word.text.as_str()).to_owned();
        match (first.as_bytes().first(), &open) {
            (Some(b'*'), before) => {
                if let Some((name, at)) = before {
                    let text = format!("the table `{name}` has no COMMIT");
                    machine.note(NoteKind::Refused, *at, text);
                }
                finish_table(machine, version, before.as_ref());
                open = begin_table(machine, version, &first[1..], span);
            }
            (_, None) => machine.note(NoteKind::Refused, span, "no table is open here"),
            (_, Some(_)) if first == "COMMIT" => {
                finish_table(machine, version, open.as_ref());
                open = None;
            }
            (Some(b':'), Some((table, _))) => declare(machine, version, table, &words, span),
            (Some(first), Some((table, _))) => {
                if *first == b'[' {
                    words.remove(0);
                }
                machine.call(&words, version, From::Save, Some(table), span);
            }
            (None, Some(_)) => {}
        }
    }
    if let Some((name, at)) = &open {
        machine.note(NoteKind::Refused, *at, format!("the table `{name}` has no COMMIT"));
    }
    finish_table(machine, version, open.as_ref());
}

fn begin_table(machine: &mut Machine, version: Version, name: &str, span: Span) -> Option<(String, Span)> {
    if !is_table(name) {
        machine.note(NoteKind::Refused, span, format!("there is no table `{name}`"));
        return None;
    }
    let table = machine.tables.reset(version, name);
    table.first = Some(span);
    for (_, chain) in table.chains() {
        chain.flushed = true;
    }
    Some((name.to_owned(), span))
}

/// A chain whose policy is not given keeps the one it had.
fn finish_table(machine: &mut Machine, version: Version, open: Option<&(String, Span)>) {
    let Some((name, span)) = open else { return };
    let table = machine.tables.table(version, name);
    let unset: Vec<String> = table
        .chains()
        .filter(|(_, chain)| chain.base.is_some() && !chain.policy_set)
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    if !unset.is_empty() {
        let text = format!(
            "the table `{name}` does not give the policy of {}: what it was before stays, and is read as ACCEPT",
            unset.join(", ")
        );
        machine.note(NoteKind::Before, *span, text);
    }
}

/// `:CHAIN POLICY [packets:bytes]`
fn declare(machine: &mut Machine, version: Version, table_name: &str, words: &[Word], span: Span) {
    let name = Word { text: words[0].text[1..].to_owned(), span: words[0].span };
    let policy = words.get(1).map(|word| word.text.clone()).unwrap_or_default();
    let table = machine.tables.table(version, table_name);
    let accepts = match policy.as_str() {
        "ACCEPT" => Some(true),
        "DROP" if table_name != "nat" => Some(false),
        _ => None,
    };
    let refused = match (table.chain(&name.text), accepts) {
        (Some(ChainState { base: Some(base), policy_set, span: place, .. }), Some(accepts)) => {
            base.accepts = accepts;
            *policy_set = true;
            *place = Some(span);
            None
        }
        // `-` leaves the policy as it is.
        (Some(ChainState { base: Some(_), .. }), None) if policy == "-" => None,
        (Some(ChainState { base: Some(_), .. }), None) => Some(format!("`{policy}` is no policy")),
        // Declared again: emptied.
        (Some(chain), None) if policy == "-" => {
            chain.rules.clear();
            None
        }
        (None, None) if policy == "-" => match check_name(table, &name, version) {
            Ok(()) => {
                let chain = ChainState { span: Some(span), flushed: true, ..ChainState::default() };
                table.add(&name.text, chain);
                None
            }
            Err(refusal) => Some(refusal.text),
        },
        _ => Some(format!("`{}` is no chain that has a policy", name.text)),
    };
    if let Some(text) = refused {
        machine.note(NoteKind::Refused, span, text);
    }
}

/// Comments in which the save programs say that there is more than they show.
fn remark(machine: &mut Machine, comment: &str, span: Span) {
    let text = if comment.contains("legacy tables present") {
        "there are tables of iptables-legacy beside these, which are not shown here"
    } else if comment.contains("is incompatible, use 'nft' tool") {
        "there is a table that only nft can show, and it is not shown here"
    } else {
        return;
    };
    machine.note(NoteKind::NotUnderstood, span, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parted(line: &str) -> Vec<String> {
        words(line, 0).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_parted_as_restore_parts_them() {
        assert_eq!(parted("-A  INPUT\t-j LOG"), ["-A", "INPUT", "-j", "LOG"]);
        assert_eq!(parted(r#"--comment "a \"b\" \\ c" -j"#), ["--comment", r#"a "b" \ c"#, "-j"]);
        assert_eq!(parted(r#"a"b c"d"#), ["ab c", "d"], "a closing quote ends the word");
        assert_eq!(parted(r#"--comment """#), ["--comment", ""]);
        assert_eq!(parted("'a b'"), ["'a", "b'"], "single quotes are letters");
        assert_eq!(parted("\"open"), ["open"]);
    }
}
