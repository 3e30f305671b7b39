//! Why a job could not be kept, found or changed.

use rusqlite::ErrorCode;

/// Why the store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("there are {most} jobs already")]
    TooMany { most: u64 },
    #[error("the caller has {most} jobs already")]
    TooManyOfCaller { most: u64 },
    #[error("the jobs that are kept have {most} bytes already")]
    NoRoom { most: u64 },
    #[error("the key came with another request")]
    OtherRequest,
    #[error("the disk is full")]
    DiskFull,
    /// Nothing is done to the file: the operator may get more out of it.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    #[error("another server has the jobs of this workspace")]
    Taken,
    #[error("the file is of a later version of this program: {0}")]
    LaterVersion(i64),
    #[error("{0}")]
    Failed(String),
}

impl StoreError {
    /// Whether the file cannot be used as it is, however often one asks.
    pub fn is_of_file(&self) -> bool {
        matches!(
            self,
            Self::Damaged(_) | Self::Taken | Self::LaterVersion(_) | Self::Failed(_)
        )
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}
