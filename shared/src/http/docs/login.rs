//! How the page's Authorize button gets a token.

use utoipa::openapi::security::{Flow, OAuth2, Password, Scopes, SecurityScheme};

/// The name by which operations ask for a token: `security(("login" = ["movies:read"]))`.
pub const LOGIN: &str = "login";

/// The password grant (RFC 6749 section 4.3) at `token_url`, with the scopes that the page offers and what each allows.
#[must_use]
pub fn login<'a>(token_url: &str, scopes: impl IntoIterator<Item = (&'a str, &'a str)>) -> SecurityScheme {
    let flow = Flow::Password(Password::new(token_url, Scopes::from_iter(scopes)));
    let help = "User name and password buy an access token. Leave client_id and client_secret empty where the \
                authorization server has a default client.";
    SecurityScheme::OAuth2(OAuth2::with_description([flow], help))
}
