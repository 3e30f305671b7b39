//! What both sides of the boundary ask of the kernel.

mod clock;
mod proc_status;
mod socket_pair;

pub use clock::monotonic_us;
pub use proc_status::ProcessStatus;
pub use socket_pair::socket_pair;
