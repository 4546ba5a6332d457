//! `cargo xtask bench`: how fast the pair is beside what this machine can do at all.
//!
//! A figure alone says more about a machine than about the code on it. So what the pair does is measured beside the
//! least that could do it, in one run and in turns, so that a disturbance hits all alike; what counts are the ratios:
//!
//! 1. `bare`: an axum handler that answers one movie's JSON from memory, in the serving loop of both services.
//! 2. `row`: the same, reading the row by its key through the same kind of pool.
//!    `handed`: the same once more, with connections that go from request to request without the pool, as movies-api's do.
//! 3. `movies`: movies-api itself, `GET /movies/?movie_id=` with a token. The ratio to `row` is what everything around
//!    the query leaves over: token, layers, log.
//! 4. `raw`: Argon2 hashes at the costs of the demo user's, on as many threads as auth-server has lanes.
//! 5. `login`: auth-server itself, `POST /token` with a password. The ratio to `raw` is what everything around the
//!    hash leaves over.
//! 6. `keycloak`: Argon2 hashes at Keycloak's default costs, beside the logins per second and core that it publishes.
//!
//! 7. `client`, `refresh`, `code`, `introspect`, `revoke`: auth-server's token endpoints, each behind its floor, a handler that
//!    asks the database the same, as often, and signs or verifies the same bytes. The ratio is what is left over by forms,
//!    client authentication, scopes, state machines, layers and the log.
//!
//! Then `memory`: what both services hold, idle, with ten thousand idle connections and under load; and `routes`: every
//! route of the movies with the demo data and with a million films.
//!
//! And without a server, `check`: what the check of a token costs, the first time and every other time.
//!
//! And apart from speed, `refusals`: whether the time of a refused login tells who was asked for.
//!
//! The plain program has none of that inside: it builds itself again with the feature `bench` and becomes that.

pub mod cases;
#[cfg(feature = "bench")]
mod chart;
#[cfg(feature = "bench")]
mod check;
#[cfg(feature = "bench")]
mod comparison;
#[cfg(feature = "bench")]
pub mod cores;
#[cfg(feature = "bench")]
pub mod cpu;
#[cfg(feature = "bench")]
pub mod database;
#[cfg(feature = "bench")]
pub mod figures;
#[cfg(feature = "bench")]
mod load;
#[cfg(feature = "bench")]
pub mod measured;
#[cfg(feature = "bench")]
pub mod memory;
#[cfg(feature = "bench")]
mod raw;
#[cfg(feature = "bench")]
mod refusals;
#[cfg(feature = "bench")]
mod report;
#[cfg(not(feature = "bench"))]
pub mod rerun;
#[cfg(feature = "bench")]
pub mod rig;
#[cfg(feature = "bench")]
pub mod routes;
#[cfg(feature = "bench")]
mod run;
#[cfg(feature = "bench")]
mod script;
#[cfg(feature = "bench")]
pub mod server;
#[cfg(feature = "bench")]
mod tokens;

#[cfg(not(feature = "bench"))]
pub use rerun::run;
#[cfg(feature = "bench")]
pub use run::run;
