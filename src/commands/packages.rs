//! The `packages` command: fills a directory with packages, for images and for machines that are cut off.

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use faas_packages::LOCK_FILE;
use faas_packages::PackageError;
use faas_packages::PackageSettings;
use faas_packages::Packages;
use faas_packages::ProjectName;
use faas_packages::WHEELS;
use faas_packages::write_whole;
use faas_pool::ExecutionRequest;
use faas_pool::LiveEvent;
use faas_pool::PackageSet;
use faas_pool::Start;
use faas_protocol::Job;
use faas_protocol::Owner;
use faas_protocol::Priority;
use faas_protocol::Runtime;
use faas_protocol::Weight;
use faas_telemetry::start_logging;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;
use tokio::sync::mpsc;

use super::Error;
use crate::one_sandbox;
use crate::settings::Settings;

/// What shows how far it is on a terminal, where the number of files is known and where it is not.
const BAR: &str = "[{bar:24}] {pos}/{len} {msg}";
const SPINNER: &str = "{spinner} {msg}";
/// How often the spinner turns.
const TURN_EVERY: Duration = Duration::from_millis(100);

/// Arguments of the `packages` command.
#[derive(Debug, clap::Args)]
pub struct PackagesArgs {
    #[command(subcommand)]
    command: PackagesCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PackagesCommand {
    /// Fetch packages, with all that they need, into a directory for a machine that is cut off
    ///
    /// What Pyodide's distribution has goes into the directory, which FAAS_PYODIDE_PACKAGES can name then.
    /// The rest is installed once in a sandbox, and its wheels go into wheels/ below, which FAAS_WHEELHOUSE
    /// can name.
    Fetch(FetchArgs),
}

#[derive(Debug, clap::Args)]
struct FetchArgs {
    /// What to fetch, such as numpy or 'rich>=14'
    #[arg(required = true, value_name = "PACKAGE")]
    requirements: Vec<String>,
    /// The directory to fill; it is made if it is missing
    #[arg(long, value_name = "DIRECTORY")]
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
    // What was fetched is kept in the directory and nowhere else.
    let cache = tempfile::tempdir_in(directory).map_err(cannot_write)?;
    let sources = PackageSettings {
        cache_dir: cache.path().to_owned(),
        copies: Some(directory.clone()),
        ..settings.package_settings(&settings.pyodide_directory()?)
    };
    let packages = Packages::open(&sources)?;
    let lock = sources.distribution_lock();
    let has_other_sources = sources.wheelhouse.is_some() || packages.has_index();
    if lock.is_none() && !has_other_sources {
        return Err(
            "there is no source to fetch from: run `make setup`, which finds one, or set \
             FAAS_PYODIDE_PACKAGES or FAAS_PACKAGE_INDEX"
                .into(),
        );
    }
    let (locked, others): (Vec<&str>, Vec<&str>) = {
        let known = packages.distribution_packages();
        let is_known =
            |text: &str| ProjectName::parse(text).is_ok_and(|name| known.contains(&name.as_str()));
        let requirements = arguments.requirements.iter().map(String::as_str);
        requirements.partition(|text| is_known(text) || !has_other_sources)
    };
    fetch_locked(&packages, &locked, directory).await?;
    if !others.is_empty() {
        install(settings, &packages, &others).await?;
    }
    if let Some(lock) = lock {
        // The last, so that a directory with it is complete.
        let contents = std::fs::read(&lock)
            .map_err(|error| format!("cannot read {}: {error}", lock.display()))?;
        write_whole(&directory.join(LOCK_FILE), &contents).map_err(cannot_write)?;
    }
    say_how_to_use(directory);
    Ok(ExitCode::SUCCESS)
}

/// Fetches packages of the distribution, whose lock file names all that they need.
async fn fetch_locked(packages: &Packages, names: &[&str], directory: &Path) -> Result<(), Error> {
    if names.is_empty() {
        return Ok(());
    }
    let files = packages.distribution_files(names)?;
    // Draws on terminals only.
    let bar = ProgressBar::new(files.len() as u64).with_style(ProgressStyle::with_template(BAR)?);
    for (number, (project, file)) in (1..).zip(&files) {
        bar.set_message(project.clone());
        // One that is there already is checked when it is used.
        if !directory.join(file).is_file() {
            let fetched = packages.distribution_file(file).await;
            fetched.map_err(|error: PackageError| format!("{file}: {}", error.in_full()))?;
        }
        bar.inc(1);
        if bar.is_hidden() {
            eprintln!("{number}/{} {project}", files.len());
        }
    }
    bar.finish();
    Ok(())
}

/// Installs packages in a sandbox. Only that shows what else they need; each file that the sandbox gets is
/// copied on its way.
async fn install(
    settings: &Settings,
    packages: &Packages,
    requirements: &[&str],
) -> Result<(), Error> {
    let spinner = ProgressBar::new_spinner().with_style(ProgressStyle::with_template(SPINNER)?);
    spinner.enable_steady_tick(TURN_EVERY);
    spinner.set_message("starting a sandbox");
    let (live, mut events) = mpsc::unbounded_channel();
    let language = Runtime::OF_PACKAGES.language();
    let request = ExecutionRequest {
        job: Job::run(language, "", settings.limits(settings.preload_timeout)),
        owner: Owner::Everybody,
        weight: Weight::default(),
        priority: Priority::Normal,
        start: Start::Fresh,
        packages: PackageSet::new(requirements)?,
        live: Some(live),
        rows: None,
        tools: None,
        interrupt: None,
    };
    let pool = one_sandbox::start(settings, [language], packages.clone()).await?;
    let showing = async {
        let mut shown: Option<Arc<str>> = None;
        while let Some(event) = events.recv().await {
            if let LiveEvent::Installing(progress) = event
                && let Some(file) = progress.file
                && shown.as_ref() != Some(&file)
            {
                spinner.set_message(file.to_string());
                if spinner.is_hidden() {
                    eprintln!("{file}");
                }
                shown = Some(file);
            }
        }
    };
    let (executed, ()) = tokio::join!(pool.execute(request), showing);
    pool.shut_down().await;
    spinner.finish_and_clear();
    let (report, _) = executed?;
    if report.exit_code != 0 {
        return Err(report.stderr.into());
    }
    Ok(())
}

fn say_how_to_use(directory: &Path) {
    let is_wheel =
        |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|it| it == "whl");
    let wheels_in = |directory: &Path| {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries.filter(is_wheel).count()
    };
    let wheelhouse = directory.join(WHEELS);
    let (locked, others) = (wheels_in(directory), wheels_in(&wheelhouse));
    let mut settings = Vec::new();
    if locked > 0 {
        settings.push(format!("FAAS_PYODIDE_PACKAGES={}", directory.display()));
    }
    if others > 0 {
        settings.push(format!("FAAS_WHEELHOUSE={}", wheelhouse.display()));
    }
    println!(
        "{} packages are in {}; start servers with {}",
        locked + others,
        directory.display(),
        settings.join(" ")
    );
}
