//! The `config` command: the settings in force, and where each came from.

use std::io::ErrorKind;
use std::io::Write;
use std::process::ExitCode;

use super::Error;
use crate::settings::Effective;
use crate::settings::Settings;

/// Prints them as a file of settings. Secrets are named, not shown.
///
/// # Errors
/// When they cannot be together, or nobody takes the output.
pub fn run(settings: &Settings, effective: Vec<Effective>) -> Result<ExitCode, Error> {
    settings.check()?;
    let lines = effective.into_iter().map(|mut setting| {
        setting.adapt(settings);
        format!("{setting}\n")
    });
    match std::io::stdout().write_all(lines.collect::<String>().as_bytes()) {
        // The reader has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(ExitCode::SUCCESS)
}
