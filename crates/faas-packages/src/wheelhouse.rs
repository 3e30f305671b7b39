//! A directory of wheels on this machine.

use std::collections::HashMap;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::SystemTime;

use bytes::Bytes;
use sha2::Digest as _;
use sha2::Sha256;

use super::digest::Digest;
use super::error::PackageError;
use super::files::Files;
use super::files::LocalFile;
use super::listing::ListedFile;
use super::listing::render;
use super::names::ProjectName;
use super::names::WheelName;
use super::threads::blocking;
use super::threads::guard;

/// Wheels may be added and replaced while the server runs. Cheap to clone.
#[derive(Clone)]
pub struct Wheelhouse(Arc<Inner>);

struct Inner {
    directory: PathBuf,
    /// Digests by file name, so that a wheel is hashed once and not for every answer.
    hashed: Mutex<HashMap<String, (Stamp, Digest)>>,
}

/// A file counts as unchanged while its stamp is the same.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    size: u64,
}

impl Wheelhouse {
    pub fn new(directory: PathBuf) -> Self {
        let hashed = Mutex::default();
        Self(Arc::new(Inner { directory, hashed }))
    }

    /// Whether there is a wheel of this project that can run here.
    pub async fn has(&self, project: &ProjectName) -> Result<bool, PackageError> {
        let project = project.clone();
        self.with(move |inner| Ok(!inner.wheels(&project)?.is_empty()))
            .await
    }

    /// The PEP 691 answer for a project, if there is a wheel of it that can run here.
    pub async fn project(&self, project: &ProjectName) -> Result<Option<Arc<str>>, PackageError> {
        let project = project.clone();
        self.with(move |inner| {
            let wheels = inner.wheels(&project)?;
            let mut listed = Vec::new();
            for wheel in &wheels {
                let (stamp, digest) = inner.hash(&wheel.file)?;
                let (digest, size) = (Some(digest), Some(stamp.size));
                listed.push(ListedFile::new(&project, &wheel.file, digest, size, None));
            }
            Ok((!listed.is_empty()).then(|| render(&project, &listed)))
        })
        .await
    }

    /// The contents of a wheel, if the directory has it.
    pub async fn read(
        &self,
        wheel: &WheelName,
        files: &Files,
        room: u64,
    ) -> Result<Option<Bytes>, PackageError> {
        let name = wheel.file.clone();
        let hash = move |inner: &Inner| match inner.hash(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            hashed => hashed.map(Some),
        };
        let Some((_, sha256)) = self.with(hash).await? else {
            return Ok(None);
        };
        let file = LocalFile {
            name: wheel.file.clone(),
            path: self.0.directory.join(&wheel.file),
            sha256,
        };
        let read = files.read(file, room).await;
        if let Err(PackageError::WrongHash { .. }) = read {
            // Changed without a new stamp. Forget it, so that the next answer is right.
            guard(&self.0.hashed).remove(&wheel.file);
        }
        read.map(Some)
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> Result<T, PackageError> {
        let inner = self.0.clone();
        blocking(move || work(&inner))
            .await?
            .map_err(|error| PackageError::store("reading the wheelhouse", &error))
    }
}

impl Inner {
    fn wheels(&self, project: &ProjectName) -> io::Result<Vec<WheelName>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let wheel = entry.file_name().to_str().and_then(WheelName::parse);
            if let Some(wheel) = wheel
                && wheel.runs_here
                && wheel.project == *project
                && entry.path().is_file()
            {
                found.push(wheel);
            }
        }
        Ok(found)
    }

    /// A file's digest; hashes it only if it changed.
    fn hash(&self, name: &str) -> io::Result<(Stamp, Digest)> {
        let mut file = File::open(self.directory.join(name))?;
        let metadata = file.metadata()?;
        let (modified, size) = (metadata.modified()?, metadata.len());
        let stamp = Stamp { modified, size };
        if let Some((before, digest)) = guard(&self.hashed).get(name)
            && *before == stamp
        {
            return Ok((stamp, *digest));
        }
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
        let digest = Digest::finish(hasher);
        guard(&self.hashed).insert(name.to_owned(), (stamp, digest));
        Ok((stamp, digest))
    }
}
