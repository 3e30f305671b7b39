//! Doors: other protocols, each in a module of its own, over the one way of executing ([`crate::api::execute`]).

pub mod mcp;

use std::sync::Arc;

use axum::Router;

use crate::api::AppState;
use crate::settings::Door;

/// The routes of the doors that are open.
pub fn routes(state: &Arc<AppState>) -> Router<Arc<AppState>> {
    let open = &state.settings.doors;
    if open.contains(&Door::Mcp) {
        mcp::routes(state)
    } else {
        Router::new()
    }
}
