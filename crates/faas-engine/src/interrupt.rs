//! How a running program is asked to stop, or interrupted: words in memory that a signal handler may write, and an
//! interrupt of V8 for code that reads no such word.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;

use deno_core::v8;

/// Pyodide polls this byte (its "interrupt buffer"); 2 makes CPython raise KeyboardInterrupt.
/// <https://pyodide.org/en/stable/usage/keyboard-interrupts.html>
static PYTHON_SIGNAL: AtomicU8 = AtomicU8::new(0);

/// The progress of a stop. Blocking host calls return early once one was requested.
static STOPPING: AtomicU8 = AtomicU8::new(NOT_ASKED);
const NOT_ASKED: u8 = 0;
const ASKED: u8 = 1;
/// The code that reports the stop is running and must not be stopped itself.
const ACKNOWLEDGED: u8 = 2;

/// SIGINT's number as Pyodide expects it.
const SIGINT: u8 = 2;
/// SIGALRM's.
const SIGALRM: u8 = 14;

/// V8's type for a function that it calls when it is interrupted.
pub(super) type InterruptCallback =
    unsafe extern "C" fn(isolate: v8::UnsafeRawIsolatePtr, data: *mut c_void);

/// The isolate to interrupt, null until [`interrupt_on_stop`].
static INTERRUPT: AtomicPtr<Interrupt> = AtomicPtr::new(ptr::null_mut());

/// What V8 does when a stop or an interrupt is requested.
struct Interrupt {
    isolate: v8::IsolateHandle,
    callback: InterruptCallback,
    urgency: Urgency,
}

/// When V8 is interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    AtOnce,
    /// When a stop is requested a second time: the program gets the chance to react to the first one
    /// itself.
    WhenRepeated,
}

/// Asks the program to stop. Called from signal handlers.
///
/// The two stores are async-signal-safe; the interrupt is so in practice only: V8 queues it under a
/// recursive lock, which the interrupted code, on this same thread, may hold. If that fails, the
/// supervisor kills the process shortly after, as it kills any that does not react.
pub fn request_stop() {
    let before = STOPPING.fetch_max(ASKED, Ordering::Relaxed);
    if before == ACKNOWLEDGED {
        return;
    }
    let is_repeated = before == ASKED;
    if !is_repeated {
        PYTHON_SIGNAL.store(SIGINT, Ordering::Relaxed);
    }
    // SAFETY: null, or a pointer that `interrupt_on_stop` leaked, so it is valid for ever.
    if let Some(interrupt) = unsafe { INTERRUPT.load(Ordering::Acquire).as_ref() } {
        match interrupt.urgency {
            Urgency::AtOnce if is_repeated => {}
            Urgency::WhenRepeated if !is_repeated => {}
            _ => interrupt.request(),
        }
    }
}

/// Whether the program that runs can be interrupted, and whether it was: by its caller, who wants to go on with what
/// it left.
static INTERRUPTIBLE: AtomicBool = AtomicBool::new(false);
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on, until [`end_interruptible`], the program can be interrupted; it is at once, if it was to be before.
pub(super) fn begin_interruptible() {
    INTERRUPTIBLE.store(true, Ordering::Relaxed);
    if INTERRUPTED.load(Ordering::Relaxed) {
        interrupt_now();
    }
}

/// The program is over: what reports that is not interrupted.
pub(super) fn end_interruptible() {
    INTERRUPTIBLE.store(false, Ordering::Relaxed);
    let _ = PYTHON_SIGNAL.compare_exchange(SIGINT, 0, Ordering::Relaxed, Ordering::Relaxed);
}

/// Interrupts the program: Python raises KeyboardInterrupt, which it may handle; JavaScript ends. Called from signal
/// handlers; as to V8, as [`request_stop`].
pub fn request_interrupt() {
    INTERRUPTED.store(true, Ordering::Relaxed);
    if INTERRUPTIBLE.load(Ordering::Relaxed) && !stop_requested() {
        interrupt_now();
    }
}

fn interrupt_now() {
    PYTHON_SIGNAL.store(SIGINT, Ordering::Relaxed);
    // SAFETY: null, or a pointer that `interrupt_on_stop` leaked, so it is valid for ever.
    if let Some(interrupt) = unsafe { INTERRUPT.load(Ordering::Acquire).as_ref() }
        && interrupt.urgency == Urgency::AtOnce
    {
        interrupt.request();
    }
}

/// Whether the program was interrupted while it could be.
pub(super) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed) && INTERRUPTIBLE.load(Ordering::Relaxed)
}

/// Whether an interrupt has come that nobody has taken.
fn interrupt_has_come() -> bool {
    PYTHON_SIGNAL.load(Ordering::Relaxed) == SIGINT
}

