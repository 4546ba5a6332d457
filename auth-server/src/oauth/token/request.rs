//! The parameters of a token request, as the state machines ask for them.

use std::borrow::Cow;
use std::sync::Arc;

use oxide_auth::code_grant::accesstoken::{self, Authorization};
use oxide_auth::code_grant::{client_credentials, refresh};
use shared::db::{Conn, DbError};
use shared::token::dpop::{Proof, Thumbprint};

use super::machine::{device_code, password};
use crate::clients::{Client, ClientId, GrantType, Presented};
use crate::limits::Origin;
use crate::oauth::dpop::{self, Binding};
use crate::oauth::error::TokenError;
use crate::oauth::request::ProtocolForm;
use crate::state::AppState;

/// A token request before its client is known.
#[derive(Clone, Copy)]
pub(super) struct TokenRequest<'a> {
    form: &'a ProtocolForm,
    /// Good, and not taken yet.
    proof: Option<&'a Proof>,
}

impl<'a> TokenRequest<'a> {
    pub(super) const fn new(form: &'a ProtocolForm, proof: Option<&'a Proof>) -> Self {
        Self { form, proof }
    }

    /// The proof that came with it.
    pub(super) const fn proof(&self) -> Option<&'a Proof> {
        self.proof
    }

    /// A parameter of the body; `None` where it is absent or empty.
    pub(super) fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        self.form.parameter(name)
    }

    /// What the request says about its client.
    pub(super) fn presented(&self) -> Result<Option<Presented>, TokenError> {
        self.form.presented()
    }

    /// Authenticates a client, within the limits of where the request comes from.
    pub(super) async fn authenticate(
        &self,
        state: &AppState,
        presented: &Presented,
    ) -> Result<Arc<Client>, TokenError> {
        self.form.authenticate(state, presented).await
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
    /// A parameter that the grant needs.
    pub(super) fn required(&self, name: &'static str) -> Result<Cow<'_, str>, TokenError> {
        self.request.parameter(name).ok_or(TokenError::Missing(name))
    }

    /// What was asked for; runs of spaces mean nothing.
    pub(super) fn scope(&self) -> Option<Cow<'_, str>> {
        let scope = self.request.parameter("scope")?;
        let scope = scope.split(' ').filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ");
        Some(Cow::Owned(scope)).filter(|scope: &Cow<'_, str>| !scope.is_empty())
    }

    /// Where it comes from.
    pub(super) const fn origin(&self) -> &Origin {
        self.request.form.origin()
    }

    /// The key whose holder asks, if it is proven.
    pub(super) fn key(&self) -> Option<&Thumbprint> {
        self.request.proof.map(Proof::key)
    }

    /// Takes the proof, when nothing else stands between the request and its token.
    pub(super) async fn bind(&self, state: &AppState) -> Result<Binding, TokenError> {
        if self.request.proof.is_none() {
            return Ok(Binding::none());
        }
        // Boxed: few requests bring one, and the way to a connection takes much room in all of them.
        let taking = async {
            let mut conn = state.pool.acquire().await.map_err(DbError::from)?;
            self.bind_in(&mut conn).await
        };
        Box::pin(taking).await
    }

    /// The same, in the transaction of what is written for it.
    pub(super) async fn bind_in(&self, conn: &mut Conn) -> Result<Binding, TokenError> {
        dpop::take(conn, self.request.proof).await
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

    fn scope(&self) -> Option<Cow<'_, str>> {
        ClientRequest::scope(self)
    }
}

impl device_code::Request for ClientRequest<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.grant.as_str()))
    }

    fn client_id(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.client_id.as_str()))
    }

    fn device_code(&self) -> Option<Cow<'_, str>> {
        self.request.parameter("device_code")
    }
}

/// The client was authenticated already: the machine gets its id and no secret.
impl refresh::Request for ClientRequest<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn refresh_token(&self) -> Option<Cow<'_, str>> {
        self.request.parameter("refresh_token")
    }

    fn scope(&self) -> Option<Cow<'_, str>> {
        ClientRequest::scope(self)
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.grant.as_str()))
    }

    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((Cow::Borrowed(self.client_id.as_str()), Cow::Borrowed(&[])))
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// Likewise.
impl client_credentials::Request for ClientRequest<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn authorization(&self) -> Option<(Cow<'_, str>, Cow<'_, [u8]>)> {
        Some((Cow::Borrowed(self.client_id.as_str()), Cow::Borrowed(&[])))
    }

    fn scope(&self) -> Option<Cow<'_, str>> {
        ClientRequest::scope(self)
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.grant.as_str()))
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

/// Likewise.
impl accesstoken::Request for ClientRequest<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        self.request.parameter("code")
    }

    fn authorization(&self) -> Authorization<'_> {
        Authorization::Username(Cow::Borrowed(self.client_id.as_str()))
    }

    fn client_id(&self) -> Option<Cow<'_, str>> {
        None
    }

    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        self.request.parameter("redirect_uri")
    }

    fn grant_type(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed(self.grant.as_str()))
    }

    fn extension(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}
