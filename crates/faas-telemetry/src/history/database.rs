//! The database file. It may be locked, damaged, deleted or shared with another server.

use std::fs::File;
use std::fs::OpenOptions;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use faas_protocol::Language;
use rusqlite::Connection;
use rusqlite::ErrorCode;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;

use super::Filter;
use super::HistorySettings;
use crate::execution::Bodies;
use crate::execution::Execution;
use crate::execution::Fate;

/// Time that another server may hold the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(3);
/// Version of the tables below, in the file's `user_version`.
const VERSION: i64 = 1;
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS executions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    began_ms INTEGER NOT NULL,
    task_id TEXT NOT NULL UNIQUE,
    request_id TEXT NOT NULL,
    language TEXT NOT NULL,
    status TEXT NOT NULL,
    exit_code INTEGER,
    wall_ms INTEGER,
    cpu_ms INTEGER,
    peak_memory_bytes INTEGER,
    truncated INTEGER NOT NULL,
    priority TEXT NOT NULL,
    packages TEXT NOT NULL,
    code_sha256 TEXT NOT NULL,
    code_bytes INTEGER NOT NULL,
    code TEXT,
    stdout TEXT,
    stderr TEXT,
    ret_val TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS executions_began ON executions (began_ms, id);
";
const COLUMNS: &str = "began_ms, task_id, request_id, language, status, exit_code, wall_ms, cpu_ms, \
     peak_memory_bytes, truncated, priority, packages, code_sha256, code_bytes";

/// An execution as it was kept.
#[derive(Clone, Debug)]
pub struct Entry {
    pub began: SystemTime,
    pub task_id: String,
    pub request_id: String,
    pub language: String,
    pub status: String,
    pub exit_code: Option<i64>,
    pub wall_ms: Option<i64>,
    pub cpu_ms: Option<i64>,
    pub peak_memory_bytes: Option<i64>,
    pub truncated: bool,
    pub priority: String,
    pub packages: Vec<String>,
    pub code_sha256: String,
    pub code_bytes: i64,
    /// Only of a single execution, and only if they were kept.
    pub bodies: Option<Bodies>,
}

/// The file, opened when it is needed.
pub struct Database {
    settings: HistorySettings,
    open: Option<Open>,
}

struct Open {
    connection: Connection,
    /// Device and number of the file, to notice when another has its name.
    file: (u64, u64),
}

impl Database {
    pub fn new(settings: HistorySettings) -> Self {
        Self {
            settings,
            open: None,
        }
    }

    /// Adds executions, and deletes old ones.
    ///
    /// # Errors
    /// When none of them could be added.
    pub fn add(&mut self, executions: &[Arc<Execution>]) -> rusqlite::Result<()> {
        let settings = self.settings.clone();
        self.with(|connection| {
            let transaction = connection.transaction()?;
            for execution in executions {
                insert(&transaction, execution)?;
            }
            prune(&transaction, &settings)?;
            transaction.commit()
        })
    }

    /// Opens the file, if possible, and deletes old executions.
    ///
    /// # Errors
    /// When it cannot be opened or written.
    pub fn tidy(&mut self) -> rusqlite::Result<()> {
        let settings = self.settings.clone();
        self.with(|connection| prune(connection, &settings))
    }

    /// # Errors
    /// When the file cannot be read.
    pub fn list(&mut self, filter: &Filter) -> rusqlite::Result<Vec<Entry>> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM executions
                 WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR language = ?2)
                   AND began_ms >= ?3
                   AND (?5 IS NULL
                     OR (began_ms, id) < (SELECT began_ms, id FROM executions WHERE task_id = ?5))
                 ORDER BY began_ms DESC, id DESC LIMIT ?4"
            ))?;
            let since = filter.since.map_or(0, milliseconds);
            let status = filter.fate.map(Fate::name);
            let language = filter.language.map(Language::name);
            let parameters = params![status, language, since, filter.limit, filter.before];
            let rows = statement.query_map(parameters, entry)?;
            rows.collect()
        })
    }

    /// # Errors
    /// When the file cannot be read.
    pub fn find(&mut self, task_id: &str) -> rusqlite::Result<Option<Entry>> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS}, code, stdout, stderr, ret_val FROM executions WHERE task_id = ?1"
            ))?;
            let with_bodies = |row: &Row<'_>| {
                let mut entry = entry(row)?;
                if let Some(code) = row.get("code")? {
                    entry.bodies = Some(Bodies {
                        code,
                        stdout: row.get("stdout")?,
                        stderr: row.get("stderr")?,
                        ret_val: row.get("ret_val")?,
                    });
                }
                Ok(entry)
            };
            statement.query_row([task_id], with_bodies).optional()
        })
    }

    /// Runs `work` on the open file. A damaged file is moved aside, and a new one tried.
    fn with<T>(
        &mut self,
        mut action: impl FnMut(&mut Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        match self.try_with(&mut action) {
            Err(error) if is_damage(&error) => {
                self.open = None;
                move_aside(&self.settings.path, &error);
                self.try_with(&mut action)
            }
            result => result,
        }
    }

    fn try_with<T>(
        &mut self,
        action: &mut impl FnMut(&mut Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let path = &self.settings.path;
        // The file may have been deleted, or moved aside by another server.
        let mut open = match self.open.take() {
            Some(open) if file_id(path) == Some(open.file) => open,
            _ => Open::new(path)?,
        };
        let result = action(&mut open.connection);
        // After any other failure, the file is opened again.
        if result.is_ok() {
            self.open = Some(open);
        }
        result
    }
}

impl Open {
    fn new(path: &Path) -> rusqlite::Result<Self> {
        if let Some(folder) = path.parent() {
            // What is wrong with it shows when the file is opened.
            let _ = std::fs::create_dir_all(folder);
        }
        let _lock = lock(path);
        // Readable by the service's own user only; SQLite gives its other files the same mode.
        let mut options = OpenOptions::new();
        let _ = options.append(true).create(true).mode(0o600).open(path);
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        let version = "user_version";
        let found: i64 = connection.pragma_query_value(None, version, |row| row.get(0))?;
        match found {
            VERSION => {}
            0 => {
                connection.execute_batch(TABLES)?;
                connection.pragma_update(None, version, VERSION)?;
            }
            // From a later release, whose tables are unknown.
            _ => return Err(damage("it was written by another version of this program")),
        }
        let file = file_id(path).ok_or_else(|| damage("it is missing"))?;
        Ok(Self { connection, file })
    }
}

/// Lets only one server at a time open or move the file. Without the lock it mostly works, too.
fn lock(path: &Path) -> Option<File> {
    let mut options = OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path.with_extension("lock")).ok()?;
    file.lock().ok()?;
    Some(file)
}

