//! Bytes → [`Source`]: what cannot be a policy is refused before it is parsed.

use super::codes;
use crate::diag::Diagnostic;
use crate::source::{SOURCE_BYTES_MAX, Source, Span};

/// Bytes that are no policy: why, and a source that the finding's place is in.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// What could be read; bytes that are not UTF-8 stand as U+FFFD.
    pub source: Source,
    /// Why it cannot be used.
    pub diagnostic: Diagnostic,
}

const BOM: &[u8] = "\u{feff}".as_bytes();

/// The text of a policy file. A byte order mark at its beginning is left out.
///
/// # Errors
/// When the bytes are too many, not UTF-8, or hold a NUL.
pub fn read_bytes(name: &str, mut bytes: Vec<u8>) -> Result<Source, Box<Unreadable>> {
    let refuse = |text: String, diagnostic: Diagnostic| {
        Err(Box::new(Unreadable { source: Source::new(name, text), diagnostic }))
    };
    if bytes.len() > SOURCE_BYTES_MAX {
        let found = Diagnostic::error(
            codes::TOO_LARGE,
            Span::default(),
            format!("the file has {} bytes; a policy has at most {SOURCE_BYTES_MAX} (64 MiB)", bytes.len()),
        )
        .help("is this the right file?");
        return refuse(String::new(), found);
    }
    if bytes.starts_with(BOM) {
        bytes.drain(..BOM.len());
    }
    let nul = bytes.iter().position(|byte| *byte == 0);
    match String::from_utf8(bytes) {
        Ok(text) => match nul {
            None => Ok(Source::new(name, text)),
            Some(at) => {
                let found = Diagnostic::error(codes::NUL_BYTE, Span::new(at..at + 1), nul_message(at)).help(NUL_HELP);
                refuse(text, found)
            }
        },
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let byte = error.as_bytes()[at];
            let utf16 = error.as_bytes().starts_with(b"\xff\xfe") || error.as_bytes().starts_with(b"\xfe\xff");
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let found = match nul {
                Some(nul) if nul < at => {
                    Diagnostic::error(codes::NUL_BYTE, Span::new(nul..nul + 1), nul_message(nul)).help(NUL_HELP)
                }
                _ => Diagnostic::error(
                    codes::NOT_UTF8,
                    Span::new(at..at + '\u{fffd}'.len_utf8()),
                    format!("byte 0x{byte:02x} at offset {at} is not UTF-8"),
                )
                .help(if utf16 {
                    "this looks like UTF-16; save the file as UTF-8"
                } else {
                    "save the file as UTF-8"
                }),
            };
            refuse(text, found)
        }
    }
}

fn nul_message(at: usize) -> String {
    format!("byte {at} is NUL; a policy is text")
}

const NUL_HELP: &str = "is this the right file? A file saved as UTF-16 looks like this too: save it as UTF-8";

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> Unreadable {
        *read_bytes("x", bytes.to_vec()).expect_err("refused")
    }

    #[test]
    fn a_byte_order_mark_is_no_column() {
        let source = read_bytes("x", b"\xEF\xBB\xBF[gateway]".to_vec()).expect("text");
        assert_eq!(source.text(), "[gateway]");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_where_they_are() {
        let found = fault(b"# ok\nname = \"\xff\"\n");
        let place = found.source.position(found.diagnostic.span.start);
        assert_eq!((place.line, place.column), (2, 9));
        assert!(found.diagnostic.message.contains("0xff"), "{}", found.diagnostic.message);
        assert_eq!(found.diagnostic.code, codes::NOT_UTF8);

        let found = fault(b"a\n\0\xff");
        assert_eq!((found.diagnostic.code, found.source.line(found.diagnostic.span.start)), (codes::NUL_BYTE, 2));
        assert_eq!(fault("[\0g\0".as_bytes()).diagnostic.code, codes::NUL_BYTE);
        assert_eq!(fault(b"\xff\xfe[\0").diagnostic.code, codes::NOT_UTF8);
    }

    #[test]
    fn too_many_bytes_are_refused() {
        assert_eq!(fault(&vec![b'#'; SOURCE_BYTES_MAX + 1]).diagnostic.code, codes::TOO_LARGE);
        assert!(read_bytes("x", vec![b'#'; SOURCE_BYTES_MAX]).is_ok());
    }
}
