//! `segwall matrix --service`: addresses that are treated alike, and who reaches whom on a service.

use std::fmt::Write;

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use segwall_core::analysis::Misunderstood;
use segwall_core::analysis::service_matrix::{
    self, AddressClass, Asked, Reach, ServiceMatrix, service_matrices, service_matrices_of_policy,
};
use segwall_core::analysis::sets::own_names;
use segwall_core::netfilter::Program;
use segwall_core::ruleset::{At, Role, Ruleset};
use segwall_packetset::Space;

use super::matrix::{Data, Format, quoted};
use crate::args;
use crate::exit::{Answer, Failure};
use crate::input::Location;
use crate::out::{self, CARE, STRONG};
use crate::side::{self, Side};
use crate::text::Escaped;
use crate::{clock, json};

/// More receivers or senders than this make a list instead of a table.
const COLUMNS_MAX: usize = 8;
const ROWS_MAX: usize = 40;
/// Senders of a list, and receivers of one of them.
const LINES_MAX: usize = 40;
const RECEIVERS_MAX: usize = 6;
/// A table's width where there is no terminal to ask.
const WIDTH: u16 = 120;

/// Runs it.
pub fn run(location: &Location, words: &str, format: Format) -> Result<Answer, Failure> {
    let on_fault = if format == Format::Json { args::Format::Json } else { args::Format::Text };
    let side = match side::read::<Data>("matrix", location, on_fault)? {
        Ok(side) => side,
        Err(answer) => return Ok(answer),
    };
    let now = clock::now();
    let mut notes = Vec::new();
    let mut space = Space::default();
    let found = match &side {
        Side::Policy(checked) => {
            let asked = asked(words, &checked.policy.services)?;
            let naming = |name: &str| zone_of(&checked.ruleset, name);
            service_matrices_of_policy(&mut space, &checked.ruleset, At::Instant(now), &asked, &naming)
        }
        Side::Rules(rules) => {
            notes.extend(rules.not_understood());
            of_rules(&mut space, &[&rules.program], &asked(words, &[])?)
        }
    };
    let list = match found {
        Ok(list) => list,
        Err(error) => {
            out::complain(&format!("{}: {error}: too many classes to tell apart\n", Escaped(&side.words())));
            if format == Format::Json {
                json::print::<Data>("matrix", Answer::Unknown, Vec::new(), None)?;
            }
            return Ok(Answer::Unknown);
        }
    };
    if format != Format::Json {
        for note in &notes {
            out::complain(&format!("{CARE}not understood:{CARE:#} {}\n", Escaped(note)));
        }
    }
    match format {
        Format::Json => {
            let data = Data::of_services(clock::second(now), list, notes);
            return json::print("matrix", Answer::Yes, Vec::new(), Some(data));
        }
        Format::Csv => out::print_plain(&csv(&list))?,
        Format::Table => out::print(&text(&list))?,
    }
    Ok(Answer::Yes)
}

/// The services that were typed.
pub fn asked(words: &str, own: &[segwall_core::policy::NamedService]) -> Result<Vec<Asked>, Failure> {
    service_matrix::asked(words, own).map_err(|Misunderstood { message, help }| Failure::Usage {
        what: Escaped(&message).to_string(),
        help: help.unwrap_or_default(),
    })
}

/// Of rules that hold at the same time.
pub fn of_rules(
    space: &mut Space,
    programs: &[&Program],
    asked: &[Asked],
) -> Result<Vec<ServiceMatrix>, segwall_packetset::GaveUp> {
    service_matrices(space, programs, asked, &own_names)
}

/// The zone behind an interface.
pub fn zone_of(ruleset: &Ruleset, name: &str) -> Option<String> {
    let known = ruleset.interfaces.iter().find(|interface| interface.name == name)?;
    Some(match known.role {
        Role::Uplink => "internet".to_owned(),
        Role::Segment(_) => known.zone.clone(),
    })
}

const CSV_HEADER: &str = "service,hook,family,from_interfaces,from,to_interfaces,to,reach\n";

/// One line for each pair that is not surely dropped.
fn csv(list: &[ServiceMatrix]) -> String {
    let mut text = CSV_HEADER.to_owned();
    let networks = |class: &AddressClass| {
        let mut words = class.networks.join(" ");
        if class.more_networks > 0 {
            let _ = write!(words, " and {} more", class.more_networks);
        }
        words
    };
    let interfaces = |class: &AddressClass| class.interfaces.clone().unwrap_or_default();
    for matrix in list {
        for cell in &matrix.cells {
            let (from, to) = (&matrix.senders[cell.from], &matrix.receivers[cell.to]);
            let fields = [
                matrix.service.clone(),
                matrix.hook.to_owned(),
                matrix.family.clone(),
                interfaces(from),
                networks(from),
                interfaces(to),
                networks(to),
                cell.reach.word().to_owned(),
            ];
            text.push_str(&fields.map(|field| quoted(&field)).join(","));
            text.push('\n');
        }
    }
    text
}

