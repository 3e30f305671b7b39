//! Kernel interfaces, and the check of a directory, that more than one crate uses.

mod cgroup;
mod clock;
mod descriptors;
mod huge_pages;
mod proc_status;
mod socket_pair;
mod stack_limit;
pub mod trace;
mod workspace;

pub use cgroup::Cgroup;
pub use cgroup::MemoryRoom;
pub use clock::cpu_time;
pub use clock::monotonic_us;
pub use descriptors::most_descriptors;
pub use descriptors::open_descriptors;
pub use huge_pages::HUGE_PAGE;
pub use huge_pages::collapse;
pub use proc_status::ProcessStatus;
pub use proc_status::blocks_signal;
pub use proc_status::minor_faults;
pub use proc_status::page_bytes;
pub use socket_pair::socket_pair;
pub use stack_limit::MOST_STACK;
pub use stack_limit::let_stack_grow_to;
pub use stack_limit::stack_limit;
pub use workspace::WorkspaceError;
pub use workspace::prepare_workspace;
