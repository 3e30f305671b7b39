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

pub use head::Head;
pub use head::RawBatch;
pub use http::read_first_line;
pub use http::run_batch;
pub use lines::BatchLine;
pub use lines::RefusedLine;
pub use lines::RowLine;
pub use lines::StopReason;
pub use lines::Stopped;
pub use rows::MOST_LISTED;
pub use rows::Rows;
pub use rows::parse;
pub use rows::text_of;
pub use run::Batch;
pub use run::JobOutput;
pub use run::Output;
pub use run::OwnSnapshot;
pub use run::RowEvent;
pub use run::TRY_AGAIN_AFTER;
pub use run::set_up;
