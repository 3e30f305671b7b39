//! The audit log: a line of JSON per execution, written by a thread of its own, so that a slow disk
//! keeps no request waiting.

use std::fs::File;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use std::time::Instant;

use serde::Serialize;

use super::execution::EffectiveLimits;
use super::execution::Execution;
use super::execution::Used;
use super::failures::Failures;

/// Lines that may wait for the disk; more are dropped and counted.
const LINES_WAITING: usize = 4096;
/// Lines written at once, at most.
const BATCH: usize = 256;

/// The log, to be written to.
#[derive(Debug)]
pub struct AuditLog {
    orders: SyncSender<Order>,
    reopen: Arc<AtomicBool>,
    failures: Arc<Failures>,
}

#[derive(Debug)]
enum Order {
    Line(Arc<Execution>),
    /// Look whether the file is to be opened anew.
    Wake,
    Flush(SyncSender<()>),
}

impl AuditLog {
    /// Opens the file, to append to it, and starts the thread.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path, failures: Failures) -> std::io::Result<Self> {
        let (orders, inbox) = mpsc::sync_channel(LINES_WAITING);
        let failures = Arc::new(failures);
        let reopen = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            path: path.to_owned(),
            file: open(path)?,
            torn: false,
            reopen: reopen.clone(),
            failures: failures.clone(),
        };
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(&inbox))?;
        Ok(Self {
            orders,
            reopen,
            failures,
        })
    }

    /// Hands over a line. Never waits.
    pub fn write(&self, execution: &Arc<Execution>) {
        if let Err(error) = self.orders.try_send(Order::Line(execution.clone())) {
            let reason = match error {
                mpsc::TrySendError::Full(_) => "the disk is too slow",
                mpsc::TrySendError::Disconnected(_) => "its thread ended",
            };
            self.failures.count(1, &reason);
        }
    }

    /// Has the file opened anew by its name, after it was renamed.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
        // If there is no room for this, the thread has lines before it, and looks then.
        let _ = self.orders.try_send(Order::Wake);
    }

    /// Waits until all lines so far are written; gives up after `within`.
    pub fn flush(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let (done, flushed) = mpsc::sync_channel(1);
        let mut order = Order::Flush(done);
        while let Err(mpsc::TrySendError::Full(returned)) = self.orders.try_send(order) {
            if Instant::now() >= deadline {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
            order = returned;
        }
        let _ = flushed.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }

    pub fn failures(&self) -> &Failures {
        &self.failures
    }
}

/// Readable by the service's own user only.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600).open(path)
}

struct Writer {
    path: PathBuf,
    file: File,
    /// Whether the last line in the file lacks its end.
    torn: bool,
    reopen: Arc<AtomicBool>,
    failures: Arc<Failures>,
}

impl Writer {
    /// Runs until the log is dropped.
    fn run(mut self, inbox: &Receiver<Order>) {
        let mut text = Vec::new();
        while let Ok(first) = inbox.recv() {
            let more = inbox.try_iter().take(BATCH - 1);
            let orders: Vec<Order> = std::iter::once(first).chain(more).collect();
            if self.reopen.swap(false, Ordering::Acquire) {
                self.open_anew();
            }
            text.clear();
            let mut flushed = Vec::new();
            for order in orders {
                match order {
                    Order::Line(execution) => {
                        // Numbers and strings always become JSON.
                        if serde_json::to_writer(&mut text, &Line::of(&execution)).is_ok() {
                            text.push(b'\n');
                        }
                    }
                    Order::Wake => {}
                    Order::Flush(done) => flushed.push(done),
                }
            }
            self.append(&text);
            for done in flushed {
                let _ = self.file.sync_data();
                let _ = done.try_send(());
            }
        }
    }

    fn open_anew(&mut self) {
        match open(&self.path) {
            Ok(file) => {
                self.file = file;
                self.torn = false;
                tracing::info!(path = %self.path.display(), "audit log opened anew");
            }
            // The old file is better than none.
            Err(error) => {
                tracing::error!(path = %self.path.display(), %error, "the audit log cannot be opened anew");
            }
        }
    }

    /// Writes whole lines, and counts those that did not get into the file whole.
    fn append(&mut self, text: &[u8]) {
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
            Ok(()) => self.failures.recovered(),
            Err((written, error)) => {
                let kept = &text[..written];
                self.torn = kept.last().is_some_and(|byte| *byte != b'\n');
                self.failures.count(lines(text) - lines(kept), &error);
            }
        }
    }

    /// Like `write_all`, but tells in its error how much was written.
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
    task_id: &'a str,
    language: &'static str,
    code_sha256: &'a str,
    code_bytes: u64,
    packages: &'a [String],
    limits: EffectiveLimits,
    priority: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Used>,
}

impl<'a> Line<'a> {
    fn of(execution: &'a Execution) -> Self {
        Self {
            time: humantime::format_rfc3339_millis(execution.began).to_string(),
            request_id: &execution.request_id,
            caller: execution.caller,
            token: execution.by_token,
            task_id: &execution.task_id,
            language: execution.language,
            code_sha256: &execution.code_sha256,
            code_bytes: execution.code_bytes,
            packages: &execution.packages,
            limits: execution.limits,
            priority: execution.priority,
            status: execution.status,
            reason: execution.reason,
            exit_code: execution.end.map(|end| end.exit_code),
            usage: execution.end.map(|end| end.usage),
        }
    }
}
