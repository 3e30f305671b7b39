//! The `healthcheck` command: asks the service that runs with the same settings how it is, for
//! containers whose image has no other program to ask with.

use std::process::ExitCode;

use super::Error;
use crate::doctor::ask_for_health;
use crate::settings::Settings;

/// Ends in success if the service is healthy.
///
/// # Errors
/// A sentence that says what is wrong, for any other state.
pub fn run(settings: &Settings) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(ask_for_health(settings))?;
    Ok(ExitCode::SUCCESS)
}
