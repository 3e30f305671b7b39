//! The hidden `zygote` command: what the supervisor starts this program with once more.

use std::path::PathBuf;
use std::process::ExitCode;

use faas_protocol::ByteSize;
use faas_protocol::Runtime;
use faas_protocol::ZygoteOptions;
use faas_telemetry::start_zygote_logging;

use super::Error;

/// The command line that [`ZygoteOptions::to_arguments`] writes, and what the supervisor adds.
#[derive(Debug, clap::Args)]
pub struct ZygoteArgs {
    /// The runtime to boot.
    #[arg(long, value_parser = parse_runtime)]
    runtime: Runtime,
    /// Directory of the pinned Pyodide.
    #[arg(long)]
    pyodide: Option<PathBuf>,
    /// Directory of the server's own with machine code for Pyodide.
    #[arg(long)]
    code_cache: Option<PathBuf>,
    /// Lock file of the distribution that packages may come from.
    #[arg(long)]
    lock: Option<PathBuf>,
    /// Directory of fonts for Python's programs.
    #[arg(long)]
    fonts: Option<PathBuf>,
    /// Memory that a program may use, in bytes.
    #[arg(long)]
    memory_bytes: u64,
    /// Extra V8 flags.
    #[arg(long, default_value = "")]
    v8_flags: String,
    /// Process id of the supervisor, whose death ends this process.
    #[arg(long)]
    supervisor: i32,
}

fn parse_runtime(name: &str) -> Result<Runtime, String> {
    Runtime::from_name(name).ok_or_else(|| format!("there is no runtime {name}"))
}

impl ZygoteArgs {
    fn options(&self) -> ZygoteOptions {
        ZygoteOptions {
            runtime: self.runtime,
            pyodide: self.pyodide.clone(),
            code_cache: self.code_cache.clone(),
            lock: self.lock.clone(),
            fonts: self.fonts.clone(),
            memory: ByteSize::bytes(self.memory_bytes),
            v8_flags: self.v8_flags.clone(),
        }
    }
}

/// Boots and serves until the supervisor closes the control socket.
///
/// # Errors
/// When the runtime does not boot or the control socket breaks.
pub fn run(arguments: &ZygoteArgs) -> Result<ExitCode, Error> {
    // SAFETY: this process has just begun; all that it owns is standard input, output and error.
    unsafe { faas_lockdown::close_inherited() };
    let filter = std::env::var("FAAS_LOG").unwrap_or_else(|_| "error".to_owned());
    start_zygote_logging(&filter);
    faas_sandbox::zygote::run(&arguments.options(), arguments.supervisor)?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;
    use crate::cli::Command;

    #[test]
    fn a_zygote_understands_the_command_line_that_the_supervisor_writes() {
        for runtime in Runtime::ALL {
            for path in [None, Some(PathBuf::from("/a dir/--x"))] {
                let options = ZygoteOptions {
                    runtime,
                    pyodide: path.clone(),
                    code_cache: path.clone(),
                    lock: path.clone(),
                    fonts: path,
                    memory: ByteSize::mib(256),
                    v8_flags: "--no-opt --single-threaded".to_owned(),
                };
                let mut arguments = vec!["faas-server".into()];
                arguments.extend(options.to_arguments());
                arguments.extend(["--supervisor".into(), "1".into()]);
                let Some(Command::Zygote(parsed)) = Cli::parse_from(arguments).command else {
                    panic!("another command");
                };
                assert_eq!(parsed.options(), options);
            }
        }
    }
}
