//! Files are written whole: beside their place, brought to the disk, and put in place by one rename.

use segwall_core::plan::FileState;

use super::host::{Host, HostError};

/// Where a file is while it is being written. One that is left behind after a crash means nothing: no pattern of a shell
/// finds a hidden file, and what reads whole directories (logrotate, OpenRC) leaves names alone that end like this.
#[must_use]
pub fn temporary(path: &str) -> String {
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    format!("{dir}/.{name}.segwall~")
}

/// Writes a file so that a reader, or a boot after a crash, finds the old one or the new one, whole.
///
/// # Errors
/// When the disk refuses; then the old one is still in its place.
pub fn write_whole(host: &mut impl Host, path: &str, file: &FileState) -> Result<(), HostError> {
    let dir = dir_of(path);
    host.make_dir(dir)?;
    let beside = temporary(path);
    let written = host.put(&beside, file).and_then(|()| host.sync(&beside)).and_then(|()| host.rename(&beside, path));
    if let Err(error) = written {
        // Of no use to anybody; should this fail too, it does no harm where it lies.
        let _ = host.remove(&beside);
        return Err(error);
    }
    host.sync_dir(dir)
}

/// Removes a file for good.
///
/// # Errors
/// When the disk refuses.
pub fn remove_for_good(host: &mut impl Host, path: &str) -> Result<(), HostError> {
    host.remove(path)?;
    host.sync_dir(dir_of(path))
}

/// The directory a path lies in.
pub(super) fn dir_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(dir, _)| if dir.is_empty() { "/" } else { dir })
}
