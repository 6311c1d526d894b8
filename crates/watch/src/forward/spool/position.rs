//! How far the messages are delivered, in a file of its own that is replaced by renaming.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::SEGMENT_NUMBER_MAX;

const NAME: &str = "position";
const NEW_NAME: &str = "position.new";
/// Two numbers and a checksum are shorter.
const LEN_MAX: u64 = 64;

/// A place between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// The segment's number.
    pub segment: u64,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// What was kept; `None` when there is nothing that can be read.
pub fn read(dir: &Path) -> Option<Position> {
    let mut text = String::new();
    let file = OpenOptions::new().read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(dir.join(NAME));
    file.ok()?.take(LEN_MAX).read_to_string(&mut text).ok()?;
    let (numbers, sum) = text.trim_end().rsplit_once(' ')?;
    if sum != checksum(numbers) {
        return None;
    }
    let (segment, offset) = numbers.split_once(' ')?;
    let segment = segment.parse().ok().filter(|number| *number <= SEGMENT_NUMBER_MAX)?;
    Some(Position { segment, offset: offset.parse().ok()? })
}

/// Keeps a position. It is not forced to the disk: an older one that comes back after a power cut costs messages that are
/// sent twice, and nothing else.
pub fn write(dir: &Path, position: Position) -> io::Result<()> {
    let numbers = format!("{} {}", position.segment, position.offset);
    let new = dir.join(NEW_NAME);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(format!("{numbers} {}\n", checksum(&numbers)).as_bytes())?;
    fs::rename(&new, dir.join(NAME))
}

fn checksum(numbers: &str) -> String {
    format!("{:08x}", crc32fast::hash(numbers.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_or_is_not_believed() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(read(dir.path()), None);
        let position = Position { segment: 7, offset: 1234 };
        write(dir.path(), position).expect("there is room");
        assert_eq!(read(dir.path()), Some(position));
        let text = fs::read_to_string(dir.path().join(NAME)).expect("it was written");
        for wrong in ["", "7 1234", "7 1235 00000000", "\u{0}", &text.replace('7', "8"), &text[1..]] {
            fs::write(dir.path().join(NAME), wrong).expect("there is room");
            assert_eq!(read(dir.path()), None, "{wrong:?}");
        }
    }
}
