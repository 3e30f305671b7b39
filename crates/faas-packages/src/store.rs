//! The cache on disk: files by their sha256, bounded in bytes.
//!
//! `tmp/` holds downloads in progress, `sha256/ab/cdef…` verified files. A file gets its
//! final name by a rename, so that a crash leaves at most a stray file in `tmp/`.

use std::fs;
use std::fs::File;
use std::fs::TryLockError;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use bytes::Bytes;
use faas_linux::prepare_workspace;
use sha2::Digest as _;
use sha2::Sha256;
use tempfile::NamedTempFile;
use tempfile::TempPath;
use tokio::io::AsyncSeekExt;
use tokio::io::AsyncWriteExt;

use super::digest::Digest;
use super::error::PackageError;
use super::http::Sink;
use super::stats::Counters;
use super::stats::add;
use super::threads::blocking;
use super::threads::guard;
use super::weighted::WeightedLru;

/// How long the cache is waited for in silence.
const SAY_AFTER: Duration = Duration::from_secs(3);

/// A cache directory. Servers may share one; each bounds what it knows of.
pub struct Store {
    root: PathBuf,
    known: Mutex<WeightedLru<Digest, ()>>,
    counters: Arc<Counters>,
    /// Locked, shared, while this server runs: see [`Store::open`].
    _lock: File,
}

impl Store {
    /// Opens a cache of at most `capacity` bytes, and creates it if it is missing. Removes what a
    /// crash left behind, unless another server uses the directory right now.
    pub fn open(root: &Path, capacity: u64, counters: Arc<Counters>) -> io::Result<Self> {
        let (incoming, verified) = (root.join("tmp"), root.join("sha256"));
        fs::create_dir_all(&incoming)?;
        fs::create_dir_all(&verified)?;
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(false);
        let lock = options.open(root.join("lock"))?;
        if lock.try_lock().is_ok() {
            for stray in fs::read_dir(&incoming)? {
                fs::remove_file(stray?.path())?;
            }
            lock.unlock()?;
        }
        wait_for(&lock, root)?;
        let store = Self {
            root: root.to_owned(),
            known: Mutex::new(WeightedLru::new(capacity)),
            counters,
            _lock: lock,
        };
        for (digest, size) in scan(&verified)? {
            store.remember(digest, size);
        }
        Ok(store)
    }

    /// Creates a file for a download.
    pub async fn incoming(&self) -> Result<Incoming, PackageError> {
        let directory = self.root.join("tmp");
        let failed = |error| PackageError::store("making a file for a download", &error);
        let root = self.root.clone();
        let make = move || match NamedTempFile::new_in(&directory) {
            // Someone tidied up, as cleaners of /tmp do. Another user may have been there meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let workspace = root.parent().unwrap_or(&root);
                prepare_workspace(workspace).map_err(io::Error::other)?;
                fs::create_dir_all(&directory)?;
                NamedTempFile::new_in(&directory)
            }
            made => made,
        };
        let (file, path) = blocking(make).await?.map_err(failed)?.into_parts();
        Ok(Incoming {
            file: file.into(),
            path,
            hasher: Sha256::new(),
            bytes: 0,
        })
    }

    /// Keeps a download under its digest and returns its contents. If the digest is not the
    /// `expected` one, nothing is kept.
    pub async fn keep(
        self: &Arc<Self>,
        mut incoming: Incoming,
        expected: Digest,
        name: &str,
    ) -> Result<Bytes, PackageError> {
        let failed = |error| PackageError::store("keeping a download", &error);
        incoming.file.flush().await.map_err(failed)?;
        let actual = Digest::finish(incoming.hasher);
        if actual != expected {
            return Err(wrong_hash(name, expected, actual));
        }
        let mut file = incoming.file.into_std().await;
        let store = Arc::clone(self);
        let kept = move || {
            let path = store.path(expected);
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            incoming.path.persist(path)?;
            // From the open file: it may be evicted already.
            file.seek(SeekFrom::Start(0))?;
            let mut data = Vec::new();
            file.read_to_end(&mut data)?;
            store.remember(expected, data.len() as u64);
            Ok(data)
        };
        let data = blocking(kept).await?.map_err(failed)?;
        Ok(data.into())
    }

    /// Bytes of the file with this digest, if it is here.
    pub async fn size(self: &Arc<Self>, digest: Digest) -> Result<Option<u64>, PackageError> {
        let path = self.path(digest);
        let found = blocking(move || fs::metadata(path)).await?;
        match found {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PackageError::store("reading the cache", &error)),
        }
    }

    /// The file with this digest, if it is here and intact. A damaged one is dropped.
    pub async fn get(self: &Arc<Self>, digest: Digest) -> Result<Option<Bytes>, PackageError> {
        let store = Arc::clone(self);
        blocking(move || store.read(digest))
            .await?
            .map_err(|error| PackageError::store("reading the cache", &error))
    }

    fn read(&self, digest: Digest) -> io::Result<Option<Bytes>> {
        let path = self.path(digest);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                guard(&self.known).remove(&digest);
                return Ok(None);
            }
            opened => opened?,
        };
        let mut data = Vec::new();
        (&file).read_to_end(&mut data)?;
        if Digest::of(&data) != digest {
            tracing::warn!(sha256 = %digest, "dropping a damaged file from the package cache");
            guard(&self.known).remove(&digest);
            fs::remove_file(path)?;
            return Ok(None);
        }
        // Recency survives a restart as the modification time; it does not matter if that fails.
        let _ = file.set_modified(SystemTime::now());
        self.remember(digest, data.len() as u64);
        Ok(Some(data.into()))
    }

    /// Makes a file the most recently used one and evicts what no longer fits. An evicted file
    /// that is open can still be read: it only loses its name.
    fn remember(&self, digest: Digest, size: u64) {
        let evicted = guard(&self.known).insert(digest, (), size);
        for digest in evicted {
            add(&self.counters.evictions, 1);
            if let Err(error) = fs::remove_file(self.path(digest)) {
                tracing::warn!(sha256 = %digest, %error, "could not evict a package file");
            }
        }
    }

    /// Files and bytes in the cache.
    pub fn usage(&self) -> (u64, u64) {
        let known = guard(&self.known);
        (known.len() as u64, known.total())
    }

    fn path(&self, digest: Digest) -> PathBuf {
        let hex = digest.to_string();
        let (directory, file) = hex.split_at(2);
        self.root.join("sha256").join(directory).join(file)
    }
}

