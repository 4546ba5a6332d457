//! What the metadata says.

use serde::Serialize;
use shared::token::dpop;
use shared::token::keys::Algorithm;
use utoipa::ToSchema;

use super::rows::Rows;
use crate::clients::{ALGORITHMS, GrantType};
use crate::oauth::authorize::PromptNames;
use crate::pages::LANGUAGES;
use crate::routes;
use crate::state::AppState;

/// Authorization server metadata (RFC 8414 section 2).
#[derive(Serialize, ToSchema)]
pub(super) struct Metadata {
    /// `iss` of every token.
    #[schema(example = "http://127.0.0.1:8001")]
    issuer: String,
    /// Where grants become tokens.
    #[schema(example = "http://127.0.0.1:8001/token")]
    token_endpoint: String,
    /// Where tokens end before their time.
    #[schema(example = "http://127.0.0.1:8001/revoke")]
    revocation_endpoint: String,
    /// Where resource servers ask what a token is worth.
    #[schema(example = "http://127.0.0.1:8001/introspect")]
    introspection_endpoint: String,
    /// Where the public keys are.
    #[schema(example = "http://127.0.0.1:8001/.well-known/jwks.json")]
    jwks_uri: String,
    /// Where devices without a browser start to sign in (RFC 8628 section 4).
    #[schema(example = "http://127.0.0.1:8001/device_authorization")]
    device_authorization_endpoint: String,
    /// Where clients send authorization requests before the browser comes (RFC 9126).
    #[schema(example = "http://127.0.0.1:8001/par")]
    pushed_authorization_request_endpoint: String,
    /// Whether every client has to.
    require_pushed_authorization_requests: bool,
    /// Where browsers are sent to sign in.
    #[schema(example = "http://127.0.0.1:8001/authorize")]
    authorization_endpoint: String,
    /// Who an access token with scope `openid` is about.
    #[schema(example = "http://127.0.0.1:8001/userinfo")]
    userinfo_endpoint: String,
    /// Where browsers are sent to sign out.
    #[schema(example = "http://127.0.0.1:8001/logout")]
    end_session_endpoint: String,
    /// Scopes that tokens can have.
    #[schema(value_type = Vec<String>, example = json!(["email", "movies:read", "profile"]))]
    scopes_supported: ScopeList,
    /// What the authorization endpoint answers with.
    #[schema(value_type = Vec<String>, example = json!(["code"]))]
    response_types_supported: [&'static str; 1],
    /// How it answers.
    #[schema(value_type = Vec<String>, example = json!(["query"]))]
    response_modes_supported: [&'static str; 1],
    /// How a code is bound to who asked for it (RFC 7636); required of every client.
    #[schema(value_type = Vec<String>, example = json!(["S256"]))]
    code_challenge_methods_supported: [&'static str; 1],
    /// Every authorization answer says who gave it (RFC 9207).
    authorization_response_iss_parameter_supported: bool,
    /// Values of `prompt`.
    #[schema(value_type = Vec<String>, example = json!(["none", "login", "consent"]))]
    prompt_values_supported: [&'static str; 3],
    /// A user has one `sub` for all clients.
    #[schema(value_type = Vec<String>, example = json!(["public"]))]
    subject_types_supported: [&'static str; 1],
    /// What signs an `id_token`.
    #[schema(value_type = Vec<String>, example = json!(["ES256"]))]
    id_token_signing_alg_values_supported: Vec<Algorithm>,
    /// What is said about a user.
    #[schema(value_type = Vec<String>, example = json!(["sub", "name"]))]
    claims_supported: [&'static str; 12],
    /// The languages of the pages.
    #[schema(value_type = Vec<String>, example = json!(["en"]))]
    ui_locales_supported: [&'static str; 2],
    /// No `claims`.
    claims_parameter_supported: bool,
    /// No request objects.
    request_parameter_supported: bool,
    /// Nor by reference.
    request_uri_parameter_supported: bool,
    /// Grants that some client may use.
    #[schema(value_type = Vec<String>, example = json!(["password"]))]
    grant_types_supported: Vec<GrantType>,
    /// What a DPoP proof may be signed with (RFC 9449 section 5.1).
    #[schema(value_type = Vec<Algorithm>)]
    dpop_signing_alg_values_supported: [Algorithm; 3],
    /// How clients say who they are.
    #[schema(value_type = Vec<String>, example = json!(["client_secret_basic", "private_key_jwt", "none"]))]
    token_endpoint_auth_methods_supported: [&'static str; 4],
    /// What an assertion of `private_key_jwt` may be signed with.
    #[schema(value_type = Vec<String>, example = json!(["ES256", "EdDSA"]))]
    token_endpoint_auth_signing_alg_values_supported: [&'static str; 4],
    /// Likewise at the revocation endpoint.
    #[schema(value_type = Vec<String>, example = json!(["client_secret_basic", "private_key_jwt", "none"]))]
    revocation_endpoint_auth_methods_supported: [&'static str; 4],
    /// Likewise.
    #[schema(value_type = Vec<String>, example = json!(["ES256", "EdDSA"]))]
    revocation_endpoint_auth_signing_alg_values_supported: [&'static str; 4],
    /// Likewise at the introspection endpoint, where public clients are refused.
    #[schema(value_type = Vec<String>, example = json!(["client_secret_basic", "private_key_jwt"]))]
    introspection_endpoint_auth_methods_supported: [&'static str; 3],
    /// Likewise.
    #[schema(value_type = Vec<String>, example = json!(["ES256", "EdDSA"]))]
    introspection_endpoint_auth_signing_alg_values_supported: [&'static str; 4],
}

/// In `id_token` and at `/userinfo`.
const CLAIMS: [&str; 12] =
    ["iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "at_hash", "sid", "name", "email", "email_verified"];

/// How clients authenticate.
const METHODS: [&str; 4] = ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];

#[derive(Serialize)]
#[serde(transparent)]
struct ScopeList(Vec<String>);

impl Metadata {
    pub(super) fn of(state: &AppState, rows: &Rows) -> Self {
        let issuer = &state.config.issuer;
        Self {
            issuer: issuer.as_str().to_owned(),
            token_endpoint: issuer.endpoint(routes::TOKEN),
            revocation_endpoint: issuer.endpoint(routes::REVOKE),
            introspection_endpoint: issuer.endpoint(routes::INTROSPECT),
            jwks_uri: issuer.endpoint(routes::JWKS),
            device_authorization_endpoint: issuer.endpoint(routes::DEVICE_AUTHORIZATION),
            pushed_authorization_request_endpoint: issuer.endpoint(routes::PAR),
            require_pushed_authorization_requests: state.config.requires_pushed_requests,
            authorization_endpoint: issuer.endpoint(routes::AUTHORIZE),
            userinfo_endpoint: issuer.endpoint(routes::USERINFO),
            end_session_endpoint: issuer.endpoint(routes::LOGOUT),
            scopes_supported: ScopeList(rows.scopes.iter().map(str::to_owned).collect()),
            response_types_supported: ["code"],
            response_modes_supported: ["query"],
            code_challenge_methods_supported: ["S256"],
            authorization_response_iss_parameter_supported: true,
            prompt_values_supported: PromptNames::ALL,
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: state.keys.algorithms(),
            claims_supported: CLAIMS,
            ui_locales_supported: LANGUAGES,
            claims_parameter_supported: false,
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
            grant_types_supported: rows.grants.clone(),
            dpop_signing_alg_values_supported: dpop::ALGORITHMS,
            token_endpoint_auth_methods_supported: METHODS,
            token_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
            revocation_endpoint_auth_methods_supported: METHODS,
            revocation_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
            introspection_endpoint_auth_methods_supported: [
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt",
            ],
            introspection_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
        }
    }
}
