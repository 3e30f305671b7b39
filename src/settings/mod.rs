//! Every setting, parsed and checked in one place. The environment variables are those of the
//! services that this one replaces, and more; each is a command-line option and a line of a file, too.

mod default_sources;
mod descriptors;
mod door;
mod effective;
mod file;
mod lines;
mod named_tokens;
mod parts;
mod pyodide;
mod secret_file;
mod unknown;
mod values;
mod versions;

use std::net::IpAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use faas_jobs::WebhookSecret;
use faas_pool::Replica;
use faas_protocol::ByteSize;
use faas_protocol::LONGEST_GRACE;
use faas_protocol::Language;
use faas_protocol::Limits;
use faas_protocol::Runtime;
use faas_protocol::TokenName;
use faas_telemetry::LogFormat;

use crate::api_token::ApiToken;
use crate::key_pair::KeyPair;
pub use door::Door;
pub use effective::Effective;
pub use file::SettingsFile;
pub use named_tokens::NamedTokens;
pub use unknown::unknown_variables;

use door::Doors;
use door::parse_doors;
use named_tokens::NamedTokensError;
use values::bytes;
use values::log_format_parser;
use values::long_milliseconds;
use values::mebibytes;
use values::milliseconds;
use values::parse_host;
use values::parse_replica;
use values::parse_switch;
use values::runtime_parser;
use values::whole;
use versions::PackageVersions;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_POOL_SIZE: u32 = 10;
const DEFAULT_MAX_CODE_BYTES: ByteSize = ByteSize::mib(1);

/// Variables that must not be empty: a service whose secret got lost would let everybody in. No error repeats
/// their values.
pub const SECRETS: [&str; 3] = [
    "FAAS_API_TOKEN",
    "FAAS_LANGFUSE_KEYS",
    "FAAS_WEBHOOK_SECRET",
];

/// What a sandbox takes over FAAS_MEMORY_LIMIT at most.
const OVER_MEMORY_LIMIT: ByteSize = ByteSize::mib(32);
/// What the supervisor and its zygotes take.
const OF_THE_SERVICE: ByteSize = ByteSize::mib(256);

