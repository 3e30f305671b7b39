//! The command line of the hidden `zygote` command, as the supervisor writes it.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::ByteSize;
use crate::Runtime;

/// What a zygote is told when it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZygoteOptions {
    /// The runtime to boot.
    pub runtime: Runtime,
    /// Directory of the pinned Pyodide; `None` for runtimes that need none.
    pub pyodide: Option<PathBuf>,
    /// Directory of the server's own where machine code may be that V8 made of Pyodide, besides the one in
    /// Pyodide's.
    pub code_cache: Option<PathBuf>,
    /// Lock file of the distribution that packages may come from.
    pub lock: Option<PathBuf>,
    /// Directory of fonts for Python's programs.
    pub fonts: Option<PathBuf>,
    /// Memory that a program may use.
    pub memory: ByteSize,
    /// Extra V8 flags, for benchmarks.
    pub v8_flags: String,
}

impl ZygoteOptions {
    /// The arguments that `faas-server` understands as these options.
    pub fn to_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![
            "zygote".into(),
            "--runtime".into(),
            self.runtime.name().into(),
            format!("--v8-flags={}", self.v8_flags).into(),
            "--memory-bytes".into(),
            self.memory.get().to_string().into(),
        ];
        let directories = [
            ("--pyodide", &self.pyodide),
            ("--code-cache", &self.code_cache),
            ("--lock", &self.lock),
            ("--fonts", &self.fonts),
        ];
        for (name, path) in directories {
            if let Some(path) = path {
                arguments.extend([name.into(), path.clone().into_os_string()]);
            }
        }
        arguments
    }
}
