//! The file of the jobs, and the lock that one server has on it.

use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::StoreError;

/// Device and number of a file, to notice when another has its name.
pub type FileId = (u64, u64);

/// The right to use the file, until this is dropped or its process ends, however that comes.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "it holds the lock")] File);

impl Lock {
    /// # Errors
    /// [`StoreError::Taken`] if another server has it.
    pub fn take(path: &Path) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path.with_extension("lock"));
        let file = file.map_err(|error| StoreError::Failed(error.to_string()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Taken),
            Err(TryLockError::Error(error)) => Err(StoreError::Failed(error.to_string())),
        }
    }
}

/// Makes the file if it is missing, for the service's own user only; SQLite gives its other files the same mode.
pub fn create(path: &Path) {
    let mut options = OpenOptions::new();
    // Opening it says better what is wrong.
    let _ = options.append(true).create(true).mode(0o600).open(path);
}

pub fn id_of(path: &Path) -> Option<FileId> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
