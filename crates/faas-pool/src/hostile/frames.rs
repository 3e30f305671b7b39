//! What a lying sandbox may send: frames of the protocol, whole, damaged, cut, and noise.

use faas_protocol as protocol;
use faas_protocol::ForkGuard;
use faas_protocol::Layer;
use faas_protocol::Limit;
use faas_protocol::PackageRequest;
use faas_protocol::Representation;
use faas_protocol::SandboxEvent;
use faas_protocol::Stage;
use faas_protocol::Stages;
use faas_protocol::Stream;
use faas_protocol::ToolCall;
use proptest::prelude::*;

/// The tool that there is.
pub const TOOL: &str = "t";

/// A part of what a sandbox sends.
#[derive(Clone, Debug)]
pub enum Piece {
    /// A frame of the protocol.
    Frame(Event),
    /// One with some of its bytes, header and all, changed.
    Damaged(Event, Vec<(u16, u8)>),
    /// One that breaks off.
    Cut(Event, u16),
    /// A header that promises so much, and something behind it.
    Promise(u32, Vec<u8>),
    Noise(Vec<u8>),
}

/// [`SandboxEvent`] that owns what it refers to.
#[derive(Clone, Debug)]
pub enum Event {
    Ready,
    Started,
    Failed(Stage, i32),
    Output(bool, Vec<u8>),
    Package(u8, String, String),
    File(String, Vec<u8>),
    Representation(String, u8, Vec<u8>),
    Result(bool, Option<String>),
    Finished(i32, Option<String>, Option<Limit>, Stages, bool),
    Kept(Option<bool>),
    CallTool(u32, String, String),
    AwaitTools(Option<u64>),
}

impl Event {
    pub fn encode(&self) -> Vec<u8> {
        let event = match self {
            Self::Ready => SandboxEvent::Ready,
            Self::Started => SandboxEvent::Started,
            Self::Failed(stage, errno) => SandboxEvent::Failed {
                stage: *stage,
                errno: *errno,
            },
            Self::Output(true, bytes) => SandboxEvent::Output {
                stream: Stream::Stdout,
                bytes,
            },
            Self::Output(false, bytes) => SandboxEvent::Output {
                stream: Stream::Stderr,
                bytes,
            },
            Self::Package(kind, name, file) => SandboxEvent::Package(match kind % 6 {
                0 => PackageRequest::Project { name },
                1 => PackageRequest::File {
                    project: name,
                    file,
                },
                2 => PackageRequest::DistributionFile { file },
                3 => PackageRequest::InWheelhouse { name },
                4 => PackageRequest::Provider { module: name },
                _ => PackageRequest::Imports { modules: name },
            }),
            Self::File(name, contents) => SandboxEvent::File { name, contents },
            Self::Representation(media_type, kind, bytes) => {
                let text = std::str::from_utf8(bytes).unwrap_or_default();
                SandboxEvent::Representation {
                    media_type,
                    content: match kind % 3 {
                        0 => Representation::Text(text),
                        1 => Representation::Json(text),
                        _ => Representation::Bytes(bytes),
                    },
                }
            }
            Self::Result(is_main, artifact) => SandboxEvent::Result {
                is_main: *is_main,
                artifact: artifact.as_deref(),
            },
            Self::Finished(exit_code, value, limit, stages, goes_on) => SandboxEvent::Finished {
                exit_code: *exit_code,
                return_value: value.as_deref(),
                limit: *limit,
                stages: *stages,
                goes_on: *goes_on,
            },
            Self::Kept(stays) => SandboxEvent::Kept(stays.map(|is_traced| match is_traced {
                true => ForkGuard::Tracer,
                false => ForkGuard::Listener,
            })),
            Self::CallTool(number, tool, input) => SandboxEvent::CallTool(ToolCall {
                number: *number,
                tool,
                input,
            }),
            Self::AwaitTools(within_us) => SandboxEvent::AwaitTools {
                within_us: *within_us,
            },
        };
        protocol::encode_frame(&event).unwrap()
    }
}

