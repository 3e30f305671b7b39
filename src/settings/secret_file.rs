//! Files that decide who is let in.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// More than any file of tokens has.
const MAX_BYTES: u64 = 1 << 20;
/// Who may write such a file may let anybody in. A group often is the user's own, and who may read it is left to
/// those who hand it over: Docker's secrets can be read by all in their container.
const WRITABLE_BY_OTHERS: u32 = 0o002;

/// Why such a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("{0}")]
    Unreadable(#[from] std::io::Error),
    #[error("every user can write to it: chmod o-w")]
    Writable,
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLong,
    #[error("it is not in UTF-8")]
    NotText,
}

/// Reads one.
///
/// # Errors
/// When it cannot be read, everybody may write to it, or it cannot have a token in it.
pub fn read(path: &Path) -> Result<String, SecretFileError> {
    let file = File::open(path)?;
    if file.metadata()?.permissions().mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(SecretFileError::Writable);
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SecretFileError::TooLong);
    }
    String::from_utf8(bytes).map_err(|_| SecretFileError::NotText)
}
