//! Pyodide's own distribution: the files that its lock names, from a directory or a mirror.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    digest::Digest,
    error::{OpenError, PackageError},
    files::{Files, LocalFile, RemoteFile},
    http::{Http, Request},
    lock::Lock,
    names::{ProjectName, invalid, is_file_name},
    remote::Remote,
    settings::PackageSettings,
};

const SETTING: &str = "FAAS_PYODIDE_PACKAGES";
const LOCK_FILE: &str = "pyodide-lock.json";
const MAX_LOCK: u64 = 16 << 20;

/// Where the files come from.
enum Source {
    Directory(PathBuf),
    Mirror(Arc<Remote>),
}

pub(super) struct Distribution {
    source: Source,
    lock: Arc<Lock>,
}

impl Distribution {
    /// `bundled` is the lock of the Pyodide that this server runs. A directory's own lock goes
    /// before it, and a mirror's if the settings ask for that.
    pub(super) async fn open(
        address: &str,
        settings: &PackageSettings,
        bundled: &Arc<Lock>,
        http: &Http,
    ) -> Result<Self, OpenError> {
        if address.starts_with("http://") || address.starts_with("https://") {
            let remote = Remote::parse(SETTING, address)?;
            let lock = if settings.lock_from_mirror {
                Arc::new(fetch_lock(&remote, http).await?)
            } else {
                Arc::clone(bundled)
            };
            let source = Source::Mirror(Arc::new(remote));
            return Ok(Self { source, lock });
        }
        let directory = PathBuf::from(address);
        if !directory.is_dir() {
            return Err(OpenError::Setting {
                setting: SETTING,
                problem: "is neither a directory nor an http(s) address".into(),
            });
        }
        let own = directory.join(LOCK_FILE);
        let lock = if own.exists() {
            Arc::new(read_lock(&own)?)
        } else {
            Arc::clone(bundled)
        };
        Ok(Self {
            source: Source::Directory(directory),
            lock,
        })
    }

    pub(super) fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The project that a file belongs to, and what the file must be.
    pub(super) fn locked(&self, name: &str) -> Result<(&ProjectName, Digest), PackageError> {
        if !is_file_name(name) {
            return Err(invalid("file", name));
        }
        let missing = || {
            PackageError::NotFound(format!(
                "the lock file of Pyodide's distribution names no file '{name}'"
            ))
        };
        let file = self.lock.file(name).ok_or_else(missing)?;
        Ok((&file.project, file.sha256))
    }

    /// The contents of a file that [`Self::locked`] found.
    pub(super) async fn read(
        &self,
        name: &str,
        sha256: Digest,
        files: &Files,
    ) -> Result<Bytes, PackageError> {
        let missing = || {
            PackageError::NotFound(format!(
                "'{name}' is in the lock file of Pyodide's distribution but not in the place that \
                 this server's FAAS_PYODIDE_PACKAGES names"
            ))
        };
        match &self.source {
            Source::Mirror(remote) => {
                let file = RemoteFile {
                    name: name.to_owned(),
                    url: remote.below(name),
                    sha256,
                };
                match files.fetch(file, Arc::clone(remote)).await {
                    Err(PackageError::Status {
                        status: 404 | 410, ..
                    }) => Err(missing()),
                    fetched => fetched,
                }
            }
            Source::Directory(directory) => {
                let path = directory.join(name);
                if !path.is_file() {
                    return Err(missing());
                }
                let name = name.to_owned();
                files.read(LocalFile { name, path, sha256 }).await
            }
        }
    }
}

/// Reads a lock file of this machine.
pub(super) fn read_lock(path: &Path) -> Result<Lock, OpenError> {
    let failed = |problem: String| OpenError::Lock {
        path: path.display().to_string(),
        problem,
    };
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    Lock::parse(text).map_err(failed)
}

async fn fetch_lock(remote: &Remote, http: &Http) -> Result<Lock, OpenError> {
    let failed = |problem: String| OpenError::Lock {
        path: format!("of {}", remote.host()),
        problem,
    };
    let request = Request {
        url: &remote.below(LOCK_FILE),
        remote,
        accept: Some("application/json"),
        limit: MAX_LOCK,
        what: LOCK_FILE,
    };
    let mut body = Vec::new();
    http.get(&request, &mut body)
        .await
        .map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8(body).map_err(|error| failed(error.to_string()))?;
    Lock::parse(text).map_err(failed)
}
