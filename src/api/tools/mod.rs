//! Programs that call tools of their caller: a request lends them (`tools`), its answer asks for what the program wants
//! to know (`status: "tool_calls"`), `POST /run_code/continue` brings it. Streams send the calls as events.

mod body;
mod conversation;
mod describe;
mod http;

pub use body::RawContinue;
pub use conversation::begin;
pub use describe::Described;
pub use describe::RawDescribe;
pub use describe::describe_tools;
pub use http::Accepted;
pub use http::go_on;
