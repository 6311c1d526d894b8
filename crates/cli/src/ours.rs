//! Files that Segwall writes: its own are written anew, somebody else's stay.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use segwall_core::report::OURS;

use crate::input::{InputError, Why};

/// Our mark stands in the first line, or in the second behind `#!`; they are not longer than this.
const FIRST_LINES_BYTES: u64 = 256;

/// Somebody else's file stays.
pub fn refuse_foreign(path: &Path, help: &'static str) -> Result<(), InputError> {
    let fault = |why| Err(InputError { name: path.display().to_string(), why });
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => return fault(Why::Exists { help: "it is a directory: name a file" }),
        // A pipe would wait for a writer.
        Ok(found) if !found.is_file() => return fault(Why::Exists { help }),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return fault(Why::Io { doing: "read", error }),
    }
    let mut begin = Vec::new();
    match File::open(path).and_then(|file| file.take(FIRST_LINES_BYTES).read_to_end(&mut begin)) {
        Ok(_) if is_ours(&begin) => Ok(()),
        Ok(_) => fault(Why::Exists { help }),
        Err(error) => fault(Why::Io { doing: "read", error }),
    }
}

/// Whether a file that begins so was written by us.
fn is_ours(begin: &[u8]) -> bool {
    let mut lines = begin.split(|byte| *byte == b'\n').skip_while(|line| line.starts_with(b"#!"));
    let line = lines.next().unwrap_or_default();
    line.windows(OURS.len()).any(|window| window == OURS.as_bytes())
}

/// Writes a file that is ours or new.
pub fn write(path: &Path, text: &str, help: &'static str) -> Result<(), InputError> {
    refuse_foreign(path, help)?;
    std::fs::write(path, text)
        .map_err(|error| InputError { name: path.display().to_string(), why: Why::Io { doing: "write", error } })
}

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn our_mark_is_in_the_first_line() {
        assert!(is_ours(b"# Written by Segwall from x\nrest"));
        assert!(is_ours(b"<!DOCTYPE html><!-- Written by Segwall from x -->"));
        assert!(!is_ours(b"mine\n# Written by Segwall from x\n"));
        assert!(is_ours(b"#!/sbin/openrc-run\n# Written by Segwall from x\n"));
        assert!(!is_ours(b"#!/sbin/openrc-run\nmine\n"));
        assert!(!is_ours(b""));
    }
}