/// For people.
pub fn text(list: &[ServiceMatrix]) -> String {
    let mut text = String::new();
    for matrix in list {
        let to = if matrix.hook == "input" { "to the box" } else { "through the box" };
        let title = format!("{} {to}, {}", matrix.service, matrix.family);
        let _ = writeln!(text, "{STRONG}{}{STRONG:#}", Escaped(&title));
        if matrix.cells.is_empty() {
            text.push_str("  nobody reaches anybody\n");
        } else if matrix.receivers.len() <= COLUMNS_MAX && matrix.senders.len() <= ROWS_MAX {
            text.push_str(&table(matrix));
        } else {
            text.push_str(&lines(matrix));
        }
        rest(matrix, &mut text);
        text.push('\n');
    }
    let has = |reach| list.iter().flat_map(|matrix| &matrix.cells).any(|cell| cell.reach == reach);
    for (reach, words) in [
        (Reach::Limited, "limited: accepted while the rule's limit has room"),
        (
            Reach::Partly,
            "partly: depends on something else than addresses: source port, MAC address, time, kind of address",
        ),
        (Reach::May, "may: not decided, because of a limit or of a match that depends on more than the packet"),
    ] {
        if has(reach) {
            let _ = writeln!(text, "{words}");
        }
    }
    text
}

/// A class in a few words.
fn words(class: &AddressClass) -> String {
    let name = match &class.interfaces {
        Some(interfaces) if class.name == "any" => interfaces.clone(),
        Some(interfaces) => format!("{} ({interfaces})", class.name),
        None => class.name.clone(),
    };
    Escaped(&name).to_string()
}

fn table(matrix: &ServiceMatrix) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(table.width().unwrap_or(WIDTH));
    if out::is_coloured() {
        table.enforce_styling()
    } else {
        table.force_no_tty()
    };
    let bold = |text: String| Cell::new(text).add_attribute(Attribute::Bold);
    let heads = matrix.receivers.iter().map(|class| bold(words(class)));
    table.set_header(std::iter::once(bold("from ↓ to →".to_owned())).chain(heads));
    for (from, class) in matrix.senders.iter().enumerate() {
        let cells = (0..matrix.receivers.len()).map(|to| {
            let cell = matrix.cells.iter().find(|cell| (cell.from, cell.to) == (from, to));
            match cell.map_or(Reach::Drop, |cell| cell.reach) {
                Reach::Drop => Cell::new("–").add_attribute(Attribute::Dim),
                Reach::Accept => Cell::new("accept"),
                reach @ (Reach::Limited | Reach::Partly | Reach::May) => Cell::new(reach.word()).fg(Color::Yellow),
            }
        });
        table.add_row(std::iter::once(bold(words(class))).chain(cells));
    }
    table.trim_fmt() + "\n"
}

/// One line for each sender.
fn lines(matrix: &ServiceMatrix) -> String {
    let mut text = String::new();
    for (from, class) in matrix.senders.iter().enumerate().take(LINES_MAX) {
        let begin = matrix.cells.partition_point(|cell| cell.from < from);
        let row = &matrix.cells[begin..matrix.cells.partition_point(|cell| cell.from <= from)];
        let _ = write!(text, "  {STRONG}{}{STRONG:#}:", words(class));
        for reach in [Reach::Accept, Reach::Limited, Reach::Partly, Reach::May] {
            let to: Vec<usize> = row.iter().filter(|cell| cell.reach == reach).map(|cell| cell.to).collect();
            if to.is_empty() {
                continue;
            }
            let named = to.iter().take(RECEIVERS_MAX).map(|to| words(&matrix.receivers[*to]));
            let _ = write!(text, " {} {}", reach.word(), named.collect::<Vec<_>>().join("; "));
            if to.len() > RECEIVERS_MAX {
                let _ = write!(text, " and {} more", to.len() - RECEIVERS_MAX);
            }
            text.push('.');
        }
        text.push('\n');
    }
    if matrix.senders.len() > LINES_MAX {
        let more = matrix.senders.len() - LINES_MAX;
        let _ = writeln!(
            text,
            "  and {} more; --format csv has them all",
            if more == 1 { "1 class".to_owned() } else { format!("{more} classes") }
        );
    }
    text
}

/// What no cell says.
fn rest(matrix: &ServiceMatrix, text: &mut String) {
    for line in &matrix.translated {
        let _ = writeln!(text, "  translated, {}", Escaped(line));
    }
    if matrix.cells_left_out > 0 {
        let _ = writeln!(text, "  {} more pairs are not shown", matrix.cells_left_out);
    }
    if !matrix.cells.is_empty() && matrix.senders_reaching_nobody > 0 {
        text.push_str("  everybody else reaches nobody\n");
    }
    for line in matrix.undecided.iter().take(LINES_MAX) {
        let _ = writeln!(text, "  not decided: {}", Escaped(line));
    }
    if matrix.undecided.len() > LINES_MAX {
        let _ = writeln!(text, "  and {} more that are not decided", matrix.undecided.len() - LINES_MAX);
    }
}
