//! A valid token, changed in every way that forgers and broken clients are known for: each has to be refused, for its own
//! reason, and all with one and the same answer. S02, S06.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a fixture that fails must fail the test")]

mod payloads;
pub mod proofs;
mod shapes;
mod signatures;

use chrono::{DateTime, Utc};

use super::{TestIssuer, TokenBuilder};
use crate::token::verifier::Refusal;

/// What was done, the token, and why it is refused.
pub type Mutation = (String, String, Refusal);

/// When the mutated tokens were issued.
#[must_use]
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// All of them: more than 150, of tokens that `issuer` would have signed at [`now`].
#[must_use]
pub fn all(issuer: &TestIssuer) -> Vec<Mutation> {
    [
        shapes::shapes(issuer),
        shapes::headers(issuer),
        payloads::claims(issuer),
        payloads::meanings(issuer),
        signatures::signatures(issuer),
    ]
    .concat()
}

fn case(name: &str, token: String, refusal: Refusal) -> Mutation {
    (name.to_owned(), token, refusal)
}

fn good(issuer: &TestIssuer) -> TokenBuilder<'_> {
    issuer.token(now())
}

fn segments(token: &str) -> [&str; 3] {
    let mut parts = token.split('.');
    [(); 3].map(|()| parts.next().unwrap())
}