impl Piece {
    pub fn put(&self, stream: &mut Vec<u8>) {
        match self {
            Self::Frame(event) => stream.extend(event.encode()),
            Self::Damaged(event, changes) => {
                let mut frame = event.encode();
                for (at, byte) in changes {
                    let index = usize::from(*at) % frame.len();
                    frame[index] ^= byte;
                }
                stream.extend(frame);
            }
            Self::Cut(event, at) => {
                let frame = event.encode();
                stream.extend(&frame[..usize::from(*at) % frame.len()]);
            }
            Self::Promise(length, bytes) => {
                stream.extend(length.to_le_bytes());
                stream.extend(bytes);
            }
            Self::Noise(bytes) => stream.extend(bytes),
        }
    }
}

fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => (any::<u8>(), 0..longest).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let name = || prop_oneof!["[a-z./\\\\]{0,20}", ".{0,300}"];
    let media_type = prop_oneof!["[a-z]{1,3}/[a-z]{1,2}", name()];
    let json = "[\\[{\"a\\]}:,1]{0,30}".prop_map(String::into_bytes);
    let limit = prop_oneof![
        Just(Limit::CpuTime),
        Just(Limit::Memory),
        Just(Limit::ReturnValue),
        Just(Limit::Storage),
        // Not a sandbox's to say.
        Just(Limit::WallTime),
        Just(Limit::Output),
    ];
    let stages =
        any::<(u64, u64, u64, u64)>().prop_map(|(taken_at_us, prepare_us, compile_us, run_us)| {
            Stages {
                taken_at_us,
                prepare_us,
                compile_us,
                run_us,
            }
        });
    prop_oneof![
        1 => Just(Event::Ready),
        1 => Just(Event::Started),
        1 => any::<Option<bool>>().prop_map(Event::Kept),
        2 => (0_u32..4, prop_oneof![Just(TOOL.to_owned()), name()], prop_oneof![Just("{}".to_owned()), name()])
            .prop_map(|(number, tool, input)| Event::CallTool(number, tool, input)),
        2 => proptest::option::of(prop_oneof![0_u64..50_000, any::<u64>()]).prop_map(Event::AwaitTools),
        1 => any::<i32>().prop_map(|errno| Event::Failed(Stage::Layer(Layer::Seccomp), errno)),
        6 => (any::<bool>(), bytes(60_000)).prop_map(|(out, bytes)| Event::Output(out, bytes)),
        2 => (any::<u8>(), name(), name()).prop_map(|(kind, a, b)| Event::Package(kind, a, b)),
        3 => (name(), bytes(60_000)).prop_map(|(name, contents)| Event::File(name, contents)),
        3 => (media_type, any::<u8>(), prop_oneof![bytes(60_000), json])
            .prop_map(|(media_type, kind, bytes)| Event::Representation(media_type, kind, bytes)),
        2 => (any::<bool>(), proptest::option::of(name()))
            .prop_map(|(is_main, artifact)| Event::Result(is_main, artifact)),
        2 => (any::<i32>(), proptest::option::of(prop_oneof![name(), ".{0,2000}"]), proptest::option::of(limit), stages, any::<bool>())
            .prop_map(|(code, value, limit, stages, goes_on)| Event::Finished(code, value, limit, stages, goes_on)),
    ]
}

pub fn piece() -> impl Strategy<Value = Piece> {
    let changes = proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6);
    prop_oneof![
        12 => event().prop_map(Piece::Frame),
        4 => (event(), changes).prop_map(|(event, changes)| Piece::Damaged(event, changes)),
        1 => (event(), any::<u16>()).prop_map(|(event, at)| Piece::Cut(event, at)),
        1 => (any::<u32>(), bytes(1000)).prop_map(|(length, bytes)| Piece::Promise(length, bytes)),
        1 => bytes(1000).prop_map(Piece::Noise),
    ]
}
