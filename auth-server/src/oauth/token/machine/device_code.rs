//! The device code grant (RFC 8628 section 3.4) as a state machine.
//!
//! 1. Authenticate the client.
//! 2. Recover what stands behind the device code, and judge it: whose it is, whether it is good still, and what a person
//!    said (section 3.5).
//! 3. Collect extensions.
//! 4. Issue, then answer.

use std::borrow::Cow;
use std::mem;

use oxide_auth::primitives::grant::{Extensions, Grant};
use oxide_auth::primitives::issuer::IssuedToken;

/// The value of `grant_type`.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What the machine reads from the request; empty parameters count as absent.
pub trait Request {
    /// False when the request was malformed as a whole; then nothing else is asked.
    fn valid(&self) -> bool;
    /// `grant_type`, which has to be [`GRANT_TYPE`].
    fn grant_type(&self) -> Option<Cow<'_, str>>;
    /// The client, by whichever way it authenticated.
    fn client_id(&self) -> Option<Cow<'_, str>>;
    /// The device code.
    fn device_code(&self) -> Option<Cow<'_, str>>;
}

/// What stands behind a device code now.
pub enum Standing {
    /// It was redeemed before.
    Spent,
    /// Its time is over.
    Expired,
    /// A person said no.
    Denied,
    /// Nobody has said anything.
    Pending {
        /// Whether this poll came before its time.
        is_early: bool,
    },
    /// A person said yes, to this.
    Approved(Box<Grant>),
}

/// What the driver answers.
pub enum Input {
    /// The client is who it says.
    Authenticated,
    /// What stands behind the code.
    Recovered {
        /// The client that it was given to.
        client_id: String,
        /// What is to be judged.
        standing: Standing,
    },
    /// Extensions of the grant.
    Extended {
        /// Possibly none.
        extensions: Extensions,
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
    /// What stands behind this code? Answered by [`Input::Recovered`].
    Recover {
        /// As it came.
        device_code: &'machine str,
    },
    /// Answered by [`Input::Extended`].
    Extend,
    /// Sign a token for this grant, unless the code was spent meanwhile. Answered by [`Input::Issued`].
    Issue {
        /// Who allowed whom what.
        grant: &'machine Grant,
    },
    /// Done.
    Ok {
        /// The token.
        token: &'machine IssuedToken,
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
    /// The code was given to another client.
    OtherClient,
    /// The code was redeemed before.
    Spent,
    /// `expired_token`.
    Expired,
    /// `access_denied`.
    Denied,
    /// `slow_down`.
    SlowDown,
    /// `authorization_pending`.
    Pending,
    /// The driver answered another question than the one that was put.
    OutOfOrder,
}

/// The machine.
pub struct DeviceCodeGrant {
    state: State,
}

enum State {
    Authenticate { client: String, device_code: zeroize::Zeroizing<String> },
    Recover { client: String, device_code: zeroize::Zeroizing<String> },
    Extend { grant: Box<Grant> },
    Issue { grant: Box<Grant> },
    Done { token: Box<IssuedToken> },
    Refused(Refusal),
}

impl DeviceCodeGrant {
    /// Checks the request; a bad one is refused at the first [`DeviceCodeGrant::advance`].
    #[must_use]
    pub fn new(request: &dyn Request) -> Self {
        Self { state: Self::validate(request).unwrap_or_else(State::Refused) }
    }

    fn validate(request: &dyn Request) -> Result<State, Refusal> {
        if !request.valid() {
            return Err(Refusal::Request);
        }
        match request.grant_type() {
            Some(grant_type) if grant_type == GRANT_TYPE => {}
            Some(_) => return Err(Refusal::GrantType),
            None => return Err(Refusal::Missing("grant_type")),
        }
        let client = request.client_id().ok_or(Refusal::Missing("client_id"))?.into_owned();
        let device_code = request.device_code().ok_or(Refusal::Missing("device_code"))?.into_owned().into();
        Ok(State::Authenticate { client, device_code })
    }

    /// Takes an answer and puts the next question.
    pub fn advance(&mut self, input: Input) -> Output<'_> {
        let state = mem::replace(&mut self.state, State::Refused(Refusal::OutOfOrder));
        self.state = match (state, input) {
            (state, Input::None) => state,
            (State::Authenticate { client, device_code }, Input::Authenticated) => {
                State::Recover { client, device_code }
            }
            (State::Recover { client, .. }, Input::Recovered { client_id, standing }) => {
                judge(&client, &client_id, standing).unwrap_or_else(State::Refused)
            }
            (State::Extend { grant }, Input::Extended { extensions }) => {
                State::Issue { grant: Box::new(Grant { extensions, ..*grant }) }
            }
            (State::Issue { .. }, Input::Issued(token)) => State::Done { token: Box::new(token) },
            (State::Refused(refusal), _) => State::Refused(refusal),
            (_, _) => State::Refused(Refusal::OutOfOrder),
        };
        self.output()
    }

    fn output(&self) -> Output<'_> {
        match &self.state {
            State::Authenticate { client, .. } => Output::Authenticate { client },
            State::Recover { device_code, .. } => Output::Recover { device_code },
            State::Extend { .. } => Output::Extend,
            State::Issue { grant } => Output::Issue { grant },
            State::Done { token } => Output::Ok { token },
            State::Refused(refusal) => Output::Err(*refusal),
        }
    }
}

/// Whose it is comes first, then whether it is good still. A device that was allowed in is not sent away for its haste.
fn judge(client: &str, owner: &str, standing: Standing) -> Result<State, Refusal> {
    if client != owner {
        return Err(Refusal::OtherClient);
    }
    match standing {
        Standing::Spent => Err(Refusal::Spent),
        Standing::Expired => Err(Refusal::Expired),
        Standing::Denied => Err(Refusal::Denied),
        Standing::Pending { is_early: true } => Err(Refusal::SlowDown),
        Standing::Pending { is_early: false } => Err(Refusal::Pending),
        Standing::Approved(grant) if grant.client_id == client => Ok(State::Extend { grant }),
        Standing::Approved(_) => Err(Refusal::OtherClient),
    }
}

#[cfg(test)]
#[path = "device_code_tests.rs"]
mod tests;
