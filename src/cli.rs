//! The command line.

use clap::Arg;
use clap::CommandFactory;
use clap::FromArgMatches;
use clap::Parser;
use clap::Subcommand;
use clap::builder::Resettable;
use clap::error::ContextKind;
use clap::error::ContextValue;

use crate::commands::compile::CompileArgs;
use crate::commands::generate::GenerateArgs;
use crate::commands::packages::PackagesArgs;
use crate::commands::run::RunArgs;
use crate::commands::zygote::ZygoteArgs;
use crate::settings::Settings;

/// Runs untrusted Python, JavaScript and TypeScript in fresh OS-isolated sandboxes behind an HTTP API.
///
/// Every setting is an option and an environment variable; the option wins.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    pub settings: Settings,
}

/// The one variable that must not be empty: a service whose token got lost would let everybody in.
const NEVER_EMPTY: &str = "FAAS_API_TOKEN";

impl Cli {
    /// Parses the arguments and the environment of this process; ends it with a message if they are wrong.
    pub fn from_process() -> Self {
        let parsed = Self::command()
            .mut_args(without_empty_variable)
            .try_get_matches()
            .and_then(|matches| Self::from_arg_matches(&matches));
        parsed.unwrap_or_else(|error| without_secret(error).exit())
    }
}

/// Keeps a token that is refused out of the message, which goes to logs.
fn without_secret(mut error: clap::Error) -> clap::Error {
    let is_secret = matches!(
        error.get(ContextKind::InvalidArg),
        Some(ContextValue::String(argument)) if argument.contains(NEVER_EMPTY)
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
        .filter(|name| *name != NEVER_EMPTY)
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
    /// Make Pyodide's machine code for this kind of CPU ahead, which `serve` otherwise does in the background
    Compile(CompileArgs),
    /// Look at this machine: what holds, what does not, and what to do; fails if the service would not work
    Doctor,
    /// Ask the service that runs with the same settings for its health; fails unless it is healthy
    Healthcheck,
    /// Fetch packages ahead of need
    Packages(PackagesArgs),
    /// Write man pages, completions and a file of settings, for packages
    #[command(hide = true)]
    Generate(GenerateArgs),
    /// Boot a runtime and fork sandboxes; started by `serve`
    #[command(hide = true)]
    Zygote(ZygoteArgs),
}
