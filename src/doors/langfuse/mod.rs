//! Code evaluators of Langfuse. It has AWS Lambda run them, by the one route that invokes a function; the address of
//! Lambda is a setting of Langfuse.
//!
//! What is asked and answered is that of Langfuse's own runners (`scripts/code-eval-runners` of its sources) and of
//! what calls them (`awsLambdaCodeEvalDispatcher.ts`).

mod evaluation;
mod event;
mod http;
mod signature;

pub use http::routes;
