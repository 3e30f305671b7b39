//! What a program can ask of the process around it: the whole surface between realm and host.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use std::time::Instant;

use deno_core::OpState;
use deno_core::convert::Uint8Array;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;
use faas_linux::cpu_time;
use faas_linux::monotonic_us;
use faas_protocol::Invocation;
use faas_protocol::JobFile;
use faas_protocol::Limit;
use faas_protocol::PackageRequest;
use faas_protocol::Representation;
use faas_protocol::Stream;
use faas_protocol::ToolAnswer;
use faas_protocol::ToolCall;
use faas_protocol::is_file_name;

use super::Outcome;
use super::Program;
use super::interrupt;
use super::platform;

/// Services of the process that a realm runs in. A zygote gives [`Silent`], a sandbox its socket.
pub trait Host {
    /// Takes output. Never blocks for longer than the supervisor is slow, never fails visibly.
    fn write(&self, stream: Stream, bytes: &[u8]);

    /// Requests data about a package and waits for the answer.
    ///
    /// # Errors
    /// A sentence for the program.
    fn package(&self, request: PackageRequest<'_>) -> Result<PackageReply, String>;

    /// Calls a tool; the answer comes with [`Self::await_tools`].
    ///
    /// # Errors
    /// A sentence for the program.
    fn call_tool(&self, call: ToolCall<'_>) -> Result<(), String>;

    /// Waits for answers to calls, for so long at most; there may be none, as when the program's alarm is due.
    ///
    /// # Errors
    /// A sentence for the program.
    fn await_tools(&self, within: Option<Duration>) -> Result<Vec<ToolAnswer>, String>;

    /// Takes a file that the program returns.
    fn put_file(&self, name: &str, contents: &[u8]);

    /// Takes a representation of the result that the program shows next.
    fn represent(&self, media_type: &str, content: Representation<'_>);

    /// Shows the result whose representations came before. `artifact` is the name of the file that its
    /// picture is, too.
    fn show(&self, is_main: bool, artifact: Option<&str>);

    /// Calls [`interrupt::request_alarm`] after a while of wall time, and then at each interval if that is
    /// not 0. A time of 0 takes the alarm back.
    fn set_alarm(&self, after: Duration, interval: Duration);

    /// Records that the program ran out of memory, and ends the process. There may be no memory
    /// left for this.
    fn out_of_memory(&self) -> !;
}

/// What the supervisor answers about packages.
#[derive(Debug)]
pub enum PackageReply {
    Contents(Vec<u8>),
    InWheelhouse(bool),
    /// `None` if no source has a package for the module.
    Provider(Option<String>),
    /// The program is to run with what there is.
    RunHere,
    /// Nothing was made ahead of a wheel.
    NotUnpacked,
}

/// Discards output: the host while a zygote boots and warms up.
pub struct Silent;

impl HostState {
    /// The state of a realm while it boots.
    pub fn new(host: Rc<dyn Host>, boot_files: Option<BootFiles>) -> Self {
        Self {
            host,
            boot_files,
            invocation: Invocation::default(),
            files: Vec::new(),
            files_left: 0,
            shown: Shown::default(),
            open_calls: 0,
            outcome: None,
            compiled_at_us: None,
            started: Instant::now(),
        }
    }

    /// Prepares for a program.
    pub fn begin(&mut self, program: &Program<'_>) {
        self.invocation = program.invocation.clone();
        // What the last program left unread is still there.
        if !program.goes_on {
            self.files.clear();
        }
        self.files.extend_from_slice(program.files);
        self.files_left = program.files_limit.get();
        self.shown = Shown::default();
        self.open_calls = 0;
        self.outcome = None;
        self.compiled_at_us = None;
    }
}

impl Host for Silent {
    fn write(&self, _stream: Stream, _bytes: &[u8]) {}

    fn package(&self, _request: PackageRequest<'_>) -> Result<PackageReply, String> {
        Err("packages are not available while the runtime boots".to_owned())
    }

    fn call_tool(&self, _call: ToolCall<'_>) -> Result<(), String> {
        Err("tools are not available while the runtime boots".to_owned())
    }

    fn await_tools(&self, _within: Option<Duration>) -> Result<Vec<ToolAnswer>, String> {
        Ok(Vec::new())
    }

    fn put_file(&self, _name: &str, _contents: &[u8]) {}

    fn represent(&self, _media_type: &str, _content: Representation<'_>) {}

    fn show(&self, _is_main: bool, _artifact: Option<&str>) {}

    fn set_alarm(&self, _after: Duration, _interval: Duration) {}

    fn out_of_memory(&self) -> ! {
        std::process::abort()
    }
}

/// Directories whose files the boot code may read.
#[derive(Clone, Debug)]
pub struct BootFiles {
    pub pyodide: PathBuf,
    pub fonts: Option<PathBuf>,
}

/// What the ops below need, kept in deno_core's `OpState`.
pub struct HostState {
    pub host: Rc<dyn Host>,
    /// What the boot code may read; `None` from the moment the boot is over.
    pub boot_files: Option<BootFiles>,
    pub invocation: Invocation,
    /// What the program finds in its working directory.
    pub files: Vec<JobFile>,
    /// How much more the program may return in files and results, in bytes.
    files_left: u64,
    pub shown: Shown,
    /// Calls of tools that are not answered.
    pub open_calls: usize,
    /// What the program reported at its end.
    pub outcome: Option<Outcome>,
    /// When the program's source was compiled, by `CLOCK_MONOTONIC`.
    pub compiled_at_us: Option<u64>,
    pub started: Instant,
}

/// How many results there are, and how many representations of the next.
#[derive(Debug, Default)]
pub struct Shown {
    pub results: usize,
    pub representations: usize,
}

impl HostState {
    /// Monotonic clock in ms since the zygote started, with µs in the fraction.
    pub fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64() * 1000.0
    }

    /// Counts what goes back with the answer.
    ///
    /// # Errors
    /// A sentence for the program if there is no room for it.
    pub fn claim(&mut self, what: &str, bytes: usize) -> Result<(), JsErrorBox> {
        let left = self.files_left.checked_sub(bytes as u64);
        self.files_left = left.ok_or_else(|| {
            JsErrorBox::range_error(format!(
                "{what} ({bytes} bytes) exceeds what is left for returned files and results \
                 (FAAS_MAX_FILES_BYTES)"
            ))
        })?;
        Ok(())
    }
}

/// No program runs so long.
const LONGEST_ALARM: Duration = Duration::from_secs(365 * 24 * 3600);

/// Writes to stdout (1) or stderr (2).
#[op2(fast)]
pub fn op_faas_write(state: &OpState, #[smi] descriptor: i32, #[buffer] bytes: &[u8]) {
    let stream = if descriptor == 2 {
        Stream::Stderr
    } else {
        Stream::Stdout
    };
    state.borrow::<HostState>().host.write(stream, bytes);
}

/// Records the end of the program: its exit code, its return value, and the resource it exhausted.
#[op2]
pub fn op_faas_finish(
    state: &mut OpState,
    #[smi] exit_code: i32,
    #[string] return_value: Option<String>,
    #[string] limit: Option<String>,
) {
    let state = state.borrow_mut::<HostState>();
    state.outcome = Some(Outcome {
        exit_code,
        return_value,
        limit: match limit.as_deref() {
            Some("memory") => Some(Limit::Memory),
            Some("storage") => Some(Limit::Storage),
            _ => None,
        },
        compiled_at_us: state.compiled_at_us,
        can_stay: false,
    });
}

/// Records that another program can go on from here. Comes after the end of the program.
#[op2(fast)]
pub fn op_faas_stay(state: &mut OpState) {
    if let Some(outcome) = &mut state.borrow_mut::<HostState>().outcome {
        outcome.can_stay = true;
    }
}

/// Records that the program's source is compiled.
#[op2(fast)]
pub fn op_faas_compiled(state: &mut OpState) {
    state.borrow_mut::<HostState>().compiled_at_us = Some(monotonic_us());
    interrupt::begin_interruptible();
}

/// Monotonic clock in ms since the zygote started, with µs in the fraction.
#[op2(fast)]
pub fn op_faas_now(state: &OpState) -> f64 {
    state.borrow::<HostState>().now()
}

/// Fills the buffer from the kernel's random numbers.
#[op2(fast)]
pub fn op_faas_random(#[buffer] bytes: &mut [u8]) -> Result<(), JsErrorBox> {
    getrandom::fill(bytes).map_err(|error| JsErrorBox::generic(error.to_string()))
}

/// Sleeps for `milliseconds` or until a stop or an interrupt is requested; returns whether one was.
#[op2(fast)]
pub fn op_faas_sleep(milliseconds: f64) -> bool {
    interrupt::sleep(milliseconds);
    interrupt::ends_a_sleep()
}

/// Whether a stop or an interrupt was requested; the caller then raises KeyboardInterrupt.
#[op2(fast)]
pub fn op_faas_take_interrupt() -> bool {
    interrupt::take_stop() || interrupt::take_interrupt()
}

/// The program is over: it is not interrupted any more.
#[op2(fast)]
pub fn op_faas_end_interruptible() {
    interrupt::end_interruptible();
}

/// Runs microtasks and V8's own pending tasks, so that promises proceed while Python is on the
/// stack.
#[op2(nofast, reentrant)]
pub fn op_faas_pump(scope: &mut v8::PinScope<'_, '_>) {
    platform::pump(scope);
    scope.perform_microtask_checkpoint();
}

/// Has an alarm come after so many ms, and then at each interval in ms; 0 means never.
#[op2(fast)]
pub fn op_faas_set_alarm(state: &OpState, after: f64, interval: f64) {
    let duration = |milliseconds: f64| {
        Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or(LONGEST_ALARM)
    };
    let host = &state.borrow::<HostState>().host;
    host.set_alarm(
        duration(after).min(LONGEST_ALARM),
        duration(interval).min(LONGEST_ALARM),
    );
}

/// Whether an alarm has come; the caller then tells CPython.
#[op2(fast)]
pub fn op_faas_take_alarm() -> bool {
    interrupt::take_alarm()
}

/// CPU time of this process in ms, with ns in the fraction.
#[op2(fast)]
pub fn op_faas_cpu_time() -> f64 {
    cpu_time().as_secs_f64() * 1e3
}

/// Whether a stop was requested; the caller then raises KeyboardInterrupt.
#[op2(fast)]
pub fn op_faas_stop_requested() -> bool {
    interrupt::take_stop()
}

/// Lets the code that reports an end run undisturbed by a stop or an interrupt.
#[op2(fast)]
pub fn op_faas_acknowledge_stop() {
    interrupt::end_interruptible();
    interrupt::acknowledge_stop();
}

/// The byte that Pyodide polls for signals, as an ArrayBuffer over this process's memory.
#[op2]
pub fn op_faas_interrupt_buffer<'s>(
    scope: &mut v8::PinScope<'s, '_>,
) -> v8::Local<'s, v8::ArrayBuffer> {
    // SAFETY: V8 calls it when the buffer is gone; it uses none of its arguments.
    unsafe extern "C" fn keep(_: *mut std::ffi::c_void, _: usize, _: *mut std::ffi::c_void) {}
    // SAFETY: the byte is a static, so it outlives the isolate, and `keep` never frees it.
    // It is an atomic that Rust only ever touches atomically; V8 reads and writes single bytes.
    let store = unsafe {
        v8::ArrayBuffer::new_backing_store_from_ptr(
            interrupt::python_signal_byte().cast(),
            1,
            keep,
            std::ptr::null_mut(),
        )
    };
    v8::ArrayBuffer::with_backing_store(scope, &store.make_shared())
}

/// Directory within that of Pyodide with archives of Python whose sources are compiled
/// (scripts/compile-python.mjs). Archives that are not there are used uncompiled.
const COMPILED: &str = "compiled";

/// How the boot code calls the directory of fonts.
const FONTS: &str = "fonts/";

/// Reads a file of the Pyodide distribution, or of fonts; fails once the boot is over.
#[op2]
pub fn op_faas_boot_file(
    state: Rc<RefCell<OpState>>,
    #[string] path: String,
) -> Result<Uint8Array, JsErrorBox> {
    let files = state.borrow().borrow::<HostState>().boot_files.clone();
    let name = path.rsplit('/').next().unwrap_or_default();
    let files =
        files.ok_or_else(|| JsErrorBox::generic("the sandbox has no files of the host to read"))?;
    let read = match files.fonts {
        Some(fonts) if path.starts_with(FONTS) => std::fs::read(fonts.join(name)),
        _ => std::fs::read(files.pyodide.join(COMPILED).join(name))
            .or_else(|_| std::fs::read(files.pyodide.join(name))),
    };
    read.map(Into::into)
        .map_err(|error| JsErrorBox::generic(format!("cannot read {name}: {error}")))
}

/// Decodes ISO 8859-1: a byte is a code point.
#[op2]
pub fn op_faas_decode_latin1<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[buffer] bytes: &[u8],
) -> Result<v8::Local<'s, v8::String>, JsErrorBox> {
    v8::String::new_from_one_byte(scope, bytes, v8::NewStringType::Normal).ok_or_else(too_long)
}

