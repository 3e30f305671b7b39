//! Doors: other protocols, each in a module of its own, over the one way of executing ([`crate::api::execute`]).

mod cell_error;
mod e2b;
mod jupyter;
mod langfuse;
pub mod mcp;
mod ours;
mod piston;
mod sandbox_fusion;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::api::AppState;
use crate::api::Doors;
use crate::api::health::health;
use crate::settings::Door;

/// The routes of the doors that are open.
pub fn routes(state: &Arc<AppState>) -> Doors {
    let sandboxes = Arc::<e2b::Sandboxes>::default();
    let health = get(health);
    let mut doors = Doors {
        health: match state.settings.doors.contains(&Door::E2b) {
            true => e2b::health(health, state, sandboxes.clone()),
            false => health,
        },
        behind_token: Router::new(),
        with_own_check: Router::new(),
    };
    let Doors {
        behind_token,
        with_own_check,
        ..
    } = &mut doors;
    for door in Door::ALL {
        if !state.settings.doors.contains(&door) {
            continue;
        }
        let (routes, more) = match door {
            Door::Mcp => (&mut *behind_token, mcp::routes(state)),
            Door::Langfuse => (&mut *with_own_check, langfuse::routes()),
            Door::SandboxFusion => (&mut *behind_token, sandbox_fusion::routes()),
            Door::Piston => (&mut *behind_token, piston::routes()),
            Door::E2b => (&mut *with_own_check, e2b::routes(sandboxes.clone())),
            Door::Jupyter => (&mut *with_own_check, jupyter::routes(state)),
        };
        *routes = std::mem::take(routes).merge(more);
    }
    doors
}
