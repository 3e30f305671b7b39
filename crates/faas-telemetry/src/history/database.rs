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

use faas_linux::prepare_workspace;
use faas_protocol::Language;
use rusqlite::Connection;
use rusqlite::ErrorCode;
use rusqlite::OptionalExtension;
use rusqlite::Row;
use rusqlite::params;

use super::age_clock::AgeClock;
use super::age_clock::milliseconds;
use crate::execution::Bodies;
use crate::execution::Execution;
use crate::execution::Fate;

/// What is kept, and where.
#[derive(Clone, Debug)]
pub struct HistorySettings {
    pub path: PathBuf,
    /// Most executions kept.
    pub max_rows: u64,
    /// Executions older than this are deleted.
    pub max_age: Duration,
}

/// Which executions to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// One of [`Fate::OF_BEGUN`].
    pub fate: Option<Fate>,
    pub language: Option<Language>,
    /// Started then or later.
    pub since: Option<SystemTime>,
    /// Those that come after the execution of this task in the list.
    pub before: Option<String>,
    /// Those of the request with this id.
    pub request_id: Option<String>,
    pub limit: u32,
}

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
     peak_memory_bytes, truncated, priority, packages, code_sha256, code_bytes, session, \
     started_from, snapshot";
/// Columns that came later. Servers of earlier releases, which may share the file, neither read nor write them.
const LATER_COLUMNS: [&str; 3] = ["session", "started_from", "snapshot"];
const HAS_COLUMN: &str = "SELECT 1 FROM pragma_table_info('executions') WHERE name = ?1";

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
    /// The session that it was a cell of.
    pub session: Option<String>,
    /// The snapshot that it started from.
    pub from: Option<String>,
    /// The snapshot of what it left.
    pub snapshot: Option<String>,
    /// Only of a single execution, and only if they were kept.
    pub bodies: Option<Bodies>,
}

/// The file, opened when it is needed.
pub struct Database {
    settings: HistorySettings,
    open: Option<Open>,
    /// Set when the file is first opened.
    clock: Option<AgeClock>,
}

