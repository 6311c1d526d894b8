//! A grid of zones by zones for many of them: who opens in rows, who is reached in columns, services as letters.

use std::collections::{BTreeMap, BTreeSet};

use super::legend::{self, Entry, Mark, class_code};
use super::metrics::{ascent, descent, pitch, width};
use super::scene::{Anchor, Scene, Text};
use super::wrap::shortened;
use super::zones::{Zone, drawn_groups, names, notes, subtitle, title, zones};
use crate::report::network::Network;
use crate::report::plain::count;

const MARGIN: i32 = 28;
const TITLE: i32 = 20;
const TEXT: i32 = 12;
/// Between the columns of what is known of a zone.
const GAP: i32 = 14;
/// A cell is at least this large.
const CELL_MIN: i32 = 20;
/// Every so many rows and columns a line is heavier, so that the eye keeps its place.
const STRONG_EVERY: usize = 5;
const WIDTH_MIN: i32 = 900;

/// What is known of a zone, in columns of lines.
fn facts(zone: &Zone) -> [Vec<String>; 3] {
    let wiring = vec![zone.wiring.clone()];
    if zone.networks.is_empty() {
        return [wiring, zone.own.clone(), zone.more.clone()];
    }
    [wiring, zone.networks.clone(), zone.own.clone()]
}

const HEADS: [&str; 3] = ["interface", "networks", "gateway there"];

/// Where everything is.
struct Places {
    /// Left edges of name and facts.
    facts: [i32; 4],
    /// Left edge of the cells.
    left: i32,
    /// Top edge of the cells.
    top: i32,
    cell: i32,
    /// Top edges of the rows, and the bottom of the last.
    rows: Vec<i32>,
}

impl Places {
    fn column(&self, at: usize) -> i32 {
        self.left + self.cell * i32::try_from(at).unwrap_or(0)
    }
}

/// Lays out the grid and what stands below.
pub(super) fn layout(network: &Network<'_>) -> Scene {
    let zones = zones(network);
    let groups = drawn_groups(network);
    let cells: BTreeMap<(usize, usize), usize> =
        groups.iter().flat_map(|group| group.pairs().map(|pair| (pair, group.class))).collect();
    let used: BTreeSet<usize> = cells.values().copied().collect();
    let places = places(network, &zones, &used);
    let longest = zones.iter().map(|zone| width(&zone.name, TEXT, true)).max().unwrap_or(0);
    let grid_right = places.column(zones.len());
    let right = (grid_right + 10 + longest).max(WIDTH_MIN - MARGIN);
    let mut scene = Scene { width: right + MARGIN, title: title(network), ..Scene::default() };

    let name = shortened(&title(network), TITLE, true, right - MARGIN);
    scene.text(Text::new((MARGIN, MARGIN + ascent(TITLE)), TITLE, name).bold());
    legend::notes(&mut scene, MARGIN, MARGIN + pitch(TITLE) + 4, right, &[subtitle(network)]);

    lines(&mut scene, &places, zones.len());
    heads(&mut scene, &places, &zones);
    for ((from, to), class) in &cells {
        let (y, h) = (places.rows[*from], places.rows[from + 1] - places.rows[*from]);
        legend::tile(&mut scene, (places.column(*to), y), (places.cell, h), *class, &class_code(*class));
    }
    let bottom = *places.rows.last().expect("one more than zones") + longest + 24;
    scene.height = below(&mut scene, network, &cells, &used, bottom, right) + MARGIN;
    scene
}

fn places(network: &Network<'_>, zones: &[Zone], used: &BTreeSet<usize>) -> Places {
    let widest = |lines: &mut dyn Iterator<Item = i32>| lines.max().unwrap_or(0);
    let name = widest(&mut zones.iter().map(|zone| width(&zone.name, TEXT, true))).max(width(CORNER, TEXT, false));
    let mut x = MARGIN + name + GAP;
    let mut lefts = [MARGIN; 4];
    for at in 0..3 {
        lefts[at + 1] = x;
        let lines = zones.iter().flat_map(|zone| facts(zone)[at].clone());
        x += widest(&mut lines.map(|line| width(&line, TEXT, false))).max(width(HEADS[at], TEXT, false)) + GAP;
    }
    let code = widest(&mut used.iter().map(|class| width(&class_code(*class), 10, true)));
    let cell = CELL_MIN.max(code + 6);
    let header = widest(&mut zones.iter().map(|zone| width(&zone.name, TEXT, true)));
    let text_lines = legend_lines(network, zones.len(), x, cell);
    let top = MARGIN + pitch(TITLE) + 4 + text_lines + 16 + header + 8;
    let mut rows = vec![top];
    for zone in zones {
        let lines = facts(zone).iter().map(Vec::len).max().unwrap_or(1).max(1);
        let needed = pitch(TEXT) * i32::try_from(lines).unwrap_or(1) + 4;
        rows.push(rows.last().expect("begun") + needed.max(cell));
    }
    Places { facts: lefts, left: x, top, cell, rows }
}

