//! The control socket: supervisor ↔ zygote.

use serde::Deserialize;
use serde::Serialize;

use crate::ByteSize;
use crate::Layers;

/// Longest control packet, in bytes: room for the longest list of packages.
pub const MAX_CONTROL_BYTES: usize = 16 * 1024;

/// Supervisor → zygote.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub enum ZygoteCommand {
    /// Fork a sandbox; the packet carries its end of the job socket.
    Fork,
    /// Fork a zygote and install packages in it; the packet carries its ends of a job socket, over
    /// which it asks for the packages' files, of a control socket, and of a pipe for its standard error.
    ForkZygote {
        /// Requirements as pip writes them.
        packages: Vec<String>,
        /// Most that their files may take in Python's virtual file system.
        storage: ByteSize,
    },
}

/// Zygote → supervisor. Answers to requests for forks come in the order of the requests.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub enum ZygoteEvent {
    /// Booted and ready to fork.
    Booted {
        version: RuntimeVersion,
        /// The lock-down layers of its sandboxes.
        layers: Layers,
        /// Why it booted without a code cache; `None` if it has no use for one, or had it.
        no_code_cache: Option<String>,
        kept_forks: KeptForks,
    },
    /// All that makes its packages quick to use is done. Only a zygote with packages says so, once.
    WarmedUp,
    /// A process was forked, as a child of the supervisor.
    Forked {
        /// Its process id.
        pid: i32,
    },
    /// The fork failed.
    ForkFailed {
        /// The system's error number.
        errno: i32,
    },
}

/// Where the supervisor is asked about forks of sandboxes that are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeptForks {
    /// By the listener of the zygote's filter of system calls, which this packet carries.
    Listener,
    /// By tracing each of them.
    Tracer,
    /// Where it is asked about those of the zygote that this one was forked from.
    Inherited,
    /// Nowhere, so that none can be kept, for this reason.
    Nowhere(String),
}

/// Which versions a zygote runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeVersion {
    /// Pyodide's, or V8's.
    pub engine: String,
    /// Python's; `None` where the engine's version says it all.
    pub language: Option<String>,
}

impl std::fmt::Display for RuntimeVersion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.engine)?;
        match &self.language {
            Some(language) => write!(formatter, " {language}"),
            None => Ok(()),
        }
    }
}
