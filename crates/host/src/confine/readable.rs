//! Whether who gave everything up can still read a file, told without giving anything up.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{READ, User};

/// Why a user who has given up all files but those that watching takes cannot read one; `None`: they can. Root alone can ask
/// for another user.
///
/// # Errors
/// When it cannot be tried.
pub fn unreadable(user: Option<User>, path: &Path) -> io::Result<Option<String>> {
    let file = match fs::canonicalize(path) {
        Ok(file) => file,
        Err(error) => return Ok(Some(error.to_string())),
    };
    if !file.is_file() {
        return Ok(Some("it is no file".to_owned()));
    }
    if !READ.iter().any(|dir| file.starts_with(dir)) {
        let where_to = file.display();
        return Ok(Some(format!("it leads to {where_to}, and who watches may read nothing there")));
    }
    let Some(user) = user else { return Ok(None) };
    // The kernel's own answer, which knows of lists of access rights and of directories on the way. A command that is given a
    // user leaves all groups.
    let mut open = Command::new("/bin/sh");
    open.args(["-c", "exec 3<\"$1\"", "sh"]).arg(&file).uid(user.uid.as_raw()).gid(user.gid.as_raw());
    let said = open.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let why = "the user who watches may not read it, or not pass a directory above it";
    Ok((!said.success()).then(|| why.to_owned()))
}
