//! The whole crate, against servers on this machine.

mod cache;
mod distribution;
mod hosts;
mod index;
mod room;
mod server;
mod trouble;
mod wheelhouse;

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use self::server::Server;
use super::PackageSettings;
use super::Packages;
use super::digest::Digest;

const SIX: &str = "six-1.0-py3-none-any.whl";
const SIX_PATH: &str = "/files/six-1.0-py3-none-any.whl";

/// Directories for one test.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        write_lock(&root.path().join("bundled.json"), &[]);
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Settings that give up quickly, without any source.
    fn settings(&self) -> PackageSettings {
        PackageSettings {
            timeout: Duration::from_secs(5),
            retries: 2,
            ..PackageSettings::new(self.path("bundled.json"), self.path("cache"))
        }
    }

    fn with_index(&self, server: &Server) -> PackageSettings {
        PackageSettings {
            index: Some(server.address("/simple")),
            ..self.settings()
        }
    }

    fn with_wheels(&self, wheels: &[(&str, &str)]) -> PackageSettings {
        let directory = self.path("wheels");
        std::fs::create_dir_all(&directory).unwrap();
        for (name, contents) in wheels {
            std::fs::write(directory.join(name), contents).unwrap();
        }
        PackageSettings {
            wheelhouse: Some(directory),
            ..self.settings()
        }
    }

    /// Files in a directory of the cache, however deep.
    fn cached(&self, directory: &str) -> Vec<PathBuf> {
        fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.path("cache").join(directory), &mut found);
        found
    }

    fn nothing_cached(&self) -> bool {
        self.cached("tmp").is_empty() && self.cached("sha256").is_empty()
    }
}

async fn open(settings: PackageSettings) -> Packages {
    Packages::open(&settings).unwrap()
}

/// Writes a lock file of packages `(name, file, contents, import)`.
fn write_lock(path: &Path, packages: &[(&str, &str, &str, &str)]) {
    let entry = |(name, file, contents, import): &(&str, &str, &str, &str)| {
        let entry = json!({
            "name": name, "version": "1.0", "file_name": file, "imports": [import],
            "sha256": Digest::of(contents.as_bytes()).to_string(), "depends": [],
        });
        ((*name).to_owned(), entry)
    };
    let packages: serde_json::Map<String, Value> = packages.iter().map(entry).collect();
    let lock = json!({"info": {"python": "3.14.2"}, "packages": packages});
    std::fs::write(path, lock.to_string()).unwrap();
}
