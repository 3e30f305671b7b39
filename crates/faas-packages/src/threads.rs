//! Work that would block other tasks, and locks.

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use super::error::PackageError;

/// Runs work on the disk or on much data where it does not block other tasks.
///
/// # Errors
/// When this process ends.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PackageError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| PackageError::store("working on packages", &error))
}

/// Locks a mutex. Nothing here panics while it holds one, so poison would mean nothing.
pub fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