/// How high the lines below the title are.
fn legend_lines(network: &Network<'_>, zones: usize, left: i32, cell: i32) -> i32 {
    let right = (left + cell * i32::try_from(zones).unwrap_or(0)).max(WIDTH_MIN - MARGIN);
    let mut aside = Scene::default();
    legend::notes(&mut aside, MARGIN, 0, right, &[subtitle(network)])
}

const CORNER: &str = "from ↓ to →";

fn lines(scene: &mut Scene, places: &Places, zones: usize) {
    let (first, last) = (places.top, *places.rows.last().expect("one more than zones"));
    let right = places.column(zones);
    for (at, row) in places.rows.windows(2).enumerate() {
        if at % 2 == 1 {
            scene.rect(MARGIN - 4, row[0], (right - MARGIN + 4, row[1] - row[0]), 0, "band");
        }
        scene.rect(places.column(at) + 1, row[0] + 1, (places.cell - 2, row[1] - row[0] - 2), 0, "same");
    }
    for at in 0..=zones {
        let strong = at % STRONG_EVERY == 0 || at == zones;
        let (class, begin) = if strong { ("wire thinner", MARGIN - 4) } else { ("thin", places.left) };
        scene.line((places.column(at), first), (places.column(at), last), class);
        scene.line((begin, places.rows[at]), (right, places.rows[at]), class);
    }
}

fn heads(scene: &mut Scene, places: &Places, zones: &[Zone]) {
    let above = places.top - 6;
    scene.text(Text::new((places.facts[0], above), TEXT, CORNER).class("q"));
    for (head, x) in HEADS.iter().zip(&places.facts[1..]) {
        scene.text(Text::new((*x, above), TEXT, *head).class("q"));
    }
    let below = *places.rows.last().expect("one more than zones") + 6;
    let middle = |size: i32| (ascent(size) - descent(size)) / 2;
    for (at, zone) in zones.iter().enumerate() {
        let x = places.column(at) + places.cell / 2 + middle(TEXT);
        scene.text(Text::new((x, above), TEXT, &zone.name).bold().turned());
        scene.text(Text::new((x, below), TEXT, &zone.name).bold().turned().anchor(Anchor::End));
        let (top, bottom) = (places.rows[at], places.rows[at + 1]);
        let baseline = (top + bottom) / 2 + middle(TEXT);
        scene.text(Text::new((places.facts[0], baseline), TEXT, &zone.name).bold());
        scene.text(Text::new((places.column(zones.len()) + 8, baseline), TEXT, &zone.name).bold());
        for (lines, x) in facts(zone).iter().zip(&places.facts[1..]) {
            let high = pitch(TEXT) * i32::try_from(lines.len()).unwrap_or(1);
            let first = (top + bottom - high) / 2 + ascent(TEXT);
            for (line, row) in lines.iter().zip(0..) {
                if !line.is_empty() {
                    scene.text(Text::new((*x, first + row * pitch(TEXT)), TEXT, line));
                }
            }
        }
    }
}

/// What letters and names stand for, and notes.
fn below(
    scene: &mut Scene,
    network: &Network<'_>,
    cells: &BTreeMap<(usize, usize), usize>,
    used: &BTreeSet<usize>,
    y: i32,
    right: i32,
) -> i32 {
    let classes = network.reach.classes();
    let mut number: BTreeMap<usize, usize> = BTreeMap::new();
    cells.values().for_each(|class| *number.entry(*class).or_default() += 1);
    let entry = |class: &usize| Entry {
        mark: Mark::Tile(*class, class_code(*class)),
        words: format!("{} ({})", classes[*class], count(number[class], "pair")),
    };
    let letters: Vec<Entry> = used.iter().map(entry).collect();
    let mut y = legend::heading(scene, MARGIN, y, "Services");
    y = legend::list(scene, MARGIN, y, right, &letters);
    let names: Vec<Entry> =
        names(network, true).into_iter().map(|(name, words)| Entry { mark: Mark::Name(name), words }).collect();
    if !names.is_empty() {
        y = legend::heading(scene, MARGIN, y + 10, "Names");
        y = legend::list(scene, MARGIN, y, right, &names);
    }
    legend::notes(scene, MARGIN, y + 10, right, &notes(network))
}
