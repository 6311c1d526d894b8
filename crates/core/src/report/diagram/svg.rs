//! A scene as SVG, with its colours for light, dark and paper.

use maud::{Markup, PreEscaped, html};

use super::scene::{Anchor, Item, Scene, Text};
use crate::report::OURS;
use crate::report::network::Network;
use crate::report::plain::safe;

/// How many colours tell senders and classes apart; the next one begins anew.
pub(in crate::report) const HUES: usize = 8;

/// Line and area of each hue on a light ground. Told apart by colour-blind people too, as far as eight can be.
pub(in crate::report) const LIGHT: [(&str, &str); HUES] = [
    ("#0b5cad", "#dbe9f9"),
    ("#b3450b", "#fbe3d6"),
    ("#0a7a5c", "#d5f0e6"),
    ("#8a3f8f", "#f0dff2"),
    ("#8a6500", "#f6ecc9"),
    ("#0a7590", "#d3eef5"),
    ("#b0245e", "#fadde8"),
    ("#55606e", "#e4e8ec"),
];
/// The same on a dark ground.
pub(in crate::report) const DARK: [(&str, &str); HUES] = [
    ("#6fb1f5", "#16334f"),
    ("#f2935c", "#4a2513"),
    ("#4fcfa5", "#0e3d30"),
    ("#cf8fd6", "#40244a"),
    ("#dcb445", "#403510"),
    ("#5cc5e0", "#0f3b48"),
    ("#f07fae", "#4a1c30"),
    ("#a9b4c2", "#323a44"),
];

/// Paper, ink, quiet ink, thin lines, boxes.
const LIGHT_GROUND: [&str; 5] = ["#ffffff", "#15202b", "#55606e", "#c9d1d9", "#f7f9fb"];
const DARK_GROUND: [&str; 5] = ["#11161c", "#e6edf3", "#9aa7b4", "#3a4450", "#1a2129"];

fn colours([paper, ink, quiet, thin, fill]: [&str; 5], hues: &[(&str, &str); HUES]) -> String {
    let mut css = format!(
        ".sw .paper{{fill:{paper}}}.sw .t{{fill:{ink}}}.sw .q{{fill:{quiet}}}.sw .box{{fill:{fill};stroke:{thin}}}\
         .sw .thin{{stroke:{thin}}}.sw .wire{{stroke:{quiet}}}.sw .band{{fill:{fill}}}.sw .same{{fill:{thin}}}"
    );
    for (at, (line, area)) in hues.iter().enumerate() {
        css += &format!(".sw .l{at}{{stroke:{line}}}.sw .f{at}{{fill:{line}}}.sw .a{at}{{fill:{area};stroke:{line}}}");
    }
    css
}

fn style() -> String {
    format!(
        ".sw text{{font-family:\"DejaVu Sans\",Verdana,Arial,\"Liberation Sans\",sans-serif}}.sw .b{{font-weight:bold}}\
         .sw line{{stroke-width:1}}.sw .wire{{stroke-width:2}}.sw .thinner{{stroke-width:1}}.sw .flow{{stroke-width:2}}.sw .wide{{stroke-width:4}}\
         .sw .life{{stroke-dasharray:2 4}}.sw .rejected{{stroke-dasharray:6 4}}{}@media screen and (prefers-color-scheme:dark){{{}}}",
        colours(LIGHT_GROUND, &LIGHT),
        colours(DARK_GROUND, &DARK)
    )
}

/// The network as an SVG file.
#[must_use]
pub fn svg(network: &Network<'_>) -> String {
    // Nothing in a file's name ends the comment.
    let file = safe(network.source.name()).replace("--", "- -").replace('>', "›");
    let element = svg_element(&super::scene(network));
    format!("<!-- {OURS} {file} -->\n{}\n", element.into_string())
}

/// A scene as an element, for a page of its own or inside of one.
pub(in crate::report) fn svg_element(scene: &Scene) -> Markup {
    let view = format!("0 0 {} {}", scene.width, scene.height);
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class="sw" role="img" width=(scene.width) height=(scene.height) viewBox=(view) {
            title { (scene.title) }
            style { (PreEscaped(style())) }
            rect class="paper" width=(scene.width) height=(scene.height) {}
            @for item in &scene.items { "\n" (drawn(item)) }
        }
    }
}

fn drawn(item: &Item) -> Markup {
    match item {
        Item::Rect { x, y, w, h, r, class } => {
            html! { rect class=(class) x=(x) y=(y) width=(w) height=(h) rx=(r) {} }
        }
        Item::Line { from, to, class } => html! { line class=(class) x1=(from.0) y1=(from.1) x2=(to.0) y2=(to.1) {} },
        Item::Dot { at, r, class } => html! { circle class=(class) cx=(at.0) cy=(at.1) r=(r) {} },
        Item::Head { tip: (x, y), length, class } => {
            let (back, half) = (x - length, length.abs() / 2);
            html! { path class=(class) d=(format!("M{x} {y}L{back} {}L{back} {}Z", y - half, y + half)) {} }
        }
        Item::Text(text) => words(text),
    }
}

fn words(text: &Text) -> Markup {
    let (x, y) = text.at;
    let anchor = match text.anchor {
        Anchor::Start => None,
        Anchor::Middle => Some("middle"),
        Anchor::End => Some("end"),
    };
    let turn = text.turned.then(|| format!("rotate(-90 {x} {y})"));
    let class = if text.bold { format!("{} b", text.class) } else { text.class.to_owned() };
    html! {
        text class=(class) x=(x) y=(y) font-size=(text.size) text-anchor=[anchor] transform=[turn] { (text.words) }
    }
}