fn file_id(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn damage(reason: &str) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOTADB);
    rusqlite::Error::SqliteFailure(code, Some(reason.to_owned()))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Moves a damaged file out of the way, to be examined later, unless another server did.
fn move_aside(path: &Path, reason: &rusqlite::Error) {
    let _lock = lock(path);
    if !Open::is_damaged(path) {
        return;
    }
    let now = milliseconds(SystemTime::now());
    let with_suffix = |path: &Path, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = with_suffix(path, &format!(".damaged-{now}"));
    match std::fs::rename(path, &aside) {
        Ok(()) => {
            tracing::error!(%reason, moved_to = %aside.display(), "the history was damaged");
        }
        Err(error) => tracing::error!(%reason, %error, "could not move the damaged history aside"),
    }
    // They belong to the damaged file; a new one would use them as its own.
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix));
    }
}

impl Open {
    /// Whether the file exists and this program cannot use it.
    fn is_damaged(path: &Path) -> bool {
        let check = || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            let version: i64 =
                connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            let verdict: String =
                connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
            Ok::<_, rusqlite::Error>(verdict != "ok" || ![0, VERSION].contains(&version))
        };
        path.exists() && check().unwrap_or_else(|error| is_damage(&error))
    }
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// SQLite's integers have a sign.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn insert(connection: &Connection, execution: &Execution) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(&format!(
        "INSERT INTO executions ({COLUMNS}, code, stdout, stderr, ret_val)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)"
    ))?;
    let usage = execution.end.map(|end| end.usage);
    let bodies = execution.bodies.as_ref();
    statement.execute(params![
        milliseconds(execution.began),
        execution.task_id,
        execution.request_id,
        execution.language.name(),
        execution.fate.name(),
        execution.end.map(|end| end.exit_code),
        usage.map(|usage| integer(usage.wall_ms)),
        usage.map(|usage| integer(usage.cpu_ms)),
        usage.map(|usage| integer(usage.peak_memory_bytes)),
        execution.end.is_some_and(|end| end.truncated),
        execution.priority.name(),
        execution.packages.join(" "),
        execution.code_sha256,
        integer(execution.code_bytes),
        bodies.map(|bodies| &bodies.code),
        bodies.map(|bodies| &bodies.stdout),
        bodies.map(|bodies| &bodies.stderr),
        bodies.map(|bodies| &bodies.ret_val),
    ])?;
    Ok(())
}

/// Deletes what is too old or too much. Ids have gaps at the old end only.
fn prune(connection: &Connection, settings: &HistorySettings) -> rusqlite::Result<()> {
    let oldest = SystemTime::now().checked_sub(settings.max_age);
    let oldest = oldest.map_or(0, milliseconds);
    connection
        .prepare_cached("DELETE FROM executions WHERE began_ms < ?1")?
        .execute([oldest])?;
    connection
        .prepare_cached("DELETE FROM executions WHERE id <= (SELECT max(id) FROM executions) - ?1")?
        .execute([integer(settings.max_rows)])?;
    Ok(())
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let began_ms: i64 = row.get("began_ms")?;
    let packages: String = row.get("packages")?;
    Ok(Entry {
        began: UNIX_EPOCH + Duration::from_millis(u64::try_from(began_ms).unwrap_or_default()),
        task_id: row.get("task_id")?,
        request_id: row.get("request_id")?,
        language: row.get("language")?,
        status: row.get("status")?,
        exit_code: row.get("exit_code")?,
        wall_ms: row.get("wall_ms")?,
        cpu_ms: row.get("cpu_ms")?,
        peak_memory_bytes: row.get("peak_memory_bytes")?,
        truncated: row.get("truncated")?,
        priority: row.get("priority")?,
        packages: packages.split_whitespace().map(str::to_owned).collect(),
        code_sha256: row.get("code_sha256")?,
        code_bytes: row.get("code_bytes")?,
        bodies: None,
    })
}
