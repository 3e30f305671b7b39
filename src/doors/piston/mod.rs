//! Piston, version 2 of its API: programs of one or several files, at `/api/v2`.
//!
//! What is asked and answered is that of its own server (`api/src/api/v2.js`, `api/src/job.js`).

mod http;
mod job;
mod outcome;
mod runtimes;

pub use http::routes;
