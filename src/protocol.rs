//! What supervisor, zygote and sandbox say to each other.
//!
//! Two sockets, both private pairs:
//! * *control*, supervisor ↔ zygote: `SOCK_SEQPACKET`, one message per packet; a fork request carries
//!   the new process's ends of its sockets (`SCM_RIGHTS`).
//! * *job*, supervisor ↔ sandbox: `SOCK_STREAM` of frames, each a little-endian `u32` length and a
//!   message of that many bytes.
//!
//! Messages are encoded with postcard. Those that come from a sandbox are hostile input: decoding
//! allocates no more than the frame is long, and the frame is capped.

use serde::Deserialize;
use serde::Serialize;

/// Length of a frame's header, in bytes.
pub const HEADER_BYTES: usize = 4;

/// Longest frame that a sandbox may send, apart from one that carries a return value, in bytes.
pub const MAX_OUTPUT_FRAME_BYTES: usize = 64 * 1024;

/// Room in a frame beside its payload, in bytes: kinds, lengths, numbers.
pub const FRAME_SLACK_BYTES: usize = 1024;

/// Longest control packet, in bytes: room for the longest list of packages.
pub const MAX_CONTROL_BYTES: usize = 16 * 1024;

/// Supervisor → zygote.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub enum ZygoteCommand {
    /// Fork a sandbox; the packet carries its end of the job socket.
    Fork,
    /// Fork a zygote and install packages in it; the packet carries its ends of a job socket, over
    /// which it asks for the packages' files, and of a control socket.
    ForkZygote {
        /// Requirements as pip writes them.
        packages: Vec<String>,
    },
}

/// Zygote → supervisor. Answers to requests for forks come in the order of the requests.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub enum ZygoteEvent {
    /// Booted and ready to fork.
    Booted {
        /// Version of the runtime.
        version: String,
        /// Lock-down layers that sandboxes will have on this machine.
        layers: Vec<String>,
        /// Layers that this machine does not offer.
        missing_layers: Vec<String>,
        /// Why it booted without a code cache; `None` if it has no use for one, or had it.
        no_code_cache: Option<String>,
    },
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

/// The language of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Language {
    Python,
    JavaScript,
    TypeScript,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::Python, Self::JavaScript, Self::TypeScript];

    /// The language that a request means by `name`, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let means = |language: &Self| {
            let names = language.names();
            names.iter().any(|known| known.eq_ignore_ascii_case(name))
        };
        Self::ALL.into_iter().find(means)
    }

    /// Its names in requests, the one of answers and metrics first.
    pub fn names(self) -> [&'static str; 2] {
        match self {
            Self::Python => ["python", "py"],
            Self::JavaScript => ["javascript", "js"],
            Self::TypeScript => ["typescript", "ts"],
        }
    }

    /// Its name in answers and metrics.
    pub fn name(self) -> &'static str {
        self.names()[0]
    }
}

/// Limits that a sandbox puts on itself before it runs the program. The supervisor enforces wall
/// time and output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxLimits {
    /// CPU time in ms.
    pub cpu_ms: u64,
    /// Memory over what the zygote had, in bytes.
    pub memory_bytes: u64,
    /// Size of the return value as text, in bytes.
    pub return_bytes: u64,
    /// Files handed back, together, in bytes.
    pub files_bytes: u64,
    /// Files in Python's virtual file system, over those of the zygote, in bytes.
    pub storage_bytes: u64,
}

/// What is to be done with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    Run,
    /// Look at it without running any of it; the findings, as JSON, are the return value.
    Check,
}

/// Supervisor → sandbox, once.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Job {
    pub task: Task,
    pub language: Language,
    /// Source text.
    pub code: String,
    /// JSON text.
    pub input: Option<String>,
    /// Whether to install packages that the program imports.
    pub auto_install: bool,
    /// What it finds in its working directory.
    pub files: Vec<JobFile>,
    pub limits: SandboxLimits,
}

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

