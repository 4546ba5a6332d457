//! How the page's Authorize button gets a token.

use utoipa::openapi::security::{AuthorizationCode, Flow, OAuth2, Password, Scopes, SecurityScheme};

/// The name by which operations ask for a token: `security(("login" = ["movies:read"]))`.
pub const LOGIN: &str = "login";

/// Where the authorization server takes what the button sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Where a browser goes to sign in (RFC 6749 section 3.1).
    pub authorize: String,
    /// Where a grant becomes a token (RFC 6749 section 3.2).
    pub token: String,
}

impl Endpoints {
    /// Those of the authorization server with this issuer.
    #[must_use]
    pub fn of(issuer: &str) -> Self {
        let issuer = issuer.trim_end_matches('/');
        Self { authorize: format!("{issuer}/authorize"), token: format!("{issuer}/token") }
    }
}

/// The two ways in: the authorization code grant (RFC 6749 section 4.1, with PKCE) and the password grant (section 4.3),
/// with the scopes that the page offers and what each allows. The scopes of `by_browser` are offered with a code alone.
#[must_use]
pub fn login(endpoints: &Endpoints, scopes: &[(&str, &str)], by_browser: &[(&str, &str)]) -> SecurityScheme {
    let all = by_browser.iter().chain(scopes).copied();
    let code = AuthorizationCode::new(&endpoints.authorize, &endpoints.token, Scopes::from_iter(all));
    let password = Password::new(&endpoints.token, Scopes::from_iter(scopes.iter().copied()));
    let help = "With a code you sign in on the authorization server's own pages, in a window of their own; the client has to \
                be registered with this page's address and `/oauth2-redirect.html` behind it. User name and password buy a \
                token without them, where the client may do that. A public client has no client_secret.";
    SecurityScheme::OAuth2(OAuth2::with_description([Flow::AuthorizationCode(code), Flow::Password(password)], help))
}
