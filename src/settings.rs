//! Every setting, parsed and checked in one place. The environment variables are those of the
//! services that this one replaces, and more; each is a command-line option, too.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::ValueEnum;

use crate::api::ApiToken;
use crate::packages::PackageSettings;
use crate::pool::LONGEST_GRACE;
use crate::pool::Limits;
use crate::protocol::Language;
use crate::protocol::SandboxLimits;
use crate::telemetry::HistorySettings;
use crate::zygote::Runtime;

/// A day: no execution and no pause of this service is longer.
const MAX_MILLISECONDS: u64 = 86_400_000;
const DEFAULT_TIMEOUT_MS: u64 = 30_000;
const DEFAULT_POOL_SIZE: u32 = 10;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Human,
    Json,
}

/// The languages that one server may be confined to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServedLanguage {
    Python,
    /// And TypeScript.
    #[value(name = "javascript")]
    JavaScript,
}

/// Settings of the service.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Address to listen on
    #[arg(
        long,
        env = "FAAS_HOST",
        value_name = "FAAS_HOST",
        default_value = "0.0.0.0"
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
    #[arg(long, env = "FAAS_LANGUAGE", value_name = "FAAS_LANGUAGE", value_enum)]
    pub language: Option<ServedLanguage>,

    /// Time limit of an execution that names none, in ms [default: 30000, or
    /// FAAS_MAX_EXECUTION_TIME if that is less]
    #[arg(long, env = "FAAS_TIMEOUT", value_name = "FAAS_TIMEOUT",
          value_parser = whole::<u64>(1..=MAX_MILLISECONDS))]
    pub timeout: Option<u64>,

    /// Longest time limit that a request may ask for, in ms; longer ones are cut to it
    #[arg(long, env = "FAAS_MAX_EXECUTION_TIME", value_name = "FAAS_MAX_EXECUTION_TIME",
          default_value_t = 60_000, value_parser = whole::<u64>(1..=MAX_MILLISECONDS))]
    pub max_execution_time: u64,

    /// Most CPU time of an execution, in ms [default: what its time limit allows]
    #[arg(long, env = "FAAS_MAX_CPU_TIME", value_name = "FAAS_MAX_CPU_TIME",
          value_parser = whole::<u64>(1..=MAX_MILLISECONDS))]
    pub max_cpu_time: Option<u64>,

    /// Most memory of an execution over that of an empty program, in MiB
    #[arg(long, env = "FAAS_MEMORY_LIMIT", value_name = "FAAS_MEMORY_LIMIT", default_value_t = 256,
          value_parser = whole::<u64>(16..=65_536))]
    pub memory_limit: u64,

    /// Most output kept of an execution, stdout and stderr together, in bytes
    #[arg(long, env = "FAAS_MAX_OUTPUT_BYTES", value_name = "FAAS_MAX_OUTPUT_BYTES",
          default_value_t = 2 << 20, value_parser = whole::<u64>(1..=1 << 30))]
    pub max_output_bytes: u64,

    /// Longest return value, in bytes
    #[arg(long, env = "FAAS_MAX_RETURN_BYTES", value_name = "FAAS_MAX_RETURN_BYTES",
          default_value_t = 2 << 20, value_parser = whole::<u64>(1..=1 << 28))]
    pub max_return_bytes: u64,

    /// Most that an execution hands back in files, in bytes
    #[arg(long, env = "FAAS_MAX_FILES_BYTES", value_name = "FAAS_MAX_FILES_BYTES",
          default_value_t = 8 << 20, value_parser = whole::<u64>(0..=1 << 30))]
    pub max_files_bytes: u64,

    /// Highest cyclomatic complexity of a function of a program; one above is refused with 422
    /// [default: any]
    #[arg(long, env = "FAAS_MAX_COMPLEXITY", value_name = "FAAS_MAX_COMPLEXITY",
          value_parser = whole::<u32>(1..=1_000_000))]
    pub max_complexity: Option<u32>,

    /// Deepest nesting of a program's control structures; one above is refused with 422 [default: any]
    #[arg(long, env = "FAAS_MAX_NESTING", value_name = "FAAS_MAX_NESTING",
          value_parser = whole::<u32>(1..=1_000_000))]
    pub max_nesting: Option<u32>,

    /// Most that a Python program's files may take in its virtual file system, in MiB
    #[arg(long, env = "FAAS_MAX_STORAGE", value_name = "FAAS_MAX_STORAGE",
          default_value_t = 64, value_parser = whole::<u64>(1..=1 << 20))]
    pub max_storage: u64,

    /// Longest program, in bytes
    #[arg(long, env = "FAAS_MAX_CODE_BYTES", value_name = "FAAS_MAX_CODE_BYTES",
          default_value_t = 1 << 20, value_parser = whole::<u64>(1..=1 << 28))]
    pub max_code_bytes: u64,

    /// If set, what callers must send as `Authorization: Bearer …`, for all but /health
    #[arg(long, env = "FAAS_API_TOKEN", value_name = "FAAS_API_TOKEN",
          value_parser = ApiToken::parse, hide_env_values = true)]
    pub api_token: Option<ApiToken>,

    /// Time that a client has to send the head of a request, and again its body, in ms
    #[arg(long, env = "FAAS_CLIENT_TIMEOUT", value_name = "FAAS_CLIENT_TIMEOUT",
          default_value_t = 30_000, value_parser = whole::<u64>(1..=MAX_MILLISECONDS))]
    pub client_timeout: u64,

    /// Longest request body, in bytes
    #[arg(long, env = "FAAS_MAX_BODY_BYTES", value_name = "FAAS_MAX_BODY_BYTES",
          default_value_t = 10 << 20, value_parser = whole::<u64>(1..=1 << 30))]
    pub max_body_bytes: u64,

    /// Sandboxes waiting ahead of need, per runtime [default: 10, or what
    /// FAAS_POOL_MIN_SIZE, FAAS_POOL_MAX_SIZE and FAAS_MAX_INSTANCES leave]
    #[arg(long, env = "FAAS_POOL_SIZE", value_name = "FAAS_POOL_SIZE",
          value_parser = whole::<u32>(1..=10_000))]
    pub pool_size: Option<u32>,

    /// Sandboxes still waiting when nobody came for FAAS_POOL_IDLE_TIMEOUT [default: FAAS_POOL_SIZE]
    #[arg(long, env = "FAAS_POOL_MIN_SIZE", value_name = "FAAS_POOL_MIN_SIZE",
          value_parser = whole::<u32>(1..=10_000))]
    pub pool_min_size: Option<u32>,

    /// Sandboxes waiting at most, reached while requests find none waiting [default: FAAS_POOL_SIZE]
    #[arg(long, env = "FAAS_POOL_MAX_SIZE", value_name = "FAAS_POOL_MAX_SIZE",
          value_parser = whole::<u32>(1..=10_000))]
    pub pool_max_size: Option<u32>,

    /// Time without a request after which the pool shrinks, in ms
    #[arg(long, env = "FAAS_POOL_IDLE_TIMEOUT", value_name = "FAAS_POOL_IDLE_TIMEOUT",
          default_value_t = 300_000, value_parser = whole::<u64>(1..=MAX_MILLISECONDS))]
    pub pool_idle_timeout: u64,

    /// Sandboxes alive at once, waiting or executing
    #[arg(long, env = "FAAS_MAX_INSTANCES", value_name = "FAAS_MAX_INSTANCES", default_value_t = 50,
          value_parser = whole::<u32>(1..=10_000))]
    pub max_instances: u32,

    /// Executions at once [default: FAAS_MAX_INSTANCES]
    #[arg(long, env = "FAAS_WORKER_COUNT", value_name = "FAAS_WORKER_COUNT",
          value_parser = whole::<u32>(1..=10_000))]
    pub worker_count: Option<u32>,

    /// Requests that may wait for their turn; one more is answered with 429
    #[arg(long, env = "FAAS_QUEUE_SIZE", value_name = "FAAS_QUEUE_SIZE", default_value_t = 1000,
          value_parser = whole::<u32>(0..=1_000_000))]
    pub queue_size: u32,

    /// Longest boot of a language runtime, in ms
    #[arg(long, env = "FAAS_PRELOAD_TIMEOUT", value_name = "FAAS_PRELOAD_TIMEOUT",
          default_value_t = 60_000, value_parser = whole::<u64>(1..=MAX_MILLISECONDS))]
    pub preload_timeout: u64,

    /// Time that running executions have to finish after SIGTERM, in ms
    #[arg(long, env = "FAAS_SHUTDOWN_GRACE", value_name = "FAAS_SHUTDOWN_GRACE",
          default_value_t = 10_000, value_parser = whole::<u64>(0..=MAX_MILLISECONDS))]
    pub shutdown_grace: u64,

    /// Directory for caches and the history
    #[arg(
        long,
        env = "FAAS_WORKSPACE",
        value_name = "FAAS_WORKSPACE",
        default_value = "/tmp/faas-workspace"
    )]
    pub workspace: PathBuf,

    /// Directory of the pinned Pyodide [default: pyodide-dist beside the program or the project]
    #[arg(long, env = "FAAS_PYODIDE_DIR", value_name = "FAAS_PYODIDE_DIR")]
    pub pyodide_dir: Option<PathBuf>,

    /// Whether programs may have packages (1 or 0)
    #[arg(long, env = "FAAS_PACKAGES", value_name = "FAAS_PACKAGES", default_value = "1",
          value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub packages: bool,

    /// Directory of wheels, the first source of packages
    #[arg(long, env = "FAAS_WHEELHOUSE", value_name = "FAAS_WHEELHOUSE")]
    pub wheelhouse: Option<PathBuf>,

    /// Pyodide's own distribution, the second source: a directory or an http(s) address
    #[arg(
        long,
        env = "FAAS_PYODIDE_PACKAGES",
        value_name = "FAAS_PYODIDE_PACKAGES"
    )]
    pub pyodide_packages: Option<String>,

    /// Package index with a Simple API in JSON or HTML, the third source: its http(s) address
    #[arg(long, env = "FAAS_PACKAGE_INDEX", value_name = "FAAS_PACKAGE_INDEX")]
    pub package_index: Option<String>,

    /// If set, the only packages allowed, dependencies too; names with commas between
    #[arg(
        long,
        env = "FAAS_PACKAGE_ALLOW",
        value_name = "FAAS_PACKAGE_ALLOW",
        value_delimiter = ','
    )]
    pub package_allow: Option<Vec<String>>,

    /// Packages that are not allowed; names with commas between
    #[arg(
        long,
        env = "FAAS_PACKAGE_DENY",
        value_name = "FAAS_PACKAGE_DENY",
        value_delimiter = ','
    )]
    pub package_deny: Vec<String>,

    /// Install packages that a program imports and that a source has (1 or 0)
    #[arg(long, env = "FAAS_AUTO_INSTALL", value_name = "FAAS_AUTO_INSTALL", default_value = "0",
          value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub auto_install: bool,

    /// Sets of packages that keep a zygote of their own, so that they are installed just once
    #[arg(long, env = "FAAS_PACKAGE_ZYGOTES", value_name = "FAAS_PACKAGE_ZYGOTES",
          default_value_t = 4, value_parser = whole::<u32>(1..=1000))]
    pub package_zygotes: u32,

    /// Sets of packages to prepare at the start, such as pydantic;msgpack,jiter
    #[arg(
        long,
        env = "FAAS_PRELOAD",
        value_name = "FAAS_PRELOAD",
        value_delimiter = ';'
    )]
    pub preload: Vec<String>,

    /// Most disk that the cache of packages takes, in MiB
    #[arg(long, env = "FAAS_PACKAGE_CACHE", value_name = "FAAS_PACKAGE_CACHE",
          default_value_t = 2048, value_parser = whole::<u64>(1..=1 << 20))]
    pub package_cache: u64,

    /// Refuse to start unless every lock-down layer is available (1 or 0)
    #[arg(long, env = "FAAS_REQUIRE_SANDBOX", value_name = "FAAS_REQUIRE_SANDBOX",
          default_value = "0", value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub require_sandbox: bool,

    /// If set, file that gets a line of JSON per execution; opened anew on SIGHUP
    #[arg(long, env = "FAAS_AUDIT_LOG", value_name = "FAAS_AUDIT_LOG")]
    pub audit_log: Option<PathBuf>,

    /// Keep what was executed, for /executions, in FAAS_WORKSPACE (on or off)
    #[arg(long, env = "FAAS_HISTORY", value_name = "FAAS_HISTORY",
          default_value = "on", value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub history: bool,

    /// Executions kept in the history at most
    #[arg(long, env = "FAAS_HISTORY_MAX", value_name = "FAAS_HISTORY_MAX",
          default_value_t = 10_000, value_parser = whole::<u64>(1..=100_000_000))]
    pub history_max: u64,

    /// Days that an execution stays in the history
    #[arg(long, env = "FAAS_HISTORY_DAYS", value_name = "FAAS_HISTORY_DAYS",
          default_value_t = 7, value_parser = whole::<u64>(1..=36_500))]
    pub history_days: u64,

    /// Keep programs and their output in the history, too, 64 KiB of each (1 or 0)
    #[arg(long, env = "FAAS_HISTORY_BODIES", value_name = "FAAS_HISTORY_BODIES",
          default_value = "0", value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub history_bodies: bool,

    /// Show a page at `/` for trying programs (1 or 0)
    #[arg(long, env = "FAAS_PLAYGROUND", value_name = "FAAS_PLAYGROUND",
          default_value = "1", value_parser = parse_switch, action = clap::ArgAction::Set)]
    pub playground: bool,

    /// Format of log lines
    #[arg(long, env = "FAAS_LOG_FORMAT", value_name = "FAAS_LOG_FORMAT", value_enum,
          default_value_t = LogFormat::Human)]
    pub log_format: LogFormat,

    /// Which log lines, in the syntax of the tracing crate's filters, such as debug
    #[arg(
        long,
        env = "FAAS_LOG",
        value_name = "FAAS_LOG",
        default_value = "info"
    )]
    pub log: String,

    /// More flags for V8, for measurements
    #[arg(
        long,
        env = "FAAS_V8_FLAGS",
        value_name = "FAAS_V8_FLAGS",
        default_value = "",
        allow_hyphen_values = true
    )]
    pub v8_flags: String,
}