/// From now on a stop, and with [`Urgency::AtOnce`] an interrupt of the caller's, makes V8 call `callback` at the next
/// safe point in the JavaScript, WebAssembly or regular expression that is running. There the callback may inspect the
/// stack, and end the execution with [`v8::Isolate::terminate_execution`]. Call it once per process.
pub(super) fn interrupt_on_stop(
    isolate: v8::IsolateHandle,
    callback: InterruptCallback,
    urgency: Urgency,
) {
    let interrupt = Box::into_raw(Box::new(Interrupt {
        isolate,
        callback,
        urgency,
    }));
    INTERRUPT.store(interrupt, Ordering::Release);
}

impl Interrupt {
    fn request(&self) {
        self.isolate
            .request_interrupt(self.callback, ptr::null_mut::<c_void>());
    }
}

/// Whether a stop was requested.
pub fn stop_requested() -> bool {
    STOPPING.load(Ordering::Relaxed) != NOT_ASKED
}

/// Whether a stop was requested, for a caller that then raises KeyboardInterrupt: CPython must not
/// raise a second one.
pub fn take_stop() -> bool {
    let requested = stop_requested();
    if requested {
        PYTHON_SIGNAL.store(0, Ordering::Relaxed);
    }
    requested
}

/// Whether a stop or an interrupt was requested, for a caller that goes on to ask [`take_stop`] and
/// [`take_interrupt`].
pub(super) fn ends_a_sleep() -> bool {
    stop_requested() || interrupt_has_come()
}

/// Whether a stop, an interrupt or an alarm has come that the program has not looked at.
pub fn has_come() -> bool {
    ends_a_sleep() || alarm_has_come()
}

/// Whether the program was interrupted, for a caller that then raises KeyboardInterrupt; once.
pub(super) fn take_interrupt() -> bool {
    let taken = PYTHON_SIGNAL.compare_exchange(SIGINT, 0, Ordering::Relaxed, Ordering::Relaxed);
    taken.is_ok()
}

/// Lets the code that reports a stop, if one was requested, run undisturbed.
pub fn acknowledge_stop() {
    let _ = STOPPING.compare_exchange(ASKED, ACKNOWLEDGED, Ordering::Relaxed, Ordering::Relaxed);
    PYTHON_SIGNAL.store(0, Ordering::Relaxed);
}

/// Forgets every request, in a fork of a process that ran a program. An interrupt that waits in V8 finds
/// nothing to do.
pub(super) fn forget() {
    STOPPING.store(NOT_ASKED, Ordering::Relaxed);
    INTERRUPTIBLE.store(false, Ordering::Relaxed);
    INTERRUPTED.store(false, Ordering::Relaxed);
    PYTHON_SIGNAL.store(0, Ordering::Relaxed);
}

/// Has CPython call the program's handler for SIGALRM. A stop that was requested comes first. Called from
/// signal handlers.
pub fn request_alarm() {
    let _ = PYTHON_SIGNAL.compare_exchange(0, SIGALRM, Ordering::Relaxed, Ordering::Relaxed);
}

/// Whether an alarm has come that CPython has not seen yet, for a caller that tells it.
pub(super) fn take_alarm() -> bool {
    let taken = PYTHON_SIGNAL.compare_exchange(SIGALRM, 0, Ordering::Relaxed, Ordering::Relaxed);
    taken.is_ok()
}

fn alarm_has_come() -> bool {
    PYTHON_SIGNAL.load(Ordering::Relaxed) == SIGALRM
}

/// Longest sleep without a look at the flags: a signal may come right before the kernel is asked to sleep.
const LONGEST_NAP_NS: u64 = 1_000_000_000;

/// Sleeps for `milliseconds`, or until a stop or an interrupt is requested or an alarm comes.
pub(super) fn sleep(milliseconds: f64) {
    let mut left = (milliseconds.clamp(0.0, 1e12) * 1e6) as u64;
    while left > 0 && !stop_requested() && !interrupt_has_come() && !alarm_has_come() {
        let nap = left.min(LONGEST_NAP_NS);
        let request = libc::timespec {
            tv_sec: (nap / 1_000_000_000) as libc::time_t,
            tv_nsec: (nap % 1_000_000_000) as libc::c_long,
        };
        let mut rest = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: both pointers are to live timespecs; on EINTR the kernel writes what is left.
        let slept = unsafe { libc::nanosleep(&raw const request, &raw mut rest) };
        let rest = match slept {
            0 => 0,
            _ => rest.tv_sec as u64 * 1_000_000_000 + rest.tv_nsec as u64,
        };
        left = left - nap + rest.min(nap);
    }
}

/// Address of the byte that Pyodide polls.
pub(super) fn python_signal_byte() -> *mut u8 {
    PYTHON_SIGNAL.as_ptr()
}
