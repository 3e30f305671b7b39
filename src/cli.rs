//! The command line.

use std::fmt::Display;
use std::path::PathBuf;

use clap::Arg;
use clap::CommandFactory;
use clap::FromArgMatches;
use clap::Parser;
use clap::Subcommand;
use clap::builder::Resettable;
use clap::error::ContextKind;
use clap::error::ContextValue;
use clap::error::ErrorKind;

use crate::commands::compile::CompileArgs;
use crate::commands::generate::GenerateArgs;
use crate::commands::packages::PackagesArgs;
use crate::commands::repl::ReplArgs;
use crate::commands::run::RunArgs;
use crate::commands::zygote::ZygoteArgs;
use crate::settings::Effective;
use crate::settings::SECRETS;
use crate::settings::Settings;
use crate::settings::SettingsFile;

/// Runs untrusted Python, JavaScript and TypeScript in fresh OS-isolated sandboxes behind an HTTP API.
///
/// Every setting is an option, an environment variable and a line of a file; the first of these wins.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    pub settings: Settings,

    /// The value of each setting, and where it came from.
    #[arg(skip)]
    pub effective: Vec<Effective>,
}

impl Cli {
    /// Parses the arguments, the environment of this process and the file that they name; ends it with a message if
    /// they are wrong.
    pub fn from_process() -> Self {
        Self::parse_with_file().unwrap_or_else(|error| without_secret(error).exit())
    }

    fn parse_with_file() -> Result<Self, clap::Error> {
        let command = Self::command().mut_args(without_empty_variable);
        let file = path_of_file(&command).map(|path| SettingsFile::read(&path));
        let file = file.transpose().map_err(refusal)?;
        let with_file = match &file {
            Some(file) => file.apply(command).map_err(refusal)?,
            None => command,
        };
        let matches = with_file.try_get_matches();
        let matches = matches.map_err(|error| naming_file(error, file.as_ref()))?;
        let mut parsed = Self::from_arg_matches(&matches)?;
        parsed.settings.read_secrets().map_err(refusal)?;
        parsed.effective = Effective::all(&Self::command(), &matches, file.as_ref());
        Ok(parsed)
    }
}

/// The file of settings. Whatever else is wrong is said when its values are known.
fn path_of_file(command: &clap::Command) -> Option<PathBuf> {
    let command = command.clone().ignore_errors(true);
    let matches = command.try_get_matches().ok()?;
    matches.get_one::<PathBuf>("config").cloned()
}

fn refusal(error: impl Display) -> clap::Error {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{error}\n"))
}

/// Says which file an invalid value is in, if it is in one.
fn naming_file(mut error: clap::Error, file: Option<&SettingsFile>) -> clap::Error {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    // As clap shows an option: `--memory-limit <FAAS_MEMORY_LIMIT>`.
    let (option, variable) = argument.split_once(' ').unwrap_or((argument, ""));
    let option = option.trim_start_matches('-');
    let is_overridden = std::env::var_os(variable.trim_matches(['<', '>'])).is_some();
    if let Some(file) = file.filter(|file| file.sets(option) && !is_overridden) {
        let argument = format!("{argument}' in '{}", file.path().display());
        error.insert(ContextKind::InvalidArg, ContextValue::String(argument));
    }
    error
}

/// Keeps a token that is refused out of the message, which goes to logs.
fn without_secret(mut error: clap::Error) -> clap::Error {
    let is_secret = matches!(
        error.get(ContextKind::InvalidArg),
        Some(ContextValue::String(argument)) if SECRETS.iter().any(|name| argument.contains(name))
    );
    if is_secret {
        error.insert(
            ContextKind::InvalidValue,
            ContextValue::String("…".to_owned()),
        );
    }
    error
}

/// Takes a variable from an option if it is empty, which counts as unset: Compose and Kubernetes pass on
/// variables that have no value as empty ones.
fn without_empty_variable(argument: Arg) -> Arg {
    let is_empty = argument
        .get_env()
        .filter(|name| !SECRETS.iter().any(|secret| name == secret))
        .and_then(std::env::var_os)
        .is_some_and(|value| value.is_empty());
    if is_empty {
        argument.env(Resettable::Reset)
    } else {
        argument
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the HTTP API (the default)
    Serve,
    /// Execute one file in a sandbox and print its output; exits as the program does
    Run(RunArgs),
    /// Read cells of a session from the terminal and run them in sandboxes, one after the other
    Repl(ReplArgs),
    /// Make Pyodide's machine code for this kind of CPU ahead, which `serve` otherwise does in the background
    Compile(CompileArgs),
    /// Look at this machine: what holds, what does not, and what to do; fails if the service would not work
    Doctor,
    /// Print the settings in force and where each came from, as a file of settings
    Config,
    /// Ask the service that runs with the same settings for its health; fails unless it is healthy
    Healthcheck,
    /// Serve the Model Context Protocol over stdin and stdout, for desktop clients
    Mcp,
    /// Fetch packages ahead of need
    Packages(PackagesArgs),
    /// Write man pages, completions and a file of settings, for packages
    #[command(hide = true)]
    Generate(GenerateArgs),
    /// Boot a runtime and fork sandboxes; started by `serve`
    #[command(hide = true)]
    Zygote(ZygoteArgs),
}
