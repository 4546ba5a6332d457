//! `client create` and `client update`: one client by flags.

use std::str::FromStr;
use std::time::Duration;

use shared::token::scope::ScopeSet;

use super::super::Context;
use super::print;
use crate::clients::{
    ApplicationType, Authentication, Client, ClientId, ClientKind, Clients, GrantType, Lifetimes, NewClient,
};

/// Flags of `client create`.
#[derive(clap::Args)]
#[command(after_long_help = super::EXAMPLES)]
pub(in crate::cli) struct Create {
    /// Its id, as it will stand in requests
    client_id: ClientId,
    /// What people call it; its id when not given
    #[arg(long)]
    name: Option<String>,
    /// It cannot keep a secret, and gets none
    #[arg(long)]
    public: bool,
    /// A grant that it may use; repeat for more
    #[arg(long = "grant", value_name = "GRANT", required_unless_present = "serves")]
    grants: Vec<GrantType>,
    /// A scope that it may ask for; repeat for more
    #[arg(long = "scope", value_name = "SCOPE", required_unless_present = "serves")]
    scopes: Vec<ScopeSet>,
    /// A scope that a request without scope asks for; all of its scopes when not given
    #[arg(long = "default-scope", value_name = "SCOPE")]
    default_scopes: Vec<ScopeSet>,
    /// The resource server that its tokens are for, in place of MYAPI_AUTH__AUDIENCE
    #[arg(long, value_name = "URI")]
    audience: Option<String>,
    /// Another resource server that it may ask tokens for by `resource`; repeat for more
    #[arg(long = "also-for", value_name = "URI")]
    audiences: Vec<String>,
    /// The resource server that it is, whose tokens it may introspect
    #[arg(long, value_name = "URI")]
    serves: Option<String>,
    /// It runs on a user's device: loopback redirects, or a scheme of its own such as com.example.app
    #[arg(long)]
    native: bool,
    /// Where authorization answers may go, compared exactly; repeat for more
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Where a browser may go after logging out; repeat for more
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// People are not asked for their consent: for an application of your own
    #[arg(long)]
    skip_consent: bool,
    /// It has to push its authorization requests to /par
    #[arg(long)]
    require_par: bool,
    /// Its tokens are bound to a key of its own by DPoP
    #[arg(long)]
    require_dpop: bool,
    /// How it authenticates.
    #[command(flatten)]
    authentication: super::keys::Flags,
    /// How long its tokens live.
    #[command(flatten)]
    lifetimes: Ttls,
}

/// Flags of `client update`.
#[derive(clap::Args)]
#[command(after_long_help = super::EXAMPLES)]
pub(in crate::cli) struct Update {
    /// Its id
    client_id: ClientId,
    /// What people call it
    #[arg(long)]
    name: Option<String>,
    /// All grants that it may use; repeat for more
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<GrantType>,
    /// All scopes that it may ask for; repeat for more
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<ScopeSet>,
    /// All scopes that a request without scope asks for; repeat for more
    #[arg(long = "default-scope", value_name = "SCOPE")]
    default_scopes: Vec<ScopeSet>,
    /// The resource server that its tokens are for
    #[arg(long, value_name = "URI")]
    audience: Option<String>,
    /// All other resource servers that it may ask tokens for; repeat for more, `none` for none
    #[arg(long = "also-for", value_name = "URI")]
    audiences: Vec<String>,
    /// The resource server that it is, whose tokens it may introspect; `none` for none
    #[arg(long, value_name = "URI")]
    serves: Option<String>,
    /// Where it runs
    #[arg(long, value_name = "TYPE")]
    application_type: Option<ApplicationType>,
    /// All redirect URIs; repeat for more, `none` for none
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// All URIs after logging out; repeat for more, `none` for none
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// Whether people are not asked for their consent
    #[arg(long, value_name = "BOOL")]
    skip_consent: Option<bool>,
    /// Whether it has to push its authorization requests to /par
    #[arg(long, value_name = "BOOL")]
    require_par: Option<bool>,
    /// Whether its tokens are bound to a key of its own by DPoP
    #[arg(long, value_name = "BOOL")]
    require_dpop: Option<bool>,
    /// How it authenticates.
    #[command(flatten)]
    authentication: super::keys::Flags,
    /// How long its tokens live.
    #[command(flatten)]
    lifetimes: Ttls,
}

/// Lifetimes in whole seconds; `default` takes a client's own away.
#[derive(clap::Args)]
struct Ttls {
    /// Seconds that its access tokens live, in place of MYAPI_AUTH__ACCESS_TOKEN_TTL; `default` for that
    #[arg(long, value_name = "SECONDS")]
    access_token_ttl: Option<Ttl>,
    /// Seconds until its logins have to be renewed, at most MYAPI_AUTH__REFRESH_TOKEN_TTL; `default` for that
    #[arg(long, value_name = "SECONDS")]
    refresh_token_ttl: Option<Ttl>,
    /// Seconds that its refresh tokens live unused, in place of MYAPI_AUTH__REFRESH_TOKEN_IDLE_TTL; `default` for that
    #[arg(long, value_name = "SECONDS")]
    refresh_token_idle_ttl: Option<Ttl>,
    /// Seconds in which a spent refresh token is answered again, in place of MYAPI_AUTH__REFRESH_RETRY_WINDOW; `default` for that
    #[arg(long, value_name = "SECONDS")]
    refresh_retry_window: Option<Ttl>,
}

