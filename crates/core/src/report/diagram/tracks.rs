//! Boxes and arrows for a few zones: boxes in a row, wired as they are, and below them one track for each group of flows.
//!
//! A track belongs to one group alone, so its label can overlap nothing.

use super::legend::{self, Entry, Mark};
use super::metrics::{ascent, pitch, width};
use super::scene::{Anchor, Item, Scene, Text};
use super::svg::HUES;
use super::wrap::{shortened, wrap};
use super::zones::{Zone, drawn_groups, names, notes, subtitle, title, zones};
use crate::analysis::EVERYTHING;
use crate::report::network::Network;
use crate::report::reach::Group;

const MARGIN: i32 = 28;
/// Between boxes.
const GAP: i32 = 26;
const PADDING: i32 = 12;
/// Text in a box wider than this is wrapped.
const BOX_TEXT_MAX: i32 = 240;
/// Senders' names on the left wider than this are wrapped.
const GUTTER_MAX: i32 = 170;
/// A label wider than this is wrapped.
const LABEL_MAX: i32 = 520;
const WIDTH_MIN: i32 = 720;
const TITLE: i32 = 20;
const NAME: i32 = 15;
const TEXT: i32 = 12;

/// A box with its place.
struct Column {
    zone: usize,
    x: i32,
    w: i32,
    lines: Vec<(String, i32, &'static str)>,
}

impl Column {
    fn middle(&self) -> i32 {
        self.x + self.w / 2
    }

