//! The parameters of a token request, as the state machines ask for them.
//!
//! The form was found well-formed before (no repeats, no bad escapes), so a parameter is here either once or not at all.
//! "Parameters sent without a value MUST be treated as if they were omitted" (RFC 6749 section 3.2).

use std::borrow::Cow;

use oxide_auth::frontends::dev::QueryParameter as _;
use oxide_auth_axum::OAuthRequest;

use super::machine::password;
use crate::clients::{Client, ClientId, GrantType, Presented};
use crate::limits::Origin;
use crate::oauth::error::TokenError;
use crate::web::client_auth;

/// A token request before its client is known.
#[derive(Clone, Copy)]
pub(super) struct TokenRequest<'a> {
    oauth: &'a OAuthRequest,
    origin: Origin,
}

impl<'a> TokenRequest<'a> {
    pub(super) const fn new(oauth: &'a OAuthRequest, origin: Origin) -> Self {
        Self { oauth, origin }
    }

    /// Where it comes from.
    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// A parameter of the body; `None` where it is absent or empty.
    pub(super) fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        self.oauth.body()?.unique_value(name).filter(|value| !value.is_empty())
    }

    /// What the request says about its client.
    pub(super) fn presented(&self) -> Result<Option<Presented>, TokenError> {
        let header = self.oauth.authorization_header();
        let (id, secret) = (self.parameter("client_id"), self.parameter("client_secret"));
        Ok(client_auth::presented(header, id.as_deref(), secret.as_deref())?)
    }

    /// Whether it is a name and a password of nobody's client, as the application that this one replaces takes it.
    pub(super) fn is_old_login(&self) -> Result<bool, TokenError> {
        let has_credentials = self.parameter("username").is_some() && self.parameter("password").is_some();
        Ok(has_credentials && self.presented()?.is_none())
    }

    /// The same request, now that its client and its grant are known.
    pub(super) fn of(self, client: &'a Client, grant: GrantType) -> ClientRequest<'a> {
        ClientRequest { request: self, client_id: &client.client_id, grant }
    }
}

/// A token request of an authenticated client: what a state machine sees.
#[derive(Clone, Copy)]
pub(super) struct ClientRequest<'a> {
    request: TokenRequest<'a>,
    client_id: &'a ClientId,
    grant: GrantType,
}

impl ClientRequest<'_> {
    /// Where it comes from.
    pub(super) const fn origin(&self) -> &Origin {
        self.request.origin()
    }
}

impl password::Request for ClientRequest<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.grant.as_str()))
    }

    fn client_id(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.client_id.as_str()))
    }

    fn username(&self) -> Option<Cow<'_, str>> {
        self.request.parameter("username")
    }

    fn password(&self) -> Option<Cow<'_, str>> {
        self.request.parameter("password")
    }

    /// Runs of spaces mean nothing.
    fn scope(&self) -> Option<Cow<'_, str>> {
        let scope = self.request.parameter("scope")?;
        let scope = scope.split(' ').filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ");
        Some(Cow::Owned(scope)).filter(|scope: &Cow<'_, str>| !scope.is_empty())
    }
}
