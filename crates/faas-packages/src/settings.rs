//! Settings of the package sources, which the operator decides.

use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use super::lock::own_lock;
use super::version::VersionRange;

/// Which versions of a project will do.
#[derive(Clone, Debug)]
pub struct WantedVersion {
    /// The setting that says so.
    pub setting: &'static str,
    pub project: &'static str,
    pub range: VersionRange,
}

/// Settings of the package sources. [`PackageSettings::new`] has the defaults.
#[derive(Clone)]
pub struct PackageSettings {
    /// If false, every request is refused at once and the rest is ignored.
    pub enabled: bool,
    /// A directory of wheels, asked first (`FAAS_WHEELHOUSE`).
    pub wheelhouse: Option<PathBuf>,
    /// Pyodide's distribution: a directory or an http(s) address (`FAAS_PYODIDE_PACKAGES`). A
    /// `pyodide-lock.json` in the directory takes precedence over [`Self::bundled_lock`].
    pub distribution: Option<String>,
    /// A directory with files of the distribution that were fetched ahead, used before those of an address,
    /// and alone without one.
    pub prepared: Option<PathBuf>,
    /// The lock file of the bundled Pyodide.
    pub bundled_lock: PathBuf,
    /// Base address of a package index with a Simple API, in JSON or HTML (`FAAS_PACKAGE_INDEX`).
    /// `user:password@` in it becomes basic authentication for its own origin only.
    pub index: Option<String>,
    /// How long an answer of the index is used without asking again.
    pub index_fresh_for: Duration,
    /// Further hosts that may be asked, with a port if it is not the web's (`FAAS_PACKAGE_HOSTS`).
    pub hosts: Vec<String>,
    /// If set, only these projects, and so all their dependencies, may be used
    /// (`FAAS_PACKAGE_ALLOW`). Names may be written as people write them.
    pub allow: Option<Vec<String>>,
    /// Projects that may not be used, even if allowed (`FAAS_PACKAGE_DENY`).
    pub deny: Vec<String>,
    /// Versions that are wanted of some projects. The distribution has one of each and comes first; a range
    /// that it is not in is warned of.
    pub versions: Vec<WantedVersion>,
    /// A directory that gets a copy of each file that is passed on. It can be the distribution of another
    /// machine then, and [`crate::WHEELS`] in it that machine's wheelhouse.
    pub copies: Option<PathBuf>,
    /// Where fetched files are kept.
    pub cache_dir: PathBuf,
    /// Most bytes to keep there; the least recently used files are evicted first.
    pub cache_bytes: u64,
    /// Most bytes of one file.
    pub max_file_bytes: u64,
    /// Longest whole time for one answer or file, retries included.
    pub timeout: Duration,
    /// How often to retry after a temporary failure.
    pub retries: u32,
}

impl PackageSettings {
    /// The defaults: packages are on, but there is no source yet; 2 GiB of cache, files of at
    /// most 256 MiB, 60 seconds and 3 retries for each, index answers used for 5 minutes.
    pub fn new(bundled_lock: PathBuf, cache_dir: PathBuf) -> Self {
        Self {
            enabled: true,
            wheelhouse: None,
            distribution: None,
            prepared: None,
            bundled_lock,
            index: None,
            index_fresh_for: Duration::from_mins(5),
            hosts: Vec::new(),
            allow: None,
            deny: Vec::new(),
            versions: Vec::new(),
            copies: None,
            cache_dir,
            cache_bytes: 2 << 30,
            max_file_bytes: 256 << 20,
            timeout: Duration::from_mins(1),
            retries: 3,
        }
    }
}

impl PackageSettings {
    /// Where the distribution is: without an address, what was fetched ahead is all of it.
    pub fn distribution_or_prepared(&self) -> Option<&str> {
        let prepared = self.prepared.as_deref().filter(|path| path.is_dir());
        let prepared = prepared.and_then(Path::to_str);
        self.distribution.as_deref().or(prepared)
    }

    /// The lock file of the distribution that packages may come from. `None` without one.
    pub fn distribution_lock(&self) -> Option<PathBuf> {
        let distribution = self.distribution_or_prepared()?;
        Some(own_lock(distribution).unwrap_or_else(|| self.bundled_lock.clone()))
    }
}

/// Leaves the addresses out: they may hold credentials.
impl fmt::Debug for PackageSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = |address: &Option<String>| address.as_ref().map(|_| "…");
        formatter
            .debug_struct("PackageSettings")
            .field("enabled", &self.enabled)
            .field("wheelhouse", &self.wheelhouse)
            .field("distribution", &set(&self.distribution))
            .field("index", &set(&self.index))
            .field("allow", &self.allow)
            .field("deny", &self.deny)
            .field("cache_dir", &self.cache_dir)
            .finish_non_exhaustive()
    }
}
