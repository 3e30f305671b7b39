//! Jupyter's kernel gateway: kernels, each of which is a session, at `/api/kernels`.
//!
//! Requests open and end kernels. A WebSocket carries Jupyter's messages to one and from it, in the form of the
//! subprotocol `v1.kernel.websocket.jupyter.org` or in the older one without a name; what is asked and answered is
//! Jupyter's messaging protocol 5.3.

mod access;
mod channels;
mod control;
mod http;
mod kernels;
mod message;
mod outgoing;
mod shell;
mod specs;
mod words;

pub use http::routes;
