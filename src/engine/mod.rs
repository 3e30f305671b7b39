//! Everything that knows V8: booting a realm, running one program in it.
//!
//! An engine is booted once, in a zygote, warmed up, and then only ever used in forks of it.

mod code_cache;
mod host;
pub mod interrupt;
mod javascript;
mod loader;
mod platform;
mod python;
mod refusals;
mod scripts;
mod typescript;

use std::path::PathBuf;
use std::rc::Rc;

use crate::protocol::JobFile;
use crate::protocol::Language;
use crate::protocol::SandboxLimit;

pub use code_cache::PATH as CODE_CACHE_PATH;
pub use host::Host;
pub use host::Silent;
pub use host::Stream;
pub use javascript::JavaScriptEngine;
pub use python::PythonEngine;
pub use typescript::overflow as typescript_overflow;

/// One program, as the request named it.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    pub language: Language,
    /// Source text.
    pub code: &'a str,
    /// JSON text of the request's `input`, if it had one.
    pub input: Option<&'a str>,
    /// Whether to install what it imports and is not there.
    pub auto_install: bool,
    /// What it finds in its working directory.
    pub files: &'a [JobFile],
    /// Most that it may hand back in files, in bytes.
    pub files_bytes: u64,
    /// Memory that it may use, in bytes: at most what the engine was booted for.
    pub memory_bytes: u64,
    /// Most that its files may take in Python's virtual file system, in bytes.
    pub storage_bytes: u64,
}

/// How a program ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// 0 for success, else what the program exited with; 1 for an uncaught exception.
    pub exit_code: i32,
    /// What the program returned, as text; `None` if it returned nothing.
    pub return_value: Option<String>,
    /// What the program ran out of and ended for want of.
    pub limit: Option<SandboxLimit>,
    /// When its source was compiled, by [`crate::clock`]; `None` if that failed.
    pub compiled_at_us: Option<u64>,
}

impl Outcome {
    /// A program that failed.
    pub fn failed(limit: Option<SandboxLimit>) -> Self {
        Self {
            exit_code: 1,
            return_value: None,
            limit,
            compiled_at_us: None,
        }
    }
}

/// Why an engine did not boot or a program could not be brought to an end.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the realm did not boot: {0}")]
    Boot(String),
    #[error("the program was terminated")]
    Terminated,
    #[error("the runner failed: {0}")]
    Runner(String),
}

/// What an engine needs to boot.
#[derive(Clone, Debug)]
pub struct BootOptions {
    /// Directory with the pinned Pyodide.
    pub pyodide: PathBuf,
    /// Lock file of the Pyodide distribution that packages may come from, if there is one.
    pub lock: Option<PathBuf>,
    /// Memory that a program may use over what the engine has after its boot, in bytes.
    pub memory_bytes: u64,
    /// More flags for V8, for measurements.
    pub v8_flags: String,
    /// Whether Python may start with the machine code in its code cache.
    pub use_code_cache: bool,
}

/// A booted language runtime.
pub trait Engine {
    /// Version of the runtime, for `/health`.
    fn version(&self) -> &str;

    /// Why it booted without the code cache that it might have had; `None` if it did not.
    fn no_code_cache(&self) -> Option<&str> {
        None
    }

    /// Runs a program to its end.
    ///
    /// With `scratch` it leaves as little behind as possible: for warming up, before a user's
    /// program runs in the same process.
    ///
    /// # Errors
    /// [`EngineError::Terminated`] if V8 was told to stop; [`EngineError::Runner`] if the code
    /// around the program failed, which a program can bring about by tampering with it.
    fn run(&mut self, program: Program<'_>, scratch: bool) -> Result<Outcome, EngineError>;

    /// Looks at a program without running any of it; returns what it found, as JSON text in the
    /// form of `src/api/check_code.rs`.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn check(&mut self, language: Language, code: &str) -> Result<String, EngineError>;

    /// Installs packages for good and imports them, asking the host for their files.
    ///
    /// # Errors
    /// The reason as a text for the user.
    fn install(&mut self, packages: &[String]) -> Result<(), String>;

    /// Replaces the host that programs see from now on.
    fn set_host(&mut self, host: Rc<dyn Host>);

    /// Gives this process random numbers of its own, after a fork.
    ///
    /// # Errors
    /// [`EngineError::Runner`] if the runtime's own code failed.
    fn reseed(&mut self) -> Result<(), EngineError>;

    /// Collects garbage, so that forks inherit a compact heap, and sees to it that their own
    /// collections leave it alone.
    ///
    /// # Errors
    /// As [`Self::reseed`].
    fn collect_garbage(&mut self) -> Result<(), EngineError>;
}
