//! `faas-server`: runs untrusted programs in fresh sandboxes behind an HTTP API.

// Not for the crates under tests/, whose helpers may fail a test by panicking.
#![deny(
    clippy::allow_attributes,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)]

mod api;
mod api_token;
mod cli;
mod code_cache;
mod commands;
mod doctor;
mod doors;
mod key_pair;
mod one_sandbox;
mod settings;

use std::process::ExitCode;

use clap::CommandFactory;

use cli::Cli;
use cli::Command;

#[global_allocator]
static ALLOCATOR: faas_sandbox::Allocator = faas_sandbox::Allocator;

fn main() -> ExitCode {
    let cli = Cli::from_process();
    let result = match cli.command {
        None | Some(Command::Serve) => commands::serve::run(&cli.settings),
        Some(Command::Run(arguments)) => commands::run::run(&cli.settings, &arguments),
        Some(Command::Repl(arguments)) => commands::repl::run(&cli.settings, &arguments),
        Some(Command::Compile(arguments)) => commands::compile::run(&cli.settings, &arguments),
        Some(Command::Config) => commands::config::run(&cli.settings, cli.effective),
        Some(Command::Doctor) => commands::doctor::run(&cli.settings),
        Some(Command::Generate(arguments)) => commands::generate::run(&arguments, &Cli::command()),
        Some(Command::Healthcheck) => commands::healthcheck::run(&cli.settings),
        Some(Command::Mcp) => commands::mcp::run(&cli.settings),
        Some(Command::Packages(arguments)) => commands::packages::run(&cli.settings, &arguments),
        Some(Command::Zygote(arguments)) => commands::zygote::run(&arguments),
    };
    result.unwrap_or_else(|error| {
        eprintln!("faas-server: {error}");
        ExitCode::FAILURE
    })
}
