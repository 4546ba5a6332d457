//! Drives oxide-auth's authorization machine from the parameters to a request that is proven and checked. What a person
//! has to be asked for comes after it, in `service`.

use std::borrow::Cow;

use oxide_auth::code_grant::authorization::{Authorization, Error as MachineError, Input, Output};
use oxide_auth::code_grant::error::AuthorizationErrorType;
use oxide_auth::code_grant::extensions::Pkce;
use oxide_auth::primitives::grant::Extensions;
use oxide_auth::primitives::registrar::{BoundClient, ExactUrl, PreGrant, RegisteredUrl};
use oxide_auth::primitives::scope::Scope;
use shared::token::dpop::Thumbprint;
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use super::redirect;
use super::refused::{Back, PageReason, Reason, Refused};
use super::validate::{self, Parameters, PromptNames};
use crate::clients::{Client, ClientId, GrantType};
use crate::oauth::id_token;
use crate::oauth::target::{Granted, TargetError, Targets};
use crate::state::AppState;

/// A request whose client and `redirect_uri` are proven and whose every parameter is good.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Who asks.
    pub client: Client,
    /// Where the answer goes, as it came.
    pub redirect_uri: String,
    /// As it came.
    pub state: Option<String>,
    /// The resource server of a token when nobody names another.
    pub audience: String,
    /// What the client may have of what it asks for, or its default; of the named resource server alone, if one is named.
    pub scope: ScopeSet,
    /// For the `id_token`.
    pub nonce: Option<String>,
    /// The S256 challenge.
    pub code_challenge: String,
    /// The key that the code is to be bound to.
    pub dpop_jkt: Option<Thumbprint>,
    /// Which pages it wants.
    pub prompt: PromptNames,
    /// Seconds since the login that are not too many.
    pub max_age: Option<i64>,
    /// What to write into the login page's first field.
    pub login_hint: Option<String>,
    /// The only user who will do.
    pub sub_hint: Option<Uuid>,
}

impl Asked {
    /// Where the client is answered.
    pub(crate) fn back(&self) -> Back {
        Back {
            redirect_uri: self.redirect_uri.clone(),
            state: self.state.clone(),
            client_name: self.client.name.clone(),
            is_silent: self.prompt.none,
        }
    }

    /// Refuses to the client.
    pub(super) fn refuse(&self, reason: Reason) -> Refused {
        Refused::Back(Box::new(self.back()), reason)
    }
}

/// Drives the machine from the parameters to its end.
pub(crate) async fn prove(state: &AppState, parameters: Parameters<'_>) -> Result<Asked, Refused> {
    let mut proven: Option<Client> = None;
    let mut machine = Authorization::new(&parameters);
    let mut asked = machine.advance(Input::None);
    loop {
        let answer = match asked {
            Output::Bind { client_id, redirect_uri } => {
                let client = find_client(state, &client_id).await?;
                let bound_client = bind(&client, redirect_uri, parameters)?;
                proven = Some(client);
                Input::Bound { request: &parameters, bound_client }
            }
            Output::Extend => Input::Extended(extend(state, proven.as_ref(), parameters)?),
            Output::Negotiate { bound_client, scope } => {
                let pre_grant = negotiate(bound_client, proven.as_ref(), scope, parameters)?;
                Input::Negotiated { pre_grant, state: parameters.get("state").map(str::to_owned) }
            }
            Output::Ok { pre_grant, state: client_state, extensions } => {
                let client = proven.ok_or(PageReason::Machine("no client was bound"))?;
                let granted = grant(state, &client, &pre_grant, parameters).await?;
                return finish(client, granted, &pre_grant, (client_state, extensions), parameters);
            }
            Output::Err(error) => return Err(refused(error, proven.as_ref(), parameters)),
        };
        asked = machine.advance(answer);
    }
}

async fn find_client(state: &AppState, client_id: &str) -> Result<Client, PageReason> {
    let client_id: ClientId = client_id.parse().map_err(|_| PageReason::Request("the client is unknown"))?;
    let client = state.clients.get(&client_id).await?;
    // Not before it is known to be a client's: people send their address or worse by mistake.
    tracing::Span::current().record("client.id", tracing::field::display(&client.client_id));
    if client.disabled_at.is_some() { Err(PageReason::Request("the client is disabled")) } else { Ok(client) }
}

fn bind(
    client: &Client,
    redirect_uri: Option<ExactUrl>,
    parameters: Parameters<'_>,
) -> Result<BoundClient<'static>, PageReason> {
    let (Some(exact), Some(presented)) = (redirect_uri, parameters.get("redirect_uri")) else {
        return Err(PageReason::Request("redirect_uri is missing"));
    };
    if !redirect::is_allowed(client, presented) {
        return Err(PageReason::Request("redirect_uri is not registered for the client"));
    }
    Ok(BoundClient {
        client_id: Cow::Owned(client.client_id.as_str().to_owned()),
        redirect_uri: Cow::Owned(RegisteredUrl::Exact(exact)),
    })
}

fn extend(state: &AppState, client: Option<&Client>, parameters: Parameters<'_>) -> Result<Extensions, Refused> {
    let client = client.ok_or(PageReason::Machine("no client was bound"))?;
    let refuse = |reason| back(Some(client), parameters, reason);
    if !client.allows(GrantType::AuthorizationCode) {
        return Err(refuse(Reason::GrantNotAllowed));
    }
    validate::check(parameters, client).map_err(refuse)?;
    PromptNames::read(parameters).map_err(refuse)?;
    validate::max_age(parameters).map_err(refuse)?;
    sub_hint(state, client, parameters).map_err(refuse)?;
    let pkce = Pkce::required();
    let method = parameters.get("code_challenge_method").map(Cow::Borrowed);
    let challenge = pkce.challenge(method, parameters.get("code_challenge").map(Cow::Borrowed));
    let challenge = challenge.ok().flatten().ok_or_else(|| refuse(Reason::Challenge))?;
    let mut extensions = Extensions::new();
    extensions.set(&pkce, challenge);
    Ok(extensions)
}

