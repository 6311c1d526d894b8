//! From pieces of a file to lines, whatever their length.

use super::LINE_BYTES_MAX;

/// Holds the begin of a line whose end has not come yet: at most one byte more than a line may have.
#[derive(Debug, Default)]
pub struct Splitter {
    carry: Vec<u8>,
}

impl Splitter {
    /// A piece of the file. Every line that ends in it is handed on, without its end; `\r\n` ends one too.
    pub fn feed(&mut self, piece: &[u8], mut line: impl FnMut(&[u8])) {
        let mut rest = piece;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            if self.carry.is_empty() {
                line(without_return(&rest[..end]));
            } else {
                self.keep(&rest[..end]);
                line(without_return(&self.carry));
                self.carry.clear();
            }
            rest = &rest[end + 1..];
        }
        self.keep(rest);
    }

    /// The file ends; perhaps within a line.
    pub fn end(&mut self, mut line: impl FnMut(&[u8])) {
        if !self.carry.is_empty() {
            line(without_return(&self.carry));
            self.carry.clear();
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        // One byte more than allowed is enough for the reader to see that it is too long.
        let room = (LINE_BYTES_MAX + 1).saturating_sub(self.carry.len());
        self.carry.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_wherever_the_file_is_cut() {
        let long = "y".repeat(3 * LINE_BYTES_MAX);
        let text = format!("a\n\nbc\r\n{long}\nd");
        for size in [1, 2, 3, 7, 1_000, text.len()] {
            let (mut splitter, mut lines) = (Splitter::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                splitter.feed(piece, |line| lines.push(line[..line.len().min(LINE_BYTES_MAX + 1)].to_vec()));
                assert!(splitter.carry.len() <= LINE_BYTES_MAX + 1);
            }
            splitter.end(|line| lines.push(line.to_vec()));
            let expected: [&[u8]; 5] = [b"a", b"", b"bc", &long.as_bytes()[..LINE_BYTES_MAX + 1], b"d"];
            assert_eq!(lines, expected, "pieces of {size}");
        }
    }
}
