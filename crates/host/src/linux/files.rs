//! Files of the box, in the small steps between which a crash may come.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use segwall_core::plan::FileState;

use crate::apply::HostError;

/// What of a mode is permissions.
const PERMISSIONS: u32 = 0o7777;
const DIR_MODE: u32 = 0o755;
/// No file of the box that we write or keep a copy of is larger.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Where the box's files are: nowhere in particular, or in a directory that stands for `/` in tests.
#[derive(Debug, Clone, Default)]
pub struct Root(PathBuf);

impl Root {
    /// The box itself.
    #[must_use]
    pub fn real() -> Self {
        Self::default()
    }

    /// A directory that stands for `/`.
    #[must_use]
    pub fn below(dir: impl Into<PathBuf>) -> Self {
        Self(dir.into())
    }

    /// Whether it is the box itself.
    #[must_use]
    pub fn is_real(&self) -> bool {
        self.0.as_os_str().is_empty()
    }

    /// Where a path of the box is.
    #[must_use]
    pub fn at(&self, path: &str) -> PathBuf {
        if self.is_real() { PathBuf::from(path) } else { self.0.join(path.trim_start_matches('/')) }
    }

    pub(super) fn read(&self, path: &str) -> Result<Option<FileState>, HostError> {
        let place = self.at(path);
        let state = || -> io::Result<FileState> {
            let file = File::open(&place)?;
            let data = file.metadata()?;
            if !data.is_file() {
                return Err(io::Error::other("it is no file"));
            }
            let mut bytes = Vec::new();
            file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > FILE_BYTES_MAX {
                return Err(io::Error::other("it has more than 64 MiB"));
            }
            Ok(FileState { mode: data.permissions().mode() & PERMISSIONS, bytes })
        };
        match state() {
            Ok(state) => Ok(Some(state)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(failed("read", &place, error)),
        }
    }

    pub(super) fn put(&self, path: &str, state: &FileState) -> Result<(), HostError> {
        let place = self.at(path);
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(state.mode & PERMISSIONS)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&place)?;
            // Whatever the umask left, and before anybody's secrets are in it.
            file.set_permissions(Permissions::from_mode(state.mode & PERMISSIONS))?;
            file.write_all(&state.bytes)
        };
        write().map_err(|error| failed("write", &place, error))
    }

    pub(super) fn sync(&self, path: &str) -> Result<(), HostError> {
        let place = self.at(path);
        let sync = File::open(&place).and_then(|file| file.sync_all());
        sync.map_err(|error| failed("bring to the disk", &place, error))
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), HostError> {
        let (from, to) = (self.at(from), self.at(to));
        // Over a link the rename would leave a file, and what the link led to would lie there unchanged.
        if fs::symlink_metadata(&to).is_ok_and(|data| data.is_symlink()) {
            let link = io::Error::other("it is a symbolic link; put the file itself in its place");
            return Err(failed("replace", &to, link));
        }
        fs::rename(&from, &to).map_err(|error| failed("put in place", &to, error))
    }

    pub(super) fn remove(&self, path: &str) -> Result<(), HostError> {
        let place = self.at(path);
        let is_dir = fs::symlink_metadata(&place).is_ok_and(|data| data.is_dir());
        let removed = if is_dir { fs::remove_dir(&place) } else { fs::remove_file(&place) };
        match removed {
            Err(error) if !is_absent(&error) => Err(failed("remove", &place, error)),
            _ => Ok(()),
        }
    }

    pub(super) fn sync_dir(&self, dir: &str) -> Result<(), HostError> {
        sync_dir(&self.at(dir))
    }

    pub(super) fn list(&self, dir: &str) -> Result<Vec<String>, HostError> {
        let place = self.at(dir);
        let names = || -> io::Result<Vec<String>> {
            let entries = fs::read_dir(&place)?.collect::<io::Result<Vec<_>>>()?;
            let mut names: Vec<String> =
                entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort_unstable();
            Ok(names)
        };
        match names() {
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            other => other.map_err(|error| failed("list", &place, error)),
        }
    }

    pub(super) fn make_dir(&self, dir: &str) -> Result<(), HostError> {
        let place = self.at(dir);
        let missing: Vec<&Path> =
            place.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists()).collect();
        for dir in missing.into_iter().rev() {
            let made = match DirBuilder::new().mode(DIR_MODE).create(dir) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
                _ => fs::set_permissions(dir, Permissions::from_mode(DIR_MODE)),
            };
            made.map_err(|error| failed("make the directory", dir, error))?;
            if let Some(above) = dir.parent() {
                sync_dir(above)?;
            }
        }
        Ok(())
    }
}

fn sync_dir(dir: &Path) -> Result<(), HostError> {
    match File::open(dir).and_then(|dir| dir.sync_all()) {
        // What was removed from a directory that is not there is gone for good.
        Err(error) if !is_absent(&error) => Err(failed("bring to the disk", dir, error)),
        _ => Ok(()),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

pub(super) fn failed(verb: &str, path: &Path, error: io::Error) -> HostError {
    HostError::new(format!("{verb} {}", path.display()), error)
}
