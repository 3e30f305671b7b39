//! `pyodide-lock.json`: what Pyodide's distribution holds, with digests and import names.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;

use super::digest::Digest;
use super::error::OpenError;
use super::names::ProjectName;
use super::names::is_package_file;

/// The file that makes a directory one of the distribution's.
pub const LOCK_FILE: &str = "pyodide-lock.json";

/// The lock file in a distribution, if it is a directory that has one.
pub fn own_lock(distribution: &str) -> Option<PathBuf> {
    let own = Path::new(distribution).join(LOCK_FILE);
    own.is_file().then_some(own)
}

/// A parsed lock file.
#[derive(Debug)]
pub struct Lock {
    files: HashMap<String, LockedFile>,
    imports: HashMap<String, ProjectName>,
    /// Versions by project.
    versions: BTreeMap<ProjectName, String>,
    /// What each project needs.
    depends: HashMap<ProjectName, Vec<ProjectName>>,
}

/// A file of the distribution.
#[derive(Debug, Clone)]
pub struct LockedFile {
    pub project: ProjectName,
    pub sha256: Digest,
}

#[derive(Deserialize)]
struct LockJson {
    packages: HashMap<String, PackageJson>,
}

#[derive(Deserialize)]
struct PackageJson {
    name: String,
    #[serde(default)]
    version: String,
    file_name: String,
    sha256: String,
    #[serde(default)]
    imports: Vec<String>,
    #[serde(default)]
    depends: Vec<String>,
}

impl Lock {
    /// Reads a lock file. Entries that are not a plain file with a sha256, such as the free
    /// addresses that `micropip.freeze` writes, are left out: they are never served.
    pub fn parse(text: &str) -> Result<Self, String> {
        let json: LockJson = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut lock = Self {
            files: HashMap::new(),
            imports: HashMap::new(),
            versions: BTreeMap::new(),
            depends: HashMap::new(),
        };
        for package in json.packages.into_values() {
            let (Ok(project), Some(sha256), true) = (
                ProjectName::parse(&package.name),
                Digest::parse(&package.sha256),
                is_package_file(&package.file_name),
            ) else {
                tracing::warn!(
                    package = package.name,
                    "ignoring an unusable entry of the lock file"
                );
                continue;
            };
            for import in package.imports {
                lock.imports.insert(import, project.clone());
            }
            let depends = package.depends.iter();
            let depends = depends.filter_map(|name| ProjectName::parse(name).ok());
            lock.depends.insert(project.clone(), depends.collect());
            lock.versions.insert(project.clone(), package.version);
            lock.files
                .insert(package.file_name, LockedFile { project, sha256 });
        }
        Ok(lock)
    }

    /// Reads a lock file of this machine.
    ///
    /// # Errors
    /// When it cannot be read or is not one.
    pub fn read(path: &Path) -> Result<Self, OpenError> {
        let failed = |problem: String| OpenError::Lock {
            path: path.display().to_string(),
            problem,
        };
        let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Self::parse(&text).map_err(failed)
    }

    pub fn file(&self, name: &str) -> Option<&LockedFile> {
        self.files.get(name)
    }

    /// The version of a project, if the distribution has it.
    pub fn version(&self, project: &ProjectName) -> Option<&str> {
        self.versions.get(project).map(String::as_str)
    }

    /// The file of a project.
    pub fn file_of(&self, project: &ProjectName) -> Option<&str> {
        let mut files = self.files.iter();
        let found = files.find(|(_, file)| file.project == *project);
        found.map(|(name, _)| name.as_str())
    }

    /// These projects and all that they need, as far as the lock names them.
    pub fn with_dependencies(
        &self,
        projects: impl IntoIterator<Item = ProjectName>,
    ) -> BTreeSet<ProjectName> {
        let mut found = BTreeSet::new();
        let mut pending: Vec<ProjectName> = projects.into_iter().collect();
        while let Some(project) = pending.pop() {
            if let Some(depends) = self.depends.get(&project)
                && found.insert(project)
            {
                pending.extend(depends.iter().cloned());
            }
        }
        found
    }

    pub fn projects(&self) -> impl Iterator<Item = &ProjectName> {
        self.versions.keys()
    }

    /// The project that provides a top-level module, as `cv2` is provided by `opencv-python`.
    pub fn provider(&self, module: &str) -> Option<&ProjectName> {
        self.imports.get(module)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_plain_files_with_a_digest_are_served() {
        let hash = Digest::of(b"").to_string();
        let entry = |name: &str, file: &str, sha256: &str| {
            serde_json::json!({
                "name": name, "version": "1", "file_name": file, "sha256": sha256,
                "imports": [name.to_lowercase()],
            })
        };
        let text = serde_json::json!({"info": {}, "packages": {
            "pillow": entry("Pillow", "pillow-1.whl", &hash),
            "frozen": entry("frozen", "https://host/frozen-1.whl", &hash),
            "escape": entry("escape", "../escape.zip", &hash),
            "nohash": entry("nohash", "nohash.zip", ""),
        }});
        let lock = Lock::parse(&text.to_string()).unwrap();
        let projects: Vec<_> = lock.projects().map(ProjectName::as_str).collect();
        assert_eq!(projects, ["pillow"]);
        assert!(lock.file("pillow-1.whl").is_some());
        assert!(lock.file("../escape.zip").is_none());
        assert_eq!(lock.provider("pillow").unwrap().as_str(), "pillow");
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".*") {
            let _ = Lock::parse(&text);
        }
    }
}
