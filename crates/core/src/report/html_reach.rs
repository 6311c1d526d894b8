//! Who may talk to whom, as HTML: words in cells for a few zones, letters and lists for many.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::diagram::{HUES, class_code};
use super::markdown::WORDS_ZONES_MAX;
use super::plain::count;
use super::reach::{Pair, Reach};
use super::sections::GRID_ZONES_MAX;

pub(super) fn reach(reach: &Reach) -> Markup {
    if reach.zones.len() <= WORDS_ZONES_MAX {
        return html! { (with_words(reach)) (legend()) };
    }
    html! {
        @if reach.zones.len() <= GRID_ZONES_MAX {
            (with_letters(reach))
            p.quiet { "Empty: dropped; · nothing is routed back, and what stays on the segment's wire never passes the box" }
            (letters(reach))
        }
        h3 { "By sender" }
        (told(reach, true))
        h3 { "By receiver" }
        (told(reach, false))
        p { "What is not listed is dropped." }
    }
}

fn legend() -> Markup {
    html! { p.quiet { "– nothing; · nothing is routed back, and what stays on the segment's wire never passes the box" } }
}

fn with_words(reach: &Reach) -> Markup {
    html! {
        div.scroll {
            table.reach {
                thead { tr { th { "from ↓ to →" } @for zone in &reach.zones { th { (zone) } } } }
                tbody {
                    @for (from, zone) in reach.zones.iter().enumerate() {
                        tr {
                            th { (zone) }
                            @for to in 0..reach.zones.len() {
                                @match reach.pair(from, to) {
                                    Some(pair) => td class=(tone(pair)) { (phrases(pair)) },
                                    None => td.none { @if from == to { "·" } @else { "–" } },
                                }
                            }
                        }
                        "\n"
                    }
                }
            }
        }
    }
}

fn tone(pair: &Pair) -> &'static str {
    if pair.phrases.iter().all(|phrase| phrase.text.starts_with("rejected: ")) {
        return "refused";
    }
    match (pair.everything, pair.phrases.iter().all(|phrase| phrase.lines.is_empty())) {
        (_, true) => "unasked",
        (true, false) => "all",
        (false, false) => "some",
    }
}

fn phrases(pair: &Pair) -> Markup {
    html! {
        @for (at, phrase) in pair.phrases.iter().enumerate() {
            @if at > 0 { "; " }
            (phrase.text)
            @for line in &phrase.lines { " " a.ref href={ "#line-" (line) } { (line) } }
        }
    }
}

/// The number of every class of services, and of its pairs.
struct Classes {
    texts: Vec<String>,
    numbers: BTreeMap<String, usize>,
    counts: BTreeMap<usize, usize>,
}

impl Classes {
    fn of(reach: &Reach) -> Self {
        let texts = reach.classes();
        let numbers: BTreeMap<String, usize> = texts.iter().cloned().zip(0..).collect();
        let mut counts = BTreeMap::new();
        reach.pairs.iter().for_each(|pair| *counts.entry(numbers[&pair.text()]).or_default() += 1);
        Self { texts, numbers, counts }
    }
}

fn with_letters(reach: &Reach) -> Markup {
    let classes = Classes::of(reach);
    html! {
        div.scroll {
            table.grid {
                thead {
                    tr { th { "from ↓ to →" } @for zone in &reach.zones { th.turned { span { (zone) } } } th {} }
                }
                tbody {
                    @for (from, zone) in reach.zones.iter().enumerate() {
                        tr {
                            th { (zone) }
                            @for to in 0..reach.zones.len() {
                                @match reach.pair(from, to) {
                                    Some(pair) => (letter(reach, pair, &classes)),
                                    None => td.none { @if from == to { "·" } },
                                }
                            }
                            th { (zone) }
                        }
                        "\n"
                    }
                }
            }
        }
    }
}

fn letter(reach: &Reach, pair: &Pair, classes: &Classes) -> Markup {
    let text = pair.text();
    let class = classes.numbers[&text];
    let code = class_code(class);
    html! {
        td class={ "c" (class % HUES) } {
            a href={ "#class-" (code) } title={ (reach.zones[pair.from]) " → " (reach.zones[pair.to]) ": " (text) } { (code) }
        }
    }
}

fn letters(reach: &Reach) -> Markup {
    let classes = Classes::of(reach);
    html! {
        h3 { "Services" }
        div.scroll {
            table {
                thead { tr { th { "letter" } th { "services" } th { "between" } } }
                tbody {
                    @for (class, text) in classes.texts.iter().enumerate() {
                        tr id={ "class-" (class_code(class)) } {
                            td class={ "letter c" (class % HUES) } { (class_code(class)) }
                            td { (text) }
                            td { (count(classes.counts[&class], "pair")) }
                        }
                        "\n"
                    }
                }
            }
        }
    }
}

fn told(reach: &Reach, by_sender: bool) -> Markup {
    let [first, other] = if by_sender { ["from", "to"] } else { ["to", "from"] };
    html! {
        div.scroll {
            table {
                thead { tr { th { (first) } th { "services" } th { (other) } } }
                tbody {
                    @for (zone, text, others) in reach.told(by_sender) {
                        tr {
                            td { strong { (reach.zones[zone]) } }
                            td { (text) @for line in lines(reach, by_sender, zone, &others) {
                                " " a.ref href={ "#line-" (line) } { (line) }
                            } }
                            td { @for (at, other) in others.iter().enumerate() {
                                @if at > 0 { ", " } (reach.zones[*other])
                            } }
                        }
                        "\n"
                    }
                }
            }
        }
    }
}

/// The rules that some pairs of a zone come from.
fn lines(reach: &Reach, by_sender: bool, zone: usize, others: &[usize]) -> Vec<u32> {
    let pair = |other: &usize| if by_sender { reach.pair(zone, *other) } else { reach.pair(*other, zone) };
    let phrases = others.iter().filter_map(pair).flat_map(|pair| &pair.phrases);
    let mut lines: Vec<u32> = phrases.flat_map(|phrase| phrase.lines.iter().copied()).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}
