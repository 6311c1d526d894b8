//! A log file that never grows beyond its bounds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The bounds of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A file is put aside when it is this long.
    pub bytes_max: u64,
    /// Files that were put aside and are kept: `NAME.1` is the newest.
    pub kept_max: u32,
    /// They are removed when nothing was written to them for this long.
    pub age_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes_max: 16 << 20, kept_max: 6, age_max: Duration::from_secs(30 * 86_400) }
    }
}

/// Lines that wait in memory until the next flush.
const PENDING_BYTES_MAX: usize = 256 << 10;

/// A log.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    limits: Limits,
    file: Option<File>,
    len: u64,
    pending: Vec<u8>,
    pending_lines: u64,
    lost: u64,
    error: Option<String>,
}

impl LogFile {
    /// A log at this path. It is opened when the first line is written.
    #[must_use]
    pub fn new(path: PathBuf, limits: Limits) -> Self {
        let pending = Vec::new();
        Self { path, limits, file: None, len: 0, pending, pending_lines: 0, lost: 0, error: None }
    }

    /// One more line, without its end. It reaches the disk with the next [`LogFile::flush`].
    pub fn line(&mut self, text: &str) {
        if self.pending.len() + text.len() > PENDING_BYTES_MAX {
            self.flush();
        }
        if self.pending.len() + text.len() > PENDING_BYTES_MAX {
            self.lost += 1;
            return;
        }
        self.pending.extend_from_slice(text.as_bytes());
        self.pending.push(b'\n');
        self.pending_lines += 1;
    }

    /// Writes what waits. A disk that refuses costs these lines; the next ones are tried again.
    pub fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        match self.write() {
            Ok(()) => self.error = None,
            Err(error) => {
                self.lost += self.pending_lines;
                self.error = Some(format!("cannot write to {}: {error}", self.path.display()));
                // Whoever removed the file or made room gets a new one.
                self.file = None;
            }
        }
        self.pending.clear();
        self.pending_lines = 0;
    }

    fn write(&mut self) -> io::Result<()> {
        if self.len >= self.limits.bytes_max {
            self.rotate()?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .mode(0o640)
                    .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
                    .open(&self.path)?;
                self.len = file.metadata()?.len();
                none.insert(file)
            }
        };
        let before = self.len;
        if let Err(error) = file.write_all(&self.pending) {
            // Half a line would make the next one unreadable.
            let _ = file.set_len(before);
            return Err(error);
        }
        self.len += self.pending.len() as u64;
        Ok(())
    }

    fn kept(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        self.len = 0;
        for number in (1..self.limits.kept_max).rev() {
            // One that cannot be moved is lost to the next; the bound holds.
            let _ = rename(&self.kept(number), &self.kept(number + 1));
        }
        let aside = match self.limits.kept_max {
            0 => fs::remove_file(&self.path),
            _ => rename(&self.path, &self.kept(1)),
        };
        // Where it cannot be put aside it begins anew: a bound that only holds on good days is none.
        aside.or_else(|_| File::create(&self.path).map(drop))
    }

    /// Removes what is too old, and opens the file anew where somebody took it away (logrotate).
    pub fn tidy(&mut self, now: SystemTime) {
        for number in 1..=self.limits.kept_max {
            let path = self.kept(number);
            let age = fs::metadata(&path).and_then(|data| data.modified()).ok();
            let age = age.and_then(|written| now.duration_since(written).ok());
            if age.is_some_and(|age| age > self.limits.age_max) {
                let _ = fs::remove_file(path);
            }
        }
        if self.file.is_some() && !self.path.exists() {
            self.file = None;
        }
    }

    /// Lines that never reached the disk.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Why the last write failed; `None` when it did not.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(dir: &Path, bytes_max: u64, kept_max: u32) -> LogFile {
        let limits = Limits { bytes_max, kept_max, ..Limits::default() };
        LogFile::new(dir.join("drops.jsonl"), limits)
    }

    #[test]
    fn a_flood_never_takes_more_than_its_bounds_and_keeps_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = log(dir.path(), 1_000, 3);
        for number in 0..1_000 {
            log.line(&format!("line {number:06}"));
            log.flush();
        }
        let sizes: Vec<u64> =
            fs::read_dir(dir.path()).unwrap().map(|one| one.unwrap().metadata().unwrap().len()).collect();
        assert_eq!(sizes.len(), 4);
        assert!(sizes.iter().all(|len| *len <= 1_000 + 12), "{sizes:?}");
        let newest = fs::read_to_string(dir.path().join("drops.jsonl")).unwrap();
        assert!(newest.ends_with("line 000999\n"));
        assert_eq!(log.lost(), 0);
    }

    #[test]
    fn a_file_that_cannot_be_put_aside_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("drops.jsonl.1")).unwrap();
        fs::write(dir.path().join("drops.jsonl.1").join("x"), "").unwrap();
        fs::create_dir(dir.path().join("drops.jsonl.2")).unwrap();
        fs::write(dir.path().join("drops.jsonl.2").join("x"), "").unwrap();
        let mut log = log(dir.path(), 1_000, 2);
        for number in 0..1_000 {
            log.line(&format!("line {number:06}"));
            log.flush();
        }
        assert!(fs::metadata(dir.path().join("drops.jsonl")).unwrap().len() <= 1_012);
    }

    #[test]
    fn a_place_that_cannot_be_written_costs_lines_and_is_told_and_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("later");
        let mut log = log(&place, 1_000, 3);
        log.line("one");
        log.flush();
        assert_eq!(log.lost(), 1);
        assert!(log.error().unwrap().contains("later/drops.jsonl"));
        fs::create_dir(&place).unwrap();
        log.line("two");
        log.flush();
        assert_eq!((log.lost(), log.error()), (1, None));
        assert_eq!(fs::read_to_string(place.join("drops.jsonl")).unwrap(), "two\n");
    }

    #[test]
    fn a_file_that_somebody_took_away_is_begun_anew_and_old_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = log(dir.path(), 1_000, 3);
        log.line("one");
        log.flush();
        fs::rename(dir.path().join("drops.jsonl"), dir.path().join("drops.jsonl.1")).unwrap();
        log.tidy(SystemTime::now());
        log.line("two");
        log.flush();
        assert_eq!(fs::read_to_string(dir.path().join("drops.jsonl")).unwrap(), "two\n");
        log.tidy(SystemTime::now() + Duration::from_secs(31 * 86_400));
        assert!(!dir.path().join("drops.jsonl.1").exists());
        assert!(dir.path().join("drops.jsonl").exists());
    }
}
