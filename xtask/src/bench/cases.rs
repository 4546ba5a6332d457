//! What is measured, and what is compared.

use serde::Serialize;

/// One thing that is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// The bare handler.
    Bare,
    /// The bare handler that reads a row.
    Row,
    /// movies-api.
    Movies,
    /// Argon2 alone.
    Raw,
    /// auth-server.
    Login,
    /// Argon2 alone, at Keycloak's costs.
    Keycloak,
}

impl Case {
    /// All, in the order of a round.
    pub const ALL: [Self; 6] = [Self::Bare, Self::Row, Self::Movies, Self::Raw, Self::Login, Self::Keycloak];

    /// Its short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Row => "row",
            Self::Movies => "movies",
            Self::Raw => "raw",
            Self::Login => "login",
            Self::Keycloak => "keycloak",
        }
    }

    /// What it does.
    pub fn what(self) -> &'static str {
        match self {
            Self::Bare => "axum handler, JSON from memory",
            Self::Row => "axum handler, one row by key",
            Self::Movies => "movies-api, one movie, with a token",
            Self::Raw => "Argon2 hashes, no server",
            Self::Login => "auth-server, login by password",
            Self::Keycloak => "Argon2 hashes, Keycloak's costs",
        }
    }
}

/// A comparison, and where it should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Comparison {
    /// What is judged.
    pub ours: Case,
    /// The least that could do the same.
    pub least: Case,
}

impl Comparison {
    /// Both.
    pub const ALL: [Self; 2] =
        [Self { ours: Case::Movies, least: Case::Row }, Self { ours: Case::Login, least: Case::Raw }];

    /// The least of the ratios that is aimed at.
    pub const AIM: f64 = 0.9;
}
