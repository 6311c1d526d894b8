//! How a command ends: the one place where kinds of failure become exit codes.

use std::fmt;
use std::process::ExitCode;

use crate::input::InputError;

/// What a command found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Yes, or done.
    Yes,
    /// No: errors, a failed expectation, a difference.
    No,
    /// There is none: the question could not be decided.
    Unknown,
    /// What a command that was run on the user's behalf said.
    Of(u8),
}

impl Answer {
    /// Yes, if so.
    pub fn yes_if(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Why a command has no answer.
#[derive(Debug)]
pub enum Failure {
    /// What was typed makes no sense.
    Usage {
        /// What is wrong.
        what: String,
        /// What to type instead.
        help: String,
    },
    /// A file cannot be opened, or is not one we may write.
    Input(InputError),
    /// The box or its kernel refused.
    Refused(String),
    /// Our fault: a promise inside Segwall did not hold.
    Bug(String),
}

/// Exit code after a bug of ours: `EX_SOFTWARE` of sysexits.
pub const BUG: u8 = 70;

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Usage { .. } | Self::Input(_) => 2,
            Self::Refused(_) => 4,
            Self::Bug(_) => BUG,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage { what, help } => write!(f, "{what}\nhelp: {help}"),
            Self::Input(error) => write!(f, "{error}"),
            Self::Refused(why) => f.write_str(why),
            Self::Bug(what) => write!(f, "{what}\nhelp: {}", crate::bug::REPORT),
        }
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        Self::Input(error)
    }
}

/// The process's exit code.
pub fn code(end: &Result<Answer, Failure>) -> ExitCode {
    ExitCode::from(match end {
        Ok(Answer::Yes) => 0,
        Ok(Answer::No) => 1,
        Ok(Answer::Unknown) => 3,
        Ok(Answer::Of(code)) => *code,
        Err(failure) => failure.code(),
    })
}
