//! Wheels that were unpacked and compiled ahead, by the sha256 of the wheel.
//!
//! They lie in the [`Store`], which bounds them together with all other files and checks them whenever they
//! are read. Beside it, `unpacked/VERSION/` has a small file for each wheel: named by its sha256, with the
//! sha256 of what was made of it. VERSION stands for the Pyodide and the format that it was made for.

use std::fs;
use std::io;
use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use bytes::Bytes;
use tempfile::NamedTempFile;

use super::digest::Digest;
use super::error::PackageError;
use super::files::Files;
use super::http::Sink;
use super::threads::blocking;

/// To be raised with each change of js/python/unpack.py, or of what js/python/wheels.mjs reads of it.
const FORMAT: u32 = 1;
/// Most entries of one version. Beyond it all are forgotten, and made again when they are needed.
const MAX_WHEELS: usize = 4096;

/// What was made of wheels.
pub struct Unpacked {
    files: Files,
    directory: PathBuf,
}

impl Unpacked {
    /// `lock`: the lock file of the Pyodide that runs here, which names its version and that of Python.
    /// Forgets what was made for others.
    ///
    /// # Errors
    /// When a file cannot be read, or removed.
    pub fn open(cache: &Path, lock: &Path, files: Files) -> io::Result<Self> {
        let version = Digest::of(&[&FORMAT.to_le_bytes(), &*fs::read(lock)?].concat());
        let all = cache.join("unpacked");
        let directory = all.join(version.to_string());
        fs::create_dir_all(&directory)?;
        for entry in fs::read_dir(all)? {
            let path = entry?.path();
            if path != directory {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(Self { files, directory })
    }

    /// Whether something was made of a wheel and is there.
    pub async fn has(&self, wheel: Digest) -> Result<bool, PackageError> {
        match self.made_of(wheel).await? {
            Some(made) => Ok(self.files.store.size(made).await?.is_some()),
            None => Ok(false),
        }
    }

    /// What was made of a wheel, if it is there, intact and fits into so much room.
    pub async fn get(&self, wheel: Digest, room: u64) -> Result<Option<Bytes>, PackageError> {
        match self.made_of(wheel).await? {
            Some(made) => self.files.cached(made, room).await,
            None => Ok(None),
        }
    }

    /// The digest of what was made of a wheel; it may have been evicted.
    async fn made_of(&self, wheel: Digest) -> Result<Option<Digest>, PackageError> {
        let path = self.entry(wheel);
        let made = blocking(move || read_digest(&path)).await?;
        made.map_err(|error| PackageError::store("reading the cache", &error))
    }

    /// Keeps what was made of a wheel, which comes in pieces.
    pub async fn keep(&self, wheel: Digest, pieces: Vec<Vec<u8>>) -> Result<(), PackageError> {
        let failed = |error| PackageError::store("keeping an unpacked wheel", &error);
        let mut incoming = self.files.store.incoming().await?;
        for piece in pieces {
            incoming.write(&piece.into()).await.map_err(failed)?;
        }
        let made = incoming.digest();
        let name = format!("what was made of {wheel}");
        self.files.store.keep(incoming, made, &name).await?;
        let (directory, path) = (self.directory.clone(), self.entry(wheel));
        let written = blocking(move || write_digest(&directory, &path, made)).await?;
        written.map_err(failed)
    }

    fn entry(&self, wheel: Digest) -> PathBuf {
        self.directory.join(wheel.to_string())
    }
}

/// The digest that a file holds; `None` if there is none.
fn read_digest(path: &Path) -> io::Result<Option<Digest>> {
    let mut text = String::new();
    match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?.take(64).read_to_string(&mut text)?,
    };
    Ok(Digest::parse(&text))
}

/// Writes it all at once, so that a crash leaves nothing half done.
fn write_digest(directory: &Path, path: &Path, digest: Digest) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    if fs::read_dir(directory)?.count() >= MAX_WHEELS {
        fs::remove_dir_all(directory)?;
        fs::create_dir_all(directory)?;
    }
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(digest.to_string().as_bytes())?;
    file.persist(path)?;
    Ok(())
}
