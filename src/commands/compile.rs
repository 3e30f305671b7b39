//! The `compile` command: makes the code cache that zygotes start with.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use faas_engine::BootOptions;
use faas_engine::CODE_CACHE_DIRECTORY;
use faas_sandbox::zygote;

use super::Error;
use crate::settings::Settings;

/// See setpriority(2).
const LOWEST_PRIORITY: i32 = 19;

/// Arguments of the `compile` command.
#[derive(Debug, clap::Args)]
pub struct CompileArgs {
    /// How often to run the programs that V8 learns from
    #[arg(long, default_value_t = 300)]
    rounds: usize,
    /// Do it again even if what is there fits
    #[arg(long)]
    force: bool,
    /// Directory to write to [default: compiled, in the directory of Pyodide]
    #[arg(long, value_name = "DIRECTORY")]
    to: Option<PathBuf>,
    /// Process id of the server that started this one: work with the lowest priority, and end with it
    #[arg(long, hide = true)]
    background: Option<i32>,
}

/// Makes the file, unless the one that is there fits.
///
/// # Errors
/// When the file cannot be written or Pyodide does not boot.
pub fn run(settings: &Settings, arguments: &CompileArgs) -> Result<ExitCode, Error> {
    let pyodide = settings.pyodide_directory()?;
    let directory = match &arguments.to {
        Some(directory) => directory.clone(),
        None => pyodide.join(CODE_CACHE_DIRECTORY),
    };
    if let Some(server) = arguments.background {
        faas_lockdown::die_with(server)?;
        rustix::process::setpriority_process(None, LOWEST_PRIORITY)?;
    }
    let options = BootOptions {
        lock: settings.package_settings(&pyodide).distribution_lock(),
        pyodide,
        fonts: None,
        memory: settings.memory_limit,
        v8_flags: settings.v8_flags.clone(),
        code_caches: match arguments.force {
            true => Vec::new(),
            false => vec![directory.clone()],
        },
    };
    // Before the work, which would be wasted. A server that boots meanwhile finds the old file or the new.
    let cannot_write = |error| {
        let directory = directory.display();
        format!("cannot write to {directory}: {error}; --to names another directory")
    };
    faas_engine::remove_unfinished_code(&directory);
    let mut file = std::fs::create_dir_all(&directory)
        .and_then(|()| {
            tempfile::Builder::new()
                .prefix(faas_engine::UNFINISHED_CODE)
                .permissions(Permissions::from_mode(0o644))
                .tempfile_in(&directory)
        })
        .map_err(cannot_write)?;
    let Some(cache) = zygote::make_code_cache(&options, arguments.rounds)? else {
        println!("what is in {} fits, nothing to do", directory.display());
        return Ok(ExitCode::SUCCESS);
    };
    let path = directory.join(cache.name);
    file.write_all(&cache.contents).map_err(cannot_write)?;
    file.persist(&path)
        .map_err(|error| cannot_write(error.error))?;
    let kibibytes = cache.contents.len() >> 10;
    println!("wrote {} ({kibibytes} KiB)", path.display());
    Ok(ExitCode::SUCCESS)
}
