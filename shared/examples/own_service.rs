//! A service of somebody else's that checks this auth-server's tokens. It runs:
//! `cargo run --package shared --example own_service`, beside `cargo xtask up`.

use std::sync::Arc;

use axum::{Router, routing::get};
use shared::clock::Clock;
use shared::token::bearer::{Authorized, Gate, Permission};
use shared::token::dpop::Proofs;
use shared::token::source::{KeySource, Keys, KeysOptions};
use shared::token::verifier::Verifier;

struct SongsRead;

impl Permission for SongsRead {
    const SCOPE: &'static str = "songs:read";
}

async fn songs(caller: Authorized<SongsRead>) -> String {
    format!("songs for {}", caller.claims().sub)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = "http://127.0.0.1:8001/.well-known/jwks.json".parse()?;
    let keys = Keys::new(KeySource::JwksUrl(url), KeysOptions::default())?;
    keys.load().await?;
    tokio::spawn(keys.clone().keep_fresh());
    let verifier = Verifier::new("http://127.0.0.1:8001", "http://127.0.0.1:8002", keys.set());
    // With this, tokens that are bound to a key are taken with their proof (DPoP); without it they are refused.
    let proofs = Proofs::new("http://127.0.0.1:8002")?;
    let gate = Arc::new(Gate::new(verifier, keys, "songs", Clock::system()).with_proofs(proofs));
    let app = Router::new().route("/songs", get(songs)).with_state(gate);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8002").await?;
    axum::serve(listener, app).await?;
    Ok(())
}
