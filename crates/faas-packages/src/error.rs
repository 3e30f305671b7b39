//! What can go wrong, in sentences for the person whose program asked.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The setting that names Pyodide's distribution.
pub const DISTRIBUTION_SETTING: &str = "FAAS_PYODIDE_PACKAGES";

/// Why a package request was refused or failed.
///
/// The sentences reach programs: they name neither hosts nor addresses, nor what was found where a
/// program may have sent this server. That is in [`PackageError::in_full`], for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// Packages are turned off.
    #[error("packages are turned off on this server; ask its operator to turn them on")]
    Disabled,
    /// Not a valid name of a project or of a file.
    #[error("{} is not a valid {what} name", quoted(.name))]
    InvalidName {
        /// `package` or `file`.
        what: &'static str,
        /// The name as it was asked for.
        name: String,
    },
    /// The policy forbids this project.
    #[error(
        "the package '{0}' is not allowed on this server; \
         its operator decides with FAAS_PACKAGE_ALLOW and FAAS_PACKAGE_DENY"
    )]
    NotAllowed(String),
    /// The local sources do not have it and there is no index to ask.
    #[error(
        "the package '{0}' is not available: no package index is configured; \
         the operator of this server sets one with FAAS_PACKAGE_INDEX"
    )]
    NoIndex(String),
    /// No source has it.
    #[error("{0}")]
    NotFound(String),
    /// The project has files, but none that can run in Pyodide.
    #[error(
        "'{0}' has no wheel that runs here; it takes a pure Python wheel (py3-none-any) \
         or one built for Pyodide (…_wasm32)"
    )]
    UnsupportedWheel(String),
    /// The index does not say what the file's contents must be.
    #[error("'{0}' is refused: the package index gives no sha256 for it")]
    NoHash(String),
    /// The contents are not what the index or the lock file promised.
    #[error(
        "'{file}' is refused: its sha256 should be {expected} and is another; \
         it was altered or its source is inconsistent"
    )]
    WrongHash {
        /// The file's name.
        file: String,
        /// The promised digest, in hexadecimal.
        expected: String,
        /// The digest of what came.
        actual: String,
    },
    /// More bytes than allowed.
    #[error("{what} is too large: it has more than the {limit} bytes allowed here")]
    TooLarge {
        /// The file or answer.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// More bytes than the program that asks may have in memory.
    #[error(
        "{what} is too large for this program: it has more bytes than the program's memory limit of \
         {room} bytes"
    )]
    TooLargeForProgram {
        /// The file or answer.
        what: String,
        /// The memory limit in bytes.
        room: u64,
    },
    /// The program asked for too many names that no source knows.
    #[error(
        "this program asked for more than {0} packages that do not exist; it gets no more answers"
    )]
    TooManyUnknown(u32),
    /// The index has it on a host that is not asked.
    #[error(
        "{0} is on a host that this server does not ask; its operator allows hosts with \
         FAAS_PACKAGE_HOSTS"
    )]
    ForeignHost(String),
    /// The source did not finish its answer within the time allowed.
    #[error("the package source did not finish its answer within {:.1} s; try again later", .after.as_secs_f64())]
    Timeout {
        /// Host of the source.
        host: String,
        /// The time allowed.
        after: Duration,
    },
    /// The source could not be reached, or the connection broke.
    #[error(
        "the source of packages that {setting} names could not be reached: {reason}; the operator of this \
         server can set {setting} to {}",
        alternative(.setting)
    )]
    Unreachable {
        /// The setting that names it, or stands for its default.
        setting: &'static str,
        /// Host of the source.
        host: String,
        /// What happened.
        reason: &'static str,
    },
    /// The source refused or failed.
    #[error("the package source gave no usable answer{}", status_advice(*.status))]
    Status {
        /// Host of the source.
        host: String,
        /// HTTP status code.
        status: u16,
    },
    /// The source's answer is malformed, or redirects where it must not.
    #[error("the answer of the package source cannot be used: {reason}")]
    BadAnswer {
        /// Host of the source.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// This server's own disk or runtime failed; its log has the cause.
    #[error("the package store of this server failed; its log says why")]
    Store,
}

impl PackageError {
    /// A stable word for this kind of error, for metric labels and wire formats.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::InvalidName { .. } => "invalid_name",
            Self::NotAllowed(_) => "not_allowed",
            Self::NoIndex(_) => "no_index",
            Self::NotFound(_) => "not_found",
            Self::UnsupportedWheel(_) => "unsupported_wheel",
            Self::NoHash(_) => "no_hash",
            Self::WrongHash { .. } => "wrong_hash",
            Self::TooLarge { .. } | Self::TooLargeForProgram { .. } => "too_large",
            Self::TooManyUnknown(_) => "too_many_unknown",
            Self::ForeignHost(_) => "foreign_host",
            Self::Timeout { .. } => "timeout",
            Self::Unreachable { .. } => "unreachable",
            Self::Status { .. } => "status",
            Self::BadAnswer { .. } => "bad_answer",
            Self::Store => "store",
        }
    }

    /// The sentence with what only the operator may know, for the log.
    pub fn in_full(&self) -> String {
        match self {
            Self::WrongHash { actual, .. } => format!("{self} (it is {actual})"),
            Self::Timeout { host, .. }
            | Self::Unreachable { host, .. }
            | Self::BadAnswer { host, .. } => format!("{self} (host {host})"),
            Self::Status { host, status } => format!("{self} ({host}: HTTP status {status})"),
            _ => self.to_string(),
        }
    }

    /// Logs the cause, which programs must not see, and returns the error that they do see.
    pub fn store(doing: &'static str, cause: &dyn std::error::Error) -> Self {
        tracing::error!(%cause, doing, "package store failed");
        Self::Store
    }
}

/// A name that failed its check, fit for a message: quoted, escaped and cut.
pub fn quoted(name: &str) -> String {
    const SHOWN: usize = 80;
    let mut chars = name.chars();
    let start: String = chars.by_ref().take(SHOWN).collect();
    let rest = if chars.next().is_some() { "…" } else { "" };
    format!("'{}{rest}'", start.escape_debug())
}

/// What a source that cannot be reached can be replaced by.
fn alternative(setting: &str) -> &'static str {
    match setting {
        DISTRIBUTION_SETTING => {
            "a mirror, or to a directory that `faas-server packages fetch` has filled"
        }
        _ => "a mirror, or FAAS_WHEELHOUSE to a directory of wheels",
    }
}

fn status_advice(status: u16) -> &'static str {
    match status {
        408 | 429 | 500.. => "; try again later",
        _ => "; the log of this server says why",
    }
}

/// Why the package sources could not be set up. For the operator: it names settings and paths.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting has an invalid value.
    #[error("{setting} {problem}")]
    Setting {
        /// Name of the environment variable.
        setting: &'static str,
        /// What is wrong; never repeats an address, which may hold credentials.
        problem: String,
    },
    /// The cache directory cannot be used.
    #[error("the package cache at {} cannot be used: {source}", .path.display())]
    Cache {
        /// The directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The lock file cannot be read or is not one.
    #[error("the lock file {path} cannot be used: {problem}")]
    Lock {
        /// Path, or host it was asked from.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// The HTTP client cannot be made, for instance without root certificates.
    #[error(
        "the HTTP client for packages cannot be set up: {0}; install the certificates of authorities (Debian: ca-certificates), or turn the sources off"
    )]
    Client(#[from] reqwest::Error),
}
