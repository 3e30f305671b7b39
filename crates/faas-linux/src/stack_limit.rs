//! How far the stack may grow.

use std::io;

use rustix::process::Resource;
use rustix::process::Rlimit;

/// How far the stack of a zygote and its forks may grow, in bytes. It takes memory as it is used, which the
/// supervisor's watch counts.
pub const MOST_STACK: u64 = 256 << 20;

/// How far the main thread's stack may grow, in bytes; `None` if there is no limit.
pub fn stack_limit() -> Option<u64> {
    rustix::process::getrlimit(Resource::Stack).current
}

/// Lets the stack grow to [`MOST_STACK`], or as far as the hard limit allows. The kernel leaves that much
/// room below the stack only if the limit stands when a program is executed; else 128 MiB (`mmap_base` in
/// arch/x86/mm/mmap.c).
///
/// # Errors
/// The system's.
pub fn let_stack_grow() -> io::Result<()> {
    let Rlimit { current, maximum } = rustix::process::getrlimit(Resource::Stack);
    let wanted = maximum.unwrap_or(MOST_STACK).min(MOST_STACK);
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum,
    };
    Ok(rustix::process::setrlimit(Resource::Stack, raised)?)
}