/// Settings of the service.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// File of settings in TOML, each named as its option: `memory-limit = 512`. Options and variables go before
    /// what it says
    #[arg(long, env = "FAAS_CONFIG", value_name = "FAAS_CONFIG")]
    pub config: Option<PathBuf>,

    /// Address to listen on; the container image sets 0.0.0.0, all addresses
    #[arg(
        long,
        env = "FAAS_HOST",
        value_name = "FAAS_HOST",
        default_value = "127.0.0.1"
    )]
    pub host: IpAddr,

    /// Port to listen on; 0 takes a free one
    #[arg(
        long,
        env = "FAAS_PORT",
        value_name = "FAAS_PORT",
        default_value_t = 8000, value_parser = whole::<u16>(0..=65_535))]
    pub port: u16,

    /// Serve only this language; javascript includes TypeScript [default: all]
    #[arg(long, env = "FAAS_LANGUAGE", value_name = "FAAS_LANGUAGE",
          value_parser = runtime_parser())]
    pub language: Option<Runtime>,

    /// Time limit of an execution whose request sets none, in ms [default: 30000, or
    /// FAAS_MAX_EXECUTION_TIME if that is less]
    #[arg(long, env = "FAAS_TIMEOUT", value_name = "FAAS_TIMEOUT",
          value_parser = milliseconds(1))]
    pub timeout: Option<Duration>,

    /// Longest time limit that a request may ask for, in ms; longer ones are reduced to it
    #[arg(long, env = "FAAS_MAX_EXECUTION_TIME", value_name = "FAAS_MAX_EXECUTION_TIME",
          default_value = "60000", value_parser = milliseconds(1))]
    pub max_execution_time: Duration,

    /// CPU time limit per execution, in ms [default: what the time limit allows]
    #[arg(long, env = "FAAS_MAX_CPU_TIME", value_name = "FAAS_MAX_CPU_TIME",
          value_parser = milliseconds(1))]
    pub max_cpu_time: Option<Duration>,

    /// Memory limit per execution, in MiB, on top of what an empty program uses
    #[arg(long, env = "FAAS_MEMORY_LIMIT", value_name = "FAAS_MEMORY_LIMIT",
          default_value = "256", value_parser = mebibytes(16..=65_536))]
    pub memory_limit: ByteSize,

    /// Output kept per execution, stdout and stderr together, in bytes
    #[arg(long, env = "FAAS_MAX_OUTPUT_BYTES", value_name = "FAAS_MAX_OUTPUT_BYTES",
          default_value = "2097152", value_parser = bytes(1..=1 << 30))]
    pub max_output_bytes: ByteSize,

    /// Longest return value, in bytes
    #[arg(long, env = "FAAS_MAX_RETURN_BYTES", value_name = "FAAS_MAX_RETURN_BYTES",
          default_value = "2097152", value_parser = bytes(1..=1 << 28))]
    pub max_return_bytes: ByteSize,

    /// Total size of the files and results that an execution may return, in bytes
    #[arg(long, env = "FAAS_MAX_FILES_BYTES", value_name = "FAAS_MAX_FILES_BYTES",
          default_value = "8388608", value_parser = bytes(0..=1 << 30))]
    pub max_files_bytes: ByteSize,

    /// Highest cyclomatic complexity of a function; programs above it are refused with 422
    /// [default: unlimited]
    #[arg(long, env = "FAAS_MAX_COMPLEXITY", value_name = "FAAS_MAX_COMPLEXITY",
          value_parser = whole::<u32>(1..=1_000_000))]
    pub max_complexity: Option<u32>,

    /// Deepest nesting of control structures; programs above it are refused with 422
    /// [default: unlimited]
    #[arg(long, env = "FAAS_MAX_NESTING", value_name = "FAAS_MAX_NESTING",
          value_parser = whole::<u32>(1..=1_000_000))]
    pub max_nesting: Option<u32>,

    /// Storage limit of a Python program's virtual file system, in MiB
    #[arg(long, env = "FAAS_MAX_STORAGE", value_name = "FAAS_MAX_STORAGE",
          default_value = "64", value_parser = mebibytes(1..=1 << 20))]
    pub max_storage: ByteSize,

    /// Longest program, in bytes [default: 1048576, or FAAS_MAX_BODY_BYTES if that is less]
    #[arg(long, env = "FAAS_MAX_CODE_BYTES", value_name = "FAAS_MAX_CODE_BYTES",
          value_parser = bytes(1..=1 << 28))]
    pub max_code_bytes: Option<ByteSize>,

    /// Bearer token that callers must send (all routes but /health, /ready and the page at /); at least 16 characters
    #[arg(long, env = "FAAS_API_TOKEN", value_name = "FAAS_API_TOKEN",
          value_parser = ApiToken::parse, hide_env_values = true)]
    pub api_token: Option<ApiToken>,

    /// File that has the bearer token in it, instead of FAAS_API_TOKEN; read once, at the start
    #[arg(long, env = "FAAS_API_TOKEN_FILE", value_name = "FAAS_API_TOKEN_FILE")]
    pub api_token_file: Option<PathBuf>,

    /// File of bearer tokens with names, in TOML, each by its SHA-256: callers must send one of these, or
    /// FAAS_API_TOKEN; SIGHUP has it read again
    #[arg(
        long,
        env = "FAAS_API_TOKENS_FILE",
        value_name = "FAAS_API_TOKENS_FILE"
    )]
    pub api_tokens_file: Option<PathBuf>,

    /// What is in that file.
    #[arg(skip)]
    pub named_tokens: NamedTokens,

    /// Hosts that requests may be for, besides IP addresses, localhost and names without dots, while there
    /// is no token; web pages of these hosts may send requests. Separated by commas
    #[arg(
        long,
        env = "FAAS_ALLOWED_HOSTS",
        value_name = "FAAS_ALLOWED_HOSTS",
        value_delimiter = ',',
        value_parser = parse_host
    )]
    pub allowed_hosts: Vec<String>,

    /// Connections at once, as far as the limit of open files allows them; more are answered with 503
    #[arg(long, env = "FAAS_MAX_CONNECTIONS", value_name = "FAAS_MAX_CONNECTIONS",
          default_value_t = 2048, value_parser = whole::<u32>(1..=1_000_000))]
    pub max_connections: u32,

    /// Time limit for sending the headers of a request, again for its body, and for a client that
    /// takes nothing of its answer, in ms
    #[arg(long, env = "FAAS_CLIENT_TIMEOUT", value_name = "FAAS_CLIENT_TIMEOUT",
          default_value = "30000", value_parser = milliseconds(1))]
    pub client_timeout: Duration,

    /// How long a connection may be kept without a request, in ms: longer than proxies keep theirs, or
    /// they send requests into the close
    #[arg(long, env = "FAAS_KEEP_ALIVE", value_name = "FAAS_KEEP_ALIVE",
          default_value = "620000", value_parser = milliseconds(1))]
    pub keep_alive: Duration,

    /// Longest request body, in bytes
    #[arg(long, env = "FAAS_MAX_BODY_BYTES", value_name = "FAAS_MAX_BODY_BYTES",
          default_value = "10485760", value_parser = bytes(1..=1 << 30))]
    pub max_body_bytes: ByteSize,

    /// Idle sandboxes kept ready, per runtime [default: 10, or what
    /// FAAS_POOL_MIN_SIZE, FAAS_POOL_MAX_SIZE and FAAS_MAX_INSTANCES leave]
    #[arg(long, env = "FAAS_POOL_SIZE", value_name = "FAAS_POOL_SIZE",
          value_parser = whole::<u32>(1..=10_000))]
    pub pool_size: Option<u32>,

    /// Idle sandboxes kept after FAAS_POOL_IDLE_TIMEOUT without requests [default: FAAS_POOL_SIZE]
    #[arg(long, env = "FAAS_POOL_MIN_SIZE", value_name = "FAAS_POOL_MIN_SIZE",
          value_parser = whole::<u32>(1..=10_000))]
    pub pool_min_size: Option<u32>,

    /// Most idle sandboxes; the pool grows up to this while requests find none idle
    /// [default: FAAS_POOL_SIZE]
    #[arg(long, env = "FAAS_POOL_MAX_SIZE", value_name = "FAAS_POOL_MAX_SIZE",
          value_parser = whole::<u32>(1..=10_000))]
    pub pool_max_size: Option<u32>,

    /// Time without requests after which the pool shrinks, in ms
    #[arg(long, env = "FAAS_POOL_IDLE_TIMEOUT", value_name = "FAAS_POOL_IDLE_TIMEOUT",
          default_value = "300000", value_parser = milliseconds(1))]
    pub pool_idle_timeout: Duration,

    /// Most sandboxes alive at once, idle or executing
    #[arg(long, env = "FAAS_MAX_INSTANCES", value_name = "FAAS_MAX_INSTANCES", default_value_t = 50,
          value_parser = whole::<u32>(1..=10_000))]
    pub max_instances: u32,

    /// Most executions at once [default: FAAS_MAX_INSTANCES]
    #[arg(long, env = "FAAS_WORKER_COUNT", value_name = "FAAS_WORKER_COUNT",
          value_parser = whole::<u32>(1..=10_000))]
    pub worker_count: Option<u32>,

    /// Rows of one batch that are executed at once, at most [default: FAAS_WORKER_COUNT]
    #[arg(long, env = "FAAS_BATCH_CONCURRENCY", value_name = "FAAS_BATCH_CONCURRENCY",
          value_parser = whole::<u32>(1..=10_000))]
    pub batch_concurrency: Option<u32>,

    /// Longest time that a batch may take, in ms
    #[arg(long, env = "FAAS_BATCH_TIMEOUT", value_name = "FAAS_BATCH_TIMEOUT",
          default_value = "3600000", value_parser = milliseconds(1))]
    pub batch_timeout: Duration,

    /// Requests that may wait in the queue; more are answered with 429
    #[arg(long, env = "FAAS_QUEUE_SIZE", value_name = "FAAS_QUEUE_SIZE", default_value_t = 1000,
          value_parser = whole::<u32>(0..=1_000_000))]
    pub queue_size: u32,

    /// How long a request may wait in the queue, in ms; one whose turn would not come in time is answered with 429 at
    /// once [default: as long as it takes]
    #[arg(long, env = "FAAS_QUEUE_TIMEOUT", value_name = "FAAS_QUEUE_TIMEOUT",
          value_parser = milliseconds(1))]
    pub queue_timeout: Option<Duration>,

    /// Bytes of requests that are being read, waiting or executing, all together; more are answered
    /// with 429
    #[arg(long, env = "FAAS_QUEUE_BYTES", value_name = "FAAS_QUEUE_BYTES",
          default_value = "268435456", value_parser = bytes(1..=1 << 40))]
    pub queue_bytes: ByteSize,

    /// Bytes of answers that their callers have not read yet, all together; with more, requests are
    /// answered with 503
    #[arg(long, env = "FAAS_ANSWER_BYTES", value_name = "FAAS_ANSWER_BYTES",
          default_value = "268435456", value_parser = bytes(1..=1 << 40))]
    pub answer_bytes: ByteSize,

    /// Most snapshots alive at once (`keep`, `from`); those not used for longest make room; 0 for none
    #[arg(long, env = "FAAS_SNAPSHOTS", value_name = "FAAS_SNAPSHOTS", default_value_t = 50,
          value_parser = whole::<u32>(0..=10_000))]
    pub snapshots: u32,

    /// Memory that all snapshots may hold together, in MiB
    #[arg(long, env = "FAAS_SNAPSHOTS_MEMORY", value_name = "FAAS_SNAPSHOTS_MEMORY",
          default_value = "256", value_parser = mebibytes(1..=1 << 20))]
    pub snapshots_memory: ByteSize,

    /// How long a snapshot waits for its next use, in ms
    #[arg(long, env = "FAAS_SNAPSHOT_TIMEOUT", value_name = "FAAS_SNAPSHOT_TIMEOUT",
          default_value = "600000", value_parser = milliseconds(1000))]
    pub snapshot_timeout: Duration,

    /// Most sessions at once; of a caller who has more than another, those not used for longest make room for that
    /// other's; 0 for none
    #[arg(long, env = "FAAS_SESSIONS", value_name = "FAAS_SESSIONS", default_value_t = 50,
          value_parser = whole::<u32>(0..=10_000))]
    pub sessions: u32,

    /// Memory that all sessions may hold together, in MiB
    #[arg(long, env = "FAAS_SESSIONS_MEMORY", value_name = "FAAS_SESSIONS_MEMORY",
          default_value = "256", value_parser = mebibytes(1..=1 << 20))]
    pub sessions_memory: ByteSize,

    /// How long a session lives while nobody uses it, in ms; a request may ask for less
    #[arg(long, env = "FAAS_SESSION_TIMEOUT", value_name = "FAAS_SESSION_TIMEOUT",
          default_value = "1800000", value_parser = milliseconds(1000))]
    pub session_timeout: Duration,

    /// How long a session lives in any case, in ms; a request may ask for less
    #[arg(long, env = "FAAS_SESSION_LIFETIME", value_name = "FAAS_SESSION_LIFETIME",
          default_value = "86400000", value_parser = milliseconds(1000))]
    pub session_lifetime: Duration,

    /// Cells of a session that can be undone; each keeps a process
    #[arg(long, env = "FAAS_SESSION_UNDO", value_name = "FAAS_SESSION_UNDO", default_value_t = 2,
          value_parser = whole::<u32>(0..=10))]
    pub session_undo: u32,

    /// Most programs at once whose callers lend them tools (`tools`); each holds a sandbox while it waits for results
    /// [default: half of FAAS_MAX_INSTANCES]
    #[arg(long, env = "FAAS_TOOL_PROGRAMS", value_name = "FAAS_TOOL_PROGRAMS",
          value_parser = whole::<u32>(1..=10_000))]
    pub tool_programs: Option<u32>,

    /// Most calls of tools that a program may make
    #[arg(long, env = "FAAS_TOOL_CALLS", value_name = "FAAS_TOOL_CALLS", default_value_t = 1000,
          value_parser = whole::<u32>(1..=1_000_000))]
    pub tool_calls: u32,

    /// Bytes that the calls of a program and their results may have, all together
    #[arg(long, env = "FAAS_TOOL_BYTES", value_name = "FAAS_TOOL_BYTES",
          default_value = "10485760", value_parser = bytes(1..=1 << 30))]
    pub tool_bytes: ByteSize,

    /// How long a call of a tool may wait for its result, in ms; then its program is ended
    #[arg(long, env = "FAAS_TOOL_TIMEOUT", value_name = "FAAS_TOOL_TIMEOUT",
          default_value = "300000", value_parser = milliseconds(1))]
    pub tool_timeout: Duration,

    /// How long a program may wait for results of tools, all together, in ms
    #[arg(long, env = "FAAS_TOOL_WAIT", value_name = "FAAS_TOOL_WAIT",
          default_value = "1800000", value_parser = milliseconds(1))]
    pub tool_wait: Duration,

    /// Most jobs kept (`POST /jobs`), those that have ended included; more are answered with 429; 0 for none
    #[arg(long, env = "FAAS_JOBS", value_name = "FAAS_JOBS", default_value_t = 1000,
          value_parser = whole::<u32>(0..=100_000))]
    pub jobs: u32,

    /// Most jobs kept of one caller [default: FAAS_JOBS]
    #[arg(long, env = "FAAS_JOBS_PER_CALLER", value_name = "FAAS_JOBS_PER_CALLER",
          value_parser = whole::<u32>(1..=100_000))]
    pub jobs_per_caller: Option<u32>,

    /// Bytes of jobs and their results, all together; more are answered with 507
    #[arg(long, env = "FAAS_JOBS_BYTES", value_name = "FAAS_JOBS_BYTES",
          default_value = "1073741824", value_parser = bytes(1..=1 << 40))]
    pub jobs_bytes: ByteSize,

    /// How long a job may wait and run, and how long it is kept after its end, in ms; a request may ask for less
    #[arg(long, env = "FAAS_JOBS_EXPIRY", value_name = "FAAS_JOBS_EXPIRY",
          default_value = "86400000", value_parser = long_milliseconds(1))]
    pub jobs_expiry: Duration,

    /// Hosts that may be told of the ends of jobs, such as hooks.example or 10.0.0.7:8080, separated by commas; they
    /// may be on the inside of the network; * for all that are not, by https [default: none]
    #[arg(
        long,
        env = "FAAS_WEBHOOK_HOSTS",
        value_name = "FAAS_WEBHOOK_HOSTS",
        value_delimiter = ','
    )]
    pub webhook_hosts: Vec<String>,

    /// What these messages are signed with: whsec_ and 24 to 64 bytes in base64
    #[arg(long, env = "FAAS_WEBHOOK_SECRET", value_name = "FAAS_WEBHOOK_SECRET",
          value_parser = WebhookSecret::parse, hide_env_values = true)]
    pub webhook_secret: Option<WebhookSecret>,

    /// Name of this server among several, which the ids of its sessions and snapshots tell, so that a balancer can
    /// route by them: small letters, digits and dashes
    #[arg(long, env = "FAAS_REPLICA", value_name = "FAAS_REPLICA", value_parser = parse_replica)]
    pub replica: Option<Replica>,

    /// Boot timeout of a language runtime, in ms
    #[arg(long, env = "FAAS_PRELOAD_TIMEOUT", value_name = "FAAS_PRELOAD_TIMEOUT",
          default_value = "60000", value_parser = milliseconds(1000))]
    pub preload_timeout: Duration,

    /// Time that running executions have to finish after SIGTERM, in ms
    #[arg(long, env = "FAAS_SHUTDOWN_GRACE", value_name = "FAAS_SHUTDOWN_GRACE",
          default_value = "10000", value_parser = milliseconds(0))]
    pub shutdown_grace: Duration,

    /// Directory for caches and the history
    #[arg(
        long,
        env = "FAAS_WORKSPACE",
        value_name = "FAAS_WORKSPACE",
        default_value = "/tmp/faas-workspace"
    )]
    pub workspace: PathBuf,

    /// Directory of the pinned Pyodide [default: pyodide-dist next to the program or in the
    /// project]
    #[arg(long, env = "FAAS_PYODIDE_DIR", value_name = "FAAS_PYODIDE_DIR")]
    pub pyodide_dir: Option<PathBuf>,

    /// Directory of fonts (ttf, otf, ttc) that matplotlib takes where its own lack a character, such as one for
    /// Chinese, Japanese and Korean [default: none]
    #[arg(long, env = "FAAS_FONTS", value_name = "FAAS_FONTS")]
    pub fonts: Option<PathBuf>,

    /// Allow programs to use packages (1 or 0)
    #[arg(long, env = "FAAS_PACKAGES", value_name = "FAAS_PACKAGES", default_value = "1",
          value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub packages: bool,

    /// Directory of wheels, the first source of packages
    #[arg(long, env = "FAAS_WHEELHOUSE", value_name = "FAAS_WHEELHOUSE")]
    pub wheelhouse: Option<PathBuf>,

    /// Pyodide's own distribution, the second source: a directory or an http(s) address; off for none
    /// [default: where the pinned Pyodide loads it from, as `make setup` found it]
    #[arg(
        long,
        env = "FAAS_PYODIDE_PACKAGES",
        value_name = "FAAS_PYODIDE_PACKAGES"
    )]
    pub pyodide_packages: Option<String>,

    /// Package index with a Simple API in JSON or HTML, the third source: its http(s) address; off for
    /// none [default: the one that pip used where `make setup` ran]
    #[arg(long, env = "FAAS_PACKAGE_INDEX", value_name = "FAAS_PACKAGE_INDEX")]
    pub package_index: Option<String>,

    /// Hosts besides those of the configured addresses that may be asked for package files, such as
    /// files.example or 10.0.0.7:8080, separated by commas; they may be on the inside of the network
    #[arg(
        long,
        env = "FAAS_PACKAGE_HOSTS",
        value_name = "FAAS_PACKAGE_HOSTS",
        value_delimiter = ','
    )]
    pub package_hosts: Vec<String>,

    /// The only packages allowed, dependencies included, separated by commas [default: all]
    #[arg(
        long,
        env = "FAAS_PACKAGE_ALLOW",
        value_name = "FAAS_PACKAGE_ALLOW",
        value_delimiter = ','
    )]
    pub package_allow: Option<Vec<String>>,

    /// Packages that are not allowed, separated by commas
    #[arg(
        long,
        env = "FAAS_PACKAGE_DENY",
        value_name = "FAAS_PACKAGE_DENY",
        value_delimiter = ','
    )]
    pub package_deny: Vec<String>,

    /// Install packages that a program imports, if the wheelhouse or the distribution has them (1 or 0)
    #[arg(long, env = "FAAS_AUTO_INSTALL", value_name = "FAAS_AUTO_INSTALL", default_value = "1",
          value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub auto_install: bool,

    #[command(flatten)]
    pub versions: PackageVersions,

    /// Package sets that may keep a zygote each, so that they are installed only once
    #[arg(long, env = "FAAS_PACKAGE_ZYGOTES", value_name = "FAAS_PACKAGE_ZYGOTES",
          default_value_t = 4, value_parser = whole::<u32>(1..=1000))]
    pub package_zygotes: u32,

    /// Memory that a package set may take while it is installed and imported, in MiB
    #[arg(long, env = "FAAS_PACKAGE_MEMORY", value_name = "FAAS_PACKAGE_MEMORY",
          default_value = "768", value_parser = mebibytes(16..=65_536))]
    pub package_memory: ByteSize,

    /// Memory of all package zygotes together, in MiB, over what they share with Python's; the least
    /// recently used are ended to stay below it
    #[arg(long, env = "FAAS_PACKAGE_ZYGOTES_MEMORY", value_name = "FAAS_PACKAGE_ZYGOTES_MEMORY",
          default_value = "1024", value_parser = mebibytes(16..=1 << 20))]
    pub package_zygotes_memory: ByteSize,

    /// Package sets to prepare at start-up, such as pydantic;msgpack,jiter
    #[arg(
        long,
        env = "FAAS_PRELOAD",
        value_name = "FAAS_PRELOAD",
        value_delimiter = ';'
    )]
    pub preload: Vec<String>,

    /// Package sets to prepare again after a start without being asked: those that were used most before, but
    /// no more than FAAS_PACKAGE_ZYGOTES; 0 for none
    #[arg(long, env = "FAAS_PREPARED_SETS", value_name = "FAAS_PREPARED_SETS",
          default_value_t = 4, value_parser = whole::<u32>(0..=1000))]
    pub prepared_sets: u32,

    /// Disk space of the package cache, in MiB
    #[arg(long, env = "FAAS_PACKAGE_CACHE", value_name = "FAAS_PACKAGE_CACHE",
          default_value = "2048", value_parser = mebibytes(1..=1 << 20))]
    pub package_cache: ByteSize,

    /// Refuse to start unless every lock-down layer is available (1 or 0)
    #[arg(long, env = "FAAS_REQUIRE_SANDBOX", value_name = "FAAS_REQUIRE_SANDBOX",
          default_value = "0", value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub require_sandbox: bool,

    /// File that gets a line of JSON per execution; reopened on SIGHUP [default: none]
    #[arg(long, env = "FAAS_AUDIT_LOG", value_name = "FAAS_AUDIT_LOG")]
    pub audit_log: Option<PathBuf>,

    /// Keep a history of executions in FAAS_WORKSPACE, for /executions (on or off)
    #[arg(long, env = "FAAS_HISTORY", value_name = "FAAS_HISTORY",
          default_value = "on", value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub history: bool,

    /// Executions kept in the history
    #[arg(long, env = "FAAS_HISTORY_MAX", value_name = "FAAS_HISTORY_MAX",
          default_value_t = 10_000, value_parser = whole::<u64>(1..=100_000_000))]
    pub history_max: u64,

    /// Days that an execution stays in the history; one day more after a start, until the clock is
    /// known to go right
    #[arg(long, env = "FAAS_HISTORY_DAYS", value_name = "FAAS_HISTORY_DAYS",
          default_value_t = 7, value_parser = whole::<u64>(1..=36_500))]
    pub history_days: u64,

    /// Keep programs and their output in the history, 64 KiB of each (1 or 0)
    #[arg(long, env = "FAAS_HISTORY_BODIES", value_name = "FAAS_HISTORY_BODIES",
          default_value = "0", value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub history_bodies: bool,

    /// Other protocols that programs may come by, separated by commas: mcp (Model Context Protocol, at /mcp),
    /// langfuse (its code evaluators, at /2015-03-31/functions), sandbox-fusion (at /sandbox-fusion),
    /// piston (at /api/v2), e2b (its code interpreter, at /sandboxes and /execute), jupyter (its kernel gateway, at
    /// /api/kernels); off for none
    #[arg(long, env = "FAAS_DOORS", value_name = "FAAS_DOORS",
          default_value = "mcp,langfuse,sandbox-fusion,piston,e2b,jupyter", value_parser = parse_doors)]
    pub doors: Doors,

    /// Key pair that requests of Langfuse must be signed with, as ACCESS_KEY_ID:SECRET_ACCESS_KEY; without it, and
    /// without any token, signatures are not looked at
    #[arg(long, env = "FAAS_LANGFUSE_KEYS", value_name = "FAAS_LANGFUSE_KEYS",
          value_parser = KeyPair::parse, hide_env_values = true)]
    pub langfuse_keys: Option<KeyPair>,

    /// Serve a page at `/` for trying out programs (1 or 0)
    #[arg(long, env = "FAAS_PLAYGROUND", value_name = "FAAS_PLAYGROUND",
          default_value = "1", value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub playground: bool,

    /// Format of log lines
    #[arg(long, env = "FAAS_LOG_FORMAT", value_name = "FAAS_LOG_FORMAT",
          default_value = "human", value_parser = log_format_parser())]
    pub log_format: LogFormat,

    /// Log filter in the syntax of the tracing crate, such as debug
    #[arg(
        long,
        env = "FAAS_LOG",
        value_name = "FAAS_LOG",
        default_value = "info",
        value_parser = faas_telemetry::parse_log_filter
    )]
    pub log: String,

    /// Extra V8 flags (benchmarking only)
    #[arg(
        long,
        env = "FAAS_V8_FLAGS",
        value_name = "FAAS_V8_FLAGS",
        default_value = "",
        allow_hyphen_values = true
    )]
    pub v8_flags: String,
}

