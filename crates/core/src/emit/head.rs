//! The first lines of every file: whose it is, where it comes from, and where to change it.

use super::comment::safe_file;
use crate::source::OURS;

/// For a file that follows from the policy. `mark` begins a comment in the file's language.
pub(super) fn of_policy(mark: &str, file: &str) -> String {
    let file = safe_file(file);
    format!(
        "{mark} {OURS} {file}; edits here are lost.\n\
         {mark} To change it, edit the policy; `segwall render` prints this file anew.\n"
    )
}

/// For a file that is the same for every policy.
pub(super) fn of_program(mark: &str) -> String {
    format!("{mark} {OURS} its own text, the same for every policy; edits here are lost.\n")
}
