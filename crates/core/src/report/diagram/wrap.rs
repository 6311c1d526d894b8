//! Text in lines that fit.

use super::metrics::width;

/// Breaks text at spaces, and words that are too long by themselves anywhere.
pub(super) fn wrap(text: &str, size: i32, bold: bool, width_max: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if width(&longer, size, bold) <= width_max {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for c in word.chars() {
            line.push(c);
            if width(&line, size, bold) > width_max && line.chars().count() > 1 {
                line.pop();
                lines.push(std::mem::replace(&mut line, c.to_string()));
            }
        }
    }
    lines.push(line);
    lines
}

/// Text that fits into one line; what is left out is an ellipsis.
pub(super) fn shortened(text: &str, size: i32, bold: bool, width_max: i32) -> String {
    if width(text, size, bold) <= width_max {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width(&format!("{kept}…"), size, bold) > width_max {
            kept.pop();
            break;
        }
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_nothing_is_lost() {
        let text = "dns, http, https, a-very-long-name-without-a-single-space-in-it, ntp";
        for width_max in [40, 80, 200, 2000] {
            let lines = wrap(text, 12, false, width_max);
            assert!(lines.iter().all(|line| width(line, 12, false) <= width_max), "{lines:?}");
            assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        }
        assert_eq!(wrap("", 12, false, 10), [""]);
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(shortened("short", 12, false, 100), "short");
        let cut = shortened("not so short at all", 12, false, 60);
        assert!(cut.ends_with('…') && width(&cut, 12, false) <= 60, "{cut}");
    }
}
