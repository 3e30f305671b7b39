//! How far the stack may grow.

use std::io;

use rustix::process::Resource;
use rustix::process::Rlimit;

/// How far the stack of any zygote and its forks may grow, in bytes. It takes memory as it is used, which
/// the supervisor's watch counts.
pub const MOST_STACK: u64 = 256 << 20;

/// How far the main thread's stack may grow, in bytes; `None` if there is no limit.
pub fn stack_limit() -> Option<u64> {
    rustix::process::getrlimit(Resource::Stack).current
}

/// Lets the stack grow to `bytes`, or as far as the hard limit allows. The kernel leaves that much room below
/// the stack only if the limit stands when a program is executed; else 128 MiB (`mmap_base` in
/// arch/x86/mm/mmap.c).
///
/// # Errors
/// The system's.
pub fn let_stack_grow_to(bytes: u64) -> io::Result<()> {
    let maximum = rustix::process::getrlimit(Resource::Stack).maximum;
    let limit = Rlimit {
        current: Some(maximum.unwrap_or(bytes).min(bytes)),
        maximum,
    };
    Ok(rustix::process::setrlimit(Resource::Stack, limit)?)
}
