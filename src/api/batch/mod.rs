//! `POST /run_batch`: many programs, or one over many inputs, in one request. Each row goes the way of every program
//! ([`super::execute`]), and is answered as it ends, in a line of its own.
//!
//! Nothing here grows with the number of rows: a row is read when there is a place to run it, and it is run when the
//! caller has read what came before.

mod head;
mod http;
mod lines;
mod rows;
mod run;

pub use head::RawBatch;
pub use http::run_batch;
pub use lines::BatchLine;
