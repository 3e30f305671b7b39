//! The configured sources, asked in order: wheelhouse, distribution, index.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;

use super::copies::Copies;
use super::digest::Digest;
use super::distribution::Distribution;
use super::error::OpenError;
use super::error::PackageError;
use super::files::Files;
use super::files::RemoteFile;
use super::hosts::Hosts;
use super::http::Http;
use super::index::Index;
use super::listing::IndexFile;
use super::listing::Project;
use super::lock::Lock;
use super::names::ProjectName;
use super::names::Wanted;
use super::policy::Policy;
use super::remote::Remote;
use super::settings::PackageSettings;
use super::settings::WantedVersion;
use super::stats::Counters;
use super::stats::PackageStats;
use super::store::Store;
use super::unpacked::Unpacked;
use super::version::VersionRange;
use super::wheelhouse::Wheelhouse;

/// Files that are fetched ahead at once. With two sets installed at once, few enough for any mirror.
const FETCHED_AT_ONCE: usize = 4;

pub struct Sources {
    policy: Policy,
    wheelhouse: Option<Wheelhouse>,
    distribution: Option<Distribution>,
    index: Option<Index>,
    files: Files,
    unpacked: Unpacked,
    copies: Option<Copies>,
    /// Versions that are wanted.
    ranges: HashMap<ProjectName, VersionRange>,
    /// Knows which project provides which module, even without a distribution.
    bundled_lock: Arc<Lock>,
}

impl Sources {
    pub fn open(settings: &PackageSettings) -> Result<Self, OpenError> {
        let policy = Policy::new(settings.allow.as_deref(), &settings.deny)?;
        let bundled_lock = Arc::new(Lock::read(&settings.bundled_lock)?);
        let wheelhouse = match &settings.wheelhouse {
            Some(directory) if !directory.is_dir() => {
                return Err(OpenError::Setting {
                    setting: "FAAS_WHEELHOUSE",
                    problem: format!("is not a directory: {}", directory.display()),
                });
            }
            directory => directory.clone().map(Wheelhouse::new),
        };
        let distribution = match settings.distribution_or_prepared() {
            Some(address) => Some(Distribution::open(
                address,
                settings.prepared.as_deref(),
                &bundled_lock,
            )?),
            None => None,
        };
        let locked = distribution.as_ref().map(Distribution::lock);
        let ranges = wanted_versions(&settings.versions, locked)?;
        let index = match &settings.index {
            Some(address) => Some(Remote::parse("FAAS_PACKAGE_INDEX", address)?),
            None => None,
        };
        if index.as_ref().is_some_and(Remote::is_open_to_others) {
            tracing::warn!(
                "FAAS_PACKAGE_INDEX is an http:// address: who is between it and this server decides \
                 what is installed; use https://"
            );
        }
        let remotes = index
            .iter()
            .chain(distribution.as_ref().and_then(Distribution::remote));
        let hosts = Arc::new(Hosts::new(remotes.map(Remote::base), &settings.hosts)?);
        let http = Arc::new(Http::new(settings.timeout, settings.retries, hosts)?);
        let index = index.map(|remote| Index::new(http.clone(), remote, settings.index_fresh_for));
        let counters = Arc::<Counters>::default();
        let cache = &settings.cache_dir;
        let store = Store::open(cache, settings.cache_bytes, counters.clone());
        let store = store.map_err(|source| OpenError::Cache {
            path: cache.clone(),
            source,
        })?;
        let files = Files::new(http, Arc::new(store), counters, settings.max_file_bytes);
        let unpacked = Unpacked::open(cache, &settings.bundled_lock, files.clone());
        let unpacked = unpacked.map_err(|source| OpenError::Cache {
            path: cache.clone(),
            source,
        })?;
        Ok(Self {
            policy,
            wheelhouse,
            distribution,
            index,
            files,
            unpacked,
            copies: settings.copies.clone().map(Copies::new),
            ranges,
            bundled_lock,
        })
    }

