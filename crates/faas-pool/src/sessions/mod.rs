//! Sessions: each a name for the newest snapshot of a line, its head. A cell runs in a fork of the head, and what it
//! leaves becomes the head; so a cell that is killed takes nothing away.

mod names;
mod session;
mod store;
mod turn;

pub use names::SessionId;
pub use names::SessionName;
pub use session::Head;
pub use session::Lifetime;
pub use session::Session;
pub use session::SessionInfo;
pub use store::CannotOpen;
pub use store::NoSession;
pub use store::SessionSettings;
pub use store::Sessions;
pub use store::SessionsStats;
pub use turn::NoTurn;
pub use turn::Turn;