/// Settings that are each valid but not together, or not on this machine.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{name} is {value}; it must be at most {bound}, which is {limit}")]
    TooLarge {
        name: &'static str,
        value: u64,
        bound: &'static str,
        limit: u64,
    },
    #[error("{name} is {value}, which has no effect with {other}: change one of the two")]
    Contradiction {
        name: &'static str,
        value: String,
        other: String,
    },
    #[error(
        "only {limit} files may be open at once, and FAAS_MAX_INSTANCES, FAAS_SNAPSHOTS and FAAS_SESSIONS \
         take {needed} with some connections: raise the hard limit (ulimit -Hn, LimitNOFILE) or lower one of them"
    )]
    Descriptors { limit: u64, needed: u64 },
    #[error("FAAS_API_TOKEN and FAAS_API_TOKEN_FILE are both set: set one of the two")]
    TwoTokens,
    #[error("cannot take the token in {} (FAAS_API_TOKEN_FILE): {reason}", path.display())]
    TokenFile { path: PathBuf, reason: String },
    #[error("cannot take the tokens in {} (FAAS_API_TOKENS_FILE): {source}", path.display())]
    NamedTokens {
        path: PathBuf,
        source: NamedTokensError,
    },
    #[error(
        "FAAS_API_TOKEN is the same as the token {0} of FAAS_API_TOKENS_FILE: give each a token of its own"
    )]
    SameToken(TokenName),
    #[error(
        "no Pyodide in {0}: run `make setup`, or set FAAS_PYODIDE_DIR to the directory that has its files"
    )]
    NoPyodide(String),
}

