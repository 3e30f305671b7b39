//! What takes a moment to look at: files, the port, package sources, and whether programs run.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use faas_packages::LOCK_FILE;
use faas_pool::Pool;
use faas_protocol::Job;
use faas_protocol::Runtime;
use tokio::net::TcpListener;

use super::Finding;
use super::health::ask_for_health;
use crate::code_cache;
use crate::one_sandbox;
use crate::settings::Settings;

/// For a package source to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// For the program that is tried.
const RUN_WITHIN: Duration = Duration::from_secs(30);

/// Looks at the workspace, the port, fonts and package sources; then boots each runtime and runs a program.
pub async fn look_at_service(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![look_at_settings(settings), port(settings).await];
    findings.push(tokens(settings));
    findings.extend(settings.fonts.as_deref().map(fonts));
    findings.extend(package_sources(settings).await);
    // A workspace that is not there yet is not made: it would belong to the user who asks.
    let Ok(spare) = tempfile::tempdir() else {
        let sentence =
            "cannot make a temporary directory; set TMPDIR to a directory that can be written";
        findings.push(Finding::failure("workspace", sentence, ""));
        return findings;
    };
    let (finding, workspace) = look_at_workspace(settings, spare.path());
    findings.push(finding);
    let own = Settings {
        workspace: workspace.to_owned(),
        ..settings.clone()
    };
    findings.extend(run_programs(&own).await);
    findings
}

fn look_at_settings(settings: &Settings) -> Finding {
    match settings.check() {
        Ok(()) => Finding::holds("settings", "fit each other"),
        Err(error) => Finding::failure(
            "settings",
            "settings contradict each other; change one of them",
            error.to_string(),
        ),
    }
}

async fn port(settings: &Settings) -> Finding {
    let address = format!("{}:{}", settings.host, settings.port);
    match TcpListener::bind((settings.host, settings.port)).await {
        Ok(_) => Finding::holds("port", format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            match ask_for_health(settings).await {
                Ok(()) => Finding::holds(
                    "port",
                    format!("{address}: this service runs there and is healthy"),
                ),
                Err(error) => Finding::failure(
                    "port",
                    "another program has the port, or a service that is not healthy; stop it, or set FAAS_PORT",
                    error.to_string(),
                ),
            }
        }
        Err(error) => Finding::failure(
            "port",
            "cannot listen at this address; set FAAS_HOST and FAAS_PORT",
            format!("{address}: {error}"),
        ),
    }
}

/// That they are valid was seen when the settings were read.
fn tokens(settings: &Settings) -> Finding {
    let plain = settings
        .api_token
        .as_ref()
        .map(|_| "FAAS_API_TOKEN".to_owned());
    let named = settings.api_tokens_file.as_ref().map(|path| {
        let count = settings.named_tokens.count();
        format!("{count} in {}", path.display())
    });
    let seen: Vec<_> = plain.into_iter().chain(named).collect();
    match seen.is_empty() {
        true => Finding::holds("tokens", "none: who reaches the port may execute"),
        false => Finding::holds("tokens", seen.join(", ")),
    }
}

fn fonts(directory: &Path) -> Finding {
    let is_font = |name: &str| {
        [".ttf", ".otf", ".ttc"]
            .iter()
            .any(|kind| name.ends_with(kind))
    };
    let names = std::fs::read_dir(directory).map(|entries| {
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| is_font(name)).count()
    });
    let shown = directory.display();
    match names {
        Ok(count @ 1..) => Finding::holds("fonts", format!("{count} in {shown}")),
        Ok(0) => Finding::warning(
            "fonts",
            "the directory of FAAS_FONTS has no font (ttf, otf, ttc); install one, or name another directory",
            shown.to_string(),
        ),
        Err(error) => Finding::failure(
            "fonts",
            "the directory of FAAS_FONTS cannot be read, and Python does not boot; name another, or none",
            format!("{shown}: {error}"),
        ),
    }
}

async fn package_sources(settings: &Settings) -> Vec<Finding> {
    if !settings.packages {
        return vec![Finding::holds("packages", "turned off (FAAS_PACKAGES)")];
    }
    let Ok(pyodide) = settings.pyodide_directory() else {
        return Vec::new();
    };
    let sources = settings.package_settings(&pyodide);
    let wheelhouse = sources.wheelhouse.as_ref();
    let wheelhouse = wheelhouse.map(|path| path.display().to_string());
    let named = [
        ("FAAS_WHEELHOUSE", wheelhouse, ""),
        ("FAAS_PYODIDE_PACKAGES", sources.distribution, LOCK_FILE),
        ("FAAS_PACKAGE_INDEX", sources.index, ""),
    ];
    let mut findings = Vec::new();
    for (setting, place, file) in named {
        let Some(place) = place else {
            continue;
        };
        let reached = reach(&place, file).await;
        findings.push(match reached {
            Ok(()) => Finding::holds("package source", format!("{setting} can be reached")),
            Err(reason) => Finding::warning(
                "package source",
                "a package source cannot be reached, and programs do not find its packages; set it to a mirror, to a \
                 directory that was filled ahead, or to off (docs/operations.md, Packages)",
                format!("{setting}: {reason}"),
            ),
        });
    }
    findings
}