    /// How to ask for a project: in the versions that are wanted, if there is a choice.
    pub fn requirement(&self, name: &ProjectName) -> String {
        let is_locked = self.lock().is_some_and(|lock| lock.version(name).is_some());
        match self.ranges.get(name) {
            Some(range) if !is_locked => format!("{name}{range}"),
            _ => name.to_string(),
        }
    }

    /// Checks a project's name, and whether the policy lets it be used.
    pub fn allowed(&self, name: &str) -> Result<ProjectName, PackageError> {
        let name = ProjectName::parse(name)?;
        self.policy.check(&name)?;
        Ok(name)
    }

    pub async fn in_wheelhouse(&self, name: &ProjectName) -> Result<bool, PackageError> {
        match &self.wheelhouse {
            Some(wheelhouse) => wheelhouse.has(name).await,
            None => Ok(false),
        }
    }

    pub async fn project(&self, name: &ProjectName) -> Result<Arc<str>, PackageError> {
        if let Some(wheelhouse) = &self.wheelhouse
            && let Some(answer) = wheelhouse.project(name).await?
        {
            return Ok(answer);
        }
        match &self.index {
            Some(index) => Ok(Arc::clone(&index.project(name).await?.json)),
            None => Err(self.no_index(name)),
        }
    }

    pub async fn file(
        &self,
        project: &ProjectName,
        wanted: &Wanted,
        room: u64,
    ) -> Result<Bytes, PackageError> {
        let contents = self.listed_file(project, wanted, room).await?;
        if let Some(copies) = &self.copies
            && !wanted.metadata
        {
            copies.keep_wheel(&wanted.wheel.file, &contents).await?;
        }
        Ok(contents)
    }

    async fn listed_file(
        &self,
        project: &ProjectName,
        wanted: &Wanted,
        room: u64,
    ) -> Result<Bytes, PackageError> {
        if !wanted.wheel.runs_here {
            return Err(PackageError::UnsupportedWheel(wanted.wheel.file.clone()));
        }
        if let Some(wheelhouse) = &self.wheelhouse
            && wheelhouse.has(project).await?
        {
            let found = if wanted.metadata {
                None
            } else {
                wheelhouse.read(&wanted.wheel, &self.files, room).await?
            };
            return found.ok_or_else(|| not_named("the wheelhouse", &wanted.file()));
        }
        let index = self.index.as_ref().ok_or_else(|| self.no_index(project))?;
        let file = self.indexed(index, project, wanted).await?;
        self.files.fetch(file, index.remote(), room).await
    }

    /// The wanted file of an index answer, from memory or from a new answer.
    async fn indexed(
        &self,
        index: &Index,
        project: &ProjectName,
        wanted: &Wanted,
    ) -> Result<RemoteFile, PackageError> {
        let name = wanted.file();
        let missing = || not_named("the package index", &name);
        let in_answer = |answer: Arc<Project>| answer.files.get(&wanted.wheel.file).cloned();
        let known = index.known(project).and_then(in_answer);
        let IndexFile {
            mut url,
            sha256,
            metadata_sha256,
            size,
        } = match known {
            Some(file) => file,
            None => in_answer(index.project(project).await?).ok_or_else(missing)?,
        };
        if wanted.metadata {
            let sha256 = metadata_sha256.ok_or_else(missing)?;
            url.set_path(&format!("{}.metadata", url.path()));
            let size = None;
            return Ok(RemoteFile {
                name,
                url,
                sha256,
                size,
            });
        }
        let limit = self.files.limit;
        if size.is_some_and(|size| size > limit) {
            return Err(PackageError::TooLarge { what: name, limit });
        }
        let Some(sha256) = sha256 else {
            tracing::warn!(file = name, "the package index gives no sha256");
            return Err(PackageError::NoHash(name));
        };
        Ok(RemoteFile {
            name,
            url,
            sha256,
            size,
        })
    }

