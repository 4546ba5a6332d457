//! Who is attacked: a user and clients that exist for the length of the run.

use shared::token::scope::ScopeSet;

use super::scene::REDIRECT;
use super::wire::Credentials;
use crate::cli::{Context, user};
use crate::clients::{
    ApplicationType, Authentication, ClientError, ClientId, ClientKind, ClientSecret, Clients, GrantType, Lifetimes,
    NewClient,
};
use crate::passwords::{self, Leniency, Plain};
use crate::resource_servers::ResourceServers;
use crate::users::{Email, NewUser, UserError, UserRef, Users};

/// How everything is called that is made here.
const PREFIX: &str = "selftest-";

/// What the attempts need to know.
#[derive(Clone, Default)]
pub(super) struct Kit {
    pub(super) email: String,
    pub(super) password: String,
    /// A client with every grant that is tried.
    pub(super) web: Option<Credentials>,
    /// Another one, which has nothing to do with the first.
    pub(super) stranger: Option<Credentials>,
    pub(super) scope: String,
}

/// The user and the clients.
pub(super) struct Subjects {
    users: Users,
    clients: Clients,
    audience: String,
    scope: ScopeSet,
    email: Email,
    password: Plain,
    names: [ClientId; 2],
    kit: Kit,
}

impl Subjects {
    /// Names for all of them; nothing is made yet.
    pub(super) fn new(context: &Context, scope: &str) -> anyhow::Result<Self> {
        let run = uuid::Uuid::new_v4().simple().to_string();
        let name = |what: &str| format!("{PREFIX}{what}-{run}").parse::<ClientId>().map_err(anyhow::Error::msg);
        let names = [name("web")?, name("stranger")?];
        let email = format!("{PREFIX}{run}@selftest.invalid");
        let password = passwords::generate()?;
        let kit = Kit {
            email: email.clone(),
            password: password.expose().to_owned(),
            scope: scope.to_owned(),
            ..Kit::default()
        };
        Ok(Self {
            users: user::users(context)?,
            clients: Clients::new(
                context.pool.clone(),
                context.clock.clone(),
                ResourceServers::new(context.pool.clone(), context.clock.clone()),
                context.config.refresh.absolute,
            ),
            audience: context.config.audience.clone(),
            scope: scope.parse()?,
            email: email.parse()?,
            password,
            names,
            kit,
        })
    }

    /// Makes them.
    pub(super) async fn make(&mut self) -> anyhow::Result<()> {
        let scopes: ScopeSet = format!("openid {}", self.scope).parse()?;
        let new = NewUser { email: self.email.clone(), name: None, scopes: Some(self.scope.clone()) };
        self.users.create(&new, &self.password, Leniency::Strict).await?;
        let [web, stranger] = self.names.clone();
        let grants = vec![GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::ClientCredentials];
        self.kit.web = Some(self.client(web, grants, scopes.clone()).await?);
        self.kit.stranger = Some(self.client(stranger, vec![GrantType::AuthorizationCode], scopes).await?);
        Ok(())
    }

    async fn client(
        &self,
        client_id: ClientId,
        grants: Vec<GrantType>,
        scopes: ScopeSet,
    ) -> anyhow::Result<Credentials> {
        let new = NewClient {
            name: client_id.to_string(),
            client_id,
            kind: ClientKind::Confidential,
            grants,
            default_scopes: self.scope.clone(),
            scopes,
            audience: self.audience.clone(),
            audiences: Vec::new(),
            serves: None,
            application_type: ApplicationType::Web,
            redirect_uris: vec![REDIRECT.to_owned()],
            post_logout_redirect_uris: Vec::new(),
            // What people are asked is the browser journeys' matter.
            skips_consent: true,
            require_pushed_authorization_requests: false,
            dpop_bound_access_tokens: false,
            authentication: Authentication::of_kind(ClientKind::Confidential),
            lifetimes: Lifetimes::default(),
        };
        let (client, secret) = self.clients.create(&new).await?;
        let secret = secret.as_ref().map(ClientSecret::expose).unwrap_or_default().to_owned();
        Ok(Credentials { id: client.client_id.to_string(), secret })
    }

    pub(super) fn kit(&self) -> Kit {
        self.kit.clone()
    }

    /// Removes what was made, or may have been.
    pub(super) async fn remove(&self) -> anyhow::Result<()> {
        let mut left = Vec::new();
        for client_id in &self.names {
            match self.clients.delete(client_id).await {
                Ok(()) | Err(ClientError::Unknown(_)) => {}
                Err(error) => left.push(format!("client {client_id} ({error})")),
            }
        }
        match self.users.delete(&UserRef::Address(self.kit.email.clone())).await {
            Ok(_) | Err(UserError::NotFound) => {}
            Err(error) => left.push(format!("user {} ({error})", self.kit.email)),
        }
        anyhow::ensure!(left.is_empty(), "could not remove {}", left.join(", "));
        Ok(())
    }
}