impl Settings {
    /// Checks settings against each other. Settings that are not set adapt to the others.
    ///
    /// # Errors
    /// Names the setting, its value and what is allowed.
    pub fn check(&self) -> Result<(), SettingsError> {
        let bound = |name, value: u64, bound, limit: u64| {
            if value <= limit {
                Ok(())
            } else {
                Err(SettingsError::TooLarge {
                    name,
                    value,
                    bound,
                    limit,
                })
            }
        };
        let instances = u64::from(self.max_instances);
        let size = u64::from(self.pool_size());
        let min = u64::from(self.pool_min_size());
        let max = u64::from(self.pool_max_size());
        let workers = u64::from(self.worker_count());
        bound("FAAS_POOL_MIN_SIZE", min, "FAAS_POOL_SIZE", size)?;
        bound("FAAS_POOL_SIZE", size, "FAAS_POOL_MAX_SIZE", max)?;
        bound("FAAS_POOL_SIZE", size, "FAAS_MAX_INSTANCES", instances)?;
        bound(
            "FAAS_WORKER_COUNT",
            workers,
            "FAAS_MAX_INSTANCES",
            instances,
        )?;
        bound(
            "FAAS_BATCH_CONCURRENCY",
            u64::from(self.batch_concurrency()),
            "FAAS_WORKER_COUNT",
            workers,
        )?;
        bound(
            "FAAS_MAX_CODE_BYTES",
            self.max_code_bytes().get(),
            "FAAS_MAX_BODY_BYTES",
            self.max_body_bytes.get(),
        )?;
        if self.jobs > 0 {
            bound(
                "FAAS_JOBS_PER_CALLER",
                u64::from(self.jobs_per_caller()),
                "FAAS_JOBS",
                u64::from(self.jobs),
            )?;
        }
        let milliseconds = |duration: Duration| duration.as_millis() as u64;
        bound(
            "FAAS_TIMEOUT",
            milliseconds(self.timeout()),
            "FAAS_MAX_EXECUTION_TIME",
            milliseconds(self.max_execution_time),
        )?;
        self.check_contradictions()
    }

