//! Where Pyodide's files are.

use std::path::Path;
use std::path::PathBuf;

use super::Settings;
use super::SettingsError;

/// Files that a Pyodide directory must have.
const PYODIDE_FILES: [&str; 5] = [
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "pyodide-lock.json",
];

impl Settings {
    /// The directory of the pinned Pyodide: the one that is set, else `pyodide-dist` next to the program (as
    /// in the container image), below `share` beside its directory (as it is installed), or in the project
    /// that this program was built in and still is in.
    ///
    /// # Errors
    /// [`SettingsError::NoPyodide`] if a file is missing there.
    pub fn pyodide_directory(&self) -> Result<PathBuf, SettingsError> {
        let candidates: Vec<PathBuf> = match &self.pyodide_dir {
            Some(directory) => vec![directory.clone()],
            // Not the one in the current directory, which may be anybody's: what lies there runs.
            None => std::env::current_exe().map_or_else(|_| Vec::new(), |it| pyodides_of(&it)),
        };
        let complete = |directory: &PathBuf| {
            PYODIDE_FILES
                .iter()
                .all(|name| directory.join(name).is_file())
        };
        match candidates.iter().find(|directory| complete(directory)) {
            Some(directory) => Ok(std::path::absolute(directory).unwrap_or(directory.clone())),
            None => Err(SettingsError::NoPyodide(
                candidates
                    .iter()
                    .map(|directory| directory.display().to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
            )),
        }
    }
}

/// Where this program looks for Pyodide, by where it is itself.
fn pyodides_of(program: &Path) -> Vec<PathBuf> {
    const PROJECT: &str = env!("CARGO_MANIFEST_DIR");
    let directory = program.parent();
    let beside = directory.map(|directory| directory.join("pyodide-dist"));
    let prefix = directory.and_then(Path::parent);
    let installed = prefix.map(|prefix| prefix.join("share/faas-server/pyodide-dist"));
    // On another machine than the one that built it, that path may be anybody's.
    let project = program
        .starts_with(PROJECT)
        .then(|| Path::new(PROJECT).join("pyodide-dist"));
    [beside, installed, project].into_iter().flatten().collect()
}
