//! How a running program is asked to stop: words in memory that a signal handler may write.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;

/// Pyodide polls this byte (its "interrupt buffer"); 2 makes CPython raise KeyboardInterrupt.
/// <https://pyodide.org/en/stable/usage/keyboard-interrupts.html>
static PYTHON_SIGNAL: AtomicU8 = AtomicU8::new(0);

/// Set once a stop was asked for; blocking host calls return early from then on.
static STOPPING: AtomicU8 = AtomicU8::new(0);

/// SIGINT's number as Pyodide expects it.
const SIGINT: u8 = 2;

/// Asks the program to stop. Async-signal-safe: two atomic stores.
pub fn request_stop() {
    STOPPING.store(1, Ordering::Relaxed);
    PYTHON_SIGNAL.store(SIGINT, Ordering::Relaxed);
}

/// Whether a stop was asked for.
pub fn stop_requested() -> bool {
    STOPPING.load(Ordering::Relaxed) != 0
}

/// Takes the request back, so that the code which reports the stop is not stopped itself.
pub fn acknowledge_stop() {
    PYTHON_SIGNAL.store(0, Ordering::Relaxed);
}

/// Address of the byte that Pyodide polls.
pub(super) fn python_signal_byte() -> *mut u8 {
    PYTHON_SIGNAL.as_ptr()
}
