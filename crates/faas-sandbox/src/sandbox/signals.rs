//! Signals that a sandbox answers to. Handlers are installed in the zygote and inherited.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use faas_engine::interrupt;

use super::output;
use super::timer;

/// Asks the program to stop where it can still say where it was.
pub const SOFT_STOP: i32 = libc::SIGUSR1;

/// Interrupts the program, as a notebook's user does. It may go on, and what it leaves can be kept.
pub const INTERRUPT: i32 = libc::SIGUSR2;

static CPU_LIMIT_REACHED: AtomicBool = AtomicBool::new(false);

/// Whether the program used up its CPU time.
pub fn cpu_limit_reached() -> bool {
    CPU_LIMIT_REACHED.load(Ordering::Relaxed)
}

/// Forgets that, in a fork, which has used no CPU time.
pub fn forget_cpu_limit() {
    CPU_LIMIT_REACHED.store(false, Ordering::Relaxed);
}

/// Installs the handlers: [`SOFT_STOP`] and the CPU limit stop the program, [`INTERRUPT`] interrupts it, the timer
/// writes out its output and brings its alarms. Those two let a blocking call go on; a sleep ends in any case.
///
/// # Errors
/// The system's, for a signal that it does not know.
pub fn install_signal_handlers() -> std::io::Result<()> {
    install(SOFT_STOP, on_stop, 0)?;
    install(INTERRUPT, on_interrupt, libc::SA_RESTART)?;
    install(libc::SIGPROF, on_cpu_limit, 0)?;
    install(libc::SIGXCPU, on_cpu_limit, 0)?;
    install(libc::SIGALRM, on_timer, libc::SA_RESTART)
}

extern "C" fn on_stop(_: libc::c_int) {
    interrupt::request_stop();
    keep_errno(output::flush_from_handler);
}

extern "C" fn on_interrupt(_: libc::c_int) {
    keep_errno(interrupt::request_interrupt);
}

extern "C" fn on_cpu_limit(signal: libc::c_int) {
    CPU_LIMIT_REACHED.store(true, Ordering::Relaxed);
    on_stop(signal);
}

extern "C" fn on_timer(_: libc::c_int) {
    keep_errno(|| timer::on_signal(output::flush_from_handler));
}

/// Leaves no trace of what a handler does in the interrupted code's errno.
fn keep_errno(work: fn()) {
    // SAFETY: the C library gives a valid pointer to this thread's errno.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above; an int is read.
    let saved = unsafe { *errno };
    work();
    // SAFETY: as above; an int is written.
    unsafe { *errno = saved };
}

fn install(signal: i32, handler: extern "C" fn(libc::c_int), flags: i32) -> std::io::Result<()> {
    // SAFETY: all-zero is a valid sigaction (default handler, empty mask, no flags).
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = flags;
    // SAFETY: `action` is complete and lives through the call. The handlers only touch atomics and
    // call write(2), which POSIX allows in a handler, and leave errno as it was.
    match unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