fn negotiate(
    bound: &BoundClient<'static>,
    client: Option<&Client>,
    asked: Option<Scope>,
    parameters: Parameters<'_>,
) -> Result<PreGrant, Refused> {
    let client = client.ok_or(PageReason::Machine("no client was bound"))?;
    let refuse = || back(Some(client), parameters, Reason::Scope);
    let asked = match asked {
        Some(asked) => ScopeSet::from_names(asked.iter()).map_err(|_| refuse())?,
        None => client.default_scopes.clone(),
    };
    if !asked.is_subset(&client.scopes) {
        return Err(refuse());
    }
    Ok(PreGrant {
        client_id: bound.client_id.clone().into_owned(),
        redirect_uri: bound.redirect_uri.clone().into_owned(),
        scope: asked.to_string().parse().map_err(|_| refuse())?,
    })
}

/// What the client asks for, of the resource server that it names.
async fn grant(
    state: &AppState,
    client: &Client,
    pre_grant: &PreGrant,
    parameters: Parameters<'_>,
) -> Result<Granted, Refused> {
    let scope = ScopeSet::from_names(pre_grant.scope.iter()).map_err(|_| PageReason::Machine("the scope changed"))?;
    let targets = match Targets::read(state, client, &[parameters.get("resource")]).await {
        Ok(targets) => targets,
        Err(TargetError::Refused) => return Err(back(Some(client), parameters, Reason::Target)),
        Err(TargetError::Database(error)) => return Err(error.into()),
    };
    let granted = targets.begin(&scope);
    match granted.scope.is_empty() && !scope.is_empty() {
        true => Err(back(Some(client), parameters, Reason::Scope)),
        false => Ok(granted),
    }
}

fn finish(
    client: Client,
    granted: Granted,
    pre_grant: &PreGrant,
    (client_state, mut extensions): (Option<String>, Extensions),
    parameters: Parameters<'_>,
) -> Result<Asked, Refused> {
    let machine = PageReason::Machine;
    let challenge = extensions.remove(&Pkce::required()).and_then(|value| value.into_private_value().ok().flatten());
    // The extension keeps the method as the last letter.
    let challenge = challenge.as_deref().and_then(|kept| kept.strip_suffix('S'));
    let refuse = |reason| back(Some(&client), parameters, reason);
    let prompt = PromptNames::read(parameters).map_err(refuse)?;
    let max_age = validate::max_age(parameters).map_err(refuse)?;
    let dpop_jkt = validate::dpop_jkt(parameters).map_err(refuse)?;
    Ok(Asked {
        redirect_uri: pre_grant.redirect_uri.as_str().to_owned(),
        state: client_state,
        audience: granted.audience,
        scope: granted.scope,
        nonce: parameters.get("nonce").map(str::to_owned),
        code_challenge: challenge.ok_or(machine("the challenge was lost"))?.to_owned(),
        dpop_jkt,
        prompt,
        max_age,
        login_hint: parameters.get("login_hint").map(str::to_owned),
        sub_hint: parameters.get("id_token_hint").and_then(id_token::subject),
        client,
    })
}

/// Who the client means, by an `id_token` that it was given before; an old one is good enough for that.
fn sub_hint(state: &AppState, client: &Client, parameters: Parameters<'_>) -> Result<(), Reason> {
    let Some(hint) = parameters.get("id_token_hint") else { return Ok(()) };
    let hint = id_token::read(state, hint).ok_or(Reason::Hint)?;
    if hint.aud == client.client_id.as_str() { Ok(()) } else { Err(Reason::Hint) }
}

fn refused(error: MachineError, client: Option<&Client>, parameters: Parameters<'_>) -> Refused {
    let mut error = match error {
        MachineError::Ignore => {
            return PageReason::Request("client_id or redirect_uri is missing or malformed").into();
        }
        error @ MachineError::Redirect(_) => error,
        MachineError::PrimitiveError => return PageReason::Machine("an answer did not fit the question").into(),
    };
    let reason = match error.description().map(|description| description.kind()) {
        Some(AuthorizationErrorType::UnsupportedResponseType) if parameters.get("response_type").is_none() => {
            Reason::ResponseTypeMissing
        }
        Some(AuthorizationErrorType::UnsupportedResponseType) => Reason::ResponseType,
        Some(AuthorizationErrorType::InvalidScope) => Reason::Scope,
        _ => return PageReason::Machine("it refused for a reason that it does not have").into(),
    };
    back(client, parameters, reason)
}

/// The client was bound, so that its address is proven.
fn back(client: Option<&Client>, parameters: Parameters<'_>, reason: Reason) -> Refused {
    let (Some(client), Some(redirect_uri)) = (client, parameters.get("redirect_uri")) else {
        return PageReason::Machine("no client was bound").into();
    };
    let back = Back {
        redirect_uri: redirect_uri.to_owned(),
        state: parameters.get("state").map(str::to_owned),
        client_name: client.name.clone(),
        is_silent: validate::is_silent(parameters),
    };
    Refused::Back(Box::new(back), reason)
}
