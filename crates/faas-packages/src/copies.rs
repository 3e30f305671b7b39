//! A directory that gets a copy of each file that is passed on, for machines that are cut off.

use std::fs;
use std::fs::Permissions;
use std::io;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use bytes::Bytes;

use super::error::PackageError;
use super::threads::blocking;

/// Below the directory: wheels that are not of the distribution, to be used as a wheelhouse.
pub const WHEELS: &str = "wheels";

/// Cheap to clone.
#[derive(Clone)]
pub struct Copies(PathBuf);

impl Copies {
    pub fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// Keeps a file of Pyodide's distribution.
    pub async fn keep_locked(&self, name: &str, contents: &Bytes) -> Result<(), PackageError> {
        keep(self.0.clone(), name, contents).await
    }

    /// Keeps any other wheel.
    pub async fn keep_wheel(&self, name: &str, contents: &Bytes) -> Result<(), PackageError> {
        keep(self.0.join(WHEELS), name, contents).await
    }
}

async fn keep(directory: PathBuf, name: &str, contents: &Bytes) -> Result<(), PackageError> {
    let (name, contents) = (name.to_owned(), contents.clone());
    blocking(move || {
        fs::create_dir_all(&directory)?;
        write_whole(&directory.join(name), &contents)
    })
    .await?
    .map_err(|error| PackageError::store("copying a package file", &error))
}

/// Writes a file that others may read, so that it is there whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(path: &Path, contents: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)?;
    file.write_all(contents)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
