//! What runs in child processes: the zygote, and the sandboxes that are forked from it.
//!
//! [`zygote::run`] boots a runtime and forks; [`sandbox`] is the life of a fork. Both have one thread
//! and, from the moment that they serve, V8 on it.

mod allocator;
mod ending;
mod footprint;
mod fork;
mod memory;
mod placement;
mod sandbox;
pub mod zygote;

pub use allocator::Allocator;
