//! Standard output and error: colour only where it can be seen, and a reader that goes away is no fault.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use segwall_host::pipe;

use crate::exit::Failure;

/// Red and bold: errors, drops that should not be.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Yellow: warnings.
pub const CARE: Style = AnsiColor::Yellow.on_default();
/// Green: accepted, good.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Dimmed: what is not the point.
pub const QUIET: Style = Style::new().dimmed();
/// Bold: headings.
pub const STRONG: Style = Style::new().bold();

/// Prints to standard output. Text carries ANSI styles; they are taken away where nobody can see them.
pub fn print(text: &str) -> Result<(), Failure> {
    written(anstream::stdout().lock().write_all(text.as_bytes()))
}

/// Whether colour on standard output would be seen.
pub fn is_coloured() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// Prints bytes that must arrive as they are.
pub fn print_plain(text: &str) -> Result<(), Failure> {
    written(io::stdout().lock().write_all(text.as_bytes()))
}

/// Flushes standard output, so that a full disk is noticed.
pub fn flush() -> Result<(), Failure> {
    written(io::stdout().lock().flush())
}

/// A reader that went away (`| head`) changes no answer and deserves no message.
fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Refused(format!("standard output: cannot write: {error}")))
        }
        _ => Ok(()),
    }
}

/// Whether who read standard output is gone: nobody waits for what comes next.
pub fn is_reader_gone() -> bool {
    pipe::is_reader_gone(&io::stdout())
}

/// Prints to standard error; when even that fails there is nobody left to tell.
pub fn complain(text: &str) {
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// The last words of a command without an answer.
pub fn failure(failure: &Failure) {
    let word = match failure {
        Failure::Bug(_) => "a bug of ours",
        Failure::Usage { .. } | Failure::Input(_) | Failure::Refused(_) => "error",
    };
    complain(&format!("{BAD}{word}:{BAD:#} {failure}\n"));
}
