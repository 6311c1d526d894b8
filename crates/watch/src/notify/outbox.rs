//! What is still to be told, on the disk: a restart forgets nothing, and nothing grows without a bound.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use super::Notice;

/// Notices that wait for one receiver. Of more than these the oldest go.
pub const NOTICES_MAX: usize = 500;
/// Longer lines in the file are not ours.
const LINE_BYTES_MAX: usize = 256 * 1024;

/// Notices in the order in which they came.
#[derive(Debug)]
pub struct Outbox {
    path: Option<PathBuf>,
    waiting: VecDeque<Notice>,
    lost: u64,
    /// The file does not hold what waits.
    is_stale: bool,
}

impl Outbox {
    /// What an earlier process left at this path; with none nothing is kept on the disk.
    #[must_use]
    pub fn open(path: Option<PathBuf>) -> Self {
        let mut outbox = Self { path, waiting: VecDeque::new(), lost: 0, is_stale: false };
        if let Some(file) = outbox.path.as_ref().and_then(|path| File::open(path).ok()) {
            outbox.read(BufReader::new(file));
        }
        outbox
    }

    /// Lines that are not notices are counted as lost: half a line of a full disk, or somebody's own.
    fn read(&mut self, mut file: impl BufRead) {
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut rest = io::Read::take(&mut file, LINE_BYTES_MAX as u64);
            match rest.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => match serde_json::from_slice(&line) {
                    Ok(notice) => self.push(notice),
                    Err(_) => self.lost += 1,
                },
            }
        }
    }

    /// One more.
    pub fn push(&mut self, notice: Notice) {
        if self.waiting.len() >= NOTICES_MAX {
            self.waiting.pop_front();
            self.lost += 1;
        }
        self.waiting.push_back(notice);
        self.is_stale = true;
    }

    /// The oldest, at most so many.
    #[must_use]
    pub fn oldest(&mut self, count: usize) -> &[Notice] {
        let all = self.waiting.make_contiguous();
        &all[..count.min(all.len())]
    }

    /// The oldest were told.
    pub fn told(&mut self, count: usize) {
        self.waiting.drain(..count.min(self.waiting.len()));
        self.is_stale = true;
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many were given up.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Writes down what waits, where that changed. A disk that refuses is no reason to stop: it is tried again.
    ///
    /// # Errors
    /// What the disk said.
    pub fn save(&mut self) -> io::Result<()> {
        let Some(path) = self.path.as_ref().filter(|_| self.is_stale) else { return Ok(()) };
        let fresh = path.with_extension("new");
        let mut text = Vec::new();
        for notice in &self.waiting {
            serde_json::to_writer(&mut text, notice)?;
            text.push(b'\n');
        }
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&text)?;
        file.sync_data()?;
        fs::rename(&fresh, path)?;
        self.is_stale = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::Urgency;
    use serde_json::json;

    fn notice(number: usize) -> Notice {
        Notice {
            urgency: Urgency::Notice,
            title: format!("{number}"),
            text: "a\nb".to_owned(),
            json: json!({ "id": number }),
        }
    }

    #[test]
    fn a_restart_forgets_nothing_and_order_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.jsonl");
        let mut outbox = Outbox::open(Some(path.clone()));
        (0..3).for_each(|number| outbox.push(notice(number)));
        outbox.told(1);
        outbox.save().unwrap();
        let mut again = Outbox::open(Some(path));
        assert_eq!(again.oldest(9), [notice(1), notice(2)]);
        assert_eq!(again.lost(), 0);
    }

    #[test]
    fn the_oldest_go_first_and_are_counted() {
        let mut outbox = Outbox::open(None);
        (0..NOTICES_MAX + 7).for_each(|number| outbox.push(notice(number)));
        assert_eq!((outbox.len(), outbox.lost()), (NOTICES_MAX, 7));
        assert_eq!(outbox.oldest(1), [notice(7)]);
    }

    #[test]
    fn a_torn_file_costs_no_more_than_its_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("0.jsonl");
        let mut outbox = Outbox::open(Some(path.clone()));
        (0..2).for_each(|number| outbox.push(notice(number)));
        outbox.save().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(bytes.len() - 9);
        bytes.extend(b"\xff\xff{\n");
        fs::write(&path, bytes).unwrap();
        let mut again = Outbox::open(Some(path));
        assert_eq!(again.oldest(9), [notice(0)]);
        assert_eq!(again.lost(), 1);
    }
}
