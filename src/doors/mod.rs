//! Doors: other protocols, each in a module of its own, over the one way of executing ([`crate::api::execute`]).

mod langfuse;
pub mod mcp;
mod ours;
mod piston;
mod sandbox_fusion;

use std::sync::Arc;

use axum::Router;

use crate::api::AppState;
use crate::api::Doors;
use crate::settings::Door;

/// The routes of the doors that are open.
pub fn routes(state: &Arc<AppState>) -> Doors {
    let mut doors = Doors {
        behind_token: Router::new(),
        with_own_check: Router::new(),
    };
    let Doors {
        behind_token,
        with_own_check,
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
        };
        *routes = std::mem::take(routes).merge(more);
    }
    doors
}
