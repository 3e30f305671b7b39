//! When a program's heap is full.
//!
//! The kernel's limit (RLIMIT_DATA) holds in any case. V8's own limit is somewhat lower, so that
//! most programs that run out of memory end in order: V8 is interrupted while it still has some
//! memory, the place in the program is reported, and its output is sent. What V8 cannot survive (a
//! single huge allocation by V8) ends in [`heap::end_out_of_memory`].

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use deno_core::v8;
use faas_protocol::ByteSize;

use crate::heap;
use crate::interrupt::InterruptCallback;

/// V8 heap of a freshly booted realm, rounded up generously.
const REALM: ByteSize = ByteSize::mib(12);

/// Least and most that the young generation takes; the most is V8's own default.
const LEAST_YOUNG: ByteSize = ByteSize::mib(3);
const MOST_YOUNG: ByteSize = ByteSize::mib(48);

/// Least and most memory over the limit in which a program can end.
const LEAST_SLACK: ByteSize = ByteSize::mib(2);
const MOST_SLACK: ByteSize = ByteSize::mib(16);

thread_local! {
    /// Whether the heap reached its limit.
    static LIMIT_REACHED: Cell<bool> = const { Cell::new(false) };
}

/// Guard of the heap limit: what its call-back needs. Lives as long as the process.
struct Guard {
    isolate: v8::IsolateHandle,
    /// V8's limit when the program has all of its memory.
    limit: usize,
    /// Reports where the program is, and ends it.
    stop: InterruptCallback,
    slack: ByteSize,
}

/// V8's limits for programs that may use `memory`.
pub fn create_params(memory: ByteSize) -> v8::CreateParams {
    heap::create_params(young(memory), old(memory))
}

/// Most that the young generation takes.
fn young(memory: ByteSize) -> ByteSize {
    ByteSize::bytes(memory.get() / 8).clamp(LEAST_YOUNG, MOST_YOUNG)
}

/// Most that the old generation takes: what is not for the young one, for slack at the end, or for the
/// C++ heap.
fn old(memory: ByteSize) -> ByteSize {
    let rest = memory
        .saturating_sub(young(memory))
        .saturating_sub(slack(memory));
    REALM.saturating_add(ByteSize::bytes(rest.get() / 8 * 7))
}

/// Memory over the limit in which a program can end.
fn slack(memory: ByteSize) -> ByteSize {
    ByteSize::bytes(memory.get() / 16).clamp(LEAST_SLACK, MOST_SLACK)
}

/// Watches the heap's limit, once per process. `stop` ends a program that reaches it.
pub fn watch(isolate: &mut v8::Isolate, memory: ByteSize, stop: InterruptCallback) {
    guard(isolate, memory, stop);
    heap::watch(isolate);
}

/// Sets another limit than at creation, at most that one.
pub fn set(isolate: &mut v8::Isolate, memory: ByteSize, stop: InterruptCallback) {
    isolate.remove_near_heap_limit_callback(near_limit, old(memory).as_usize());
    guard(isolate, memory, stop);
}

fn guard(isolate: &mut v8::Isolate, memory: ByteSize, stop: InterruptCallback) {
    let guard = Box::into_raw(Box::new(Guard {
        isolate: isolate.thread_safe_handle(),
        limit: old(memory).as_usize(),
        stop,
        slack: slack(memory),
    }));
    isolate.add_near_heap_limit_callback(near_limit, guard.cast());
}

/// Whether the heap reached its limit.
pub fn limit_reached() -> bool {
    LIMIT_REACHED.get()
}

/// What V8 calls when the heap is nearly full; returns its new limit.
///
/// # Safety
/// For V8 only, which calls with the guard that was given with this function.
unsafe extern "C" fn near_limit(data: *mut c_void, current: usize, _initial: usize) -> usize {
    // SAFETY: `watch` gave a pointer to a guard that it leaked.
    let guard = unsafe { &*data.cast::<Guard>() };
    // V8's own limit can only be lowered; what ran before may have had less.
    if current < guard.limit && !LIMIT_REACHED.get() {
        return guard.limit;
    }
    if LIMIT_REACHED.replace(true) {
        // It was interrupted once and went on, in code that checks for no interrupt.
        guard.isolate.terminate_execution();
    } else {
        guard.isolate.request_interrupt(guard.stop, ptr::null_mut());
    }
    current.saturating_add(guard.slack.as_usize())
}
