//! The job socket: supervisor ↔ sandbox.

use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::ForkGuard;
use crate::Language;
use crate::Limit;
use crate::Limits;
use crate::PackageRequest;
use crate::Randomness;
use crate::Representation;
use crate::Stage;
use crate::Tending;
use crate::ToolCall;

/// Descriptor of the job socket in a sandbox. Not 0 to 2: what a library prints for itself must not
/// end up among the frames.
pub const JOB_SOCKET: i32 = 3;

/// What is to be done with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    Run,
    /// Analyse it without running any of it; the [`crate::Findings`], as JSON, are the return value.
    Check,
    /// Look at, or change, what a session has.
    Tend(Tending),
}

/// Supervisor → sandbox, once.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Job {
    pub task: Task,
    pub language: Language,
    /// Source text; a file's name in some of [`Task::Tend`].
    pub code: String,
    /// JSON text.
    pub input: Option<String>,
    /// More such texts: when the program has ended, it is run again over each of them, in the same process.
    pub further_inputs: Vec<String>,
    pub invocation: Invocation,
    /// Whether to ask for packages that the program imports before it is run; in a fork of a kept process, to install
    /// them there.
    pub auto_install: bool,
    /// What it finds in its working directory.
    pub files: Vec<JobFile>,
    /// The supervisor enforces wall time and output, the sandbox the others.
    pub limits: Limits,
    /// The number of the cell, if the program is one of a session.
    pub cell: Option<u64>,
    /// Whether the sandbox is to stay when the program has ended, to be forked.
    pub keep: bool,
    /// Only for a fork of a kept process.
    pub randomness: Randomness,
}

impl Job {
    /// Runs a program that is given nothing and takes no packages.
    pub fn run(language: Language, code: impl Into<String>, limits: Limits) -> Self {
        Self {
            task: Task::Run,
            language,
            code: code.into(),
            input: None,
            further_inputs: Vec::new(),
            invocation: Invocation::default(),
            auto_install: false,
            files: Vec::new(),
            limits,
            cell: None,
            keep: false,
            randomness: Randomness::default(),
        }
    }
}

/// What a command line would give a program, and what its caller wants back.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct Invocation {
    /// Text that it reads from its standard input.
    pub stdin: Option<String>,
    /// Without the program's own name.
    pub arguments: Vec<String>,
    /// The name of the job's file that the source text is of.
    pub entry_point: Option<String>,
    /// Patterns of files in its working directory that are handed back.
    pub collect: Vec<String>,
    /// Variables of its environment while it runs, with their values. Only Python has an environment.
    pub environment: Vec<(String, String)>,
    /// The tools that it may call, as its runner wants them: JSON text (`faas_tools::ToolSet::for_runner`).
    pub tools: Option<String>,
    /// Whether an error that ends it is shown as a result, [`SHOWN_ERROR`], rather than printed.
    pub shows_errors: bool,
}

/// The media type of an error that ended a program: JSON with its `name`, its `value` and its `traceback`, as texts.
pub const SHOWN_ERROR: &str = "application/vnd.faas.error+json";

/// A file that goes into a sandbox.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct JobFile {
    /// A name that [`is_file_name`] accepts.
    pub name: String,
    #[serde(with = "serde_bytes")]
    pub contents: Vec<u8>,
}

/// Longest name of a file, in bytes.
pub const MAX_FILE_NAME_BYTES: usize = 255;

/// Whether a name stays within the directory that it is relative to: parts with `/` between, none
/// of them empty, `.` or `..`, and no control characters.
pub fn is_file_name(name: &str) -> bool {
    name.len() <= MAX_FILE_NAME_BYTES
        && !name.contains(|c: char| c.is_control() || c == '\\')
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Which of a program's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// How long a sandbox took for the parts of a job, by its own clock, in µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages {
    /// When it had taken the job, by `CLOCK_MONOTONIC`, which all processes share.
    pub taken_at_us: u64,
    /// From taking the job to the program: limits, input, files.
    pub prepare_us: u64,
    /// Of source text.
    pub compile_us: u64,
    /// The program itself, and what it left for its end.
    pub run_us: u64,
}

impl Stages {
    /// All of it.
    pub fn total(&self) -> Duration {
        let micros = self.prepare_us.saturating_add(self.compile_us);
        Duration::from_micros(micros.saturating_add(self.run_us))
    }
}

/// Sandbox → supervisor.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub enum SandboxEvent<'a> {
    /// Locked down and waiting for a job.
    Ready,
    /// It could not get ready, or not start its job, and ends.
    Failed {
        stage: Stage,
        /// The system's error number; 0 if it is not the system's error.
        errno: i32,
    },
    /// The job was read; the program starts now.
    Started,
    /// Output; the frame is at most [`crate::MAX_OUTPUT_FRAME_BYTES`] long.
    Output {
        stream: Stream,
        #[serde(borrow)]
        bytes: &'a [u8],
    },
    /// The program wants something of a package; it waits for the answer.
    Package(#[serde(borrow)] PackageRequest<'a>),
    /// The program calls a tool, and goes on.
    CallTool(#[serde(borrow)] ToolCall<'a>),
    /// The program waits for answers to its calls: until some are there, or for so many µs.
    AwaitTools { within_us: Option<u64> },
    /// A file that the program hands back.
    File {
        /// Relative to the output directory.
        name: &'a str,
        #[serde(borrow)]
        contents: &'a [u8],
    },
    /// A way to show the result that comes next. They come one by one: a list of many short ones would
    /// take far more memory than its frame.
    Representation {
        media_type: &'a str,
        #[serde(borrow)]
        content: Representation<'a>,
    },
    /// A result, which the representations before it show.
    Result {
        /// Whether it is the value that the program ended with.
        is_main: bool,
        /// The name of the file that its picture is handed back as, too.
        artifact: Option<&'a str>,
    },
    /// The program ended. Comes once for each of the job's inputs, unless the process ends before.
    Finished {
        exit_code: i32,
        return_value: Option<&'a str>,
        /// The limit that ended it, as far as the sandbox itself can tell.
        limit: Option<Limit>,
        stages: Stages,
        /// Whether the process goes on with the next of the job's inputs.
        goes_on: bool,
    },
    /// Whether the process stays to be forked, and who is asked then. Comes once a program has ended that was to be kept.
    Kept(Option<ForkGuard>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_stay_in_their_directory() {
        for name in ["a", "a.txt", "dir/a b.txt", "é", "..a", "a/.hidden"] {
            assert!(is_file_name(name), "{name}");
        }
        let long = "x".repeat(256);
        for name in [
            "", "/a", "a/", "..", "a/../b", "./a", "a//b", "a\0", "a\nb", "a\\b", &long,
        ] {
            assert!(!is_file_name(name), "{name:?}");
        }
    }
}
