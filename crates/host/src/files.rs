//! How many files this process may hold open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit as far as an ordinary user may: a lab holds two files for each of its hosts, and the usual limit is
/// 1,024. Where it cannot be raised, opening the file too many says so.
pub fn raise_limit() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
