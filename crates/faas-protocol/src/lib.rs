//! What supervisor, zygotes and sandboxes say to each other, and the words that all of them use.
//!
//! Two sockets, both private pairs:
//! * *control*, supervisor ↔ zygote: `SOCK_SEQPACKET`, one message per packet ([`encode`]); a fork
//!   request carries the new process's ends of its sockets (`SCM_RIGHTS`).
//! * *job*, supervisor ↔ sandbox: `SOCK_STREAM` of frames ([`encode_frame`]), each a little-endian
//!   `u32` length and a message of that many bytes.
//!
//! Messages are encoded with postcard. Those that come from a sandbox are hostile input: decoding
//! allocates no more than the frame is long, and the frame is capped.
//!
//! This crate does no I/O and links neither V8 nor tokio.

mod byte_size;
mod control;
mod exit;
mod findings;
mod frame;
mod job;
mod kept;
mod layers;
mod limits;
mod nesting;
mod owner;
mod packages;
mod priority;
mod representation;
mod runtime;
mod status;
mod tending;
mod tools;
mod weight;
mod zygote_options;

pub use byte_size::ByteSize;
pub use control::KeptForks;
pub use control::MAX_CONTROL_BYTES;
pub use control::RuntimeVersion;
pub use control::ZygoteCommand;
pub use control::ZygoteEvent;
pub use exit::SandboxExit;
pub use exit::Stage;
pub use findings::Complexity;
pub use findings::Fault;
pub use findings::Findings;
pub use findings::FunctionFigures;
pub use findings::Import;
pub use findings::Loops;
pub use frame::FRAME_SLACK_BYTES;
pub use frame::HEADER_BYTES;
pub use frame::MAX_OUTPUT_FRAME_BYTES;
pub use frame::Malformed;
pub use frame::decode;
pub use frame::encode;
pub use frame::encode_contents_prefix;
pub use frame::encode_frame;
pub use frame::encode_frame_into;
pub use frame::encode_output_prefix;
pub use job::Invocation;
pub use job::JOB_SOCKET;
pub use job::Job;
pub use job::JobFile;
pub use job::MAX_FILE_NAME_BYTES;
pub use job::SHOWN_ERROR;
pub use job::SandboxEvent;
pub use job::Stages;
pub use job::Stream;
pub use job::Task;
pub use job::is_file_name;
pub use kept::ForkGuard;
pub use kept::ForkTicket;
pub use kept::HANDED_OVER;
pub use kept::KEPT_FORK_MARK;
pub use kept::KeptCommand;
pub use kept::Randomness;
pub use kept::TRACED_DEATH_SIGNAL;
pub use kept::TRACED_FORK;
pub use layers::Layer;
pub use layers::Layers;
pub use limits::LONGEST_GRACE;
pub use limits::Limit;
pub use limits::Limits;
pub use nesting::nesting;
pub use owner::Owner;
pub use owner::TokenName;
pub use packages::PackageAnswer;
pub use packages::PackageRequest;
pub use priority::Priority;
pub use representation::MAX_REPRESENTATIONS;
pub use representation::MAX_RESULT_NESTING;
pub use representation::MAX_RESULTS;
pub use representation::Representation;
pub use representation::is_media_type;
pub use runtime::Language;
pub use runtime::RUNTIMES;
pub use runtime::Runtime;
pub use runtime::RuntimeSpec;
pub use status::Status;
pub use status::Usage;
pub use tending::Completeness;
pub use tending::Completions;
pub use tending::FileEntry;
pub use tending::FileList;
pub use tending::Tending;
pub use tending::Unfinished;
pub use tending::Variable;
pub use tending::VariableList;
pub use tools::ToolAnswer;
pub use tools::ToolAnswers;
pub use tools::ToolCall;
pub use tools::ToolOutcome;
pub use weight::Weight;
pub use zygote_options::ZygoteOptions;
