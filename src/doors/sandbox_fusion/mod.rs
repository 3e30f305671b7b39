//! SandboxFusion: programs with files, and notebooks, at `/sandbox-fusion`. Its `/run_code` is another than ours,
//! which is why it has a prefix.
//!
//! What is asked and answered is that of its own server and of its client, the package `sandbox-fusion`.

mod files;
mod http;
mod notebook;
mod outcome;
mod program;

pub use http::routes;
