//! What is measured.

use clap::ValueEnum;

/// One thing that is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[cfg_attr(feature = "bench", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
pub enum Case {
    /// The bare handler.
    Bare,
    /// The bare handler that reads a row.
    Row,
    /// The same, with connections that are handed on.
    Handed,
    /// movies-api.
    Movies,
    /// Argon2 alone.
    Raw,
    /// auth-server.
    Login,
    /// Argon2 alone, at Keycloak's costs.
    Keycloak,
    /// The bare handler that does what client credentials need.
    ClientFloor,
    /// Client credentials.
    Client,
    /// The bare handler that does what a refresh needs.
    RefreshFloor,
    /// Refresh tokens.
    Refresh,
    /// The bare handler that does what the redemption of a code needs.
    CodeFloor,
    /// Authorization codes.
    Code,
    /// The bare handler that does what an introspection needs.
    IntrospectFloor,
    /// Introspection.
    Introspect,
    /// The bare handler that does what a revocation needs.
    RevokeFloor,
    /// Revocation.
    Revoke,
}

#[cfg(feature = "bench")]
impl Case {
    /// All, in the order of a round: what is compared stands together, and what leaves most behind comes last.
    pub const ALL: [Self; 17] = [
        Self::Bare,
        Self::Row,
        Self::Handed,
        Self::Movies,
        Self::Raw,
        Self::Login,
        Self::Keycloak,
        Self::ClientFloor,
        Self::Client,
        Self::RefreshFloor,
        Self::Refresh,
        Self::CodeFloor,
        Self::Code,
        Self::IntrospectFloor,
        Self::Introspect,
        Self::RevokeFloor,
        Self::Revoke,
    ];

    /// Its short name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Row => "row",
            Self::Handed => "handed",
            Self::Movies => "movies",
            Self::Raw => "raw",
            Self::Login => "login",
            Self::Keycloak => "keycloak",
            Self::ClientFloor => "client-floor",
            Self::Client => "client",
            Self::RefreshFloor => "refresh-floor",
            Self::Refresh => "refresh",
            Self::CodeFloor => "code-floor",
            Self::Code => "code",
            Self::IntrospectFloor => "introspect-floor",
            Self::Introspect => "introspect",
            Self::RevokeFloor => "revoke-floor",
            Self::Revoke => "revoke",
        }
    }

    /// What it does.
    pub fn what(self) -> &'static str {
        match self {
            Self::Bare => "axum handler, JSON from memory",
            Self::Row => "axum handler, one row by key",
            Self::Handed => "the same, connections handed on",
            Self::Movies => "movies-api, one movie, with a token",
            Self::Raw => "Argon2 hashes, no server",
            Self::Login => "auth-server, login by password",
            Self::Keycloak => "Argon2 hashes, Keycloak's costs",
            Self::ClientFloor => "axum handler, 2 statements, ES256",
            Self::Client => "auth-server, client credentials",
            Self::RefreshFloor => "axum handler, 7 statements, ES256",
            Self::Refresh => "auth-server, refresh token",
            Self::CodeFloor => "axum handler, 8 statements, ES256",
            Self::Code => "auth-server, authorization code",
            Self::IntrospectFloor => "axum handler, 5 statements",
            Self::Introspect => "auth-server, introspection",
            Self::RevokeFloor => "axum handler, 3 statements, ES256",
            Self::Revoke => "auth-server, revocation",
        }
    }

    /// These and what they are compared with; all for none.
    pub fn wanted(only: &[Self]) -> Vec<Self> {
        use super::comparison::Comparison;

        let is_wanted = |case: &Self| {
            let is_least = |comparison: &Comparison| comparison.least == *case && only.contains(&comparison.ours);
            only.is_empty() || only.contains(case) || Comparison::ALL.iter().any(is_least)
        };
        Self::ALL.into_iter().filter(is_wanted).collect()
    }
}

#[cfg(all(test, feature = "bench"))]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_typed_as_it_is_shown() {
        for case in Case::ALL {
            assert_eq!(case.to_possible_value().unwrap().get_name(), case.name());
            assert_eq!(serde_json::to_value(case).unwrap(), case.name());
        }
        assert_eq!(Case::ALL.as_slice(), Case::value_variants());
    }

    #[test]
    fn a_case_brings_what_it_is_compared_with() {
        assert_eq!(Case::wanted(&[Case::Refresh]), [Case::RefreshFloor, Case::Refresh]);
        assert_eq!(Case::wanted(&[Case::Bare, Case::Movies]), [Case::Bare, Case::Row, Case::Handed, Case::Movies]);
        assert_eq!(Case::wanted(&[]), Case::ALL);
    }
}
