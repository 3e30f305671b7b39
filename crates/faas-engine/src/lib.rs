//! Everything that knows V8: booting a realm, running one program in it.
//!
//! An engine is booted and warmed up once, in a zygote, and then used only in forks of it.

mod code_cache;
mod globals;
mod heap;
mod host;
pub mod interrupt;
mod javascript;
mod key_derivation;
mod loader;
mod moves;
#[cfg(test)]
mod op_names;
mod packages;
mod place;
mod platform;
mod properties;
mod python;
mod refusals;
mod results;
mod scripts;
mod spec;
mod tend;
mod tools;
mod typescript;
mod unused_code;

use std::path::PathBuf;
use std::rc::Rc;

use faas_protocol::ByteSize;
use faas_protocol::Invocation;
use faas_protocol::JobFile;
use faas_protocol::Language;
use faas_protocol::Limit;
use faas_protocol::RuntimeVersion;
use faas_protocol::Tending;

pub use code_cache::CAN_BE_WRITTEN as CODE_CACHE_CAN_BE_WRITTEN;
pub use code_cache::CodeCacheFile;
pub use code_cache::DIRECTORY as CODE_CACHE_DIRECTORY;
pub use host::Host;
pub use host::PackageReply;
pub use host::Silent;
pub use javascript::JavaScriptEngine;
pub use python::PythonEngine;
pub use spec::EngineSpec;
pub use spec::OwnProgram;
pub use spec::spec;
pub use typescript::overflow as typescript_overflow;
pub use unused_code::UNFINISHED as UNFINISHED_CODE;
pub use unused_code::remove_unfinished as remove_unfinished_code;
pub use unused_code::remove_unused as remove_unused_code;

/// One program, as the request named it.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    pub language: Language,
    /// Source text.
    pub code: &'a str,
    /// JSON text of the request's `input`, if it had one.
    pub input: Option<&'a str>,
    pub invocation: &'a Invocation,
    /// Whether to ask for missing packages that it imports before it is run.
    pub auto_install: bool,
    /// What it finds in its working directory.
    pub files: &'a [JobFile],
    /// Total size of the files that it may return.
    pub files_limit: ByteSize,
    /// Memory that it may use: at most what the engine was booted for.
    pub memory_limit: ByteSize,
    /// Total size of its files in Python's virtual file system.
    pub storage_limit: ByteSize,
    /// The number of the cell, if it is one of a session.
    pub cell: Option<u64>,
    /// Whether what it leaves is to be there for another program, so that it is not cleared away.
    pub keep: bool,
    /// Whether it finds what the last program left that was kept.
    pub goes_on: bool,
    /// Whether it is the last program once more, with another input: what goes on is the same program.
    pub again: bool,
}

/// How a program ended on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// 0 for success, else what the program exited with; 1 for an uncaught exception.
    pub exit_code: i32,
    /// What the program returned, as text; `None` if it returned nothing.
    pub return_value: Option<String>,
    /// The exhausted resource that ended the program, if any.
    pub limit: Option<Limit>,
    /// When its source was compiled, by `CLOCK_MONOTONIC`; `None` if that failed.
    pub compiled_at_us: Option<u64>,
    /// Whether another program can go on from here.
    pub can_stay: bool,
}

impl Outcome {
    /// A program that failed.
    pub fn failed(limit: Option<Limit>) -> Self {
        Self {
            exit_code: 1,
            return_value: None,
            limit,
            compiled_at_us: None,
            can_stay: false,
        }
    }
}

/// Why an engine did not boot or a program could not be run to its end.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the realm did not boot: {0}")]
    Boot(String),
    #[error("the program was terminated")]
    Terminated,
    #[error("the runner failed: {0}")]
    Runner(String),
}

/// Why packages could not be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotInstalled {
    /// Text for the user.
    pub reason: String,
    /// The exhausted resource, if that was it.
    pub limit: Option<Limit>,
}

impl From<&str> for NotInstalled {
    fn from(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            limit: None,
        }
    }
}

/// What an engine needs to boot.
#[derive(Clone, Debug)]
pub struct BootOptions {
    /// Directory with the pinned Pyodide.
    pub pyodide: PathBuf,
    /// Lock file of the Pyodide distribution that packages may come from, if there is one.
    pub lock: Option<PathBuf>,
    /// Directory of fonts that Python's programs find, if there is one.
    pub fonts: Option<PathBuf>,
    /// Memory that a program may use over what the engine has after its boot.
    pub memory: ByteSize,
    /// Extra V8 flags, for benchmarks.
    pub v8_flags: String,
    /// Directories where Python's machine code may be; the first file that fits is used.
    pub code_caches: Vec<PathBuf>,
}

/// A booted language runtime.
pub trait Engine {
    /// Version of the runtime, for `/health`.
    fn version(&self) -> &RuntimeVersion;

    /// Why it booted without its code cache; `None` if it has one or needs none.
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
    /// around the program failed, which a program can cause by tampering with it.
    fn run(&mut self, program: Program<'_>, scratch: bool) -> Result<Outcome, EngineError>;

    /// Analyses a program without running any of it; returns [`faas_protocol::Findings`] as JSON
    /// text.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn check(&mut self, language: Language, code: &str) -> Result<String, EngineError>;

    /// Looks at, or changes, what programs left: `program` has the files, and as its code the name of one.
    /// Returns [`Tending::DONE`], JSON text, or nothing.
    ///
    /// # Errors
    /// As [`Self::run`].
    fn tend(
        &mut self,
        tending: Tending,
        program: Program<'_>,
    ) -> Result<Option<String>, EngineError>;

    /// Installs packages for good and imports them, asking the host for their files, of which `storage`
    /// may be kept.
    ///
    /// # Errors
    /// The reason, as text for the user.
    fn install(&mut self, packages: &[String], storage: ByteSize) -> Result<(), NotInstalled>;

    /// Does a part of what makes the installed packages quick to use: importing the rest of them, using
    /// them. Returns whether there is more to do.
    ///
    /// # Errors
    /// As [`Self::reseed`].
    fn warm_packages(&mut self) -> Result<bool, EngineError> {
        Ok(false)
    }

    /// Replaces the host that programs see from now on.
    fn set_host(&mut self, host: Rc<dyn Host>);

    /// Gives this process its own random numbers, after a fork.
    ///
    /// # Errors
    /// [`EngineError::Runner`] if the runtime's own code failed.
    fn reseed(&mut self) -> Result<(), EngineError>;

    /// Prepares for forks of this process as a program left it.
    ///
    /// # Errors
    /// As [`Self::reseed`].
    fn rest(&mut self) -> Result<(), EngineError>;

    /// Forgets in a fork that the last program was asked to stop.
    fn forget_stop(&mut self);

    /// Collects garbage, so that forks inherit a compact heap, and makes sure that their own
    /// collections leave it alone.
    ///
    /// # Errors
    /// As [`Self::reseed`].
    fn collect_garbage(&mut self) -> Result<(), EngineError>;
}
