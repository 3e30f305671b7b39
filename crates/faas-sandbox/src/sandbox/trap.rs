//! The last resort of V8 and other native code: an instruction that traps, with no word to anyone. V8
//! takes it where it needs memory at once and the kernel gives none, past its own handlers for that.
//! The program then ran out of memory, and is told so.

use faas_protocol::Limit;

use super::finish_now;
use super::output;

/// Memory of which less is left when a piece that V8 takes at a time (its young generation doubles,
/// a page is 256 KiB) may have been refused, in bytes.
const PIECE_BYTES: usize = 8 << 20;

/// Installs the handler. To be called before V8 is initialised.
///
/// # Errors
/// The system's.
pub fn handle_traps() -> std::io::Result<()> {
    for signal in [libc::SIGTRAP, libc::SIGILL] {
        // SAFETY: all-zero is a valid sigaction.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_trap as *const () as usize;
        // The second trap then ends the process, as it would without a handler.
        action.sa_flags = libc::SA_ONSTACK | libc::SA_RESETHAND;
        // SAFETY: `action` is complete and lives through the call; the handler uses no heap, no lock.
        if unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

extern "C" fn on_trap(_: libc::c_int) {
    if is_memory_used_up() {
        finish_now(1, Some(Limit::Memory));
    }
    output::flush_from_handler();
}

/// Whether the kernel gives no more memory.
fn is_memory_used_up() -> bool {
    // SAFETY: new memory of the kernel's choice; nothing that exists is touched.
    let piece = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            PIECE_BYTES,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if piece == libc::MAP_FAILED {
        return true;
    }
    // SAFETY: just mapped, and nobody else knows it.
    unsafe { libc::munmap(piece, PIECE_BYTES) };
    false
}
