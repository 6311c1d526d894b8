//! From what was typed to the text of a policy: a path, `-`, or nothing.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use segwall_core::source::SOURCE_BYTES_MAX;

/// Where a policy lies unless told.
pub const DEFAULT_POLICY: &str = "/etc/segwall/segwall.toml";

/// Where to read a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// Standard input.
    Stdin,
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// The user did not name it.
        by_default: bool,
    },
}

impl Location {
    /// What an optional path means.
    pub fn of(typed: Option<PathBuf>) -> Self {
        match typed {
            None => Self::File { path: PathBuf::from(DEFAULT_POLICY), by_default: true },
            Some(path) if path.as_os_str() == "-" => Self::Stdin,
            Some(path) => Self::File { path, by_default: false },
        }
    }

    /// The name that findings show.
    pub fn name(&self) -> String {
        match self {
            Self::Stdin => "<stdin>".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }
}

/// Why a file cannot be used.
#[derive(Debug)]
pub struct InputError {
    /// The file, as the user named it.
    pub name: String,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum Why {
    /// There is none.
    Missing {
        /// The user did not name it.
        by_default: bool,
    },
    /// It is a directory.
    Directory,
    /// It is a named pipe, a socket or a device.
    Special(&'static str),
    /// It may not be read.
    Denied,
    /// It is too large to be a policy.
    TooLarge,
    /// It exists already, and would be overwritten.
    Exists {
        /// What to do instead.
        help: &'static str,
    },
    /// It cannot be read or written for another reason.
    Io {
        /// `read` or `write`.
        doing: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = crate::text::Escaped(&self.name);
        match &self.why {
            Why::Missing { by_default: true } => {
                write!(
                    f,
                    "{name}: no such file\nhelp: name a policy (`-` reads standard input), or write one with `segwall init`"
                )
            }
            Why::Missing { by_default: false } => {
                write!(f, "{name}: no such file\nhelp: check the path; `segwall init` writes a policy to start from")
            }
            Why::Directory => write!(f, "{name}: is a directory\nhelp: name the policy file in it"),
            Why::Special(kind) => {
                write!(f, "{name}: is {kind}, not a file\nhelp: pipe the policy in and name it `-`")
            }
            Why::Denied => {
                write!(f, "{name}: permission denied\nhelp: make the file readable for you, or run as its owner")
            }
            Why::TooLarge => {
                write!(
                    f,
                    "{name}: larger than {} MiB, which no policy is\nhelp: is this the right file?",
                    SOURCE_BYTES_MAX >> 20
                )
            }
            Why::Exists { help } => write!(f, "{name}: exists already, and is not overwritten\nhelp: {help}"),
            Why::Io { doing, error } => write!(f, "{name}: cannot {doing}: {error}"),
        }
    }
}

/// The bytes of a policy, at most [`SOURCE_BYTES_MAX`].
pub fn read(location: &Location) -> Result<Vec<u8>, InputError> {
    let fault = |why| InputError { name: location.name(), why };
    let io_fault = |error: io::Error| {
        fault(match error.kind() {
            io::ErrorKind::NotFound => {
                Why::Missing { by_default: matches!(location, Location::File { by_default: true, .. }) }
            }
            io::ErrorKind::PermissionDenied => Why::Denied,
            io::ErrorKind::IsADirectory => Why::Directory,
            _ => Why::Io { doing: "read", error },
        })
    };
    let bytes = match location {
        Location::Stdin => read_limited(io::stdin().lock()),
        Location::File { path, .. } => {
            // Looked at before it is opened: opening a named pipe waits for a writer.
            let found = std::fs::metadata(path).map_err(io_fault)?;
            if found.is_dir() {
                return Err(fault(Why::Directory));
            }
            if found.len() > SOURCE_BYTES_MAX as u64 {
                return Err(fault(Why::TooLarge));
            }
            if !found.is_file() && !is_inherited(path) {
                return Err(fault(Why::Special(special(&found))));
            }
            File::open(path).and_then(read_limited)
        }
    };
    match bytes.map_err(io_fault)? {
        bytes if bytes.len() > SOURCE_BYTES_MAX => Err(fault(Why::TooLarge)),
        bytes => Ok(bytes),
    }
}

/// One byte more than allowed is enough to know.
fn read_limited(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(SOURCE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A descriptor that the shell opened for us, as `segwall check <(generate)` does.
fn is_inherited(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd")
}

fn special(found: &std::fs::Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = found.file_type();
    if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