    /// Finds settings that others keep from having an effect.
    fn check_contradictions(&self) -> Result<(), SettingsError> {
        let contradiction = |name, value: &str, other: String| {
            let value = value.to_owned();
            Err(SettingsError::Contradiction { name, value, other })
        };
        if self.history_bodies && !self.history {
            return contradiction("FAAS_HISTORY_BODIES", "1", "FAAS_HISTORY=off".to_owned());
        }
        let is_set = |text: &&String| !text.trim().is_empty();
        if self.webhook_hosts.iter().any(|host| is_set(&host)) {
            let hosts = self.webhook_hosts.join(",");
            if self.jobs == 0 {
                return contradiction("FAAS_WEBHOOK_HOSTS", &hosts, "FAAS_JOBS=0".to_owned());
            }
            if self.webhook_secret.is_none() {
                let other = "FAAS_WEBHOOK_SECRET unset".to_owned();
                return contradiction("FAAS_WEBHOOK_HOSTS", &hosts, other);
            }
        }
        let sets = self.preload.iter().filter(is_set).count();
        if sets == 0 {
            return Ok(());
        }
        let preload = self.preload.join(";");
        if !self.packages {
            return contradiction("FAAS_PRELOAD", &preload, "FAAS_PACKAGES=0".to_owned());
        }
        let mut runtimes = self.runtimes();
        if !runtimes.any(|runtime| runtime.spec().with_packages.is_some())
            && let Some(only) = self.language
        {
            let other = format!("FAAS_LANGUAGE={}", only.name());
            return contradiction("FAAS_PRELOAD", &preload, other);
        }
        if sets > self.package_zygotes as usize {
            let zygotes = self.package_zygotes;
            let other = format!("FAAS_PACKAGE_ZYGOTES={zygotes}, fewer than its sets");
            return contradiction("FAAS_PRELOAD", &preload, other);
        }
        Ok(())
    }

