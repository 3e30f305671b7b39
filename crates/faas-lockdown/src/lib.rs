//! The operating system's side of the boundary: what a sandbox process gives up before it sees
//! a program. It must hold even if V8 does not. Works without privileges.
//!
//! | layer | what it takes away |
//! |---|---|
//! | descriptors | everything open but the job socket |
//! | limits | memory over the zygote's, CPU time, stack, files, processes, core dumps |
//! | capabilities | what root could do, including raising those limits again |
//! | not dumpable | being looked into by other processes of the same user |
//! | Landlock | the file system, TCP, signals and abstract sockets outside (where the kernel has it) |
//! | seccomp | every system call but those on the list |
//!
//! A zygote narrows itself, too, once it has booted ([`narrow_zygote`]): it may be asked to install
//! packages, which runs third-party code. A fork that installs them narrows further before it does
//! ([`narrow_package_zygote`]), so that it reaches no other zygote. Sandboxes inherit all of that and
//! narrow themselves last. Of Landlock's domains, which the kernel stacks up to 16 deep, a zygote uses
//! one, one with packages two, a sandbox three.
//!
//! Forks of a sandbox that is kept inherit all of it, and add nothing (the module `gate`).

mod filter;
mod gate;
mod lockdown;

pub use filter::KILLING;
#[cfg(target_arch = "x86_64")]
pub use filter::X32;
pub use filter::sandbox_calls;
pub use gate::Gate;
pub use lockdown::Lockdown;
pub use lockdown::LockdownError;
pub use lockdown::arm_cpu_timer;
pub use lockdown::close_inherited;
pub use lockdown::die_with;
pub use lockdown::disarm_cpu_timer;
pub use lockdown::move_to_job_socket;
pub use lockdown::narrow_package_zygote;
pub use lockdown::narrow_zygote;
pub use lockdown::probe_layers;
