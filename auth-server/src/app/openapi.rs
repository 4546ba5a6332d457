//! The frame of the OpenAPI document: what stands around the operations, which the rooms describe themselves.

use shared::http::docs::{LOGIN, login};
use shared::http::problem::Problem;
use shared::token::keys::Jwks;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, ServerBuilder};

use crate::config::AuthConfig;
use crate::oauth::token::CLIENT;
use crate::routes;
use crate::web::error::ErrorBody;

const DESCRIPTION: &str = "Gives out access tokens by OAuth 2.0 grants, and publishes the keys with which anybody can \
    check them.\n\nEvery answer carries an `X-Request-Id`, by which the log knows the request. Errors are those of \
    RFC 6749 section 5.2.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Authorization server", version = "1", description = DESCRIPTION, license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")),
    components(schemas(ErrorBody, Jwks, Problem)),
    tags(
        (name = "Tokens", description = "Grants become access tokens."),
        (name = "Signing in", description = "For browsers: login, consent and logout."),
        (name = "Discovery", description = "Where everything is, and which keys sign."),
        (name = "Health", description = "For load balancers and supervisors."),
    )
)]
struct Frame;

/// The document without operations.
pub(super) fn frame(config: &AuthConfig) -> utoipa::openapi::OpenApi {
    let mut document = Frame::openapi();
    if !config.issuer.path().is_empty() {
        document.servers = Some(vec![ServerBuilder::new().url(config.issuer.path()).build()]);
    }
    let components = document.components.get_or_insert_with(Components::new);
    let scopes = config.user_scopes.iter().map(|scope| (scope, "granted to users who have no scopes of their own"));
    components.add_security_scheme(LOGIN, login(&config.issuer.endpoint(routes::TOKEN), scopes));
    let mut basic = Http::new(HttpAuthScheme::Basic);
    basic.description = Some("A confidential client's id and secret, each form-encoded first.".to_owned());
    components.add_security_scheme(CLIENT, SecurityScheme::Http(basic));
    document
}
