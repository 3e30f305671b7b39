//! The `repl` command: a session whose cells a person types.

mod entry;
mod show;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use faas_pool::ExecutionRequest;
use faas_pool::Lifetime;
use faas_pool::PackageSet;
use faas_pool::Pool;
use faas_pool::PoolError;
use faas_pool::Report;
use faas_pool::SessionId;
use faas_pool::SessionRequest;
use faas_pool::Start;
use faas_protocol::Findings;
use faas_protocol::Job;
use faas_protocol::Language;
use faas_protocol::Limits;
use faas_protocol::Owner;
use faas_protocol::Task;
use faas_telemetry::start_logging;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::Error;
use crate::api::ApiError;
use crate::one_sandbox;
use crate::settings::Settings;

const HELP: &str = "\
Each entry is a cell of a session, in a sandbox; a cell that is killed leaves the session as it was before.
A blank line ends a block. Ctrl-C interrupts a cell, or drops what you typed; Ctrl-D ends.
  :undo [N]   go back to before the last cell, or the last N (at most FAAS_SESSION_UNDO)
  :restart    go back to where the session began
  :help       this text";

/// Arguments of the `repl` command.
#[derive(Debug, clap::Args)]
pub struct ReplArgs {
    /// The language of the session: python, javascript or typescript
    #[arg(long, default_value = "python")]
    language: String,
    /// Time limit of each cell in ms [default: FAAS_TIMEOUT]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    /// Packages that the session begins with, separated by commas
    #[arg(long, value_delimiter = ',')]
    packages: Vec<String>,
}

