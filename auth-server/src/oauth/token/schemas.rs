//! What the token endpoint reads and writes, as the documentation shows it: the form's parameters (the state machines
//! ask for them by name, see [`super::request`]) and the answer of RFC 6749 section 5.1.

use serde::Serialize;
use shared::token::scope::ScopeSet;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use super::request::TokenRequest;
use crate::clients::GrantType;

/// What a client gets for a grant.
#[derive(Serialize, ToSchema)]
pub(super) struct TokenResponse {
    /// A JWT (RFC 9068), for the resource server alone: clients do not look inside.
    #[schema(example = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJ….c2ln…")]
    pub access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds.
    #[schema(example = 600)]
    pub expires_in: i64,
    /// What was granted, separated by spaces. Always said, so that a client sees what it got without comparing.
    #[schema(value_type = String, example = "movies:read")]
    pub scope: ScopeSet,
}

impl PartialSchema for TokenRequest<'_> {
    fn schema() -> RefOr<Schema> {
        let text = |help: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(help));
        let password = SchemaFormat::KnownFormat(KnownFormat::Password);
        let grants = GrantType::ALL.map(GrantType::as_str);
        ObjectBuilder::new()
            .property(
                "grant_type",
                text("The kind of grant.").enum_values(Some(grants)).examples(grants.first().copied()),
            )
            .property("username", text("The user's e-mail address.").examples(["demo@example.com"]))
            .property("password", text("The user's password.").format(Some(password.clone())))
            .property(
                "scope",
                text("What is asked for, separated by spaces; the client's default if absent.")
                    .examples(["movies:read"]),
            )
            .property("client_id", text("Who asks, where no HTTP Basic credentials say so."))
            .property(
                "client_secret",
                text("A confidential client's secret, where it is not in HTTP Basic credentials.")
                    .format(Some(password)),
            )
            .property("resource", text("What the token is for (RFC 8707); the client's own if absent."))
            .required("grant_type")
            .into()
    }
}

impl ToSchema for TokenRequest<'_> {}
