//! The `doctor` command: looks at this machine with the settings of the service.

use std::process::ExitCode;

use super::Error;
use crate::doctor::Verdict;
use crate::doctor::look_at_machine;
use crate::doctor::look_at_service;
use crate::settings::Settings;

/// Prints a line for each thing that was looked at; fails if the service would not work.
///
/// # Errors
/// When it cannot look.
pub fn run(settings: &Settings) -> Result<ExitCode, Error> {
    let mut findings = look_at_machine(settings);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    findings.extend(runtime.block_on(look_at_service(settings)));
    for finding in &findings {
        let (verdict, subject) = (finding.verdict.name(), finding.subject);
        println!("{verdict:8}{subject:16}{}", finding.seen.trim_end());
        if !finding.sentence.is_empty() {
            println!("{:24}{}", "", finding.sentence);
        }
    }
    let count = |verdict| findings.iter().filter(|it| it.verdict == verdict).count();
    let (warnings, failures) = (count(Verdict::Warning), count(Verdict::Failure));
    println!("{warnings} warnings, {failures} failures");
    Ok(match failures {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