    /// Reads the secrets that are in files of their own.
    ///
    /// # Errors
    /// When one cannot be read or is not valid, or is set otherwise as well.
    pub fn read_secrets(&mut self) -> Result<(), SettingsError> {
        if let Some(path) = self.api_token_file.clone() {
            if self.api_token.is_some() {
                return Err(SettingsError::TwoTokens);
            }
            let text = secret_file::read(&path).map_err(|error| error.to_string());
            match text.and_then(|text| ApiToken::parse(&text)) {
                Ok(token) => self.api_token = Some(token),
                Err(reason) => return Err(SettingsError::TokenFile { path, reason }),
            }
        }
        if let Some(path) = &self.api_tokens_file {
            self.named_tokens = Self::read_named_tokens(path, self.api_token.as_ref())?;
        }
        Ok(())
    }

    /// Reads the file of FAAS_API_TOKENS_FILE.
    ///
    /// # Errors
    /// When it cannot be read, is not valid, or has the plain token in it: whose would a request be?
    pub fn read_named_tokens(
        path: &Path,
        plain: Option<&ApiToken>,
    ) -> Result<NamedTokens, SettingsError> {
        let tokens = NamedTokens::read(path).map_err(|source| SettingsError::NamedTokens {
            path: path.to_owned(),
            source,
        })?;
        match plain.and_then(|plain| tokens.find(plain.digest())) {
            Some(token) => Err(SettingsError::SameToken(token.name.clone())),
            None => Ok(tokens),
        }
    }