/// What a program without a network asks the supervisor for. Names only, never addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PackageRequest<'a> {
    /// The files of a project, as PEP 691 JSON.
    Project { name: &'a str },
    /// A file that such an answer named.
    File { project: &'a str, file: &'a str },
    /// A file of Pyodide's distribution.
    DistributionFile { file: &'a str },
    /// Whether the local wheels have a project: `1` or `0`.
    InWheelhouse { name: &'a str },
    /// The package that provides a module, or nothing.
    Provider { module: &'a str },
}

/// Supervisor → sandbox: the answer to a [`PackageRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PackageAnswer<'a> {
    Found(#[serde(borrow)] &'a [u8]),
    /// Why not, as a sentence for the program.
    Refused(&'a str),
}

/// A limit that a program ran into, as far as the sandbox itself can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SandboxLimit {
    Cpu,
    Memory,
    ReturnValue,
    Storage,
}

/// How long a sandbox took for the parts of a job, by its own clock, in µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages {
    /// When it had taken the job, by [`crate::clock`].
    pub taken_at_us: u64,
    /// From taking the job to the program: limits, input, files.
    pub prepare_us: u64,
    /// Of source text.
    pub compile_us: u64,
    /// The program itself, and what it left for its end.
    pub run_us: u64,
}

/// Sandbox → supervisor.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
pub enum SandboxEvent<'a> {
    /// Locked down and waiting for a job.
    Ready,
    /// The job was read; the program starts now.
    Started,
    /// Output, at most [`MAX_OUTPUT_FRAME_BYTES`] less [`FRAME_SLACK_BYTES`].
    Stdout(#[serde(borrow)] &'a [u8]),
    Stderr(#[serde(borrow)] &'a [u8]),
    /// The program wants something of a package; it waits for the answer.
    Package(#[serde(borrow)] PackageRequest<'a>),
    /// A file that the program hands back.
    File {
        /// Relative to the output directory.
        name: &'a str,
        /// For what was made on the program's behalf, such as a plot: its media type.
        media_type: Option<&'a str>,
        #[serde(borrow)]
        contents: &'a [u8],
    },
    /// The program ended.
    Finished {
        exit_code: i32,
        return_value: Option<&'a str>,
        limit: Option<SandboxLimit>,
        stages: Stages,
    },
}

/// A message that is not one.
#[derive(Debug, thiserror::Error)]
#[error("malformed message: {0}")]
pub struct Malformed(#[from] postcard::Error);

/// Encodes a control message.
///
/// # Errors
/// None that a well-formed message can cause; kept because the encoder's signature has one.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, Malformed> {
    Ok(postcard::to_stdvec(message)?)
}

/// Decodes a message.
///
/// # Errors
/// [`Malformed`] if the bytes are not exactly one message.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Malformed> {
    let (message, rest) = postcard::take_from_bytes(bytes)?;
    if rest.is_empty() {
        Ok(message)
    } else {
        Err(Malformed(postcard::Error::DeserializeBadEncoding))
    }
}

/// Encodes a message with its header.
///
/// # Errors
/// As [`encode`]; also if the message is longer than 4 GiB.
pub fn encode_frame<T: Serialize>(message: &T) -> Result<Vec<u8>, Malformed> {
    let mut frame = postcard::to_extend(message, vec![0; HEADER_BYTES])?;
    let length = u32::try_from(frame.len() - HEADER_BYTES)
        .map_err(|_| Malformed(postcard::Error::SerializeBufferFull))?;
    frame[..HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_is_its_length_and_its_message() {
        let frame = encode_frame(&SandboxEvent::Stdout(b"hi")).unwrap();
        let (header, body) = frame.split_at(HEADER_BYTES);
        assert_eq!(
            u32::from_le_bytes(header.try_into().unwrap()) as usize,
            body.len()
        );
        assert_eq!(
            decode::<SandboxEvent>(body).unwrap(),
            SandboxEvent::Stdout(b"hi")
        );
    }

    #[test]
    fn bytes_after_a_message_are_refused() {
        let mut bytes = encode(&SandboxEvent::Ready).unwrap();
        bytes.push(0);
        assert!(decode::<SandboxEvent>(&bytes).is_err());
    }

    #[test]
    fn a_length_beyond_the_frame_is_refused() {
        // Kind 2 (Stdout) that claims 2^32 - 1 bytes of payload.
        assert!(decode::<SandboxEvent>(&[2, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]).is_err());
    }

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

    proptest! {
        #[test]
        fn garbage_from_a_sandbox_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = decode::<SandboxEvent>(&bytes);
            let _ = decode::<ZygoteEvent>(&bytes);
            let _ = decode::<Job>(&bytes);
        }

        #[test]
        fn what_is_encoded_is_decoded(code in ".*", input in proptest::option::of(".*"), cpu_ms: u64) {
            let job = Job {
                task: Task::Run,
                language: Language::Python,
                code,
                input,
                auto_install: false,
                files: Vec::new(),
                limits: SandboxLimits { cpu_ms, memory_bytes: 1, return_bytes: 2, files_bytes: 3, storage_bytes: 4 },
            };
            prop_assert_eq!(decode::<Job>(&encode(&job).unwrap()).unwrap(), job);
        }
    }
}