/// Files that make a directory a Pyodide distribution.
const PYODIDE_FILES: [&str; 5] = [
    "pyodide.mjs",
    "pyodide.asm.mjs",
    "pyodide.asm.wasm",
    "python_stdlib.zip",
    "pyodide-lock.json",
];

/// Settings that are each fine but make no sense together, or with this machine.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("{name} is {value}; it must be at most {bound}, which is {limit}")]
    TooLarge {
        name: &'static str,
        value: u64,
        bound: &'static str,
        limit: u64,
    },
    #[error(
        "no Pyodide in {0}: run `make setup`, or set FAAS_PYODIDE_DIR to the directory that has its files"
    )]
    NoPyodide(String),
}

impl Settings {
    /// Checks what no single setting's parser can. Settings that were left out adapt to the others.
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
            "FAAS_TIMEOUT",
            self.timeout(),
            "FAAS_MAX_EXECUTION_TIME",
            self.max_execution_time,
        )
    }

    /// Whether programs in this language are accepted.
    pub fn serves(&self, language: Language) -> bool {
        match self.language {
            None => true,
            Some(ServedLanguage::Python) => language == Language::Python,
            Some(ServedLanguage::JavaScript) => language != Language::Python,
        }
    }

    /// The languages whose programs are accepted.
    pub fn languages(&self) -> impl Iterator<Item = Language> {
        Language::ALL
            .into_iter()
            .filter(|language| self.serves(*language))
    }

    /// The runtimes to start.
    pub fn runtimes(&self) -> &'static [Runtime] {
        match self.language {
            None => &[Runtime::Python, Runtime::JavaScript],
            Some(ServedLanguage::Python) => &[Runtime::Python],
            Some(ServedLanguage::JavaScript) => &[Runtime::JavaScript],
        }
    }

    /// Time limit of an execution that names none, in ms.
    pub fn timeout(&self) -> u64 {
        self.timeout
            .unwrap_or_else(|| DEFAULT_TIMEOUT_MS.min(self.max_execution_time))
    }

    pub fn worker_count(&self) -> u32 {
        self.worker_count.unwrap_or(self.max_instances)
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

    /// The shelf never outgrows FAAS_MAX_INSTANCES, whatever is set.
    pub fn pool_max_size(&self) -> u32 {
        self.pool_max_size.unwrap_or(self.pool_size())
    }

    /// The limits that a sandbox puts on itself, unless a request lowers them.
    pub fn sandbox_limits(&self) -> SandboxLimits {
        SandboxLimits {
            // Unless it is set, later than any time limit: a busy program runs into both at once, and
            // its answer should not depend on which clock the kernel looks at first.
            cpu_ms: self
                .max_cpu_time
                .unwrap_or(self.max_execution_time + LONGEST_GRACE.as_millis() as u64),
            memory_bytes: self.memory_limit << 20,
            return_bytes: self.max_return_bytes,
            files_bytes: self.max_files_bytes,
            storage_bytes: self.max_storage << 20,
        }
    }

    /// The limits that the supervisor keeps, with a wall time of `wall_ms` or the longest allowed.
    pub fn limits(&self, wall_ms: u64) -> Limits {
        Limits {
            wall: Duration::from_millis(wall_ms.min(self.max_execution_time)),
            output_bytes: self.max_output_bytes,
        }
    }

    /// The lock file of the distribution that packages may come from: its own if it is a directory
    /// that has one, else the pinned Pyodide's. `None` without a distribution.
    pub fn distribution_lock(&self, pyodide: &Path) -> Option<PathBuf> {
        const NAME: &str = "pyodide-lock.json";
        let own = Path::new(self.pyodide_packages.as_ref()?).join(NAME);
        Some(if own.is_file() {
            own
        } else {
            pyodide.join(NAME)
        })
    }

    /// Where and how much history is kept.
    pub fn history_settings(&self) -> HistorySettings {
        HistorySettings {
            path: self.workspace.join("history.sqlite3"),
            max_rows: self.history_max,
            max_age: Duration::from_hours(24 * self.history_days),
        }
    }

    /// What the package sources need to know.
    pub fn package_settings(&self, pyodide: &Path) -> PackageSettings {
        let names = |list: &[String]| -> Vec<String> {
            let names = list.iter().map(|name| name.trim().to_owned());
            names.filter(|name| !name.is_empty()).collect()
        };
        PackageSettings {
            enabled: self.packages && self.serves(Language::Python),
            wheelhouse: self.wheelhouse.clone(),
            distribution: self.pyodide_packages.clone(),
            index: self.package_index.clone(),
            allow: self.package_allow.as_deref().map(names),
            deny: names(&self.package_deny),
            cache_bytes: self.package_cache << 20,
            ..PackageSettings::new(
                pyodide.join("pyodide-lock.json"),
                self.workspace.join("packages"),
            )
        }
    }

    /// The directory of the pinned Pyodide: the one that is set, else `pyodide-dist` beside the
    /// program (as in the container image), in the current directory, or in the project that this
    /// program was built in.
    ///
    /// # Errors
    /// [`SettingsError::NoPyodide`] if a file is missing there.
    pub fn pyodide_directory(&self) -> Result<PathBuf, SettingsError> {
        let beside_program = std::env::current_exe()
            .ok()
            .and_then(|program| Some(program.parent()?.join("pyodide-dist")));
        let candidates: Vec<PathBuf> = match &self.pyodide_dir {
            Some(directory) => vec![directory.clone()],
            None => beside_program
                .into_iter()
                .chain([
                    PathBuf::from("pyodide-dist"),
                    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/pyodide-dist")),
                ])
                .collect(),
        };
        let complete = |directory: &PathBuf| {
            PYODIDE_FILES
                .iter()
                .all(|name| directory.join(name).is_file())
        };
        match candidates.iter().find(|directory| complete(directory)) {
            Some(directory) => Ok(std::path::absolute(directory).unwrap_or(directory.clone())),
            None => Err(SettingsError::NoPyodide(
                candidates
                    .iter()
                    .map(|directory| directory.display().to_string())
                    .collect::<Vec<_>>()
                    .join(", "),
            )),
        }
    }
}

/// A parser for whole numbers in a range, whose error says what is allowed.
fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.trim().parse().ok();
        number
            .filter(|number| range.contains(number))
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| {
                format!(
                    "allowed are whole numbers from {} to {}",
                    range.start(),
                    range.end()
                )
            })
    }
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text {
        "1" | "true" | "on" => Ok(true),
        "0" | "false" | "off" | "" => Ok(false),
        _ => Err("allowed are 1 and 0".to_owned()),
    }
}
