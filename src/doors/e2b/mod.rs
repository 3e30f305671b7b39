//! E2B's code interpreter: sandboxes, each of which is a session or several, as E2B's clients know them.
//!
//! The clients talk to two parts. One opens, lists and ends sandboxes: `/sandboxes` and `/v2/sandboxes`. The other is
//! inside a sandbox, which the header `E2b-Sandbox-Id` names: the interpreter (`/execute`, `/contexts`) and envd
//! (`/files`, `/health`, and Connect RPC with JSON). What is asked and answered is that of the clients
//! `e2b-code-interpreter` and `@e2b/code-interpreter`.

mod access;
mod cell;
mod connect;
mod contexts;
mod control;
mod files;
mod filesystem;
mod http;
mod lines;
mod multipart;
mod paths;
mod process;
mod sandboxes;
mod words;

pub use http::health;
pub use http::routes;
pub use sandboxes::Sandboxes;