    /// Whether callers need a token.
    pub fn needs_token(&self) -> bool {
        self.api_token.is_some() || self.api_tokens_file.is_some()
    }

    /// Whether FAAS_ALLOWED_HOSTS names this host, in any case.
    pub fn allows_host(&self, host: &str) -> bool {
        let mut allowed = self.allowed_hosts.iter();
        allowed.any(|name| name.eq_ignore_ascii_case(host))
    }

    /// Whether programs in this language are accepted.
    pub fn serves(&self, language: Language) -> bool {
        self.runtimes().any(|runtime| runtime == language.runtime())
    }

    /// The languages whose programs are accepted.
    pub fn languages(&self) -> impl Iterator<Item = Language> {
        Language::ALL
            .into_iter()
            .filter(|language| self.serves(*language))
    }

    /// The runtimes to start.
    pub fn runtimes(&self) -> impl Iterator<Item = Runtime> {
        let only = self.language;
        let is_served = move |runtime: &Runtime| only.is_none_or(|only| only == *runtime);
        Runtime::ALL.into_iter().filter(is_served)
    }

    /// Time limit of an execution whose request sets none.
    pub fn timeout(&self) -> Duration {
        self.timeout
            .unwrap_or_else(|| DEFAULT_TIMEOUT.min(self.max_execution_time))
    }

