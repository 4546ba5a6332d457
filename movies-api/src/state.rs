//! What handlers share; cloned for every request.

use std::sync::Arc;

use axum::extract::FromRef;
use shared::db::{Pool, Primary, Relay};
use shared::token::bearer::Gate;

/// The parts that every room may use.
#[derive(Clone)]
pub struct AppState {
    /// Connections to the database, made when first needed; reads hand them on to one another.
    pub relay: Relay,
    /// Where writes go, should the pool lead to a standby.
    pub primary: Primary,
    /// Checks bearer tokens; holds the public keys.
    pub gate: Arc<Gate>,
}

impl FromRef<AppState> for Pool {
    fn from_ref(state: &AppState) -> Self {
        state.relay.pool().clone()
    }
}

impl FromRef<AppState> for Relay {
    fn from_ref(state: &AppState) -> Self {
        state.relay.clone()
    }
}

impl FromRef<AppState> for Primary {
    fn from_ref(state: &AppState) -> Self {
        state.primary.clone()
    }
}

impl FromRef<AppState> for Arc<Gate> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.gate)
    }
}
