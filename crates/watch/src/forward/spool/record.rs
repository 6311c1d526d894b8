//! One record in a segment: a mark, the length, a checksum over length and bytes, the bytes.
//!
//! The mark has control characters in it, which no message has, so after damage the next whole record is found again.

use super::RECORD_LEN_MAX;

/// Begins every record.
const MARK: [u8; 4] = [0x01, b'S', b'W', 0x02];

/// Mark, length and checksum, the numbers of four bytes, little-endian.
const HEAD_LEN: usize = 12;

/// Bytes that a message of this length takes.
pub fn len(message_len: usize) -> usize {
    HEAD_LEN + message_len
}

/// Adds a record.
pub fn push(into: &mut Vec<u8>, message: &[u8]) {
    let len = u32::try_from(message.len()).expect("messages are shorter than RECORD_LEN_MAX");
    into.extend_from_slice(&MARK);
    into.extend_from_slice(&len.to_le_bytes());
    into.extend_from_slice(&checksum(len, message).to_le_bytes());
    into.extend_from_slice(message);
}

fn checksum(len: u32, message: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&len.to_le_bytes());
    hasher.update(message);
    hasher.finalize()
}

/// The message of the record that begins at `at`, if a whole one does.
fn whole_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?.strip_prefix(&MARK)?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len);
    let message = rest.get(..usize::try_from(len).ok().filter(|len| *len <= RECORD_LEN_MAX)?)?;
    (checksum(len, message) == u32::from_le_bytes(*sum)).then_some(message)
}

/// A record that was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// Bytes before it that are no record.
    pub skipped: usize,
    /// Where the next one may begin.
    pub end: usize,
    /// Its message.
    pub message: &'a [u8],
}

/// The first whole record at or behind `at`.
pub fn next(bytes: &[u8], at: usize) -> Option<Found<'_>> {
    (at..bytes.len().saturating_sub(HEAD_LEN - 1)).find_map(|begin| {
        let message = whole_at(bytes, begin)?;
        Some(Found { skipped: begin - at, end: begin + len(message.len()), message })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_also_behind_damage() {
        let mut bytes = Vec::new();
        push(&mut bytes, b"one");
        let damage = bytes.len();
        push(&mut bytes, b"two");
        push(&mut bytes, b"");
        bytes[damage + HEAD_LEN] ^= 1;
        assert_eq!(next(&bytes, 0), Some(Found { skipped: 0, end: len(3), message: b"one" }));
        assert_eq!(next(&bytes, len(3)), Some(Found { skipped: len(3), end: bytes.len(), message: b"" }));
        assert_eq!(next(&bytes, bytes.len()), None);
        assert_eq!(next(&bytes, bytes.len() + 7), None);
    }

    #[test]
    fn a_record_that_is_not_all_there_is_none() {
        let mut bytes = Vec::new();
        push(&mut bytes, b"message");
        for len in 0..bytes.len() {
            assert_eq!(next(&bytes[..len], 0), None);
        }
    }
}