    /// Longest program.
    pub fn max_code_bytes(&self) -> ByteSize {
        self.max_code_bytes
            .unwrap_or_else(|| DEFAULT_MAX_CODE_BYTES.min(self.max_body_bytes))
    }

    pub fn worker_count(&self) -> u32 {
        self.worker_count.unwrap_or(self.max_instances)
    }

    pub fn tool_programs(&self) -> u32 {
        self.tool_programs.unwrap_or(self.max_instances.div_ceil(2))
    }

    pub fn batch_concurrency(&self) -> u32 {
        self.batch_concurrency.unwrap_or(self.worker_count())
    }

    pub fn jobs_per_caller(&self) -> u32 {
        self.jobs_per_caller.unwrap_or(self.jobs)
    }

    pub fn pool_size(&self) -> u32 {
        self.pool_size.unwrap_or_else(|| {
            DEFAULT_POOL_SIZE
                .max(self.pool_min_size.unwrap_or(1))
                .min(self.pool_max_size.unwrap_or(u32::MAX))
                .min(self.max_instances)
        })
    }

    pub fn pool_min_size(&self) -> u32 {
        self.pool_min_size.unwrap_or(self.pool_size())
    }

    /// The pool never grows beyond FAAS_MAX_INSTANCES, whatever this is.
    pub fn pool_max_size(&self) -> u32 {
        self.pool_max_size.unwrap_or(self.pool_size())
    }

    /// The limits of an execution, unless its request lowers them, with this time limit or the
    /// longest allowed.
    pub fn limits(&self, wall: Duration) -> Limits {
        Limits {
            wall: wall.min(self.max_execution_time),
            // Unless it is set, later than any time limit: a busy program runs into both at once,
            // and its answer should not depend on which clock the kernel checks first.
            cpu: self
                .max_cpu_time
                .unwrap_or(self.max_execution_time + LONGEST_GRACE),
            memory: self.memory_limit,
            output: self.max_output_bytes,
            return_value: self.max_return_bytes,
            files: self.max_files_bytes,
            storage: self.max_storage,
        }
    }

    /// Most memory that the service takes when every program is at its limit: the rule of SECURITY.md, without
    /// a workspace in memory.
    pub fn most_memory(&self) -> ByteSize {
        let workers = u64::from(self.worker_count());
        let of_programs = self.memory_limit.saturating_add(OVER_MEMORY_LIMIT).get();
        ByteSize::bytes(workers.saturating_mul(of_programs))
            .saturating_add(OF_THE_SERVICE)
            .saturating_add(self.package_zygotes_memory)
            .saturating_add(self.snapshots_memory)
            .saturating_add(self.sessions_memory)
            .saturating_add(self.queue_bytes)
            .saturating_add(self.answer_bytes)
    }
}