/// Whether a source answers. What it says is not looked at, and its address not repeated: it may hold
/// credentials.
async fn reach(place: &str, file: &str) -> Result<(), String> {
    let Some(address) = place
        .starts_with("http")
        .then(|| format!("{}/{file}", place.trim_end_matches('/')))
    else {
        let path = Path::new(place).join(file);
        return path
            .metadata()
            .map(|_| ())
            .map_err(|error| error.to_string());
    };
    let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).build();
    let client = client.map_err(|error| error.to_string())?;
    match client.head(address).send().await {
        Ok(answer) if answer.status().is_server_error() => {
            Err(format!("it answers {}", answer.status()))
        }
        Ok(_) => Ok(()),
        Err(error) if error.is_timeout() => {
            Err(format!("no answer within {} s", ANSWER_WITHIN.as_secs()))
        }
        Err(error) => Err(faas_packages::innermost(&error).to_string()),
    }
}

/// The workspace to use for now: the one that is set if it is there and fits.
fn look_at_workspace<'a>(settings: &'a Settings, spare: &'a Path) -> (Finding, &'a Path) {
    let path = settings.workspace.as_path();
    let shown = path.display();
    if !path.exists() {
        let seen = format!("{shown}, which is made at the first start");
        return (Finding::holds("workspace", seen), spare);
    }
    match faas_linux::prepare_workspace(path) {
        Ok(()) => (Finding::holds("workspace", shown.to_string()), path),
        Err(error) => (
            Finding::failure(
                "workspace",
                "this user cannot have the workspace; run this as the service's user, or set FAAS_WORKSPACE",
                error.to_string(),
            ),
            spare,
        ),
    }
}

async fn run_programs(settings: &Settings) -> Vec<Finding> {
    let began = Instant::now();
    let pool = match boot(settings).await {
        Ok(pool) => pool,
        Err(error) => {
            return vec![Finding::failure(
                "boot",
                "the runtimes do not boot; docs/troubleshooting.md has the reasons",
                error,
            )];
        }
    };
    let mut findings = vec![Finding::holds(
        "boot",
        format!("took {} ms", began.elapsed().as_millis()),
    )];
    if settings
        .runtimes()
        .any(|runtime| runtime.spec().needs_pyodide)
    {
        findings.push(match code_cache::missing(&pool) {
            None => Finding::holds("code cache", "fits this machine"),
            Some(reason) => Finding::warning("code cache", code_cache::MISSING, reason),
        });
    }
    let mut runtimes = settings.runtimes();
    findings.push(match runtimes.find_map(|runtime| pool.cannot_fork_kept(runtime)) {
        None => Finding::holds("snapshots", "programs can be kept"),
        Some(reason) => Finding::warning(
            "snapshots",
            "programs cannot be kept, so there are neither snapshots nor sessions; allow ptrace to the service",
            reason,
        ),
    });
    for runtime in settings.runtimes() {
        findings.push(run(&pool, settings, runtime).await);
    }
    pool.shut_down().await;
    findings
}

async fn boot(settings: &Settings) -> Result<Arc<Pool>, String> {
    let booted = async {
        let packages = settings.open_packages(settings.runtimes())?;
        one_sandbox::start(settings, settings.languages(), packages).await
    };
    booted.await.map_err(|error| error.to_string())
}

/// Runs a program that prints 42.
async fn run(pool: &Arc<Pool>, settings: &Settings, runtime: Runtime) -> Finding {
    const SENTENCE: &str =
        "a program did not run as it should; docs/troubleshooting.md has the reasons";
    let spec = runtime.spec();
    let subject = spec.title;
    let limits = settings.limits(RUN_WITHIN);
    let request = one_sandbox::request(Job::run(runtime.language(), spec.prints_42, limits));
    let began = Instant::now();
    match pool.execute(request).await {
        Ok((report, _)) if report.stdout == "42\n" => Finding::holds(
            subject,
            format!("a program ran in {} ms", began.elapsed().as_millis()),
        ),
        Ok((report, _)) => Finding::failure(subject, SENTENCE, report.stderr),
        Err(error) => Finding::failure(subject, SENTENCE, error.to_string()),
    }
}
