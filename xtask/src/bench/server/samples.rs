//! What the token endpoints answered once, so that the floors answer as much.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use shared::token::keys::KeySet;

/// Real answers of auth-server, as the rig hands them to the bare server.
#[derive(Debug, Deserialize, Serialize)]
pub struct Samples {
    /// To client credentials.
    pub client: String,
    /// To a refresh token.
    pub refresh: String,
    /// To an introspection.
    pub introspect: String,
    /// Its public keys.
    pub jwks: String,
    /// Whose tokens they are.
    pub client_id: String,
    /// Where its counter of right secrets stands.
    pub secret_slot: i32,
}

/// An answer of the token endpoint.
#[derive(Clone, Deserialize, Serialize)]
pub struct Issued {
    /// A JWS in compact form.
    pub access_token: String,
    token_type: String,
    expires_in: i64,
    scope: String,
    /// Where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

impl Issued {
    /// Reads an answer.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(answer: &[u8]) -> Result<Self> {
        serde_json::from_slice(answer).context("auth-server's answer holds no token")
    }

    /// What of the access token was signed.
    pub fn message(&self) -> &str {
        self.access_token.rsplit_once('.').map_or("", |(message, _)| message)
    }
}

impl Samples {
    /// The name of the variable that they come in.
    pub const VARIABLE: &str = "BENCH_SAMPLES";

    /// # Errors
    /// When they cannot be read.
    pub fn keys(&self) -> Result<KeySet> {
        KeySet::from_jwks(self.jwks.as_bytes()).map_err(|error| anyhow::anyhow!("auth-server's keys: {error}"))
    }
}
