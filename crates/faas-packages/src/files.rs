//! Contents by their sha256: from the cache, from this machine, or from their source.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::Weak;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use url::Url;

use super::digest::Digest;
use super::error::PackageError;
use super::flight::SingleFlight;
use super::http::Http;
use super::http::Request;
use super::remote;
use super::remote::Remote;
use super::stats::Counters;
use super::stats::add;
use super::store::Store;
use super::store::wrong_hash;
use super::threads::blocking;
use super::threads::guard;

/// A file that a source on the network named.
#[derive(Debug, Clone)]
pub struct RemoteFile {
    /// Its name, for messages.
    pub name: String,
    pub url: Url,
    pub sha256: Digest,
    /// In bytes, if the source says so.
    pub size: Option<u64>,
}

/// A file on this machine.
#[derive(Debug, Clone)]
pub struct LocalFile {
    /// Its name, for messages.
    pub name: String,
    pub path: PathBuf,
    pub sha256: Digest,
}

/// Memory for files that are on their way to sandboxes, in KiB: 512 MiB, twice the largest file. Who
/// asks for more waits until sandboxes have read theirs.
const MEMORY_KIB: u32 = 512 << 10;

/// Reads and fetches files. Everything it returns has the requested sha256. If many callers ask
/// for the same contents at once, they are read or fetched once, and are in memory once for as long
/// as one of them has them.
///
/// Callers say how much room they have, in bytes. A file that is larger is refused, before it is read
/// if its size is known.
///
/// Cheap to clone; every clone shares the cache and the work in progress.
#[derive(Clone)]
pub struct Files {
    pub http: Arc<Http>,
    pub store: Arc<Store>,
    pub counters: Arc<Counters>,
    /// Most bytes of one file.
    pub limit: u64,
    flights: Arc<SingleFlight<(Digest, u64), Bytes>>,
    in_memory: Arc<Mutex<HashMap<Digest, Weak<Contents>>>>,
    memory: Arc<Semaphore>,
}