/// Decodes UTF-16, little-endian; an odd byte at the end is dropped.
#[op2]
pub fn op_faas_decode_utf16<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[buffer] bytes: &[u8],
) -> Result<v8::Local<'s, v8::String>, JsErrorBox> {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    v8::String::new_from_two_byte(scope, &units, v8::NewStringType::Normal).ok_or_else(too_long)
}

fn too_long() -> JsErrorBox {
    JsErrorBox::range_error("the text is longer than a string can be")
}

/// What a command line would give a program, as JavaScript sees it.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct InvocationForScripts {
    stdin: Option<String>,
    arguments: Vec<String>,
    entry_point: Option<String>,
    collect: Vec<String>,
    environment: Vec<(String, String)>,
    tools: Option<String>,
    shows_errors: bool,
}

/// Takes what the program was given beside its source: a second call returns nothing.
#[op2]
#[serde]
pub fn op_faas_invocation(state: &mut OpState) -> InvocationForScripts {
    let invocation = std::mem::take(&mut state.borrow_mut::<HostState>().invocation);
    InvocationForScripts {
        stdin: invocation.stdin,
        arguments: invocation.arguments,
        entry_point: invocation.entry_point,
        collect: invocation.collect,
        environment: invocation.environment,
        tools: invocation.tools,
        shows_errors: invocation.shows_errors,
    }
}

/// A file as JavaScript sees it.
#[derive(serde::Serialize)]
struct InputFile {
    name: String,
    contents: serde_v8::ToJsBuffer,
}

/// Takes the files that came with the program: a second call returns none.
#[op2]
#[serde]
pub fn op_faas_input_files(state: &mut OpState) -> Vec<InputFile> {
    let files = std::mem::take(&mut state.borrow_mut::<HostState>().files);
    let into_js = |file: JobFile| InputFile {
        name: file.name,
        contents: file.contents.into(),
    };
    files.into_iter().map(into_js).collect()
}

/// Returns a file that the program made.
#[op2(fast)]
pub fn op_faas_put_file(
    state: &mut OpState,
    #[string] name: &str,
    #[buffer] contents: &[u8],
) -> Result<(), JsErrorBox> {
    if !is_file_name(name) {
        return Err(JsErrorBox::type_error(format!(
            "\"{name}\" is not a name of a file in the output directory"
        )));
    }
    let state = state.borrow_mut::<HostState>();
    state.claim(name, contents.len())?;
    state.host.put_file(name, contents);
    Ok(())
}
