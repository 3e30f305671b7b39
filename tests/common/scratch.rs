//! A directory that is empty at first and gone at last.

use std::path::PathBuf;

/// A directory that is gone at the end of the test.
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// Its path contains this name.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("faas-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// As settings want it.
    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Writes a file into it and returns its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
