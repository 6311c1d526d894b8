//! Reads the logs that `segwall watch` writes: the newest lines, over rotated files, and what is added from then on.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::args::Format;
use crate::exit::{Answer, Failure};
use crate::{json, out};

/// Files that were put aside are looked for up to this number.
const KEPT_MAX: u32 = 64;
/// Longer lines are not ours.
const LINE_BYTES_MAX: u64 = 256 * 1024;
const POLL: Duration = Duration::from_millis(250);

/// What of a log is shown, and how.
#[derive(Debug, clap::Args)]
pub struct Shown {
    /// So many at most
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 50)]
    last: usize,
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
    /// Where `segwall watch` writes
    #[arg(long, value_name = "DIR", default_value = "/var/log/segwall", value_hint = clap::ValueHint::DirPath)]
    log_dir: PathBuf,
    /// How to print
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: Format,
}

impl Shown {
    /// Shows the lines of a log that are wanted.
    pub fn show(
        &self,
        name: &str,
        wanted: impl Fn(&Value) -> bool,
        line: impl Fn(&Value) -> String,
    ) -> Result<Answer, Failure> {
        let print = |value: &Value| match self.format {
            Format::Json => json::print_line(value),
            Format::Text => out::print(&line(value)),
        };
        let (newest, at) = Journal::of(&self.log_dir, name).newest(self.last, &wanted)?;
        for value in &newest {
            print(value)?;
        }
        if self.follow {
            out::flush()?;
            Journal::of(&self.log_dir, name).follow(at, |value| {
                if wanted(&value) {
                    print(&value)?;
                    out::flush()?;
                }
                Ok(())
            })?;
        }
        Ok(Answer::Yes)
    }
}

/// Hands over every line of a log, over rotated files, oldest first.
pub fn each(dir: &Path, name: &str, mut each: impl FnMut(&Value)) -> Result<(), Failure> {
    let all = |value: &Value| {
        each(value);
        false
    };
    Journal::of(dir, name).newest(0, all).map(drop)
}

/// A file that is being read: its inode, and how far.
type Place = (u64, BufReader<File>);

/// A log: the file's name without what rotation adds.
struct Journal {
    path: PathBuf,
}

impl Journal {
    fn of(dir: &Path, name: &str) -> Self {
        Self { path: dir.join(name) }
    }

    /// The newest lines that are wanted, oldest first; and where what comes later will stand.
    fn newest(
        &self,
        last: usize,
        mut wanted: impl FnMut(&Value) -> bool,
    ) -> Result<(VecDeque<Value>, Option<Place>), Failure> {
        let aside = (1..=KEPT_MAX).rev().map(|number| self.kept(number));
        let mut newest = VecDeque::new();
        let mut place = None;
        let mut found = false;
        for path in aside.chain([self.path.clone()]) {
            match File::open(&path) {
                Ok(file) => {
                    found = true;
                    let inode = file.metadata().map_err(|error| self.refused(&error))?.ino();
                    let mut reader = BufReader::new(file);
                    lines(&mut reader, |value| {
                        if wanted(&value) {
                            newest.push_back(value);
                            if newest.len() > last {
                                newest.pop_front();
                            }
                        }
                        Ok(())
                    })?;
                    place = Some((inode, reader));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(self.refused(&error)),
            }
        }
        if found { Ok((newest, place)) } else { Err(self.missing()) }
    }

    /// Hands over every line that is added from a place on, over rotations, until `each` fails.
    fn follow(&self, mut at: Option<Place>, mut each: impl FnMut(Value) -> Result<(), Failure>) -> Result<(), Failure> {
        loop {
            let now = fs::metadata(&self.path).ok().map(|data| data.ino());
            if let Some((_, reader)) = &mut at {
                lines(reader, &mut each)?;
            }
            if now.is_some() && at.as_ref().map(|(inode, _)| *inode) != now {
                // Rotated, or there at last. The rest of the old one was read above.
                let file = File::open(&self.path).map_err(|error| self.refused(&error))?;
                let inode = file.metadata().map_err(|error| self.refused(&error))?.ino();
                at = Some((inode, BufReader::new(file)));
                continue;
            }
            if out::is_reader_gone() {
                return Ok(());
            }
            thread::sleep(POLL);
        }
    }

    fn kept(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    }

    fn refused(&self, error: &io::Error) -> Failure {
        Failure::Refused(format!("cannot read {}: {error}", self.path.display()))
    }

    fn missing(&self) -> Failure {
        Failure::Refused(format!(
            "there is no {}: nothing was written down yet; `segwall watch` does, as the service segwall-watch",
            self.path.display()
        ))
    }
}

/// Whole lines; what is no JSON is passed over, and half a line is left for later.
fn lines(
    reader: &mut (impl BufRead + Seek),
    mut each: impl FnMut(Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let Ok(read) = Read::take(&mut *reader, LINE_BYTES_MAX).read_until(b'\n', &mut line) else { return Ok(()) };
        if read == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') && (read as u64) < LINE_BYTES_MAX {
            let _ = reader.seek_relative(-i64::try_from(read).unwrap_or(0));
            return Ok(());
        }
        if let Ok(value) = serde_json::from_slice(&line) {
            each(value)?;
        }
    }
}

/// A text of a value, for the eye.
pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn write(path: &Path, text: &str) {
        fs::OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn the_newest_come_over_rotated_files_in_order() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("a.jsonl.2"), "{\"n\":1}\nno json\n{\"n\":2}\n");
        write(&dir.path().join("a.jsonl.1"), "{\"n\":3}\n");
        write(&dir.path().join("a.jsonl"), "{\"n\":4}\n{\"n\":5");
        let journal = Journal::of(dir.path(), "a.jsonl");
        let all = |last| {
            journal.newest(last, |_| true).unwrap().0.iter().map(|one| one["n"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(all(9), [1, 2, 3, 4]);
        assert_eq!(all(2), [3, 4]);
        assert!(matches!(Journal::of(dir.path(), "b").newest(1, |_| true), Err(Failure::Refused(_))));
    }

    #[test]
    fn what_is_added_is_followed_over_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        write(&path, "{\"n\":0}\n");
        let (place, old) = (path.clone(), dir.path().join("a.jsonl.1"));
        let writer = thread::spawn(move || {
            thread::sleep(2 * POLL);
            write(&place, "{\"n\":1}\n{\"n\"");
            thread::sleep(2 * POLL);
            write(&place, ":2}\n");
            thread::sleep(2 * POLL);
            write(&place, "{\"n\":3}\n");
            fs::rename(&place, old).unwrap();
            write(&place, "{\"n\":4}\n");
        });
        let mut seen = Vec::new();
        let journal = Journal::of(dir.path(), "a.jsonl");
        let (_, place) = journal.newest(1, |_| true).unwrap();
        // What comes between the two is not lost.
        write(&path, "{\"n\":5}\n");
        let end = journal.follow(place, |value| {
            seen.push(value["n"].as_u64().unwrap());
            if seen.len() == 5 { Err(Failure::Bug("enough".to_owned())) } else { Ok(()) }
        });
        assert!(end.is_err());
        writer.join().unwrap();
        assert_eq!(seen, [5, 1, 2, 3, 4]);
    }
}
