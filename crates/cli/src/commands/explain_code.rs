//! `segwall explain SW0201`: a finding's part of `docs/findings.md`.

use crate::exit::{Answer, Failure};
use crate::out::{self, STRONG};

/// What the front-end finds, a section each.
const PAGE: &str = include_str!("../../../../docs/findings.md");
/// What analysis finds, a page each.
const PAGES: &[&str] = &[
    include_str!("../../../../docs/lints/SW0801.md"),
    include_str!("../../../../docs/lints/SW0802.md"),
    include_str!("../../../../docs/lints/SW0803.md"),
    include_str!("../../../../docs/lints/SW0804.md"),
    include_str!("../../../../docs/lints/SW0805.md"),
    include_str!("../../../../docs/lints/SW0806.md"),
    include_str!("../../../../docs/lints/SW0807.md"),
    include_str!("../../../../docs/lints/SW0808.md"),
    include_str!("../../../../docs/lints/SW0809.md"),
    include_str!("../../../../docs/lints/SW0810.md"),
    include_str!("../../../../docs/lints/SW0811.md"),
    include_str!("../../../../docs/lints/SW0812.md"),
    include_str!("../../../../docs/lints/SW0813.md"),
    include_str!("../../../../docs/lints/SW0814.md"),
    include_str!("../../../../docs/lints/SW0815.md"),
    include_str!("../../../../docs/lints/SW0816.md"),
    include_str!("../../../../docs/lints/SW0901.md"),
    include_str!("../../../../docs/lints/SW0902.md"),
    include_str!("../../../../docs/lints/SW0903.md"),
    include_str!("../../../../docs/lints/SW0904.md"),
    include_str!("../../../../docs/lints/SW0905.md"),
    include_str!("../../../../docs/lints/SW0906.md"),
    include_str!("../../../../docs/lints/SW0907.md"),
    include_str!("../../../../docs/lints/SW0908.md"),
    include_str!("../../../../docs/lints/SW0909.md"),
    include_str!("../../../../docs/lints/SW0910.md"),
    include_str!("../../../../docs/lints/SW0911.md"),
    include_str!("../../../../docs/lints/SW0912.md"),
    include_str!("../../../../docs/lints/SW0913.md"),
    include_str!("../../../../docs/lints/SW0914.md"),
    include_str!("../../../../docs/lints/SW0915.md"),
    include_str!("../../../../docs/lints/SW0916.md"),
    include_str!("../../../../docs/lints/SW0917.md"),
    include_str!("../../../../docs/lints/SW0918.md"),
    include_str!("../../../../docs/lints/SW0919.md"),
    include_str!("../../../../docs/lints/SW0920.md"),
    include_str!("../../../../docs/lints/SW0921.md"),
    include_str!("../../../../docs/lints/SW0922.md"),
    include_str!("../../../../docs/lints/SW0923.md"),
    include_str!("../../../../docs/lints/SW0924.md"),
    include_str!("../../../../docs/lints/SW0925.md"),
];

/// Whether a word is meant as a code.
pub fn is_code(word: &str) -> bool {
    let digits = word.get(2..).unwrap_or_default();
    word.get(..2).is_some_and(|letters| letters.eq_ignore_ascii_case("sw"))
        && digits.len() == 4
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Prints what a code means.
pub fn run(code: &str) -> Result<Answer, Failure> {
    let code = code.to_ascii_uppercase();
    let Some((heading, body)) = section(&code) else {
        return Err(Failure::Usage {
            what: format!("there is no finding {code}"),
            help: "`segwall check` shows the codes of what it finds".to_owned(),
        });
    };
    out::print(&format!("{STRONG}{heading}{STRONG:#}\n\n{}\n", readable(body)))?;
    Ok(Answer::Yes)
}

/// The title and the page of a code.
pub fn about(code: &str) -> Option<(&'static str, &'static str)> {
    let (heading, body) = section(code)?;
    Some((heading.split_once(": ").map_or(heading, |(_, title)| title), body))
}

fn section(code: &str) -> Option<(&'static str, &'static str)> {
    let sections = PAGE.split("\n## ").skip(1);
    let pages = PAGES.iter().filter_map(|page| page.strip_prefix("# "));
    let section = sections.chain(pages).find(|section| section.starts_with(code))?;
    section.split_once('\n').map(|(heading, body)| (heading, body.trim()))
}

/// Code and quotes set in, as a terminal shows them.
fn readable(body: &str) -> String {
    let mut in_code = false;
    let mut lines = Vec::new();
    for line in body.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        } else if in_code {
            lines.push(format!("    {line}"));
        } else {
            let line = line.strip_prefix("## ").unwrap_or(line);
            lines.push(line.strip_prefix("> ").map_or_else(|| line.to_owned(), |quote| format!("    {quote}")));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use segwall_core::analysis;
    use segwall_core::policy::codes;

    #[test]
    fn every_code_can_be_explained() {
        for (code, title) in codes::ALL.iter().chain(analysis::codes::ALL).chain(analysis::foreign::codes::ALL) {
            assert!(is_code(code.0));
            let (heading, body) = section(code.0).unwrap_or_else(|| panic!("{} is not on the page", code.0));
            assert_eq!(heading, format!("{}: {title}", code.0));
            assert!(!body.is_empty(), "{} says nothing", code.0);
        }
        assert!(!is_code("server") && !is_code("swéß12") && !is_code("SW12345"));
    }
}
