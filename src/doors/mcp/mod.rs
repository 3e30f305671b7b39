//! The Model Context Protocol: programs as tools for language models, over HTTP at `/mcp` and over stdin and
//! stdout.
//!
//! Revision 2026-07-28, which has no sessions, and older ones down to 2024-11-05 without sessions. The protocol
//! itself is rmcp's, the official SDK; here is what the tools do.

mod call;
mod content;
mod handler;
mod http;
mod progress;
mod session;
mod size;
mod tools;
mod within;

pub use handler::Mcp;
pub use http::routes;
