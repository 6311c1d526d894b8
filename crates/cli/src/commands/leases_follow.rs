//! `segwall leases --follow`: what becomes of leases, as it does.

use std::thread;
use std::time::Duration;

use schemars::JsonSchema;
use segwall_core::leases::{Change, Lease, changes};
use segwall_watch::live;
use serde::Serialize;

use super::leases::{Args, Books, Row};
use super::leases_text;
use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::json::VERSION;
use crate::watching::generation;
use crate::{clock, json, out, router};

/// How often the server's files are looked at.
const POLL: Duration = Duration::from_secs(1);

/// A lease, and what became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Line {
    /// Version of the shape, 1.
    version: u32,
    /// `lease`.
    record: &'static str,
    /// When it was seen, RFC 3339.
    at: String,
    /// `held` when it began to be looked at; then `given`, `renewed`, `released`, `ended`.
    change: &'static str,
    /// The lease.
    #[serde(flatten)]
    lease: Row,
}

/// Shows what there is, and what changes from then on.
pub fn run(args: &Args) -> Result<Answer, Failure> {
    let mut linux = router::open()?;
    let mut holds = generation();
    let mut books = Books::open(&mut linux, args)?;
    let mut then_s = clock::now().as_second();
    let mut before = books.read(&linux)?.list;
    for lease in before.values().filter(|lease| !lease.is_over(then_s)) {
        show(args, &books, None, lease)?;
    }
    loop {
        out::flush()?;
        thread::sleep(POLL);
        if out::is_reader_gone() {
            return Ok(Answer::Yes);
        }
        let now_s = clock::now().as_second();
        // After a clock was set back, or by another server's files, nothing that differs became of a lease.
        let mut is_anew = now_s < then_s;
        let now_holds = generation();
        if now_holds != holds {
            let server = books.server();
            books = Books::open(&mut linux, args)?;
            holds = now_holds;
            is_anew |= books.server() != server;
        }
        let after = books.read(&linux)?.list;
        if !is_anew {
            for (change, lease) in changes((&before, then_s), (&after, now_s)) {
                show(args, &books, Some(change), lease)?;
            }
        }
        (before, then_s) = (after, now_s);
    }
}

fn show(args: &Args, books: &Books, change: Option<Change>, lease: &Lease) -> Result<(), Failure> {
    let row = books.row(lease, clock::now().as_second());
    if !args.wants(&row) {
        return Ok(());
    }
    let at = live::now().to_string();
    match args.format {
        Format::Text => out::print(&leases_text::change(&at, change, &row)),
        Format::Json => {
            let change = leases_text::change_word(change);
            json::print_line(&Line { version: VERSION, record: "lease", at, change, lease: row })
        }
    }
}