/// A download in progress. Dropping it removes the file.
pub struct Incoming {
    file: tokio::fs::File,
    path: TempPath,
    hasher: Sha256,
    pub bytes: u64,
}

impl Incoming {
    /// The digest of what has come so far.
    pub fn digest(&self) -> Digest {
        Digest::finish(self.hasher.clone())
    }
}

impl Sink for Incoming {
    async fn restart(&mut self) -> io::Result<()> {
        self.hasher = Sha256::new();
        self.bytes = 0;
        self.file.rewind().await?;
        self.file.set_len(0).await
    }

    async fn write(&mut self, chunk: &Bytes) -> io::Result<()> {
        self.hasher.update(chunk);
        self.bytes += chunk.len() as u64;
        self.file.write_all(chunk).await
    }
}

/// Takes the lock, shared. Another server has it for itself only for as long as it tidies up.
fn wait_for(lock: &File, root: &Path) -> io::Result<()> {
    let began = Instant::now();
    while let Err(error) = lock.try_lock_shared() {
        if let TryLockError::Error(error) = error {
            return Err(error);
        }
        if began.elapsed() >= SAY_AFTER {
            let lock_file = root.join("lock").display().to_string();
            tracing::warn!(
                lock_file,
                "waiting for another process to give the package cache free"
            );
            return lock.lock_shared();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

pub fn wrong_hash(name: &str, expected: Digest, actual: Digest) -> PackageError {
    PackageError::WrongHash {
        file: name.to_owned(),
        expected: expected.to_string(),
        actual: actual.to_string(),
    }
}

/// Finds the files of an earlier run, the least recently used first.
fn scan(verified: &Path) -> io::Result<Vec<(Digest, u64)>> {
    let mut found = Vec::new();
    for directory in fs::read_dir(verified)? {
        let directory = directory?;
        for file in fs::read_dir(directory.path())? {
            let file = file?;
            let (start, end) = (directory.file_name(), file.file_name());
            let hex = format!("{}{}", start.to_string_lossy(), end.to_string_lossy());
            if let Some(digest) = Digest::parse(&hex) {
                let metadata = file.metadata()?;
                found.push((metadata.modified()?, digest, metadata.len()));
            }
        }
    }
    found.sort_unstable_by_key(|(used, ..)| *used);
    Ok(found
        .into_iter()
        .map(|(_, digest, size)| (digest, size))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(root: &Path, capacity: u64) -> Arc<Store> {
        Arc::new(Store::open(root, capacity, Arc::default()).unwrap())
    }

    async fn keep(store: &Arc<Store>, data: &'static [u8]) -> Digest {
        let mut incoming = store.incoming().await.unwrap();
        incoming.write(&Bytes::from_static(data)).await.unwrap();
        let digest = Digest::of(data);
        assert_eq!(store.keep(incoming, digest, "x").await.unwrap(), data);
        digest
    }

    #[tokio::test]
    async fn the_size_limit_holds_and_recency_survives_a_restart() {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path(), 10);
        let first = keep(&store, b"1111").await;
        let second = keep(&store, b"2222").await;
        for (digest, age) in [(first, 10), (second, 20)] {
            let file = File::open(store.path(digest)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age))
                .unwrap();
        }
        drop(store);

        let store = open(root.path(), 10);
        assert_eq!(store.usage(), (2, 8));
        let third = keep(&store, b"3333").await;
        assert_eq!(store.get(second).await.unwrap(), None, "the oldest went");
        assert_eq!(store.get(first).await.unwrap().unwrap(), "1111");
        assert_eq!(store.get(third).await.unwrap().unwrap(), "3333");
        assert_eq!(
            store
                .counters
                .evictions
                .load(std::sync::atomic::Ordering::Relaxed),
            1
        );
    }

    #[tokio::test]
    async fn a_file_larger_than_the_cache_is_served_but_not_kept() {
        let root = tempfile::tempdir().unwrap();
        let store = open(root.path(), 3);
        let digest = keep(&store, b"12345").await;
        assert!(!store.path(digest).exists());
        assert_eq!(store.usage(), (0, 0));
    }

    #[tokio::test]
    async fn temporary_files_of_a_crash_are_removed_unless_another_server_runs() {
        let root = tempfile::tempdir().unwrap();
        let first = open(root.path(), 10);
        let incoming = first.incoming().await.unwrap();
        let second = open(root.path(), 10);
        assert!(incoming.path.exists());
        drop((first, second));
        open(root.path(), 10);
        assert!(!incoming.path.exists());
    }

    #[tokio::test]
    async fn an_abandoned_download_removes_itself() {
        let root = tempfile::tempdir().unwrap();
        let incoming = open(root.path(), 10).incoming().await.unwrap();
        let path = incoming.path.to_path_buf();
        drop(incoming);
        assert!(!path.exists());
    }
}
