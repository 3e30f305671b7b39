//! Packages for sandboxes, which have no network of their own.
//!
//! A sandbox asks by project and file name, never by address. The answers come from, in order, a
//! directory of wheels, Pyodide's own distribution and a package index. Every file is checked
//! against the sha256 that its source named before any of it is passed on.
//!
//! | files | their job |
//! | --- | --- |
//! | `settings`, `error`, `stats` | what goes in and out |
//! | `names`, `policy`, `digest` | what may be asked for |
//! | `sources`: `wheelhouse`, `distribution` + `lock`, `index` + `parse` + `listing` | who answers |
//! | `http`, `hosts`, `remote`, `retry` | asking over the network |
//! | `files`, `flight`, `store`, `weighted` | fetching a file once and keeping it |
//! | `unpacked` | what was made of wheels |
//! | `copies` | what was passed on, for machines that are cut off |
//! | `threads` | work that blocks, locks |

mod copies;
mod digest;
mod distribution;
mod error;
mod files;
mod flight;
mod hosts;
mod http;
mod index;
mod listing;
mod lock;
mod names;
mod parse;
mod policy;
mod remote;
mod retry;
mod settings;
mod sources;
mod stats;
mod store;
#[cfg(test)]
mod tests;
mod threads;
mod unpacked;
mod version;
mod weighted;
mod wheelhouse;

use std::sync::Arc;

use bytes::Bytes;

use names::Wanted;
use sources::Sources;
use threads::blocking;

pub use copies::WHEELS;
pub use copies::write_whole;
pub use digest::Digest;
pub use error::OpenError;
pub use error::PackageError;
pub use hosts::Hosts;
pub use hosts::Resolver;
pub use http::innermost;
pub use lock::LOCK_FILE;
pub use names::ProjectName;
pub use names::is_package_file;
pub use settings::PackageSettings;
pub use settings::WantedVersion;
pub use stats::PackageStats;
pub use version::VersionRange;

/// The package sources and their cache. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Packages {
    /// `None` if packages are turned off.
    sources: Option<Arc<Sources>>,
    /// Most bytes of an answer for who asks by this clone.
    room: u64,
}

impl std::fmt::Debug for Packages {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let enabled = self.sources.is_some();
        formatter
            .debug_struct("Packages")
            .field("enabled", &enabled)
            .finish()
    }
}

impl Packages {
    /// Sets up the sources and the cache, and cleans up what a crash left there.
    ///
    /// # Errors
    /// If a setting is invalid, or the cache directory or a lock file cannot be used.
    pub fn open(settings: &PackageSettings) -> Result<Self, OpenError> {
        let sources = if settings.enabled {
            Some(Arc::new(Sources::open(settings)?))
        } else {
            None
        };
        Ok(Self {
            sources,
            room: u64::MAX,
        })
    }

    /// No packages at all.
    pub fn none() -> Self {
        Self {
            sources: None,
            room: u64::MAX,
        }
    }

    /// The same packages for a program that may have so many bytes of memory: what does not fit is
    /// refused before it is read.
    #[must_use]
    pub fn within(&self, room: u64) -> Self {
        let sources = self.sources.clone();
        Self { sources, room }
    }

    /// Whether there is an index to ask.
    pub fn has_index(&self) -> bool {
        self.sources
            .as_ref()
            .is_some_and(|sources| sources.has_index())
    }

    /// The files of a project that can run here, as PEP 691 JSON. Their addresses are symbolic,
    /// `listing::FILE_URL_PREFIX` with `<project>/<file>`. The wheelhouse answers alone if it has the project.
    ///
    /// # Errors
    /// Any [`PackageError`]; [`PackageError::NoIndex`] if no index is set and the wheelhouse
    /// does not have it.
    pub async fn project(&self, name: &str) -> Result<Arc<str>, PackageError> {
        let sources = self.sources()?;
        let name = sources.allowed(name)?;
        let answer = sources.project(&name).await?;
        if answer.len() as u64 > self.room {
            return Err(PackageError::TooLargeForProgram {
                what: format!("the list of files of '{name}'"),
                room: self.room,
            });
        }
        Ok(answer)
    }

    /// A file that [`Self::project`] named, or its `.metadata`, verified. Asks the index again if
    /// its answer is not remembered.
    ///
    /// # Errors
    /// Any [`PackageError`]. A file that fails is not kept.
    pub async fn file(&self, project: &str, file: &str) -> Result<Bytes, PackageError> {
        let sources = self.sources()?;
        let project = sources.allowed(project)?;
        let wanted = Wanted::parse(&project, file)?;
        sources.file(&project, &wanted, self.room).await
    }

    /// A file of Pyodide's distribution, by the name in the lock file, verified.
    ///
    /// # Errors
    /// Any [`PackageError`]; [`PackageError::NotFound`] if the lock does not name it.
    pub async fn distribution_file(&self, file: &str) -> Result<Bytes, PackageError> {
        self.sources()?.distribution_file(file, self.room).await
    }