    pub fn has_index(&self) -> bool {
        self.index.is_some()
    }

    fn no_index(&self, name: &ProjectName) -> PackageError {
        match self.lock().and_then(|lock| lock.version(name)) {
            Some(version) => PackageError::NotFound(format!(
                "'{name}' comes from Pyodide's distribution, at version {version} only: ask for \
                 it without another version"
            )),
            None => PackageError::NoIndex(name.to_string()),
        }
    }

    pub async fn distribution_file(&self, file: &str, room: u64) -> Result<Bytes, PackageError> {
        let distribution = self.distribution.as_ref().ok_or_else(no_distribution)?;
        let (project, sha256) = distribution.locked(file)?;
        self.policy.check(project)?;
        let contents = distribution.read(file, sha256, &self.files, room).await?;
        if let Some(copies) = &self.copies {
            copies.keep_locked(file, &contents).await?;
        }
        Ok(contents)
    }

    /// Fetches from the distribution's mirror what these projects and all that they need consist of, several
    /// files at once. What cannot be fetched fails when it is asked for.
    pub async fn fetch_ahead(&self, projects: impl IntoIterator<Item = ProjectName>) {
        let Some(distribution) = &self.distribution else {
            return;
        };
        let lock = distribution.lock();
        let mut files = Vec::new();
        for name in lock.with_dependencies(projects) {
            if let Some(file) = lock.file_of(&name)
                && distribution.is_elsewhere(file)
            {
                files.push(self.fetch_if_missing(file.to_owned()));
            }
        }
        let mut fetched = stream::iter(files).buffer_unordered(FETCHED_AT_ONCE);
        while let Some(outcome) = fetched.next().await {
            let _: Result<(), PackageError> = outcome;
        }
    }

    /// Whether the distribution should have a project and a file that it needs is not available.
    pub async fn is_lacking(&self, name: &ProjectName) -> bool {
        let Some(lock) = self.lock().filter(|lock| lock.version(name).is_some()) else {
            return false;
        };
        if self.in_wheelhouse(name).await.unwrap_or(false) {
            return false;
        }
        for needed in lock.with_dependencies([name.clone()]) {
            if let Some(file) = lock.file_of(&needed)
                && self.fetch_if_missing(file.to_owned()).await.is_err()
            {
                return true;
            }
        }
        false
    }

    /// Fetches a file of the distribution, unless it or what was made of it is in the cache.
    async fn fetch_if_missing(&self, file: String) -> Result<(), PackageError> {
        let sha256 = self.distribution_digest(&file)?;
        if self.unpacked.has(sha256).await? || self.files.store.size(sha256).await?.is_some() {
            return Ok(());
        }
        self.distribution_file(&file, u64::MAX).await.map(|_| ())
    }

    pub fn distribution_digest(&self, file: &str) -> Result<Digest, PackageError> {
        let distribution = self.distribution.as_ref().ok_or_else(no_distribution)?;
        let (project, sha256) = distribution.locked(file)?;
        self.policy.check(project)?;
        Ok(sha256)
    }

    pub fn unpacked(&self) -> &Unpacked {
        &self.unpacked
    }

    /// The files of these projects and of all that they need, by project.
    pub fn distribution_files(
        &self,
        projects: &[&str],
    ) -> Result<Vec<(String, String)>, PackageError> {
        let lock = self.lock().ok_or_else(no_distribution)?;
        let mut wanted = Vec::new();
        for text in projects {
            let name = self.allowed(text)?;
            if lock.version(&name).is_none() {
                let sentence = format!("Pyodide's distribution has no package '{name}'");
                return Err(PackageError::NotFound(sentence));
            }
            wanted.push(name);
        }
        let all = lock.with_dependencies(wanted).into_iter();
        let files =
            all.filter_map(|name| Some((name.to_string(), lock.file_of(&name)?.to_owned())));
        Ok(files.collect())
    }

    /// The lock file of the distribution.
    pub fn lock(&self) -> Option<&Lock> {
        self.distribution.as_ref().map(Distribution::lock)
    }