/// Reads cells until there are no more, and runs them.
///
/// # Errors
/// When no session can be opened, or the terminal cannot be read.
pub fn run(settings: &Settings, arguments: &ReplArgs) -> Result<ExitCode, Error> {
    settings.check()?;
    // A person may think for longer than a client that has gone.
    let settings = &Settings {
        session_timeout: settings.session_lifetime,
        ..settings.clone()
    };
    start_logging(settings.log_format, "warn", None);
    let name = &arguments.language;
    let language = Language::from_name(name).ok_or_else(|| format!("unknown language {name}"))?;
    let packages = PackageSet::new(&arguments.packages)?;
    let timeout = arguments.timeout.map(Duration::from_millis);
    let limits = settings.limits(timeout.unwrap_or(settings.timeout()));
    let form = Form {
        language,
        limits,
        auto_install: settings.auto_install,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let pool = runtime.block_on(async {
        let packages = settings.open_packages([language.runtime()])?;
        one_sandbox::start(settings, [language], packages).await
    })?;
    let lifetime = settings.session_settings().lifetime;
    let session = runtime.block_on(open(&pool, form.job(""), packages, lifetime));
    let ended = session.and_then(|session| {
        let repl = Repl {
            pool: pool.clone(),
            session,
            form,
        };
        let ended = repl.read(&runtime);
        // It may be gone.
        let _ = pool.delete_session(&repl.session, &Owner::Everybody);
        ended
    });
    runtime.block_on(pool.shut_down());
    ended.map(|()| ExitCode::SUCCESS)
}

async fn open(
    pool: &Arc<Pool>,
    empty: Job,
    packages: PackageSet,
    lifetime: Lifetime,
) -> Result<SessionId, Error> {
    let mut set_up = one_sandbox::request(empty);
    set_up.packages = packages;
    let request = SessionRequest {
        name: None,
        lifetime,
        set_up,
    };
    match pool.open_session(request).await.map_err(in_words)? {
        Ok(opened) => Ok(opened.id),
        Err(report) => Err(report.stderr.trim_end().into()),
    }
}

/// In the words that callers get.
fn in_words(error: impl Into<ApiError>) -> Error {
    error.into().sentence().into()
}

struct Repl {
    pool: Arc<Pool>,
    session: SessionId,
    form: Form,
}

/// What all cells have in common.
#[derive(Clone, Copy)]
struct Form {
    language: Language,
    limits: Limits,
    auto_install: bool,
}

impl Form {
    fn job(self, text: &str) -> Job {
        Job {
            auto_install: self.auto_install,
            ..Job::run(self.language, text, self.limits)
        }
    }
}

impl Repl {
    fn read(&self, runtime: &Runtime) -> Result<(), Error> {
        let mut editor = DefaultEditor::new()?;
        let mut text = String::new();
        show::greeting(self.form.language);
        loop {
            let prompt = if text.is_empty() { ">>> " } else { "... " };
            match editor.readline(prompt) {
                Ok(line) => {
                    let ends_block = !text.is_empty() && line.trim().is_empty();
                    text.push_str(&line);
                    text.push('\n');
                    let cell = runtime.block_on(self.cell_of(&text, ends_block));
                    let Some(cell) = cell else { continue };
                    let _ = editor.add_history_entry(text.trim_end());
                    text.clear();
                    runtime.block_on(self.take(&cell))?;
                }
                Err(ReadlineError::Interrupted) => text.clear(),
                Err(ReadlineError::Eof) => {
                    return runtime.block_on(self.take(&text));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The cell that these lines are; `None` if they are not all of one.
    async fn cell_of(&self, text: &str, ends_block: bool) -> Option<String> {
        let language = self.form.language;
        let typed = text.trim_end_matches('\n');
        if typed.trim().is_empty() || typed.starts_with(':') {
            return Some(typed.to_owned());
        }
        if !ends_block && entry::is_in_block(language, typed) {
            return None;
        }
        if let Some(showing) = entry::showing(language, typed)
            && self.check(&showing).await.valid
        {
            return Some(showing);
        }
        let found = self.check(typed).await;
        let mut faults = found.errors.iter();
        let is_unfinished = faults.any(|fault| entry::is_unfinished(language, typed, fault));
        (!is_unfinished).then(|| text.to_owned())
    }

    /// What a text looks like, before it is run. One that cannot be checked is run.
    async fn check(&self, text: &str) -> Findings {
        let mut request = self.request(text, Start::Fresh);
        request.job.task = Task::Check;
        let checked = self.pool.execute(request).await.ok();
        let found = checked.and_then(|(report, _)| report.return_value);
        let found = found.and_then(|json| serde_json::from_str(&json).ok());
        found.unwrap_or_default()
    }

    fn request(&self, text: &str, start: Start) -> ExecutionRequest {
        ExecutionRequest {
            start,
            ..one_sandbox::request(self.form.job(text))
        }
    }

    /// Runs a cell, or a command of this program.
    async fn take(&self, text: &str) -> Result<(), Error> {
        let text = text.trim_end();
        if text.trim().is_empty() {
            return Ok(());
        }
        let result = match text.strip_prefix(':') {
            Some(command) => self.command(command).await,
            None => self.run_cell(text).await,
        };
        match result {
            // The session is gone, and with it all that one could do here.
            Err(PoolError::NoSession(gone)) => Err(in_words(gone)),
            Err(error) => {
                show::notice(&ApiError::from(error).sentence());
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn command(&self, command: &str) -> Result<(), PoolError> {
        let mut words = command.split_whitespace();
        let (name, count) = (words.next(), words.next());
        let steps = count.map_or(Ok(1), str::parse);
        match (name, steps) {
            (Some("undo"), Ok(steps)) => {
                let undone = self
                    .pool
                    .undo_in_session(&self.session, &Owner::Everybody, steps);
                match undone.await? {
                    Ok(session) => show::notice(&format!("cells: {}", session.cells)),
                    Err(there) => show::notice(&format!("only {there} can be undone")),
                }
            }
            (Some("restart"), _) => {
                let restarted = self.pool.restart_session(&self.session, &Owner::Everybody);
                restarted.await?;
                show::notice("the session is where it began");
            }
            _ => show::notice(HELP),
        }
        Ok(())
    }

    /// Runs a cell and shows what comes of it. Ctrl-C interrupts it; a second one gives it up.
    async fn run_cell(&self, text: &str) -> Result<(), PoolError> {
        let (live, mut events) = mpsc::unbounded_channel();
        let mut request = self.request(text, Start::Session(self.session.clone()));
        request.live = Some(live);
        let running = self.pool.execute(request);
        tokio::pin!(running);
        let mut interrupts = 0;
        let (report, _) = loop {
            tokio::select! {
                Some(event) = events.recv() => show::event(event),
                ended = &mut running => break ended?,
                Ok(()) = tokio::signal::ctrl_c() => {
                    interrupts += 1;
                    let reached = self.pool.interrupt_session(&self.session, &Owner::Everybody);
                    if interrupts > 1 || !reached.unwrap_or_default() {
                        show::notice("the cell was given up; the session is as it was before it");
                        return Ok(());
                    }
                }
            }
        };
        while let Ok(event) = events.try_recv() {
            show::event(event);
        }
        Self::tell(&report);
        Ok(())
    }

    fn tell(report: &Report) {
        if let Some(Err(reason)) = report.cell.as_ref().map(|cell| &cell.kept) {
            show::notice(&format!(
                "the session is as it was before this cell: {reason}"
            ));
        }
    }
}
