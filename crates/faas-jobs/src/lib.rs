//! Jobs: programs and batches that run without anybody waiting for them, and what came of them.
//!
//! [`Jobs`] is the one way to them. Behind it is a database file in the workspace, which one server has at a time. It
//! says of each row whether its result is there; whatever else happens, a row whose result is there is not run again.
//!
//! What kill -9 and what a power cut may take: nothing that was answered. A job is on the disk before its caller hears
//! its id, and a result before anybody can read it. That a row began is written without waiting for the disk: if a power
//! cut takes that, one attempt more is made.

mod columns;
mod database;
mod error;
mod expiry;
mod file;
mod job;
mod jobs;
mod progress;
mod read;
mod submit;
mod tables;
mod thread;
mod webhook;

#[cfg(test)]
mod tests;

pub use error::StoreError;
pub use expiry::Deleted;
pub use job::ClaimedJob;
pub use job::DueWebhook;
pub use job::Found;
pub use job::GoneReason;
pub use job::IdempotencyKey;
pub use job::JobEnd;
pub use job::JobId;
pub use job::JobInfo;
pub use job::JobKind;
pub use job::KeptResult;
pub use job::KeptRow;
pub use job::MOST_ATTEMPTS;
pub use job::NewJob;
pub use job::Problem;
pub use job::Progress;
pub use job::ResultPage;
pub use job::Submitted;
pub use job::WebhookInfo;
pub use job::WebhookState;
pub use jobs::Jobs;
pub use jobs::JobsSettings;
pub use webhook::Delivery;
pub use webhook::WebhookSecret;
pub use webhook::Webhooks;
