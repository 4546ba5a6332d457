//! The password grant (RFC 6749 section 4.3) as a state machine.
//!
//! 1. Authenticate the client.
//! 2. Bind it.
//! 3. Verify the resource owner's name and password.
//! 4. Collect extensions, negotiate the scope.
//! 5. Issue, then answer.

use std::borrow::Cow;
use std::mem;

use chrono::DateTime;
use oxide_auth::primitives::grant::{Extensions, Grant};
use oxide_auth::primitives::issuer::IssuedToken;
use oxide_auth::primitives::registrar::{BoundClient, PreGrant};
use oxide_auth::primitives::scope::Scope;

/// What the machine reads from the request; empty parameters count as absent.
pub trait Request {
    /// False when the request was malformed as a whole; then nothing else is asked.
    fn valid(&self) -> bool;
    /// `grant_type`, which has to be `password`.
    fn grant_type(&self) -> Option<Cow<'_, str>>;
    /// The client, by whichever way it authenticated.
    fn client_id(&self) -> Option<Cow<'_, str>>;
    /// The resource owner's name.
    fn username(&self) -> Option<Cow<'_, str>>;
    /// The resource owner's password.
    fn password(&self) -> Option<Cow<'_, str>>;
    /// The scope that was asked for.
    fn scope(&self) -> Option<Cow<'_, str>>;
}

/// What the driver answers.
pub enum Input {
    /// The client is who it says.
    Authenticated,
    /// The client, bound.
    Bound {
        /// Id and (unused) address of the client.
        bound_client: BoundClient<'static>,
    },
    /// The resource owner is who they say.
    Verified {
        /// Who that is, for the grant.
        owner_id: String,
    },
    /// Extensions of the grant.
    Extended {
        /// Possibly none.
        extensions: Extensions,
    },
    /// The scope that may be granted.
    Negotiated {
        /// Client and scope.
        pre_grant: PreGrant,
    },
    /// The signed token.
    Issued(IssuedToken),
    /// Nothing new: the question is put again.
    None,
}

/// What the machine asks the driver.
pub enum Output<'machine> {
    /// Is this client authenticated? Answered by [`Input::Authenticated`].
    Authenticate {
        /// Its id.
        client: &'machine str,
    },
    /// Answered by [`Input::Bound`].
    Bind {
        /// The client's id.
        client_id: &'machine str,
    },
    /// Are these the credentials of a resource owner? Answered by [`Input::Verified`].
    Verify {
        /// The name.
        username: &'machine str,
        /// The password.
        password: &'machine str,
    },
    /// Answered by [`Input::Extended`].
    Extend,
    /// What of this scope may be granted? Answered by [`Input::Negotiated`].
    Negotiate {
        /// The client.
        bound_client: &'machine BoundClient<'static>,
        /// What was asked for, if anything.
        scope: Option<Scope>,
    },
    /// Sign a token for this grant. Answered by [`Input::Issued`]. `until` is not decided here: the issuer overwrites it.
    Issue {
        /// Who allows whom what.
        grant: &'machine Grant,
    },
    /// Done.
    Ok {
        /// The token.
        token: &'machine IssuedToken,
        /// What it allows.
        scope: &'machine Scope,
    },
    /// Refused, now and for any further input.
    Err(Refusal),
}

/// Why the machine refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request was malformed as a whole.
    Request,
    /// A required parameter is absent.
    Missing(&'static str),
    /// `grant_type` is another grant's.
    GrantType,
    /// The scope is outside the grammar of RFC 6749 section 3.3.
    Scope,
    /// The driver answered another question than the one that was put.
    OutOfOrder,
}

/// The machine.
pub struct PasswordGrant {
    state: State,
    scope: Option<Scope>,
}

struct Credentials {
    username: String,
    password: zeroize::Zeroizing<String>,
}

