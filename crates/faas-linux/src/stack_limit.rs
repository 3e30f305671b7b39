//! How far the stack may grow.

use rustix::process::Resource;

/// How far the main thread's stack may grow, in bytes; `None` if there is no limit.
pub fn stack_limit() -> Option<u64> {
    rustix::process::getrlimit(Resource::Stack).current
}