    pub fn distribution_packages(&self) -> impl Iterator<Item = &ProjectName> {
        let projects = self.lock().into_iter().flat_map(Lock::projects);
        projects.filter(|name| self.policy.allows(name))
    }

    pub async fn provider(&self, module: &str) -> Result<Option<ProjectName>, PackageError> {
        for name in self.providers(module.split('.').next().unwrap_or_default()) {
            if self.have(&name).await? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// The package that provides a module, out of the operator's own sources: the wheelhouse, and what the
    /// lock file names for it. What an index calls by the same name may be anybody's.
    pub async fn own_provider(&self, module: &str) -> Result<Option<ProjectName>, PackageError> {
        for name in self.providers(module) {
            let is_locked = self.lock().and_then(|lock| lock.provider(module)) == Some(&name);
            if is_locked || self.in_wheelhouse(&name).await? {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Whether what is installed for `installed` has all of `wanted`, both without versions: because it is
    /// named, or because the distribution says that something named needs it.
    pub fn covers(&self, installed: &[ProjectName], wanted: &[ProjectName]) -> bool {
        if wanted.iter().all(|name| installed.contains(name)) {
            return true;
        }
        // A local wheel may need other things than the distribution's of the same name.
        let lock = self.lock().filter(|_| self.wheelhouse.is_none());
        lock.is_some_and(|lock| {
            let there = lock.with_dependencies(installed.iter().cloned());
            wanted
                .iter()
                .all(|name| there.contains(name) || installed.contains(name))
        })
    }

    /// Packages that may provide a top-level module, the most likely first.
    fn providers(&self, module: &str) -> Vec<ProjectName> {
        let locked = self.lock().and_then(|lock| lock.provider(module));
        let locked = locked.or_else(|| self.bundled_lock.provider(module));
        let mut names: Vec<_> = locked
            .cloned()
            .into_iter()
            .chain(ProjectName::parse(module).ok())
            .filter(|name| self.policy.allows(name))
            .collect();
        names.dedup();
        names
    }

    /// Whether a source has the project.
    async fn have(&self, name: &ProjectName) -> Result<bool, PackageError> {
        if self.in_wheelhouse(name).await?
            || self.lock().is_some_and(|lock| lock.version(name).is_some())
        {
            return Ok(true);
        }
        let Some(index) = &self.index else {
            return Ok(false);
        };
        match index.project(name).await {
            Ok(_) => Ok(true),
            Err(PackageError::NotFound(_) | PackageError::UnsupportedWheel(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub fn stats(&self) -> PackageStats {
        self.files.counters.read(self.files.store.usage())
    }
}

/// The ranges by project. Warns of what the distribution does not have.
fn wanted_versions(
    wanted: &[WantedVersion],
    locked: Option<&Lock>,
) -> Result<HashMap<ProjectName, VersionRange>, OpenError> {
    let mut ranges = HashMap::new();
    for WantedVersion {
        setting,
        project,
        range,
    } in wanted
    {
        let invalid = |problem| OpenError::Setting { setting, problem };
        let project = ProjectName::parse(project).map_err(|error| invalid(error.to_string()))?;
        if let Some(version) = locked.and_then(|lock| lock.version(&project))
            && !range.contains(version)
        {
            tracing::warn!(
                setting,
                %project,
                wanted = %range,
                used = version,
                "the distribution of the pinned Pyodide has another version of a package than is wanted; it is \
                 used all the same"
            );
        }
        ranges.insert(project, range.clone());
    }
    Ok(ranges)
}

fn no_distribution() -> PackageError {
    PackageError::NotFound(
        "no distribution of Pyodide is configured; the operator of this server sets one with \
         FAAS_PYODIDE_PACKAGES"
            .into(),
    )
}

fn not_named(source: &str, file: &str) -> PackageError {
    PackageError::NotFound(format!("{source} has no file '{file}'"))
}
