//! Whether who gave everything up can still read a file, told without giving anything up for good.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use caps::CapSet;
use segwall_core::doctor::Unreadable;

use super::{READ, User};

/// Why a user who has given up all files but those that watching takes, and root's rights, cannot read one; `None`: they can.
/// Without a user it is who asks. Root alone can ask.
///
/// # Errors
/// When it cannot be tried.
pub fn unreadable(user: Option<User>, path: &Path) -> io::Result<Option<Unreadable>> {
    let file = match fs::canonicalize(path) {
        Ok(file) if file.is_file() => file,
        _ => return Ok(Some(Unreadable::Missing)),
    };
    if !READ.iter().any(|dir| file.starts_with(dir)) {
        return Ok(Some(Unreadable::Elsewhere(file.display().to_string())));
    }
    // The kernel's own answer, which knows of lists of access rights and of directories on the way.
    let is_open = match user {
        Some(user) => opens_as(user, &file)?,
        None => opens_without_rights(&file)?,
    };
    Ok((!is_open).then_some(Unreadable::Refused))
}

/// A command that is given a user leaves all groups.
fn opens_as(user: User, file: &Path) -> io::Result<bool> {
    let mut open = Command::new("/bin/sh");
    open.args(["-c", "exec 3<\"$1\"", "sh"]).arg(file).uid(user.uid.as_raw()).gid(user.gid.as_raw());
    Ok(open.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?.success())
}

/// Capabilities are a thread's own.
fn opens_without_rights(file: &Path) -> io::Result<bool> {
    thread::scope(|scope| {
        let tried = scope.spawn(|| {
            caps::clear(None, CapSet::Effective).map_err(io::Error::other)?;
            Ok(File::open(file).is_ok())
        });
        tried.join().unwrap_or_else(|_| Err(io::Error::other("the thread that tries it ended")))
    })
}
