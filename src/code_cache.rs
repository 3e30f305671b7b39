//! The machine code that V8 makes of Pyodide. It fits one kind of CPU, so a release comes without; the first
//! server on a machine makes it while it already answers, and later starts take half the time.

use std::process::Stdio;
use std::time::Instant;

use faas_pool::Pool;
use tokio::process::Command;

use crate::settings::Settings;

/// Enough for starts in half the time. More rounds, as `faas-server compile` runs, help long programs a little.
const ROUNDS: usize = 40;

/// What is said where it is missing.
pub const MISSING: &str = "booted without machine code for Pyodide, which takes longer; `faas-server compile` makes it, \
     `serve` does in the background";

/// Why a runtime of this pool booted without machine code; `None` if none of them did.
pub fn missing(pool: &Pool) -> Option<String> {
    let zygotes = pool.zygotes();
    zygotes
        .values()
        .find_map(|zygote| zygote.booted()?.no_code_cache.clone())
}

/// Makes the machine code in the server's own directory, if the zygotes booted without, and removes there what
/// other versions and kinds of CPU have not used for long. Ends early, without a file, if it is dropped.
pub async fn make_if_missing(pool: &Pool, settings: &Settings) {
    faas_engine::remove_unused_code(&settings.code_cache_directory());
    let Some(reason) = missing(pool).filter(|_| faas_engine::CODE_CACHE_CAN_BE_WRITTEN) else {
        return;
    };
    tracing::info!(
        reason,
        "booted without machine code for Pyodide: making it in the background, for starts in half the time"
    );
    let began = Instant::now();
    match make(settings).await {
        Ok(()) => {
            let seconds = began.elapsed().as_secs();
            tracing::info!(
                seconds,
                "made machine code for Pyodide: the next start uses it"
            );
        }
        Err(reason) => {
            tracing::warn!(
                reason,
                "could not make machine code for Pyodide; starts stay slow"
            );
        }
    }
}

/// Runs `faas-server compile` with the lowest priority.
async fn make(settings: &Settings) -> Result<(), String> {
    let directory = settings.code_cache_directory();
    // Either may have been deleted, and made by another user; what is in the second one runs.
    for own in [&settings.workspace, &directory] {
        faas_linux::prepare_workspace(own).map_err(|error| error.to_string())?;
    }
    let pyodide = settings
        .pyodide_directory()
        .map_err(|error| error.to_string())?;
    // The environment may hold secrets, which that process does not need.
    let output = Command::new("/proc/self/exe")
        .arg0("faas-server")
        .args(["compile", "--rounds", &ROUNDS.to_string(), "--background"])
        .arg(std::process::id().to_string())
        .arg("--to")
        .arg(directory)
        .env_clear()
        .env("FAAS_PYODIDE_DIR", pyodide)
        .env(
            "FAAS_MEMORY_LIMIT",
            (settings.memory_limit.get() >> 20).to_string(),
        )
        .env("FAAS_V8_FLAGS", &settings.v8_flags)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot start: {error}"))?
        .wait_with_output()
        .await
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}", output.status, said.trim()))
}
