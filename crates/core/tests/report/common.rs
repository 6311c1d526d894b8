//! Networks to make pages and drawings of.

use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;
use segwall_core::policy::{Context, Policy, load};
use segwall_core::report::{Network, diagram, html, markdown, network};
use segwall_core::ruleset::{Ruleset, lower};
use segwall_core::source::Source;
use segwall_core::testing::{Seeded, random_policy, source_of};

/// The tutorial's network.
pub const TUTORIAL: &str = include_str!("../../../../examples/tutorial.toml");
/// A branch office with most of the language.
pub const BRANCH: &str = include_str!("../../../../examples/branch.toml");
/// What an office needs.
pub const OFFICE: &str = include_str!("../../../../examples/office.toml");

/// A policy that must be sound, with all that a network borrows.
pub struct Sound {
    pub source: Source,
    pub policy: Policy,
    pub ruleset: Ruleset,
}

pub fn sound(name: &str, text: &str) -> Sound {
    let source = Source::new(name, text);
    let loaded = load(&source, &Context { today: date(2026, 11, 25), timezone: TimeZone::UTC });
    let policy = loaded.policy.unwrap_or_else(|| panic!("{:#?}\n{text}", loaded.diagnostics));
    let ruleset = lower(&policy, &source, &TimeZone::UTC);
    Sound { source, policy, ruleset }
}

/// A random small network.
pub fn random(seed: u64) -> Sound {
    let mut choices = Seeded(seed);
    let policy = random_policy(&mut |bound| choices.below(bound));
    let source = source_of(&policy);
    let ruleset = lower(&policy, &source, &TimeZone::UTC);
    Sound { source, policy, ruleset }
}

/// A Wednesday noon in Berlin.
pub fn noon() -> Timestamp {
    "2026-11-25T11:00:00Z".parse().expect("a constant")
}

impl Sound {
    pub fn network(&self) -> Network<'_> {
        network(&self.policy, &self.ruleset, &self.source, noon())
    }
}

/// Every text that can be made of a network, with its name.
pub fn every_text(network: &Network<'_>) -> [(&'static str, String); 5] {
    [
        ("markdown", markdown(network, None)),
        ("html", html(network, None)),
        ("svg", diagram::svg(network)),
        ("mermaid", diagram::mermaid(network)),
        ("dot", diagram::dot(network)),
    ]
}

/// A page as a tree. What HTML leaves open is closed first: our pages have one kind of it.
pub fn parsed(page: &str) -> String {
    let mut closed = String::with_capacity(page.len());
    for (at, part) in page.split("<meta ").enumerate() {
        if at == 0 {
            closed.push_str(part);
            continue;
        }
        let (inside, rest) = part.split_once('>').expect("a tag ends");
        closed.push_str(&format!("<meta {inside}/>{rest}"));
    }
    closed
}

/// The words of a page or drawing, without its style sheet, one run a line.
pub fn words_of(page: &str) -> String {
    let page = parsed(page);
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let tree =
        roxmltree::Document::parse_with_options(&page, options).unwrap_or_else(|fault| panic!("{fault}\n{page}"));
    let is_style = |node: &roxmltree::Node<'_, '_>| node.ancestors().any(|above| above.has_tag_name("style"));
    let texts = tree.descendants().filter(|node| node.is_text() && !is_style(node));
    texts.filter_map(|node| node.text()).map(|text| format!("{text}\n")).collect()
}

/// How many random networks a test looks at: a tenth unless all are asked for.
pub fn count(full: u64) -> u64 {
    if std::env::var_os("SEGWALL_FULL").is_some() { full } else { full / 10 }
}