/// Why the file cannot be used.
enum Unusable {
    /// A later release wrote it, with tables of this version.
    LaterVersion(i64),
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
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
            clock: None,
        }
    }

    /// Adds executions, and deletes old ones.
    ///
    /// # Errors
    /// When none of them could be added.
    pub fn add(&mut self, executions: &[Arc<Execution>]) -> rusqlite::Result<()> {
        let settings = self.settings.clone();
        self.with(|connection, clock| {
            let transaction = connection.transaction()?;
            for execution in executions {
                insert(&transaction, execution)?;
            }
            prune(&transaction, &settings, clock)?;
            transaction.commit()
        })
    }

    /// Opens the file, if possible, and deletes old executions.
    ///
    /// # Errors
    /// When it cannot be opened or written.
    pub fn tidy(&mut self) -> rusqlite::Result<()> {
        let settings = self.settings.clone();
        self.with(|connection, clock| prune(connection, &settings, clock))
    }

    /// # Errors
    /// When the file cannot be read.
    pub fn list(&mut self, filter: &Filter) -> rusqlite::Result<Vec<Entry>> {
        self.with(|connection, _| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM executions
                 WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR language = ?2)
                   AND began_ms >= ?3
                   AND (?5 IS NULL
                     OR (began_ms, id) < (SELECT began_ms, id FROM executions WHERE task_id = ?5))
                 AND (?6 IS NULL OR request_id = ?6)
                 ORDER BY began_ms DESC, id DESC LIMIT ?4"
            ))?;
            let since = filter.since.map_or(0, milliseconds);
            let status = filter.fate.map(Fate::name);
            let language = filter.language.map(Language::name);
            let parameters = params![
                status,
                language,
                since,
                filter.limit,
                filter.before,
                filter.request_id
            ];
            let rows = statement.query_map(parameters, entry)?;
            rows.collect()
        })
    }

    /// # Errors
    /// When the file cannot be read.
    pub fn find(&mut self, task_id: &str) -> rusqlite::Result<Option<Entry>> {
        self.with(|connection, _| {
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
        mut action: impl FnMut(&mut Connection, AgeClock) -> rusqlite::Result<T>,
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
        action: &mut impl FnMut(&mut Connection, AgeClock) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut open = match self.open.take() {
            // The file may have been deleted, or moved aside by another server.
            Some(open) if file_id(&self.settings.path) == Some(open.file) => open,
            _ => self.open()?,
        };
        let clock = match self.clock {
            Some(clock) => clock,
            None => *self
                .clock
                .insert(AgeClock::start(newest(&open.connection)?)),
        };
        let result = action(&mut open.connection, clock);
        // After any other failure, the file is opened again.
        if result.is_ok() {
            self.open = Some(open);
        }
        result
    }
}

impl Database {
    /// Opens the file. One of a later version stays as it is, for the server that wrote it; this one
    /// uses a file beside it from then on.
    fn open(&mut self) -> rusqlite::Result<Open> {
        let found = match Open::new(&self.settings.path) {
            Ok(open) => return Ok(open),
            Err(Unusable::Failed(error)) => return Err(error),
            Err(Unusable::LaterVersion(found)) => found,
        };
        let own = (self.settings.path).with_extension(format!("v{VERSION}.sqlite3"));
        tracing::error!(
            found,
            known = VERSION,
            left = %self.settings.path.display(),
            used = %own.display(),
            "the history is of a later version of this program and left as it is: another file is used"
        );
        self.settings.path = own;
        match Open::new(&self.settings.path) {
            Ok(open) => Ok(open),
            Err(Unusable::Failed(error)) => Err(error),
            Err(Unusable::LaterVersion(found)) => {
                Err(damage(&format!("it says that it is of version {found}")))
            }
        }
    }
}

impl Open {
    fn new(path: &Path) -> Result<Self, Unusable> {
        if let Some(folder) = path.parent() {
            // It may have been deleted, and made again by another user.
            prepare_workspace(folder).map_err(|error| {
                let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
                rusqlite::Error::SqliteFailure(code, Some(error.to_string()))
            })?;
        }
        let _lock = lock(path);
        // Readable by the service's own user only; SQLite gives its other files the same mode.
        let mut options = OpenOptions::new();
        let _ = options.append(true).create(true).mode(0o600).open(path);
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let version = "user_version";
        let found: i64 = connection.pragma_query_value(None, version, |row| row.get(0))?;
        if found > VERSION {
            return Err(Unusable::LaterVersion(found));
        }
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        if found != VERSION {
            connection.execute_batch(TABLES)?;
            connection.pragma_update(None, version, VERSION)?;
        }
        for column in LATER_COLUMNS {
            if !connection.prepare(HAS_COLUMN)?.exists([column])? {
                let add = format!("ALTER TABLE executions ADD COLUMN {column} TEXT");
                connection.execute_batch(&add)?;
            }
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
            let verdict: String =
                connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
            Ok::<_, rusqlite::Error>(verdict != "ok")
        };
        path.exists() && check().unwrap_or_else(|error| is_damage(&error))
    }
}

/// SQLite's integers have a sign.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn insert(connection: &Connection, execution: &Execution) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(&format!(
        "INSERT INTO executions ({COLUMNS}, code, stdout, stderr, ret_val)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
                 ?20, ?21)"
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
        execution.session,
        execution.from,
        execution.snapshot,
        bodies.map(|bodies| &bodies.code),
        bodies.map(|bodies| &bodies.stdout),
        bodies.map(|bodies| &bodies.stderr),
        bodies.map(|bodies| &bodies.ret_val),
    ])?;
    Ok(())
}

/// Deletes what is too old or too much. Ids have gaps at the old end only.
fn prune(
    connection: &Connection,
    settings: &HistorySettings,
    clock: AgeClock,
) -> rusqlite::Result<()> {
    let max_age = i64::try_from(settings.max_age.as_millis()).unwrap_or(i64::MAX);
    let oldest = clock.now().saturating_sub(max_age);
    connection
        .prepare_cached("DELETE FROM executions WHERE began_ms < ?1")?
        .execute([oldest])?;
    connection
        .prepare_cached("DELETE FROM executions WHERE id <= (SELECT max(id) FROM executions) - ?1")?
        .execute([integer(settings.max_rows)])?;
    Ok(())
}

/// When the newest execution began, in ms since 1970.
fn newest(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.query_row("SELECT max(began_ms) FROM executions", [], |row| row.get(0))
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
        session: row.get("session")?,
        from: row.get("started_from")?,
        snapshot: row.get("snapshot")?,
        bodies: None,
    })
}
