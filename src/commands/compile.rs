//! The `compile` command: makes the code cache that zygotes start with.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;

use faas_engine::BootOptions;
use faas_engine::CODE_CACHE_PATH;
use faas_sandbox::zygote;

use super::Error;
use crate::settings::Settings;

/// Arguments of the `compile` command.
#[derive(Debug, clap::Args)]
pub struct CompileArgs {
    /// How often to run the programs that V8 learns from
    #[arg(long, default_value_t = 300)]
    rounds: usize,
    /// Do it again even if what is there fits
    #[arg(long)]
    force: bool,
}

/// Makes the file, unless the one that is there fits.
///
/// # Errors
/// When the file cannot be written or Pyodide does not boot.
pub fn run(settings: &Settings, arguments: &CompileArgs) -> Result<ExitCode, Error> {
    let pyodide = settings.pyodide_directory()?;
    let path = pyodide.join(CODE_CACHE_PATH);
    let options = BootOptions {
        lock: settings.package_settings(&pyodide).distribution_lock(),
        pyodide,
        fonts: None,
        memory: settings.memory_limit,
        v8_flags: settings.v8_flags.clone(),
        use_code_cache: !arguments.force,
    };
    // Before the work, which would be wasted. A server that boots meanwhile finds the old file or the new.
    let directory = path.parent().unwrap_or(&options.pyodide);
    let cannot_write = |error| format!("cannot write {}: {error}", path.display());
    let mut file = std::fs::create_dir_all(directory)
        .and_then(|()| {
            tempfile::Builder::new()
                .permissions(Permissions::from_mode(0o644))
                .tempfile_in(directory)
        })
        .map_err(cannot_write)?;
    let Some(contents) = zygote::make_code_cache(&options, arguments.rounds)? else {
        println!("{} fits, nothing to do", path.display());
        return Ok(ExitCode::SUCCESS);
    };
    file.write_all(&contents).map_err(cannot_write)?;
    file.persist(&path)
        .map_err(|error| cannot_write(error.error))?;
    println!("wrote {} ({} KiB)", path.display(), contents.len() >> 10);
    Ok(ExitCode::SUCCESS)
}
