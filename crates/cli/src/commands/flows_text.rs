//! Connections, and lists of the largest, for people.

use std::fmt::Write;
use std::net::IpAddr;

use segwall_watch::At;
use segwall_watch::event::Answer;
use segwall_watch::store::Flow;
use segwall_watch::store::read::Subject;
use segwall_watch::store::rollup::Sums;

use super::flows_json::protocol;
use crate::amount::Size;
use crate::out::{CARE, GOOD, QUIET, STRONG};
use crate::text::Escaped;

/// One connection, in a line. Of an open one the present stands for the end.
pub fn flow(flow: &Flow, is_open: bool) -> String {
    let (style, word) = match (is_open, flow.answer) {
        (true, _) => (GOOD, "open"),
        (false, Answer::None) => (CARE, "unanswered"),
        (false, Answer::Refused) => (CARE, "refused"),
        (false, Answer::Answered | Answer::Unknown) => (QUIET, "ended"),
    };
    let kind = flow.icmp_type().map_or_else(String::new, |kind| format!(" type {kind}"));
    let server = flow.server.map_or_else(String::new, |server| {
        format!(" by {}", place(server.addr, (server.port != 0).then_some(server.port)))
    });
    let lasted = flow.began.map_or_else(String::new, |began| format!(" {}", lasted(began, flow.ended)));
    format!(
        "{QUIET}{}{QUIET:#} {style}{word}{style:#} {} > {}: {} {} to {}{kind}{server}  {QUIET}sent {} received {}{lasted}{QUIET:#}\n",
        flow.ended,
        Escaped(&flow.from),
        Escaped(&flow.to),
        protocol(flow.proto),
        place(flow.src, flow.sport()),
        place(flow.dst, flow.dport()),
        Size(flow.sent.bytes),
        Size(flow.received.bytes),
    )
}

fn lasted(began: At, ended: At) -> String {
    let ms = ended.0.saturating_sub(began.0).max(0) / 1_000;
    match ms {
        0..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

fn place(addr: IpAddr, port: Option<u16>) -> String {
    match port {
        Some(port) => std::net::SocketAddr::new(addr, port).to_string(),
        None => addr.to_string(),
    }
}

/// The largest, one a line, under a heading.
pub fn top(list: &[(Subject, Sums)]) -> String {
    let heading = ["", "sent", "received", "flows"].map(str::to_owned);
    let row = |(subject, sums): &(Subject, Sums)| {
        let name = match subject {
            Subject::Talker { zone, addr } => format!("{addr} in {}", Escaped(zone)),
            Subject::Pair { from, to } => format!("{} > {}", Escaped(from), Escaped(to)),
            Subject::Port { proto, port } => format!("{}/{port}", protocol(*proto)),
            Subject::Others => "all others".to_owned(),
        };
        [name, Size(sums.sent.bytes).to_string(), Size(sums.received.bytes).to_string(), sums.flows.to_string()]
    };
    let rows: Vec<[String; 4]> = std::iter::once(heading).chain(list.iter().map(row)).collect();
    let widths: [usize; 4] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for (number, [name, sent, received, flows]) in rows.iter().enumerate() {
        let line =
            format!("{name:<0$}  {sent:>1$}  {received:>2$}  {flows:>3$}", widths[0], widths[1], widths[2], widths[3]);
        let _ = if number == 0 { writeln!(text, "{STRONG}{line}{STRONG:#}") } else { writeln!(text, "{line}") };
    }
    text
}
