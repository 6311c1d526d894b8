//! The files of a spool: names, modes, and what is done when one cannot be used.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use super::{SEGMENT_LEN_MAX, SEGMENT_NUMBER_MAX, SpoolError};

const ENDING: &str = ".segment";
const LOCK_NAME: &str = "lock";
const ASIDE_NAME: &str = "put-aside";
/// The digits of a number, so that names sort as numbers do.
const DIGITS: usize = 16;

pub fn make_folder(dir: &Path) -> Result<(), SpoolError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| SpoolError::Folder { path: dir.to_owned(), source })
}

/// Held as long as the file is open; a process that dies gives it up.
pub fn lock(dir: &Path) -> Result<Flock<File>, SpoolError> {
    let path = dir.join(LOCK_NAME);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(&path)
        .map_err(|source| SpoolError::Folder { path: path.clone(), source })?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, refused)| match refused {
        Errno::EWOULDBLOCK => SpoolError::Used { path: dir.to_owned() },
        refused => SpoolError::Folder { path, source: refused.into() },
    })
}

/// The numbers of all segments, in order. Names that are not ours are left alone.
pub fn numbers(dir: &Path) -> Result<Vec<u64>, SpoolError> {
    let error = |source| SpoolError::Folder { path: dir.to_owned(), source };
    let mut numbers = Vec::new();
    for entry in fs::read_dir(dir).map_err(error)? {
        let name = entry.map_err(error)?.file_name();
        numbers.extend(name.to_str().and_then(number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(ENDING).filter(|digits| digits.len() == DIGITS)?;
    let is_ours = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    u64::from_str_radix(digits, 16).ok().filter(|number| is_ours && *number <= SEGMENT_NUMBER_MAX)
}

pub fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016x}{ENDING}"))
}

/// A new segment to write to.
pub fn create(dir: &Path, number: u64) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path(dir, number))
}

/// To read from; what is no file does not hold us up.
pub fn open(dir: &Path, number: u64) -> io::Result<File> {
    let path = path(dir, number);
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::from(io::ErrorKind::InvalidInput)) }
}

/// A whole segment, as far as one of ours can reach.
pub fn read(dir: &Path, number: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(dir, number)?.take(SEGMENT_LEN_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub fn len(dir: &Path, number: u64) -> u64 {
    fs::metadata(path(dir, number)).map_or(0, |data| data.len())
}

/// Cuts a segment's end off. Whoever reads it knows its length anyway.
pub fn cut(dir: &Path, number: u64, len: u64) {
    if self::len(dir, number) > len {
        let _ = OpenOptions::new().write(true).open(path(dir, number)).and_then(|file| file.set_len(len));
    }
}

/// A segment that stays is read again after a restart, no more.
pub fn remove(dir: &Path, number: u64) {
    let _ = fs::remove_file(path(dir, number));
}

/// Out of the way, for a person to look at. The one before goes, so that they do not fill the disk.
pub fn put_aside(dir: &Path, number: u64) {
    let _ = fs::rename(path(dir, number), dir.join(ASIDE_NAME));
}

/// Brings names of new files to the disk.
pub fn sync_names(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbers_in_order() {
        assert_eq!(number("000000000000001f.segment"), Some(31));
        assert_eq!(path(Path::new("/a"), 31), Path::new("/a/000000000000001f.segment"));
        for other in
            ["1f.segment", "000000000000001F.segment", "+00000000000001f.segment", "000000000000001f.segment.old"]
        {
            assert_eq!(number(other), None, "{other}");
        }
        assert_eq!(number("ffffffffffffffff.segment"), None, "there must be a next one");
    }
}
