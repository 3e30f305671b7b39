//! Limits of V8's heap, and what happens when it reaches them.
//!
//! The kernel's limit (RLIMIT_DATA) holds in any case. V8's own limit is somewhat lower, so that
//! most programs that run out of memory end in order: V8 is interrupted while it still has some
//! memory, the place in the program is reported, and its output is sent. What V8 cannot survive (a
//! single huge allocation by V8) ends in [`end_out_of_memory`].

use std::cell::Cell;
use std::cell::RefCell;
use std::ffi::c_char;
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use deno_core::v8;
use faas_protocol::ByteSize;

use super::callbacks::stop_here;
use crate::Host;

const MIB: usize = 1 << 20;

/// V8 heap of a freshly booted realm, rounded up generously, in bytes.
const REALM_BYTES: usize = 12 * MIB;

/// Most that the young generation takes, in bytes: V8's own default.
const MAX_YOUNG_BYTES: usize = 48 * MIB;

thread_local! {
    /// The host to notify when memory runs out.
    static HOST: RefCell<Option<Rc<dyn Host>>> = const { RefCell::new(None) };
    /// Whether the heap reached its limit.
    static LIMIT_REACHED: Cell<bool> = const { Cell::new(false) };
}

/// Guard of the heap limit: what its call-back needs. Lives as long as the process.
struct Guard {
    isolate: v8::IsolateHandle,
    slack_bytes: usize,
}

/// V8's limits for programs that may use `memory`.
pub fn create_params(memory: ByteSize) -> v8::CreateParams {
    let memory = memory.as_usize();
    v8::CreateParams::default()
        .set_max_young_generation_size_in_bytes(young(memory))
        .set_max_old_generation_size_in_bytes(old(memory))
}

/// Most that the young generation takes, in bytes.
fn young(memory: usize) -> usize {
    (memory / 8).clamp(3 * MIB, MAX_YOUNG_BYTES)
}

/// Most that the old generation takes, in bytes: what is not for the young one, for slack at the end,
/// or for the C++ heap.
fn old(memory: usize) -> usize {
    REALM_BYTES + memory.saturating_sub(young(memory) + slack(memory)) / 8 * 7
}

/// Memory over the limit in which a program can end, in bytes.
fn slack(memory: usize) -> usize {
    (memory / 16).clamp(2 * MIB, 16 * MIB)
}

/// Watches the heap's limit, once per process.
pub fn watch(isolate: &mut v8::Isolate, memory: ByteSize) {
    guard(isolate, memory);
    isolate.set_oom_error_handler(on_v8_out_of_memory);
}

/// Lowers the limit that was set at creation. Call it at most once per process.
pub fn lower(isolate: &mut v8::Isolate, memory: ByteSize) {
    isolate.remove_near_heap_limit_callback(near_limit, old(memory.as_usize()));
    guard(isolate, memory);
}

fn guard(isolate: &mut v8::Isolate, memory: ByteSize) {
    let guard = Box::into_raw(Box::new(Guard {
        isolate: isolate.thread_safe_handle(),
        slack_bytes: slack(memory.as_usize()),
    }));
    isolate.add_near_heap_limit_callback(near_limit, guard.cast());
}

/// Sets the host to notify from now on.
pub fn set_host(host: Rc<dyn Host>) {
    HOST.with_borrow_mut(|current| *current = Some(host));
}

/// Whether the heap reached its limit.
pub fn limit_reached() -> bool {
    LIMIT_REACHED.get()
}

/// Ends the process because it is out of memory, after notifying the host.
pub fn end_out_of_memory() -> ! {
    let host = HOST.try_with(|host| host.try_borrow().ok().and_then(|host| host.clone()));
    if let Ok(Some(host)) = host {
        host.out_of_memory();
    }
    std::process::abort()
}

unsafe extern "C" fn near_limit(data: *mut c_void, current: usize, _initial: usize) -> usize {
    // SAFETY: `watch` gave a pointer to a guard that it leaked.
    let guard = unsafe { &*data.cast::<Guard>() };
    if LIMIT_REACHED.replace(true) {
        // It was interrupted once and went on, in code that checks for no interrupt.
        guard.isolate.terminate_execution();
    } else {
        guard.isolate.request_interrupt(stop_here, ptr::null_mut());
    }
    current.saturating_add(guard.slack_bytes)
}

unsafe extern "C" fn on_v8_out_of_memory(_location: *const c_char, _details: &v8::OomDetails) {
    end_out_of_memory()
}