/// A lifetime, or the setting's.
#[derive(Clone, Copy)]
struct Ttl(Option<Duration>);

impl FromStr for Ttl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "default" => Ok(Self(None)),
            _ => match text.parse::<u32>() {
                Ok(seconds) => Ok(Self(Some(Duration::from_secs(seconds.into())))),
                Err(_) => Err("it is a whole number of seconds, or `default`"),
            },
        }
    }
}

impl Ttls {
    /// These lifetimes, with those of `before` where nothing was said.
    fn over(&self, before: Lifetimes) -> Lifetimes {
        let one = |said: Option<Ttl>, before: Option<Duration>| said.map_or(before, |Ttl(ttl)| ttl);
        Lifetimes {
            access_token: one(self.access_token_ttl, before.access_token),
            refresh_idle: one(self.refresh_token_idle_ttl, before.refresh_idle),
            refresh_absolute: one(self.refresh_token_ttl, before.refresh_absolute),
            retry_window: one(self.refresh_retry_window, before.retry_window),
        }
    }
}

impl Create {
    pub(super) async fn run(self, clients: &Clients, context: &Context) -> anyhow::Result<()> {
        let scopes = union(&self.scopes)?;
        let default_scopes = if self.default_scopes.is_empty() { scopes.clone() } else { union(&self.default_scopes)? };
        let kind = if self.public { ClientKind::Public } else { ClientKind::Confidential };
        let new = NewClient {
            authentication: self.authentication.read()?.over(Authentication::of_kind(kind)),
            name: self.name.unwrap_or_else(|| self.client_id.to_string()),
            kind,
            grants: self.grants,
            scopes,
            default_scopes,
            audience: self.audience.unwrap_or_else(|| context.config.audience.clone()),
            audiences: self.audiences,
            serves: self.serves,
            application_type: if self.native { ApplicationType::Native } else { ApplicationType::Web },
            redirect_uris: self.redirect_uris,
            post_logout_redirect_uris: self.post_logout_redirect_uris,
            skips_consent: self.skip_consent,
            require_pushed_authorization_requests: self.require_par,
            dpop_bound_access_tokens: self.require_dpop,
            lifetimes: self.lifetimes.over(Lifetimes::default()),
            client_id: self.client_id,
        };
        let (client, secret) = clients.create(&new).await?;
        print::registered(context.output, &client.client_id, secret.as_ref().map(|secret| secret.expose()))
    }
}

impl Update {
    pub(super) async fn run(self, clients: &Clients) -> anyhow::Result<Client> {
        let scopes = some(&self.scopes)?;
        let default_scopes = some(&self.default_scopes)?;
        let authentication = self.authentication.read()?;
        let client_id = self.client_id;
        let change = |is: NewClient| {
            // Who asks for everything by default goes on doing so.
            let had_all = is.default_scopes == is.scopes;
            let scopes = scopes.unwrap_or(is.scopes);
            let default_scopes = default_scopes.unwrap_or(if had_all { scopes.clone() } else { is.default_scopes });
            NewClient {
                name: self.name.unwrap_or(is.name),
                grants: if self.grants.is_empty() { is.grants } else { self.grants },
                audience: self.audience.unwrap_or(is.audience),
                audiences: uris(self.audiences, is.audiences),
                serves: self.serves.map_or(is.serves, |serves| Some(serves).filter(|serves| serves != NONE)),
                application_type: self.application_type.unwrap_or(is.application_type),
                redirect_uris: uris(self.redirect_uris, is.redirect_uris),
                post_logout_redirect_uris: uris(self.post_logout_redirect_uris, is.post_logout_redirect_uris),
                skips_consent: self.skip_consent.unwrap_or(is.skips_consent),
                require_pushed_authorization_requests: self
                    .require_par
                    .unwrap_or(is.require_pushed_authorization_requests),
                dpop_bound_access_tokens: self.require_dpop.unwrap_or(is.dpop_bound_access_tokens),
                authentication: authentication.over(is.authentication),
                lifetimes: self.lifetimes.over(is.lifetimes),
                client_id: is.client_id,
                kind: is.kind,
                scopes,
                default_scopes,
            }
        };
        Ok(clients.update(&client_id, change).await?)
    }
}

const NONE: &str = "none";

fn uris(said: Vec<String>, are: Vec<String>) -> Vec<String> {
    match said.as_slice() {
        [] => are,
        [none] if none == NONE => Vec::new(),
        _ => said,
    }
}

fn some(sets: &[ScopeSet]) -> anyhow::Result<Option<ScopeSet>> {
    if sets.is_empty() { Ok(None) } else { union(sets).map(Some) }
}

fn union(sets: &[ScopeSet]) -> anyhow::Result<ScopeSet> {
    Ok(ScopeSet::from_names(sets.iter().flat_map(ScopeSet::iter))?)
}
