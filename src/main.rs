//! `faas-server`: runs unreviewed programs in fresh sandboxes behind an HTTP API.

// Not for the crates under tests/, whose helpers may fail a test by panicking.
#![deny(
    clippy::allow_attributes,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)]

mod allocator;
mod api;
mod cli;
mod clock;
mod compile;
mod engine;
mod findings;
mod healthcheck;
mod packages;
mod placement;
mod pool;
mod probe;
mod protocol;
mod run_file;
mod sandbox;
mod serve;
mod settings;
mod telemetry;
mod zygote;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let result = match cli.command {
        None | Some(cli::Command::Serve) => serve::run(&cli.settings),
        Some(cli::Command::Run(arguments)) => run_file::run(&cli.settings, &arguments),
        Some(cli::Command::Compile(arguments)) => compile::run(&cli.settings, &arguments),
        Some(cli::Command::Healthcheck) => healthcheck::run(&cli.settings),
        Some(cli::Command::Zygote(arguments)) => {
            let filter = std::env::var("FAAS_LOG").unwrap_or_else(|_| "error".to_owned());
            telemetry::start_logging(settings::LogFormat::Human, &filter, None);
            zygote::main(&arguments).map(|()| ExitCode::SUCCESS)
        }
        Some(cli::Command::SandboxProbe) => probe::main().map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        eprintln!("faas-server: {error}");
        ExitCode::FAILURE
    })
}
