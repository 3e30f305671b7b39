//! The `run` command: one file, one sandbox, the same way as a request takes.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use faas_pool::ExecutionRequest;
use faas_pool::PackageSet;
use faas_pool::Pool;
use faas_protocol::Invocation;
use faas_protocol::Job;
use faas_protocol::Language;
use faas_telemetry::start_logging;
use rustix::fs::FileType;

use super::Error;
use crate::one_sandbox;
use crate::settings::Settings;

/// Arguments of the `run` command.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The file with the program
    file: PathBuf,
    /// Its arguments; those that begin with - after a --
    args: Vec<String>,
    /// Its language [default: by the file's extension, else python]
    #[arg(long)]
    language: Option<String>,
    /// Time limit in ms [default: FAAS_TIMEOUT]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    /// Packages that it needs, separated by commas
    #[arg(long, value_delimiter = ',')]
    packages: Vec<String>,
    /// JSON that the program finds as `input_data`
    #[arg(long)]
    input: Option<String>,
}

/// Executes the file; the exit code is the program's.
///
/// # Errors
/// When the file cannot be read or no sandbox starts.
pub fn run(settings: &Settings, arguments: &RunArgs) -> Result<ExitCode, Error> {
    settings.check()?;
    start_logging(settings.log_format, "warn", None);
    let language = arguments.language()?;
    let code = std::fs::read_to_string(&arguments.file)
        .map_err(|error| format!("cannot read {}: {error}", arguments.file.display()))?;
    if let Some(input) = &arguments.input {
        serde_json::from_str::<serde::de::IgnoredAny>(input)
            .map_err(|error| format!("--input is not JSON: {error}"))?;
    }
    let timeout = arguments.timeout.map(Duration::from_millis);
    let limits = settings.limits(timeout.unwrap_or(settings.timeout()));
    let job = Job {
        input: arguments.input.clone(),
        invocation: Invocation {
            stdin: piped_stdin()?,
            arguments: arguments.args.clone(),
            ..Invocation::default()
        },
        auto_install: settings.auto_install,
        ..Job::run(language, code, limits)
    };
    let request = ExecutionRequest {
        packages: PackageSet::new(&arguments.packages)?,
        ..one_sandbox::request(job)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let packages = settings.open_packages([language.runtime()])?;
        let pool = one_sandbox::start(settings, [language], packages).await?;
        let exit_code = execute(&pool, request).await;
        pool.shut_down().await;
        exit_code
    })
}

/// What is piped into this command, or is in the file that its standard input was taken from. Terminals and
/// devices are not read: they may have no end.
fn piped_stdin() -> Result<Option<String>, Error> {
    let stdin = std::io::stdin();
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&stdin)?.st_mode);
    if !matches!(kind, FileType::Fifo | FileType::RegularFile) {
        return Ok(None);
    }
    let text = std::io::read_to_string(stdin)
        .map_err(|error| format!("cannot read the standard input: {error}"))?;
    Ok(Some(text))
}

async fn execute(pool: &Arc<Pool>, request: ExecutionRequest) -> Result<ExitCode, Error> {
    let (report, _) = pool.execute(request).await?;
    std::io::stdout().write_all(report.stdout.as_bytes())?;
    std::io::stderr().write_all(report.stderr.as_bytes())?;
    if let Some(value) = report.return_value {
        println!("{value}");
    }
    Ok(ExitCode::from(
        u8::try_from(report.exit_code & 0xff).unwrap_or(1),
    ))
}

impl RunArgs {
    fn language(&self) -> Result<Language, Error> {
        let extension = self.file.extension().and_then(|text| text.to_str());
        match (&self.language, extension) {
            (Some(name), _) => {
                Language::from_name(name).ok_or_else(|| format!("unknown language {name}").into())
            }
            (None, Some(name)) => Ok(Language::from_name(name).unwrap_or(Language::DEFAULT)),
            (None, None) => Ok(Language::DEFAULT),
        }
    }
}
