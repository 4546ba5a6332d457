//! What the token endpoint reads and writes, as the documentation shows it: the form's parameters (the state machines
//! ask for them by name, see [`super::request`]) and the answer of RFC 6749 section 5.1.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::token::scope::ScopeSet;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use super::issue::Minted;
use super::request::TokenRequest;
use crate::clients::{ASSERTION_TYPE, GrantType};

/// What a client gets for a grant.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenResponse {
    /// A JWT (RFC 9068), for the resource server alone: clients do not look inside.
    #[schema(example = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJ….c2ln…")]
    pub access_token: String,
    /// `DPoP` where the token is bound to the key of a proof, else `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds.
    #[schema(example = 600)]
    pub expires_in: i64,
    /// What was granted, separated by spaces. Always said, so that a client sees what it got without comparing.
    #[schema(value_type = String, example = "movies:read")]
    pub scope: ScopeSet,
    /// For another access token later, from this client alone; each use gives the one that follows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "mrt1_…")]
    pub refresh_token: Option<String>,
    /// Who signed in (OpenID Connect core section 2), for the client itself; of a code with scope `openid` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJ….c2ln…")]
    pub id_token: Option<String>,
}

impl TokenResponse {
    pub(super) fn new(minted: Minted, scope: ScopeSet, refresh_token: Option<String>, now: DateTime<Utc>) -> Self {
        let expires_in = minted.expires_at.timestamp() - now.timestamp();
        Self {
            access_token: minted.token,
            token_type: minted.token_type,
            expires_in,
            scope,
            refresh_token,
            id_token: None,
        }
    }
}

impl PartialSchema for TokenRequest<'_> {
    fn schema() -> RefOr<Schema> {
        // A documentation page would fill in "string" where there is no example.
        let text = |help: &str, example: &str| {
            ObjectBuilder::new().schema_type(Type::String).description(Some(help)).examples([example])
        };
        let secret = |help: &str| text(help, "").format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)));
        let grants = GrantType::ALL.map(GrantType::as_str);
        ObjectBuilder::new()
            .property("grant_type", text("The kind of grant.", "password").enum_values(Some(grants)))
            .property("username", text("The user's e-mail address.", "demo@example.com"))
            .property("password", secret("The user's password."))
            .property("refresh_token", secret("The refresh token of an earlier answer."))
            .property("code", secret("The authorization code."))
            .property("redirect_uri", text("The `redirect_uri` of the authorization request.", ""))
            .property(
                "code_verifier",
                secret("What the challenge of the authorization request was made of (RFC 7636)."),
            )
            .property("device_code", secret("The device code (RFC 8628)."))
            .property(
                "scope",
                text("What is asked for, separated by spaces; absent: the client's default.", "movies:read"),
            )
            .property("client_id", text("Who asks, where no HTTP Basic credentials say so.", ""))
            .property(
                "client_secret",
                secret("A confidential client's secret, where HTTP Basic credentials have none."),
            )
            .property("client_assertion_type", text("The kind of assertion (RFC 7523).", ASSERTION_TYPE))
            .property("client_assertion", secret("What a client of `private_key_jwt` signed, in place of a secret."))
            .property("resource", text("What the token is for (RFC 8707); absent: what the grant is for.", ""))
            .required("grant_type")
            .into()
    }
}

impl ToSchema for TokenRequest<'_> {}
