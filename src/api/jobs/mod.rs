//! `/jobs`: what `POST /run_code` and `POST /run_batch` run, without anybody waiting for it. Each program goes the way of
//! every other ([`super::execute`], [`super::batch`]); `faas_jobs` keeps what is asked for and what came of it.

mod body;
mod http;
mod messages;
mod query;
mod result_stream;
mod run;
mod store_error;
mod submission;
mod work;

pub use body::JobBody;
pub use body::JobList;
pub use body::JobResult;
pub use http::delete;
pub use http::find;
pub use http::list;
pub use query::DEFAULT_LIMIT;
pub use query::MAX_LIMIT;
pub use result_stream::results;
pub use submission::JobOptions;
pub use submission::JobRequest;
pub use submission::submit;
pub use work::run_jobs;

/// What ids of jobs begin with.
const PREFIX: &str = "job-";