    fn hue(&self) -> usize {
        self.zone % HUES
    }
}

/// A group with its label, wrapped.
struct Track {
    group: Group,
    senders: Vec<String>,
    label: Vec<String>,
    everything: bool,
    rejected: bool,
}

/// Lays out boxes, tracks and what stands below.
pub(super) fn layout(network: &Network<'_>) -> Scene {
    let zones = zones(network);
    let tracks = tracks(network);
    let widest = tracks.iter().flat_map(|track| &track.senders).map(|line| width(line, TEXT, true)).max();
    let left = MARGIN + widest.map_or(0, |widest| widest + 18);
    let columns = columns(&zones, left);
    let right = columns.last().map_or(left, |last| last.x + last.w).max(WIDTH_MIN - MARGIN);
    let mut scene = Scene { width: right + MARGIN, title: title(network), ..Scene::default() };

    let mut y = MARGIN;
    let name = shortened(&title(network), TITLE, true, right - MARGIN);
    scene.text(Text::new((MARGIN, y + ascent(TITLE)), TITLE, name).bold());
    y += pitch(TITLE) + 4;
    y = legend::notes(&mut scene, MARGIN, y, right, &[subtitle(network)]) + 34;

    let bottom = y + columns.iter().map(box_height).max().unwrap_or(0);
    let end = bottom + 22 + tracks.iter().map(track_height).sum::<i32>();
    wires(&mut scene, &zones, &columns, y);
    for column in &columns {
        scene.line((column.middle(), bottom), (column.middle(), end + 10), "life thin");
        draw_box(&mut scene, &zones[column.zone], column, y, bottom - y);
    }
    y = bottom + 22;
    for track in &tracks {
        y = draw_track(&mut scene, track, &columns, left, right, y);
    }
    y = end + 14;
    for column in &columns {
        let label = Text::new((column.middle(), y + ascent(TEXT)), TEXT, &zones[column.zone].name);
        scene.text(label.bold().anchor(Anchor::Middle));
    }
    y += pitch(TEXT) + 18;
    y = key(&mut scene, y, &tracks);
    let entries: Vec<Entry> =
        names(network, false).into_iter().map(|(name, words)| Entry { mark: Mark::Name(name), words }).collect();
    if !entries.is_empty() {
        y = legend::heading(&mut scene, MARGIN, y + 8, "Names");
        y = legend::list(&mut scene, MARGIN, y, right, &entries);
    }
    y = legend::notes(&mut scene, MARGIN, y + 8, right, &notes(network));
    scene.height = y + MARGIN;
    scene
}

/// The internet and the box first, then the segments.
fn columns(zones: &[Zone], left: i32) -> Vec<Column> {
    let is_segment = |at: &usize| !matches!(zones[*at].name.as_str(), "internet" | "gateway");
    let (segments, mut order): (Vec<usize>, Vec<usize>) = (0..zones.len()).partition(is_segment);
    order.extend(segments);
    let mut x = left;
    let mut columns = Vec::new();
    for zone in order {
        let lines = box_lines(&zones[zone]);
        let widest = lines.iter().map(|(line, size, _)| width(line, *size, false)).max().unwrap_or(0);
        let w = widest.max(width(&zones[zone].name, NAME, true)) + 2 * PADDING;
        columns.push(Column { zone, x, w, lines });
        x += w + GAP;
    }
    columns
}

fn box_lines(zone: &Zone) -> Vec<(String, i32, &'static str)> {
    let own = |address: &String| {
        if zone.name == "internet" { address.clone() } else { format!("gateway {address}") }
    };
    let quiet = std::iter::once(zone.wiring.clone()).filter(|words| !words.is_empty()).map(|words| (words, "q"));
    let plain = zone.networks.iter().cloned().chain(zone.own.iter().map(own)).map(|words| (words, "t"));
    let more = zone.more.iter().cloned().map(|words| (words, "q"));
    let hosts = zone.hosts.iter().map(|(name, address)| (format!("{name} {address}"), "t"));
    quiet
        .chain(plain)
        .chain(more)
        .chain(hosts)
        .flat_map(|(words, class)| {
            wrap(&words, TEXT, false, BOX_TEXT_MAX).into_iter().map(move |line| (line, TEXT, class))
        })
        .collect()
}

fn box_height(column: &Column) -> i32 {
    let lines: i32 = column.lines.iter().map(|(_, size, _)| pitch(*size)).sum();
    14 + pitch(NAME) + 4 + lines + PADDING
}

fn draw_box(scene: &mut Scene, zone: &Zone, column: &Column, top: i32, h: i32) {
    scene.rect(column.x, top, (column.w, h), 6, "box");
    scene.rect(column.x, top, (column.w, 6), 3, format!("f{}", column.hue()));
    let x = column.x + PADDING;
    let mut y = top + 14;
    scene.text(Text::new((x, y + ascent(NAME)), NAME, &zone.name).bold());
    y += pitch(NAME) + 4;
    for (line, size, class) in &column.lines {
        scene.text(Text::new((x, y + ascent(*size)), *size, line).class(class));
        y += pitch(*size);
    }
}

/// The uplink's wire, and the trunk from the box to every segment.
fn wires(scene: &mut Scene, zones: &[Zone], columns: &[Column], top: i32) {
    let named = |name: &str| columns.iter().find(|column| zones[column.zone].name == name);
    let Some(gateway) = named("gateway") else { return };
    if let Some(internet) = named("internet") {
        scene.line((internet.x + internet.w, top + 24), (gateway.x, top + 24), "wire");
    }
    let segments: Vec<&Column> =
        columns.iter().filter(|column| !matches!(zones[column.zone].name.as_str(), "internet" | "gateway")).collect();
    if let Some(last) = segments.last() {
        let bus = top - 18;
        scene.line((gateway.middle(), bus), (last.middle(), bus), "wire");
        for column in segments.iter().copied().chain([gateway]) {
            scene.line((column.middle(), bus), (column.middle(), top), "wire");
        }
    }
}

fn tracks(network: &Network<'_>) -> Vec<Track> {
    let classes = network.reach.classes();
    let track = |group: Group| {
        let class = &classes[group.class];
        let words = if group.within { format!("within the segment: {class}") } else { class.clone() };
        let senders: Vec<&str> = group.from.iter().map(|zone| network.reach.zones[*zone].as_str()).collect();
        Track {
            senders: wrap(&senders.join(", "), TEXT, true, GUTTER_MAX),
            label: wrap(&words, TEXT, false, LABEL_MAX),
            everything: class == EVERYTHING,
            rejected: class.starts_with("rejected: "),
            group,
        }
    };
    drawn_groups(network).into_iter().map(track).collect()
}

fn track_height(track: &Track) -> i32 {
    let lines = i32::try_from(track.label.len().max(track.senders.len())).unwrap_or(1);
    lines * pitch(TEXT) + 24
}

fn draw_track(scene: &mut Scene, track: &Track, columns: &[Column], left: i32, right: i32, top: i32) -> i32 {
    let column = |zone: &usize| columns.iter().find(|column| column.zone == *zone).expect("every zone has a box");
    let x_of = |zones: &[usize]| zones.iter().map(|zone| column(zone).middle()).collect::<Vec<i32>>();
    let (from, to) = (x_of(&track.group.from), x_of(&track.group.to));
    let hue = column(&track.group.from[0]).hue();
    let ends = || from.iter().chain(&to).copied();
    let (first, last) = (ends().min().unwrap_or(left), ends().max().unwrap_or(left));
    let y = top + track_height(track) - 14;

    for (line, row) in track.senders.iter().rev().zip(0..) {
        let baseline = y + 4 - row * pitch(TEXT);
        scene.text(Text::new((left - 18, baseline), TEXT, line).bold().anchor(Anchor::End));
    }
    let widest = track.label.iter().map(|line| width(line, TEXT, false)).max().unwrap_or(0);
    let x = ((first + last - widest) / 2).min(right - widest).max(left);
    let count = i32::try_from(track.label.len()).unwrap_or(1);
    let label_top = y - 8 - count * pitch(TEXT);
    scene.rect(x - 4, label_top, (widest + 8, count * pitch(TEXT)), 0, "paper");
    for (line, row) in track.label.iter().zip(0..) {
        scene.text(Text::new((x, label_top + ascent(TEXT) + row * pitch(TEXT)), TEXT, line));
    }

    let thick = if track.everything { "wide" } else { "flow" };
    let dashed = if track.rejected { " rejected" } else { "" };
    scene.line((first, y), (last, y), format!("{thick} l{hue}{dashed}"));
    for x in &to {
        if !from.contains(x) {
            // Away from the nearest sender.
            let nearest = from.iter().min_by_key(|sender| (*sender - x).abs()).copied().unwrap_or(first);
            let length = if nearest < *x { 13 } else { -13 };
            scene.items.push(Item::Head { tip: (*x, y), length, class: format!("f{hue}") });
        }
    }
    for x in &from {
        if to.contains(x) {
            scene.items.push(Item::Dot { at: (*x, y), r: 8, class: format!("a{hue}") });
        }
        scene.items.push(Item::Dot { at: (*x, y), r: 5, class: format!("f{hue}") });
    }
    top + track_height(track)
}

/// What the signs that occur mean.
fn key(scene: &mut Scene, y: i32, tracks: &[Track]) -> i32 {
    let is_both = |track: &Track| track.group.from.iter().any(|zone| track.group.to.contains(zone));
    let signs = [
        (Sign::Opens, true, "opens connections"),
        (Sign::Reached, true, "is reached"),
        (Sign::Both, tracks.iter().any(is_both), "both"),
        (Sign::Everything, tracks.iter().any(|track| track.everything), "everything"),
        (Sign::Rejected, tracks.iter().any(|track| track.rejected), "refused, and the sender told"),
    ];
    let middle = y + pitch(TEXT) / 2;
    let mut x = MARGIN + 8;
    for (sign, _, words) in signs.into_iter().filter(|(_, occurs, _)| *occurs) {
        match sign {
            Sign::Opens => scene.items.push(Item::Dot { at: (x, middle), r: 5, class: "f7".to_owned() }),
            Sign::Reached => scene.items.push(Item::Head { tip: (x + 6, middle), length: 13, class: "f7".to_owned() }),
            Sign::Both => {
                scene.items.push(Item::Dot { at: (x, middle), r: 8, class: "a7".to_owned() });
                scene.items.push(Item::Dot { at: (x, middle), r: 5, class: "f7".to_owned() });
            }
            Sign::Everything => scene.line((x - 8, middle), (x + 8, middle), "wide l7"),
            Sign::Rejected => scene.line((x - 8, middle), (x + 8, middle), "flow l7 rejected"),
        }
        scene.text(Text::new((x + 14, y + ascent(TEXT)), TEXT, words).class("q"));
        x += 14 + width(words, TEXT, false) + 28;
    }
    y + pitch(TEXT) + 6
}

/// A sign of the drawing.
enum Sign {
    Opens,
    Reached,
    Both,
    Everything,
    Rejected,
}
