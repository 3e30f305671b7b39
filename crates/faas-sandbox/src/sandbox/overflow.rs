//! What happens when the stack overflows outside of V8, which looks after its own: the TypeScript
//! compiler recurses as deep as the source is nested. The program then failed, not the sandbox.

use std::ffi::c_void;

use faas_engine as engine;
use faas_linux::let_stack_grow_to;
use faas_protocol::Stream;

use super::finish_now;
use super::output;

/// Size of the stack that the handler runs on, in bytes.
const HANDLER_STACK_BYTES: usize = 64 << 10;

/// Lets the stack grow to `most_stack` bytes, and installs the handler for the day when that is not enough. To be called
/// before V8 is initialised: its own handler, for WebAssembly, passes on what is not its.
///
/// # Errors
/// The system's.
pub fn handle_stack_overflow(most_stack: u64) -> std::io::Result<()> {
    let_stack_grow_to(most_stack)?;
    let stack = libc::stack_t {
        ss_sp: Box::leak(vec![0u8; HANDLER_STACK_BYTES].into_boxed_slice())
            .as_mut_ptr()
            .cast(),
        ss_flags: 0,
        ss_size: HANDLER_STACK_BYTES,
    };
    // SAFETY: the stack is leaked, so it stays; the second pointer may be null.
    if unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: all-zero is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_fault as *const () as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: `action` is complete and lives through the call. The handler uses no heap and no lock.
    match unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

extern "C" fn on_fault(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    if let Some(report) = engine::typescript_overflow() {
        output::write(Stream::Stderr, report.as_bytes());
        finish_now(1, None);
    }
    // A real fault, or an abort, which ends in one where signals may not be sent. What the program
    // printed is kept; without the handler, the instruction faults again and ends the process.
    output::flush_from_handler();
    // SAFETY: resetting a signal to its default is always allowed.
    unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
}
