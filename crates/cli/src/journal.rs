//! Reads the logs that `segwall watch` writes: the newest lines, over rotated files, and what is added from then on.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::exit::Failure;

/// Where they are unless told otherwise.
pub const LOG_DIR: &str = "/var/log/segwall";
/// Files that were put aside are looked for up to this number.
const KEPT_MAX: u32 = 64;
/// Longer lines are not ours.
const LINE_BYTES_MAX: u64 = 256 * 1024;
const POLL: Duration = Duration::from_millis(250);

/// A log: the file's name without what rotation adds.
pub struct Journal {
    path: PathBuf,
}

impl Journal {
    /// Of a directory.
    pub fn of(dir: &Path, name: &str) -> Self {
        Self { path: dir.join(name) }
    }

    /// The newest lines that are wanted, oldest first.
    pub fn newest(&self, last: usize, wanted: impl Fn(&Value) -> bool) -> Result<VecDeque<Value>, Failure> {
        let mut files: Vec<PathBuf> = (1..=KEPT_MAX).rev().map(|number| self.kept(number)).collect();
        files.push(self.path.clone());
        let mut newest = VecDeque::new();
        let mut found = false;
        for path in files {
            match File::open(&path) {
                Ok(file) => {
                    found = true;
                    lines(&mut BufReader::new(file), |value| {
                        if wanted(&value) {
                            newest.push_back(value);
                            if newest.len() > last {
                                newest.pop_front();
                            }
                        }
                        Ok(())
                    })?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(self.refused(&error)),
            }
        }
        if found { Ok(newest) } else { Err(self.missing()) }
    }

    /// Hands over every line that is added from now on, until `each` fails.
    pub fn follow(&self, mut each: impl FnMut(Value) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut at: Option<(u64, BufReader<File>)> = None;
        let mut is_first = true;
        loop {
            let now = fs::metadata(&self.path).ok().map(|data| data.ino());
            if let Some((_, reader)) = &mut at {
                lines(reader, &mut each)?;
            }
            if now.is_some() && at.as_ref().map(|(inode, _)| *inode) != now {
                // Rotated, or there at last. The rest of the old one was read above.
                let mut file = File::open(&self.path).map_err(|error| self.refused(&error))?;
                if is_first {
                    file.seek(SeekFrom::End(0)).map_err(|error| self.refused(&error))?;
                }
                let inode = file.metadata().map_err(|error| self.refused(&error))?.ino();
                at = Some((inode, BufReader::new(file)));
            }
            is_first = false;
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
            journal.newest(last, |_| true).unwrap().iter().map(|one| one["n"].as_u64().unwrap()).collect::<Vec<_>>()
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
        let end = Journal::of(dir.path(), "a.jsonl").follow(|value| {
            seen.push(value["n"].as_u64().unwrap());
            if seen.len() == 4 { Err(Failure::Bug("enough".to_owned())) } else { Ok(()) }
        });
        assert!(end.is_err());
        writer.join().unwrap();
        assert_eq!(seen, [1, 2, 3, 4]);
    }
}