/// A file in memory, and its share of that memory.
struct Contents {
    bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

/// One caller's hold on it.
struct Held(Arc<Contents>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Files {
    pub fn new(http: Arc<Http>, store: Arc<Store>, counters: Arc<Counters>, limit: u64) -> Self {
        Self {
            http,
            store,
            counters,
            limit,
            flights: Arc::new(SingleFlight::new()),
            in_memory: Arc::default(),
            memory: Arc::new(Semaphore::new(MEMORY_KIB as usize)),
        }
    }

    /// A file of this machine. It is not copied into the cache.
    pub async fn read(&self, file: LocalFile, room: u64) -> Result<Bytes, PackageError> {
        let (this, key) = (self.clone(), (file.sha256, room));
        let work = async move { this.read_local(file, room).await };
        self.flights.join(key, work).await
    }

    /// A file from the network, or from the cache.
    pub async fn fetch(
        &self,
        file: RemoteFile,
        remote: Arc<Remote>,
        room: u64,
    ) -> Result<Bytes, PackageError> {
        let (this, key) = (self.clone(), (file.sha256, room));
        let work = async move { this.load(&file, &remote, room).await };
        self.flights.join(key, work).await
    }

    /// A file of the cache with this digest; `None` if it is not there, damaged, or larger than `room`.
    pub async fn cached(&self, digest: Digest, room: u64) -> Result<Option<Bytes>, PackageError> {
        let Some(size) = self.store.size(digest).await? else {
            return Ok(None);
        };
        if size > room {
            return Ok(None);
        }
        if let Some(held) = self.held(digest) {
            return Ok(Some(held));
        }
        let share = self.share(size).await;
        let bytes = self.store.get(digest).await?;
        Ok(bytes.map(|bytes| self.hold(digest, bytes, share)))
    }

    async fn read_local(&self, file: LocalFile, room: u64) -> Result<Bytes, PackageError> {
        let path = file.path.clone();
        let size = blocking(move || std::fs::metadata(path)).await?;
        let size =
            size.map_err(|error| PackageError::store("reading a local package file", &error));
        let size = size?.len();
        self.check(&file.name, size, room)?;
        if let Some(held) = self.held(file.sha256) {
            return Ok(held);
        }
        let share = self.share(size).await;
        let digest = file.sha256;
        let bytes = blocking(move || read(&file, size)).await??;
        Ok(self.hold(digest, bytes, share))
    }

    async fn load(
        &self,
        file: &RemoteFile,
        remote: &Remote,
        room: u64,
    ) -> Result<Bytes, PackageError> {
        if let Some(size) = file.size {
            self.check(&file.name, size, room)?;
        }
        if let Some(size) = self.store.size(file.sha256).await? {
            self.check(&file.name, size, room)?;
            if let Some(held) = self.held(file.sha256) {
                add(&self.counters.hits, 1);
                return Ok(held);
            }
            let share = self.share(size).await;
            if let Some(bytes) = self.store.get(file.sha256).await? {
                add(&self.counters.hits, 1);
                return Ok(self.hold(file.sha256, bytes, share));
            }
        }
        add(&self.counters.misses, 1);
        let fetched = self.download(file, remote, room).await;
        match &fetched {
            Ok(data) => {
                add(&self.counters.downloaded, data.len() as u64);
                tracing::info!(
                    file = file.name,
                    bytes = data.len(),
                    "fetched a package file"
                );
            }
            Err(error) => tracing::warn!(
                file = file.name,
                host = remote::host(&file.url),
                kind = error.kind(),
                error = error.in_full(),
                "could not fetch a package file"
            ),
        }
        fetched
    }

    async fn download(
        &self,
        file: &RemoteFile,
        remote: &Remote,
        room: u64,
    ) -> Result<Bytes, PackageError> {
        let mut incoming = self.store.incoming().await?;
        let request = Request {
            url: &file.url,
            remote,
            accept: None,
            limit: self.limit.min(room),
            what: &file.name,
        };
        match self.http.get(&request, &mut incoming).await {
            Err(PackageError::TooLarge { what, .. }) if room < self.limit => {
                return Err(PackageError::TooLargeForProgram { what, room });
            }
            got => got?,
        };
        let share = self.share(incoming.bytes).await;
        let bytes = self.store.keep(incoming, file.sha256, &file.name).await?;
        Ok(self.hold(file.sha256, bytes, share))
    }

    /// Whether a file of this size may be had at all, and by a caller with this room.
    fn check(&self, name: &str, size: u64, room: u64) -> Result<(), PackageError> {
        let what = || name.to_owned();
        if size > self.limit {
            let (what, limit) = (what(), self.limit);
            return Err(PackageError::TooLarge { what, limit });
        }
        if size > room {
            return Err(PackageError::TooLargeForProgram { what: what(), room });
        }
        Ok(())
    }

    /// Waits for memory for a file of this size. `None` never happens: the semaphore is not closed.
    async fn share(&self, size: u64) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(size.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        let share = self.memory.clone().acquire_many_owned(kib.min(MEMORY_KIB));
        share.await.ok()
    }

    /// A file that somebody has in memory.
    fn held(&self, digest: Digest) -> Option<Bytes> {
        let contents = guard(&self.in_memory).get(&digest)?.upgrade()?;
        Some(Bytes::from_owner(Held(contents)))
    }

    /// Keeps a file in memory for as long as somebody has what this returns.
    fn hold(&self, digest: Digest, bytes: Bytes, share: Option<OwnedSemaphorePermit>) -> Bytes {
        let contents = Arc::new(Contents {
            bytes,
            _share: share,
        });
        let mut in_memory = guard(&self.in_memory);
        in_memory.retain(|_, contents| contents.strong_count() > 0);
        in_memory.insert(digest, Arc::downgrade(&contents));
        drop(in_memory);
        Bytes::from_owner(Held(contents))
    }
}

/// Reads a file of this machine. Should it have grown beyond `size`, its digest is wrong.
fn read(file: &LocalFile, size: u64) -> Result<Bytes, PackageError> {
    let mut data = Vec::new();
    File::open(&file.path)
        .and_then(|opened| opened.take(size).read_to_end(&mut data))
        .map_err(|error| PackageError::store("reading a local package file", &error))?;
    let actual = Digest::of(&data);
    if actual != file.sha256 {
        let error = wrong_hash(&file.name, file.sha256, actual);
        tracing::warn!(path = %file.path.display(), error = error.in_full(), "refused a local package file");
        return Err(error);
    }
    Ok(data.into())
}
