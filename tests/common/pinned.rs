//! The versions that this project pins, read where they are pinned.

use serde_json::Value;

fn pyodide_file(name: &str) -> Value {
    let path = format!("{}/pyodide-dist/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The version of Pyodide, such as 314.0.7.
pub fn pyodide() -> String {
    let manifest = pyodide_file("manifest.json");
    manifest["npm"]["version"].as_str().unwrap().to_owned()
}

/// Pyodide's lock file.
pub fn lock_file() -> Value {
    pyodide_file("pyodide-lock.json")
}

/// The version of Python, such as 3.14.2.
pub fn python() -> String {
    lock_file()["info"]["python"].as_str().unwrap().to_owned()
}

/// Where packages of Python programs are installed.
pub fn site_packages() -> String {
    let version = python();
    let (minor, _) = version.rsplit_once('.').unwrap();
    format!("/lib/python{minor}/site-packages")
}