enum State {
    Authenticate { client: String, credentials: Credentials },
    Bind { client: String, credentials: Credentials },
    Verify { bound_client: BoundClient<'static>, credentials: Credentials },
    Extend { bound_client: BoundClient<'static>, owner_id: String },
    Negotiate { bound_client: BoundClient<'static>, owner_id: String, extensions: Extensions },
    Issue { grant: Box<Grant> },
    Done { token: Box<IssuedToken>, scope: Scope },
    Refused(Refusal),
}

impl PasswordGrant {
    /// Checks the request; a bad one is refused at the first [`PasswordGrant::advance`].
    #[must_use]
    pub fn new(request: &dyn Request) -> Self {
        match Self::validate(request) {
            Ok((state, scope)) => Self { state, scope },
            Err(refusal) => Self { state: State::Refused(refusal), scope: None },
        }
    }

    fn validate(request: &dyn Request) -> Result<(State, Option<Scope>), Refusal> {
        if !request.valid() {
            return Err(Refusal::Request);
        }
        match request.grant_type() {
            Some(grant_type) if grant_type == "password" => {}
            Some(_) => return Err(Refusal::GrantType),
            None => return Err(Refusal::Missing("grant_type")),
        }
        let client = request.client_id().ok_or(Refusal::Missing("client_id"))?.into_owned();
        let username = request.username().ok_or(Refusal::Missing("username"))?.into_owned();
        let password = request.password().ok_or(Refusal::Missing("password"))?.into_owned().into();
        let scope = request.scope().map(|scope| scope.parse()).transpose().map_err(|_| Refusal::Scope)?;
        Ok((State::Authenticate { client, credentials: Credentials { username, password } }, scope))
    }

    /// Takes an answer and puts the next question.
    pub fn advance(&mut self, input: Input) -> Output<'_> {
        let state = mem::replace(&mut self.state, State::Refused(Refusal::OutOfOrder));
        self.state = match (state, input) {
            (state, Input::None) => state,
            (State::Authenticate { client, credentials }, Input::Authenticated) => State::Bind { client, credentials },
            (State::Bind { client, credentials }, Input::Bound { bound_client })
                if bound_client.client_id == client =>
            {
                State::Verify { bound_client, credentials }
            }
            (State::Verify { bound_client, .. }, Input::Verified { owner_id }) => {
                State::Extend { bound_client, owner_id }
            }
            (State::Extend { bound_client, owner_id }, Input::Extended { extensions }) => {
                State::Negotiate { bound_client, owner_id, extensions }
            }
            (State::Negotiate { bound_client, owner_id, extensions }, Input::Negotiated { pre_grant })
                if bound_client.client_id == pre_grant.client_id =>
            {
                State::Issue { grant: Box::new(grant(owner_id, pre_grant, extensions)) }
            }
            (State::Issue { grant }, Input::Issued(token)) => {
                State::Done { token: Box::new(token), scope: grant.scope }
            }
            (State::Refused(refusal), _) => State::Refused(refusal),
            (_, _) => State::Refused(Refusal::OutOfOrder),
        };
        self.output()
    }

    fn output(&self) -> Output<'_> {
        match &self.state {
            State::Authenticate { client, .. } => Output::Authenticate { client },
            State::Bind { client, .. } => Output::Bind { client_id: client },
            State::Verify { credentials, .. } => {
                Output::Verify { username: &credentials.username, password: &credentials.password }
            }
            State::Extend { .. } => Output::Extend,
            State::Negotiate { bound_client, .. } => Output::Negotiate { bound_client, scope: self.scope.clone() },
            State::Issue { grant } => Output::Issue { grant },
            State::Done { token, scope } => Output::Ok { token, scope },
            State::Refused(refusal) => Output::Err(*refusal),
        }
    }
}

fn grant(owner_id: String, pre_grant: PreGrant, extensions: Extensions) -> Grant {
    Grant {
        owner_id,
        client_id: pre_grant.client_id,
        scope: pre_grant.scope,
        redirect_uri: pre_grant.redirect_uri.into_url(),
        until: DateTime::UNIX_EPOCH,
        extensions,
    }
}

#[cfg(test)]
#[path = "password_tests.rs"]
mod tests;
