//! The `packages` command: fills a directory with packages, for images and for machines that are cut off.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use faas_packages::PackageError;
use faas_packages::PackageSettings;
use faas_packages::Packages;
use faas_telemetry::start_logging;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;

use super::Error;
use crate::settings::Settings;

/// The file that makes a directory one of the distribution's.
const LOCK_FILE: &str = "pyodide-lock.json";
/// What shows how far it is on a terminal.
const BAR: &str = "[{bar:24}] {pos}/{len} {msg}";

/// Arguments of the `packages` command.
#[derive(Debug, clap::Args)]
pub struct PackagesArgs {
    #[command(subcommand)]
    command: PackagesCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PackagesCommand {
    /// Fetch packages of Pyodide's distribution, with all that they need, into a directory that
    /// FAAS_PYODIDE_PACKAGES can name
    Fetch(FetchArgs),
}

#[derive(Debug, clap::Args)]
struct FetchArgs {
    /// Names of packages, such as numpy
    #[arg(required = true)]
    names: Vec<String>,
    /// The directory to fill; it is made if it is missing
    #[arg(long)]
    to: PathBuf,
}

/// Fetches the packages.
///
/// # Errors
/// When the source has not all of them, cannot be reached, or the directory cannot be written.
pub fn run(settings: &Settings, arguments: &PackagesArgs) -> Result<ExitCode, Error> {
    let PackagesCommand::Fetch(arguments) = &arguments.command;
    settings.check()?;
    start_logging(settings.log_format, "error", None);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(fetch(settings, arguments))
}

async fn fetch(settings: &Settings, arguments: &FetchArgs) -> Result<ExitCode, Error> {
    let directory = &arguments.to;
    let cannot_write = |error| format!("cannot write {}: {error}", directory.display());
    std::fs::create_dir_all(directory).map_err(cannot_write)?;
    // What was fetched is kept there and nowhere else.
    let cache = tempfile::tempdir_in(directory).map_err(cannot_write)?;
    let pyodide = settings.pyodide_directory()?;
    let sources = PackageSettings {
        cache_dir: cache.path().to_owned(),
        ..settings.package_settings(&pyodide)
    };
    let lock = sources.distribution_lock().ok_or(
        "there is no distribution to fetch from: run `make setup`, which finds one, or set \
         FAAS_PYODIDE_PACKAGES",
    )?;
    let packages = Packages::open(&sources)?;
    let names: Vec<&str> = arguments.names.iter().map(String::as_str).collect();
    let files = packages.distribution_files(&names)?;
    // Draws on terminals only.
    let bar = ProgressBar::new(files.len() as u64).with_style(ProgressStyle::with_template(BAR)?);
    for (number, (project, file)) in (1..).zip(&files) {
        bar.set_message(project.clone());
        fetch_file(&packages, file, directory).await?;
        bar.inc(1);
        if bar.is_hidden() {
            eprintln!("{number}/{} {project}", files.len());
        }
    }
    bar.finish();
    // The last, so that a directory with it is complete.
    let contents =
        std::fs::read(&lock).map_err(|error| format!("cannot read {}: {error}", lock.display()))?;
    write(directory, LOCK_FILE, &contents).map_err(cannot_write)?;
    println!(
        "{0} packages are in {1}; start servers with FAAS_PYODIDE_PACKAGES={1}",
        files.len(),
        directory.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Fetches a file that is not there yet. One that is there is checked when it is used.
async fn fetch_file(packages: &Packages, file: &str, directory: &Path) -> Result<(), Error> {
    if directory.join(file).is_file() {
        return Ok(());
    }
    let contents = packages.distribution_file(file).await;
    let contents =
        contents.map_err(|error: PackageError| format!("{file}: {}", error.in_full()))?;
    write(directory, file, &contents)
        .map_err(|error| format!("cannot write {}: {error}", directory.join(file).display()))?;
    Ok(())
}

/// Writes a file so that it is there whole or not at all.
fn write(directory: &Path, name: &str, contents: &[u8]) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory)?;
    file.write_all(contents)?;
    file.persist(directory.join(name))
        .map_err(|error| error.error)?;
    Ok(())
}
