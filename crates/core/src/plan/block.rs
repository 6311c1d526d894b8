//! Our marked lines in a file that belongs to somebody else.

/// The line before them.
pub const BEGIN: &str = "# --- begin: written by Segwall, changes between these lines are lost ---";
/// The line after them.
pub const END: &str = "# --- end: written by Segwall ---";

/// Our lines in a file, without the marks; `None` where there are none. Where the end was lost, only lines that we could have
/// written are ours.
#[must_use]
pub fn block_of(text: &str) -> Option<String> {
    let (_, rest) = split(text)?;
    Some(rest.0.to_owned())
}

/// The file with these lines of ours: in their old place, else at the end; `None` takes them out. The rest stays as it is.
#[must_use]
pub fn with_block(text: &str, block: Option<&str>) -> String {
    let (before, after) = match split(text) {
        Some((before, (_, after))) => (before, after),
        None => (text, ""),
    };
    let Some(block) = block else { return format!("{before}{after}") };
    let newline = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    let end = if block.is_empty() || block.ends_with('\n') { "" } else { "\n" };
    format!("{before}{newline}{BEGIN}\n{block}{end}{END}\n{after}")
}

/// What stands before, the lines, and what stands behind.
fn split(text: &str) -> Option<(&str, (&str, &str))> {
    let begin = line_at(text, BEGIN)?;
    let (before, rest) = text.split_at(begin);
    let inside = rest.split_once('\n').map_or("", |(_, inside)| inside);
    Some(match line_at(inside, END) {
        Some(end) => {
            let (block, rest) = inside.split_at(end);
            (before, (block, rest.split_once('\n').map_or("", |(_, after)| after)))
        }
        None => {
            let ours: usize =
                inside.split_inclusive('\n').take_while(|line| line.starts_with("source ")).map(str::len).sum();
            (before, inside.split_at(ours))
        }
    })
}

fn line_at(text: &str, wanted: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == wanted {
            return Some(at);
        }
        at += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_lines_change() {
        let foreign = "auto lo\niface lo inet loopback";
        let with = with_block(foreign, Some("source a\n"));
        assert_eq!(block_of(&with).as_deref(), Some("source a\n"));
        assert!(with.starts_with("auto lo\niface lo inet loopback\n# --- begin"));
        let more = format!("{with}auto eth9\n");
        let changed = with_block(&more, Some("source b\n"));
        assert_eq!(block_of(&changed).as_deref(), Some("source b\n"));
        assert!(changed.ends_with("auto eth9\n"));
        assert_eq!(with_block(&changed, None), "auto lo\niface lo inet loopback\nauto eth9\n");
        let endless = changed.replace(&format!("{END}\n"), "");
        assert_eq!(with_block(&endless, None), "auto lo\niface lo inet loopback\nauto eth9\n");
        assert_eq!(block_of(foreign), None);
        assert_eq!(with_block(foreign, None), foreign);
    }
}
