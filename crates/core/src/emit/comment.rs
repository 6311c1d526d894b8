//! Comments: the way back to the policy's lines.

/// Longest comment nft takes, with a zero byte at its end.
const COMMENT_BYTES_MAX: usize = 128;

/// A file's name as it may stand in a comment: printable ASCII without quotes and backslashes, its last part kept.
pub(super) fn safe_file(file: &str) -> String {
    const NAME_BYTES_MAX: usize = 64;
    let name = file.rsplit('/').next().unwrap_or(file);
    let safe: String = name
        .chars()
        .map(|c| if (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\'' | '\\') { c } else { '_' })
        .take(NAME_BYTES_MAX)
        .collect();
    if safe.is_empty() { "policy".to_owned() } else { safe }
}

/// The text of a comment, for every backend.
pub(super) fn text(out: &mut String, file: &str, lines: &[u32], note: &str) {
    const MORE: &str = ",...";
    let begin = out.len();
    if lines.is_empty() {
        out.push_str(note);
        return;
    }
    out.push_str(file);
    for (at, line) in lines.iter().enumerate() {
        let mark = out.len();
        out.push(if at == 0 { ':' } else { ',' });
        out.push_str(&line.to_string());
        // nft counts the terminating zero byte too.
        if out.len() - begin + MORE.len() >= COMMENT_BYTES_MAX {
            out.truncate(mark);
            out.push_str(MORE);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_what_would_end_the_quotes() {
        assert_eq!(safe_file("/etc/seg\"wall\\\n.toml"), "seg_wall__.toml");
        assert_eq!(safe_file(""), "policy");
    }

    #[test]
    fn long_lists_of_lines_stay_within_a_comment() {
        let mut out = String::new();
        text(&mut out, "segwall.toml", &(100_000..100_100).collect::<Vec<_>>(), "");
        assert!(out.len() < COMMENT_BYTES_MAX, "{out}");
        assert!(out.ends_with(",..."), "{out}");
        out.clear();
        text(&mut out, "segwall.toml", &[12], "");
        assert_eq!(out, "segwall.toml:12");
    }
}
