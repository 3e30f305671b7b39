//! The command line.

use clap::Parser;
use clap::Subcommand;

use crate::settings::Settings;
use crate::zygote::ZygoteArgs;

/// Runs unreviewed Python in fresh OS-isolated sandboxes behind an HTTP API.
///
/// Every setting is an option and an environment variable; the option wins.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = false)]
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
    /// Boot a runtime and fork sandboxes; started by `serve`
    #[command(hide = true)]
    Zygote(ZygoteArgs),
}
