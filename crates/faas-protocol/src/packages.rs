//! What a program without a network asks the supervisor for. Names only, never addresses.

use serde::Deserialize;
use serde::Serialize;

/// Sandbox → supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PackageRequest<'a> {
    /// The files of a project, as PEP 691 JSON.
    Project { name: &'a str },
    /// A file that such an answer named.
    File { project: &'a str, file: &'a str },
    /// A file of Pyodide's distribution.
    DistributionFile { file: &'a str },
    /// What was made ahead of a wheel of Pyodide's distribution: its files, Python's compiled (js/python/unpack.py).
    UnpackedDistribution { file: &'a str },
    /// The same of a wheel that this process got by [`Self::File`].
    UnpackedFile { file: &'a str },
    /// Whether the local wheels have a project.
    InWheelhouse { name: &'a str },
    /// The package that provides a module.
    Provider { module: &'a str },
    /// What a program imports and does not have, before any of it runs: top-level modules, one a line. If a
    /// source has packages for them, there is no answer: the program is run elsewhere, and this sandbox ended.
    Imports { modules: &'a str },
}

/// Supervisor → sandbox: the answer to a [`PackageRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PackageAnswer<'a> {
    /// To [`PackageRequest::Project`], [`PackageRequest::File`], [`PackageRequest::DistributionFile`] and,
    /// if there is something, [`PackageRequest::UnpackedDistribution`] and [`PackageRequest::UnpackedFile`].
    Contents(#[serde(borrow)] &'a [u8]),
    /// To [`PackageRequest::InWheelhouse`].
    InWheelhouse(bool),
    /// To [`PackageRequest::Provider`]; `None` if no source has one.
    Provider(Option<&'a str>),
    /// To [`PackageRequest::Imports`]: the program is to run here, with what there is.
    RunHere,
    /// To [`PackageRequest::UnpackedDistribution`] and [`PackageRequest::UnpackedFile`]: there is nothing.
    NotUnpacked,
    /// To any: why not, as a sentence for the program.
    Refused(&'a str),
}
