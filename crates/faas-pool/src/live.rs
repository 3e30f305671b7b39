//! What is told of an execution while it goes on.

use std::sync::Arc;

use faas_protocol::Stream;
use faas_protocol::Usage;
use serde::Serialize;
use tokio::sync::mpsc;

use super::handed_back::ShownResult;

/// One thing of it.
#[derive(Debug)]
pub enum LiveEvent {
    /// It waits for its packages.
    Installing(InstallProgress),
    /// The program has a sandbox and starts.
    Started,
    /// It wrote something, of which this is kept.
    Output(Stream, Vec<u8>),
    /// It showed a result.
    Result(Arc<ShownResult>),
    /// It waits for answers to calls of its caller's tools, of which these are new.
    Calls(CallsMade),
}

/// Takes the events. Unbounded, since what is kept of the output is.
pub type Live = mpsc::UnboundedSender<LiveEvent>;

/// How far an installation is, as callers are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstallProgress {
    /// What is installed.
    #[serde(rename = "packages")]
    pub requirements: Arc<[String]>,
    pub stage: InstallStage,
    /// The file that it got last, or is getting.
    pub file: Option<Arc<str>>,
    /// Files that it has got.
    pub files: u32,
    /// Of these files.
    pub bytes: u64,
}

/// What is being done for an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InstallStage {
    /// It is not its turn yet.
    Waiting,
    /// A file is on its way, from a source or the cache.
    Fetching,
    /// Files are unpacked and modules imported.
    Installing,
    /// A program has a sandbox with them.
    Ready,
}

/// Calls that a program made since it waited last, told when it waits again.
#[derive(Debug)]
pub struct CallsMade {
    pub calls: Vec<CallMade>,
    pub so_far: SoFar,
    /// How many times answers had come until then.
    pub answered: u64,
}

/// What is known of a program that has not ended.
#[derive(Clone, Debug)]
pub struct SoFar {
    /// The sandbox.
    pub sandbox: String,
    pub usage: Usage,
    /// Whether there was more output than is kept.
    pub truncated: bool,
}

/// A call.
#[derive(Clone, Debug)]
pub struct CallMade {
    pub number: u32,
    pub tool: String,
    /// JSON text, which fits the tool's schema.
    pub input: String,
}
