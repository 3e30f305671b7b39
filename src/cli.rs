//! The command line.

use clap::Parser;
use clap::Subcommand;

use crate::compile::CompileArgs;
use crate::run_file::RunArgs;
use crate::settings::Settings;
use crate::zygote::ZygoteArgs;

/// Runs unreviewed Python in fresh OS-isolated sandboxes behind an HTTP API.
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
    /// Compile Pyodide for this machine, beside its files, so that servers start sooner and run Python faster
    Compile(CompileArgs),
    /// Ask the service that runs with the same settings for its health; fails unless it is good
    Healthcheck,
    /// Boot a runtime and fork sandboxes; started by `serve`
    #[command(hide = true)]
    Zygote(ZygoteArgs),
    /// Try raw system calls in a locked-down process and print how each ended; for tests
    #[command(hide = true)]
    SandboxProbe,
}
