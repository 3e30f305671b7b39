//! Pyodide's own distribution: the files that its lock names, from a directory or a mirror.

use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::digest::Digest;
use super::error::DISTRIBUTION_SETTING;
use super::error::OpenError;
use super::error::PackageError;
use super::files::Files;
use super::files::LocalFile;
use super::files::RemoteFile;
use super::lock::Lock;
use super::lock::own_lock;
use super::names::ProjectName;
use super::names::invalid;
use super::names::is_package_file;
use super::remote::Remote;

/// Where the files come from.
enum Source {
    Directory(PathBuf),
    /// What the directory does not have comes from the mirror.
    Mirror(Arc<Remote>, Option<PathBuf>),
}

pub struct Distribution {
    source: Source,
    lock: Arc<Lock>,
}

impl Distribution {
    /// `bundled` is the lock of the Pyodide that this server runs. A directory's own lock takes
    /// precedence; a mirror serves files only.
    pub fn open(
        address: &str,
        prepared: Option<&Path>,
        bundled: &Arc<Lock>,
    ) -> Result<Self, OpenError> {
        if address.starts_with("http://") || address.starts_with("https://") {
            let remote = Remote::parse(DISTRIBUTION_SETTING, address)?;
            return Ok(Self {
                source: Source::Mirror(Arc::new(remote), prepared.map(Path::to_owned)),
                lock: bundled.clone(),
            });
        }
        let directory = PathBuf::from(address);
        if !directory.is_dir() {
            return Err(OpenError::Setting {
                setting: DISTRIBUTION_SETTING,
                problem: "is neither a directory nor an http(s) address".into(),
            });
        }
        let lock = match own_lock(address) {
            Some(own) => Arc::new(Lock::read(&own)?),
            None => bundled.clone(),
        };
        Ok(Self {
            source: Source::Directory(directory),
            lock,
        })
    }

    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The mirror, if it is one.
    pub fn remote(&self) -> Option<&Remote> {
        match &self.source {
            Source::Mirror(remote, _) => Some(remote),
            Source::Directory(_) => None,
        }
    }

    /// Whether a file has to come over the network.
    pub fn is_elsewhere(&self, name: &str) -> bool {
        match &self.source {
            Source::Directory(_) => false,
            Source::Mirror(_, prepared) => {
                !(prepared.as_ref()).is_some_and(|prepared| prepared.join(name).is_file())
            }
        }
    }

    /// The project that a file belongs to, and what the file must be.
    pub fn locked(&self, name: &str) -> Result<(&ProjectName, Digest), PackageError> {
        if !is_package_file(name) {
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
    pub async fn read(
        &self,
        name: &str,
        sha256: Digest,
        files: &Files,
        room: u64,
    ) -> Result<Bytes, PackageError> {
        let missing = || {
            PackageError::NotFound(format!(
                "'{name}' is in the lock file of Pyodide's distribution but not in the place that \
                 this server's FAAS_PYODIDE_PACKAGES names"
            ))
        };
        match &self.source {
            Source::Mirror(_, Some(prepared)) if prepared.join(name).is_file() => {
                let (path, name) = (prepared.join(name), name.to_owned());
                files.read(LocalFile { name, path, sha256 }, room).await
            }
            Source::Mirror(remote, _) => {
                let file = RemoteFile {
                    name: name.to_owned(),
                    url: remote.below(name),
                    sha256,
                    size: None,
                };
                match files.fetch(file, Arc::clone(remote), room).await {
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
                files.read(LocalFile { name, path, sha256 }, room).await
            }
        }
    }
}
