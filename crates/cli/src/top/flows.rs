//! Open connections, the busiest first.

use segwall_watch::view::{Flow, Refused};

use super::app::App;
use super::paint::{Cell, Column};
use super::screen::{Opened, Screen};
use super::words::{bits, cell, number, short};

pub struct Flows;

fn flow(app: &App, row: usize) -> Option<&Flow> {
    app.view.as_ref()?.flows.get(row)
}

/// `192.0.2.7:443`, `[2001:db8::7]:443`.
pub fn place(addr: std::net::IpAddr, port: Option<u16>) -> String {
    match (addr, port) {
        (_, None) => addr.to_string(),
        (std::net::IpAddr::V4(_), Some(port)) => format!("{addr}:{port}"),
        (std::net::IpAddr::V6(_), Some(port)) => format!("[{addr}]:{port}"),
    }
}

impl Screen for Flows {
    fn columns(&self, _app: &App) -> Vec<Column> {
        vec![
            Column::place("from>to", 15, 32, 2),
            Column::text("proto", 5, 6, 0),
            // Its port is any; that of who answers is the service, and is seen whole.
            Column::place("opened by", 15, 39, 0),
            Column::place("answered by", 21, 47, 0),
            Column::number("out", 5, 0),
            Column::number("back", 5, 0),
            Column::number("all", 6, 1),
        ]
    }

    fn rows(&self, app: &App) -> Vec<usize> {
        (0..app.view.as_ref().map_or(0, |view| view.flows.len())).collect()
    }

    fn key(&self, app: &App, row: usize) -> String {
        flow(app, row).map_or_else(String::new, |flow| {
            format!("{} {} {}", flow.proto, place(flow.src, flow.sport), place(flow.dst, flow.dport))
        })
    }

    fn cells(&self, app: &App, row: usize) -> Vec<Cell> {
        let Some(flow) = flow(app, row) else { return Vec::new() };
        let all = flow.sent.bytes.saturating_add(flow.received.bytes);
        vec![
            Cell::plain(format!("{}>{}", app.zone_name(flow.from), app.zone_name(flow.to))),
            Cell::plain(&flow.proto),
            Cell::plain(flow.src.to_string()),
            Cell::plain(place(flow.dst, flow.dport)),
            Cell::plain(cell(bits(flow.sent_s))),
            Cell::plain(cell(bits(flow.received_s))),
            Cell::styled(format!("{}B", short(all)), app.look.quiet()),
        ]
    }

    fn head(&self, app: &App) -> String {
        let Some(view) = &app.view else { return String::new() };
        let shown = match view.left_out.flows {
            0 => String::new(),
            _ => format!(", the busiest {} of them", number(view.flows.len() as u64)),
        };
        let uncounted = view.flows.iter().all(|flow| flow.sent.packets == 0 && flow.received.packets == 0);
        let hint =
            if uncounted && !view.flows.is_empty() { "; none is counted: is nf_conntrack_acct off?" } else { "" };
        format!("{} open connections{shown}, in bit/s{hint}", number(view.flows_open))
    }

    fn empty(&self, app: &App) -> String {
        match app.view.as_ref().and_then(|view| view.listed_ms) {
            None => "the kernel's table of connections is listed in a moment".to_owned(),
            Some(_) => "no connection is open".to_owned(),
        }
    }

    fn hints(&self) -> &'static [(&'static str, &'static str)] {
        &[("Enter", "explain")]
    }

    fn open(&self, app: &App, row: usize) -> Option<Opened> {
        let flow = flow(app, row)?;
        Some(Opened::Explain(Box::new(Refused {
            number: 0,
            at_ms: app.view.as_ref()?.at_ms,
            reason: String::new(),
            from: app.zone_name(flow.from).to_owned(),
            to: app.zone_name(flow.to).to_owned(),
            input: String::new(),
            output: String::new(),
            proto: flow.proto.clone(),
            src: flow.src,
            dst: flow.dst,
            sport: flow.sport,
            dport: flow.dport,
            // Connection tracking follows echoes alone.
            kind: match flow.proto.as_str() {
                "icmp" => Some(8),
                "icmpv6" => Some(128),
                _ => None,
            },
            code: None,
            flags: String::new(),
        })))
    }
}
