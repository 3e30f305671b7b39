//! Contents by their sha256: from the cache, from this machine, or from their source.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use url::Url;

use super::blocking;
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

/// A file that a source on the network named.
#[derive(Debug, Clone)]
pub struct RemoteFile {
    /// Its name, for messages.
    pub name: String,
    pub url: Url,
    pub sha256: Digest,
}

/// A file on this machine.
#[derive(Debug, Clone)]
pub struct LocalFile {
    /// Its name, for messages.
    pub name: String,
    pub path: PathBuf,
    pub sha256: Digest,
}

/// Reads and fetches files. Everything it returns has the requested sha256. If many callers ask
/// for the same contents at once, they are read or fetched once.
///
/// Cheap to clone; every clone shares the cache and the work in progress.
#[derive(Clone)]
pub struct Files {
    pub http: Arc<Http>,
    pub store: Arc<Store>,
    pub counters: Arc<Counters>,
    /// Most bytes of one file.
    pub limit: u64,
    flights: Arc<SingleFlight<Digest, Bytes>>,
}

impl Files {
    pub fn new(http: Arc<Http>, store: Arc<Store>, counters: Arc<Counters>, limit: u64) -> Self {
        Self {
            http,
            store,
            counters,
            limit,
            flights: Arc::new(SingleFlight::new()),
        }
    }

    /// A file of this machine. It is not copied into the cache.
    pub async fn read(&self, file: LocalFile) -> Result<Bytes, PackageError> {
        let (key, limit) = (file.sha256, self.limit);
        let work = async move { blocking(move || read(&file, limit)).await? };
        self.flights.join(key, work).await
    }

    /// A file from the network, or from the cache.
    pub async fn fetch(
        &self,
        file: RemoteFile,
        remote: Arc<Remote>,
    ) -> Result<Bytes, PackageError> {
        let (this, key) = (self.clone(), file.sha256);
        let work = async move { this.load(&file, &remote).await };
        self.flights.join(key, work).await
    }

    async fn load(&self, file: &RemoteFile, remote: &Remote) -> Result<Bytes, PackageError> {
        if let Some(data) = self.store.get(file.sha256).await? {
            add(&self.counters.hits, 1);
            return Ok(data);
        }
        add(&self.counters.misses, 1);
        let fetched = self.download(file, remote).await;
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
                %error,
                "could not fetch a package file"
            ),
        }
        fetched
    }

    async fn download(&self, file: &RemoteFile, remote: &Remote) -> Result<Bytes, PackageError> {
        let mut incoming = self.store.incoming().await?;
        let request = Request {
            url: &file.url,
            remote,
            accept: None,
            limit: self.limit,
            what: &file.name,
        };
        self.http.get(&request, &mut incoming).await?;
        self.store.keep(incoming, file.sha256, &file.name).await
    }
}

fn read(file: &LocalFile, limit: u64) -> Result<Bytes, PackageError> {
    let mut data = Vec::new();
    File::open(&file.path)
        .and_then(|opened| opened.take(limit.saturating_add(1)).read_to_end(&mut data))
        .map_err(|error| PackageError::store("reading a local package file", &error))?;
    if data.len() as u64 > limit {
        let what = file.name.clone();
        return Err(PackageError::TooLarge { what, limit });
    }
    let actual = Digest::of(&data);
    if actual != file.sha256 {
        let error = wrong_hash(&file.name, file.sha256, actual);
        tracing::warn!(path = %file.path.display(), %error, "refused a local package file");
        return Err(error);
    }
    Ok(data.into())
}