    /// Which of these packages are not available, since the distribution lacks a file that they need. What comes
    /// from the wheelhouse or an index is not looked at.
    pub async fn lacking(&self, requirements: &[String]) -> Vec<String> {
        let mut lacking = Vec::new();
        if let Some(sources) = &self.sources {
            for requirement in requirements {
                if let Ok(name) = ProjectName::parse(requirement)
                    && sources.is_lacking(&name).await
                {
                    lacking.push(requirement.clone());
                }
            }
        }
        lacking
    }

    /// Fetches what a set of these requirements will ask for one after the other, several files at once, as
    /// far as Pyodide's distribution has it. It ends when that is there, and has no errors: a request for a
    /// file says why it is not available.
    pub async fn fetch_ahead(&self, requirements: &[String]) {
        let named = requirements
            .iter()
            .flat_map(|text| ProjectName::parse(text));
        let named: Vec<ProjectName> = named.collect();
        if let Some(sources) = &self.sources {
            sources.fetch_ahead(named).await;
        }
    }

    /// What a file of Pyodide's distribution must be.
    ///
    /// # Errors
    /// As [`Self::distribution_file`].
    pub fn distribution_digest(&self, file: &str) -> Result<Digest, PackageError> {
        self.sources()?.distribution_digest(file)
    }

    /// What was made of the wheel with this digest, if it is there and there is room for it.
    ///
    /// # Errors
    /// [`PackageError::Disabled`], or one of the cache.
    pub async fn unpacked(&self, wheel: Digest) -> Result<Option<Bytes>, PackageError> {
        self.sources()?.unpacked().get(wheel, self.room).await
    }

    /// Keeps what was made of the wheel with this digest, for processes that install that wheel.
    ///
    /// # Errors
    /// As [`Self::unpacked`].
    pub async fn keep_unpacked(
        &self,
        wheel: Digest,
        pieces: Vec<Vec<u8>>,
    ) -> Result<(), PackageError> {
        self.sources()?.unpacked().keep(wheel, pieces).await
    }

    /// The digest of a file, which takes some ms.
    ///
    /// # Errors
    /// When this process ends.
    pub async fn digest_of(contents: Bytes) -> Result<Digest, PackageError> {
        blocking(move || Digest::of(&contents)).await
    }

    /// The normalised names of the distribution's packages that are allowed, in order.
    pub fn distribution_packages(&self) -> Vec<&str> {
        let sources = self.sources.iter();
        sources
            .flat_map(|sources| sources.distribution_packages())
            .map(ProjectName::as_str)
            .collect()
    }

    /// The package that provides a module which a program failed to import, if a source has it:
    /// the one that a lock file names for it, or else one of the same name.
    ///
    /// # Errors
    /// [`PackageError::Disabled`], or why the index, asked last, gave no answer.
    pub async fn provider(&self, module: &str) -> Result<Option<String>, PackageError> {
        let found = self.sources()?.provider(module).await?;
        Ok(found.map(|name| name.to_string()))
    }

    /// What to install for a top-level module, out of the operator's own sources: the wheelhouse and
    /// the distribution. These may be installed without being asked for; what an index calls by a module's
    /// name may be anybody's.
    ///
    /// # Errors
    /// [`PackageError::Disabled`], or an unreadable wheelhouse.
    pub async fn own_provider(&self, module: &str) -> Result<Option<String>, PackageError> {
        let sources = self.sources()?;
        let found = sources.own_provider(module).await?;
        Ok(found.map(|name| sources.requirement(&name)))
    }

    /// The files of the distribution that these projects and all that they need consist of, by project.
    ///
    /// # Errors
    /// [`PackageError::Disabled`], a forbidden name, or [`PackageError::NotFound`] for a project that the
    /// distribution does not have.
    pub fn distribution_files(
        &self,
        projects: &[&str],
    ) -> Result<Vec<(String, String)>, PackageError> {
        self.sources()?.distribution_files(projects)
    }

    /// Whether a process with the packages `installed` has those `wanted`, dependencies included.
    pub fn covers(&self, installed: &[ProjectName], wanted: &[ProjectName]) -> bool {
        let sources = self.sources.as_ref();
        sources.is_some_and(|sources| sources.covers(installed, wanted))
    }

    /// Whether the wheelhouse has a project.
    ///
    /// # Errors
    /// [`PackageError::Disabled`], an invalid or forbidden name, or an unreadable wheelhouse.
    pub async fn in_wheelhouse(&self, name: &str) -> Result<bool, PackageError> {
        let sources = self.sources()?;
        sources.in_wheelhouse(&sources.allowed(name)?).await
    }

    /// Counts so far. All zero if packages are turned off.
    pub fn stats(&self) -> PackageStats {
        let sources = self.sources.as_ref();
        sources.map_or_else(PackageStats::default, |sources| sources.stats())
    }

    fn sources(&self) -> Result<&Sources, PackageError> {
        self.sources.as_deref().ok_or(PackageError::Disabled)
    }
}
