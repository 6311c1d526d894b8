//! Every lint of rules has a page, and the page is its test: the example has the finding, the mended one has not.

use std::collections::BTreeSet;
use std::path::Path;

use segwall_core::analysis::foreign::{Interface, codes};
use segwall_core::diag::{Code, Diagnostic, Severity};
use segwall_core::import::read_interfaces;
use segwall_core::source::Source;

use super::audited;

/// Findings that no packet shows: they are about words, names, calls, or about what no packet can match.
const WITHOUT_WITNESS: [Code; 6] = [
    codes::INTERFACE_UNKNOWN,
    codes::WIPES_OTHERS,
    codes::GOES_ON,
    codes::OLD_WORDS,
    codes::AFTER_FINAL,
    codes::CHAIN_UNUSED,
];

/// Blocks of a page: the word behind the fence, and the text.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut parts = page.split("```").skip(1).step_by(2);
    std::iter::from_fn(|| parts.next()).filter_map(|part| part.split_once('\n')).collect()
}

fn found(kind: &str, text: &str, interfaces: Option<&[Interface]>) -> Vec<Diagnostic> {
    audited(kind, text, interfaces).findings.into_iter().map(|found| found.diagnostic).collect()
}

#[test]
fn every_lint_has_a_page_that_shows_it_and_its_mend() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lints");
    for (code, title) in codes::ALL {
        let path = folder.join(format!("{}.md", code.0));
        let page = std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        assert!(page.starts_with(&format!("# {}: {title}\n", code.0)), "the title of {}", path.display());
        let mut blocks = blocks(&page);
        let interfaces = match blocks.first() {
            Some(("interfaces", text)) => {
                let read = read_interfaces(&Source::new("interfaces", *text)).behind();
                blocks.remove(0);
                Some(read)
            }
            _ => None,
        };
        let [(kind, example), (mended_kind, mended)] = blocks[..] else {
            panic!("{}: an example and its mend", path.display())
        };
        let shown = found(kind, example, interfaces.as_deref());
        let own: Vec<&Diagnostic> = shown.iter().filter(|finding| finding.code == *code).collect();
        assert!(!own.is_empty(), "{} is not found in its example: {shown:#?}", code.0);
        for finding in own {
            assert!(finding.help.is_some() && finding.severity != Severity::Error, "{}", code.0);
            assert!(finding.span.end > finding.span.start, "{} has a place", code.0);
            let shows = finding.witness.is_some();
            assert_eq!(shows, !WITHOUT_WITNESS.contains(code), "{}: {finding:#?}", code.0);
        }
        let left = found(mended_kind, mended, interfaces.as_deref());
        let codes = |list: &[Diagnostic]| list.iter().map(|finding| finding.code).collect::<BTreeSet<_>>();
        assert!(!codes(&left).contains(code), "{} mended: {left:#?}", code.0);
        // The mend brings nothing else that is wrong; a script that is longer has more to say about.
        if mended_kind == "sh" {
            continue;
        }
        let new: Vec<_> = codes(&left).difference(&codes(&shown)).copied().collect();
        assert_eq!(new, [], "{} mended: {left:#?}", code.0);
    }
}
