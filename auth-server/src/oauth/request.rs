//! A form of the protocol: read strictly, its parameters, and the client behind it. Used by every endpoint that clients
//! post to.
//!
//! "Parameters sent without a value MUST be treated as if they were omitted" (RFC 6749 section 3.2).

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::FromRequest;
use http::Request;
use oxide_auth_axum::{OAuthRequest, WebError};

use super::error::TokenError;
use crate::clients::{Client, Presented};
use crate::limits::Origin;
use crate::state::AppState;
use crate::web::client_ip::client_ip;
use crate::web::{client_auth, form};

/// A form that was found well-formed: a parameter is here either once or not at all.
pub(super) struct ProtocolForm {
    oauth: OAuthRequest,
    parameters: Vec<(String, String)>,
    origin: Origin,
}

impl ProtocolForm {
    /// Reads the body.
    ///
    /// # Errors
    /// [`TokenError::Form`], [`TokenError::Authorization`].
    pub(super) async fn read(state: &AppState, request: Request<Body>) -> Result<Self, TokenError> {
        let ip = client_ip(request.extensions(), request.headers(), &state.config.trusted_proxies);
        let (request, parameters) = form::read_both(request).await?;
        let oauth = OAuthRequest::from_request(request, &()).await.map_err(|rejection| match rejection {
            // Its extractor answers 500 to a doubled header; that is the client's mistake.
            WebError::Authorization => TokenError::Authorization,
            _ => TokenError::Form(form::FormError::Unreadable),
        })?;
        Ok(Self { oauth, parameters, origin: Origin::new(ip, None) })
    }

    /// Where it comes from.
    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// A parameter of the body; `None` where it is absent or empty.
    pub(super) fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        let found = self.parameters.iter().find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| Cow::Borrowed(value.as_str()))
    }

    /// Every parameter of the body, in its order.
    pub(super) fn into_parameters(self) -> Vec<(String, String)> {
        self.parameters
    }

    /// A parameter that has to be there.
    pub(super) fn required(&self, name: &'static str) -> Result<Cow<'_, str>, TokenError> {
        self.parameter(name).ok_or(TokenError::Missing(name))
    }

    /// What the request says about its client.
    pub(super) fn presented(&self) -> Result<Option<Presented>, TokenError> {
        let header = self.oauth.authorization_header();
        let (id, secret) = (self.parameter("client_id"), self.parameter("client_secret"));
        let (kind, assertion) = (self.parameter("client_assertion_type"), self.parameter("client_assertion"));
        let posted = client_auth::Posted {
            client_id: id.as_deref(),
            client_secret: secret.as_deref(),
            assertion_type: kind.as_deref(),
            assertion: assertion.as_deref(),
        };
        Ok(client_auth::presented(header, posted)?)
    }

    /// The client that the request names, authenticated.
    ///
    /// # Errors
    /// [`TokenError::NoClient`], [`TokenError::Client`].
    pub(super) async fn client(&self, state: &AppState) -> Result<Arc<Client>, TokenError> {
        let presented = self.presented()?.ok_or(TokenError::NoClient)?;
        self.authenticate(state, &presented).await
    }

    /// Authenticates a client, within the limits of where the request comes from.
    ///
    /// # Errors
    /// [`TokenError::Client`], [`TokenError::Throttled`].
    pub(super) async fn authenticate(
        &self,
        state: &AppState,
        presented: &Presented,
    ) -> Result<Arc<Client>, TokenError> {
        Ok(state.logins.authenticate_client(presented, &self.origin).await?)
    }
}
