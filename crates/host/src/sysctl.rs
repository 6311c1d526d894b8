//! Kernel settings of the network namespace this thread is in.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

use thiserror::Error;

/// A setting could not be written.
#[derive(Debug, Error)]
#[error("cannot set {key} to {value}")]
pub struct SysctlError {
    /// The setting, as a path below `/proc/sys`.
    pub key: String,
    /// What it was to become.
    pub value: String,
    /// What the kernel said.
    pub source: io::Error,
}

/// Writes a setting, given as a path below `/proc/sys`: `net/ipv4/ip_forward`. Slashes, because interface names may
/// hold dots.
///
/// # Errors
/// When it is not there or may not be written.
pub fn set(key: &str, value: &str) -> Result<(), SysctlError> {
    fs::write(path(key), value).map_err(|source| SysctlError { key: key.to_owned(), value: value.to_owned(), source })
}

/// As [`set`], but a kernel that has no such setting is left alone: `false`.
///
/// # Errors
/// When it is there and may not be written.
pub fn set_if_present(key: &str, value: &str) -> Result<bool, SysctlError> {
    match set(key, value) {
        Ok(()) => Ok(true),
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a setting, without the line's end.
#[must_use]
pub fn get(key: &str) -> Option<String> {
    fs::read_to_string(path(key)).ok().map(|text| text.trim_end().to_owned())
}

/// Whether the kernel lets a setting be written in this namespace.
#[must_use]
pub fn is_writable(key: &str) -> bool {
    fs::metadata(path(key)).is_ok_and(|data| data.permissions().mode() & 0o200 != 0)
}

fn path(key: &str) -> String {
    format!("/proc/sys/{key}")
}
