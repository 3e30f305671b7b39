//! The command line.

use clap::Parser;
use clap::Subcommand;

use crate::commands::compile::CompileArgs;
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

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the HTTP API (the default)
    Serve,
    /// Execute one file in a sandbox and print its output; exits as the program does
    Run(RunArgs),
    /// Compile Pyodide for this machine, next to its files: servers then start in half the time
    Compile(CompileArgs),
    /// Ask the service that runs with the same settings for its health; fails unless it is healthy
    Healthcheck,
    /// Fetch packages ahead of need
    Packages(PackagesArgs),
    /// Boot a runtime and fork sandboxes; started by `serve`
    #[command(hide = true)]
    Zygote(ZygoteArgs),
}
