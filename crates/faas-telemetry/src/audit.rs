//! The audit log: a line of JSON per execution. Its own thread writes it, so that no request waits
//! for a slow disk.

use std::fs::File;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use faas_protocol::Owner;
use serde::Serialize;

use super::execution::Execution;
use super::execution::LimitsRecord;
use super::execution::ToolCallRecord;
use super::execution::UsageRecord;
use super::failures::Failures;
use super::time::rfc3339;
use super::writer::Sink;
use super::writer::Writer;

/// The log.
#[derive(Debug)]
pub struct AuditLog {
    writer: Writer<LogFile>,
    reopen: Arc<AtomicBool>,
}

/// What the thread is handed.
#[derive(Debug)]
pub enum Item {
    Line(Arc<Execution>),
    /// Nothing to write: check whether to reopen the file.
    Wake,
}

impl AuditLog {
    /// Opens the file, to append to it, and starts the thread.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path, failures: Failures) -> std::io::Result<Self> {
        let failures = Arc::new(failures);
        let reopen = Arc::new(AtomicBool::new(false));
        let file = open(path)?;
        let file = LogFile {
            path: path.to_owned(),
            torn: is_torn(path, &file),
            file,
            reopen: reopen.clone(),
            failures: failures.clone(),
        };
        let writer = Writer::start("audit", failures, file)?;
        Ok(Self { writer, reopen })
    }

    /// Hands over a line. Never waits.
    pub fn write(&self, execution: &Arc<Execution>) {
        if let Err(reason) = self.writer.send(Item::Line(execution.clone())) {
            self.failures().count(1, &reason);
        }
    }

    /// Makes the thread reopen the file by its name, after it was renamed. Before its next lines it
    /// would notice that itself.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
        // If the queue is full, the thread has lines to write, and checks then.
        let _ = self.writer.send(Item::Wake);
    }

    /// Waits until all lines so far are on the disk; gives up after `within`.
    pub fn flush(&self, within: Duration) {
        self.writer.flush(within);
    }

    pub fn failures(&self) -> &Failures {
        self.writer.failures()
    }
}

/// Readable by the service's own user only.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).open(path)
}

/// Whether a file's last line lacks its end, as a full disk leaves it. Pipes and devices have no last line.
fn is_torn(path: &Path, file: &File) -> bool {
    let Ok(metadata) = file.metadata() else {
        return false;
    };
    if !metadata.is_file() || metadata.len() == 0 {
        return false;
    }
    let mut last = [0];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut last, metadata.len() - 1));
    read.is_ok() && last != *b"\n"
}

/// Why lines go into a file that no longer has the log's name.
#[derive(Debug, thiserror::Error)]
#[error("{path} was renamed or deleted, and no new file can be opened: {source}", path = path.display())]
struct Astray {
    path: PathBuf,
    source: std::io::Error,
}

#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    /// Whether the last line in the file lacks its end.
    torn: bool,
    reopen: Arc<AtomicBool>,
    failures: Arc<Failures>,
}

impl Sink for LogFile {
    type Item = Item;

    const BATCH: usize = 256;
    // A line is on its way to the disk before the next one comes.
    const GATHER_WITHIN: Duration = Duration::ZERO;
    const IDLE_EVERY: Duration = Duration::from_secs(600);

    fn may_wait(_: &Item) -> bool {
        true
    }

    fn take(&mut self, batch: Vec<Item>) {
        let is_asked = self.reopen.swap(false, Ordering::Acquire);
        let opened = if is_asked || !self.has_its_name() {
            self.open_again()
        } else {
            Ok(())
        };
        let mut text = Vec::new();
        for item in batch {
            if let Item::Line(execution) = item
                // Numbers and strings always become JSON.
                && serde_json::to_writer(&mut text, &Line::of(&execution)).is_ok()
            {
                text.push(b'\n');
            }
        }
        self.append(&text, opened);
    }

    fn sync(&mut self) {
        let _ = self.file.sync_data();
    }
}

