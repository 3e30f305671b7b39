//! Where packages come from if no setting says otherwise.

use std::path::Path;

use serde::Deserialize;

/// The file beside Pyodide's that `make setup` writes the default sources of packages to.
const SOURCES_FILE: &str = "sources.json";

/// Addresses, as far as there are any.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DefaultSources {
    pub distribution: Option<String>,
    pub index: Option<String>,
}

impl DefaultSources {
    /// What `make setup` found. A missing file is not an error: then there are none.
    ///
    /// # Errors
    /// A sentence without the file's contents, which may hold credentials.
    pub fn read(pyodide: &Path) -> Result<Self, String> {
        let path = pyodide.join(SOURCES_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        // What is wrong with it is not repeated: it may hold credentials.
        serde_json::from_str(&text)
            .map_err(|_| format!("{} is damaged; run `make setup`", path.display()))
    }
}

/// A source of packages: as it is set, where nothing and `off` mean none, else the default.
pub fn source(set: Option<&str>, default: Option<String>) -> Option<String> {
    match set.map(str::trim) {
        None => default,
        Some("" | "off") => None,
        Some(address) => Some(address.to_owned()),
    }
}