impl LogFile {
    /// Whether the open file is the one that has the log's name. It may have been rotated or deleted.
    fn has_its_name(&self) -> bool {
        let (Ok(open), Ok(named)) = (self.file.metadata(), std::fs::metadata(&self.path)) else {
            return false;
        };
        (open.dev(), open.ino()) == (named.dev(), named.ino())
    }

    fn open_again(&mut self) -> Result<(), Astray> {
        let file = open(&self.path).map_err(|source| Astray {
            path: self.path.clone(),
            source,
        })?;
        self.torn = is_torn(&self.path, &file);
        self.file = file;
        tracing::info!(path = %self.path.display(), "reopened the audit log");
        Ok(())
    }

    /// Writes whole lines, and counts those that were not written whole, or not to where they are looked
    /// for: the old file is better than none.
    fn append(&mut self, text: &[u8], opened: Result<(), Astray>) {
        if text.is_empty() {
            return;
        }
        if self.torn {
            match self.write(b"\n") {
                Ok(()) => self.torn = false,
                Err((_, error)) => return self.failures.count(lines(text), &error),
            }
        }
        match self.write(text) {
            Ok(()) => match opened {
                Ok(()) => self.failures.recovered(),
                Err(astray) => self.failures.count(lines(text), &astray),
            },
            Err((written, error)) => {
                let kept = &text[..written];
                self.torn = kept.last().is_some_and(|byte| *byte != b'\n');
                self.failures.count(lines(text) - lines(kept), &error);
            }
        }
    }

    /// Like `write_all`, but its error says how much was written.
    fn write(&mut self, text: &[u8]) -> Result<(), (usize, std::io::Error)> {
        let mut written = 0;
        while written < text.len() {
            match self.file.write(&text[written..]) {
                Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
                Ok(length) => written += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }
}

fn lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

/// A line, in the order of its fields.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<std::net::SocketAddr>,
    token: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_name: Option<&'a str>,
    task_id: &'a str,
    language: &'static str,
    code_sha256: &'a str,
    code_bytes: u64,
    packages: &'a [String],
    limits: LimitsRecord,
    priority: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolLine<'a>>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageRecord>,
}

impl<'a> Line<'a> {
    fn of(execution: &'a Execution) -> Self {
        Self {
            time: rfc3339(execution.began),
            request_id: &execution.request_id,
            caller: execution.caller,
            token: execution.owner != Owner::Everybody,
            token_name: execution.owner.name(),
            task_id: &execution.task_id,
            language: execution.language.name(),
            code_sha256: &execution.code_sha256,
            code_bytes: execution.code_bytes,
            packages: &execution.packages,
            limits: execution.limits.into(),
            priority: execution.priority.name(),
            session: execution.session.as_deref(),
            from: execution.from.as_deref(),
            snapshot: execution.snapshot.as_deref(),
            tool_calls: execution.tool_calls.iter().map(ToolLine::of).collect(),
            status: execution.fate.name(),
            reason: execution.fate.reason(),
            exit_code: execution.end.map(|end| end.exit_code),
            usage: execution.end.map(|end| end.usage),
        }
    }
}

/// A call of a tool in a line. Its name is cut: the program chose it, if there is no such tool.
#[derive(Serialize)]
struct ToolLine<'a> {
    tool: &'a str,
    input_bytes: u64,
    result_bytes: u64,
    wait_ms: u64,
    outcome: &'static str,
}

impl<'a> ToolLine<'a> {
    const LONGEST_NAME: usize = 64;

    fn of(record: &'a ToolCallRecord) -> Self {
        let name = record.tool.as_str();
        Self {
            tool: &name[..name.floor_char_boundary(Self::LONGEST_NAME)],
            input_bytes: record.input_bytes,
            result_bytes: record.result_bytes,
            wait_ms: u64::try_from(record.wait.as_millis()).unwrap_or(u64::MAX),
            outcome: record.end.name(),
        }
    }
}
