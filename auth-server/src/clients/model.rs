//! What a client is.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::token::scope::ScopeSet;

use super::authentication::Authentication;
use super::lifetimes::Lifetimes;

/// A client's public name in the protocol (RFC 6749 section 2.2): 1 to 100 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ClientId(String);

impl ClientId {
    /// As it stands in requests and tokens.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length = text.chars().count();
        if !(1..=100).contains(&length) || text.chars().any(char::is_control) {
            return Err("a client_id has 1 to 100 characters, none of them a control character");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a client can keep a secret (RFC 6749 section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientKind {
    /// Authenticates, with a secret or a key of its own.
    Confidential,
    /// Has neither: an application on a user's device.
    Public,
}

impl ClientKind {
    /// As it stands in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confidential => "confidential",
            Self::Public => "public",
        }
    }
}

impl FromStr for ClientKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "confidential" => Ok(Self::Confidential),
            "public" => Ok(Self::Public),
            _ => Err("it is confidential or public"),
        }
    }
}

/// A way to get a token, by its name in `grant_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[clap(rename_all = "snake_case")]
pub enum GrantType {
    /// Resource owner password credentials (RFC 6749 section 4.3).
    Password,
    /// A refresh token (RFC 6749 section 6). A client without it gets none.
    RefreshToken,
    /// The client's own credentials (RFC 6749 section 4.4), for confidential clients alone.
    ClientCredentials,
    /// An authorization code (RFC 6749 section 4.1): people sign in with a browser.
    AuthorizationCode,
    /// A device code (RFC 8628): people sign in on another device.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    #[clap(name = "device_code", alias = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
}

impl GrantType {
    /// Every grant that this server has.
    pub const ALL: [Self; 5] =
        [Self::Password, Self::RefreshToken, Self::ClientCredentials, Self::AuthorizationCode, Self::DeviceCode];

    /// The value of `grant_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::AuthorizationCode => "authorization_code",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
        }
    }
}

impl FromStr for GrantType {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == text).ok_or("it is no grant type of this server")
    }
}

/// Where an application runs, which decides what redirect URIs it may have (RFC 8252).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ApplicationType {
    /// On a web server or in a browser: `https` redirects.
    #[default]
    Web,
    /// On a user's device: loopback redirects with any port, or a scheme of its own.
    Native,
}

impl ApplicationType {
    /// As it stands in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Native => "native",
        }
    }
}

impl FromStr for ApplicationType {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "web" => Ok(Self::Web),
            "native" => Ok(Self::Native),
            _ => Err("it is web or native"),
        }
    }
}

/// A registered client.
#[derive(Clone, Debug, Serialize)]
pub struct Client {
    /// Its public name.
    pub client_id: ClientId,
    /// What people call it.
    pub name: String,
    /// Whether it can keep a secret.
    pub kind: ClientKind,
    /// The grants that it may use.
    pub grants: Vec<GrantType>,
    /// The most that it may ask for.
    pub scopes: ScopeSet,
    /// What a request without scope asks for.
    pub default_scopes: ScopeSet,
    /// The resource server that its tokens are for, where a request names none.
    pub audience: String,
    /// Other resource servers that it may ask tokens for (RFC 8707).
    pub audiences: Vec<String>,
    /// The resource server whose tokens it may introspect.
    pub serves: Option<String>,
    /// Where it runs.
    pub application_type: ApplicationType,
    /// Where authorization answers may go, exactly as registered.
    pub redirect_uris: Vec<String>,
    /// Where a browser may go after logging out.
    pub post_logout_redirect_uris: Vec<String>,
    /// Whether it is trusted like this server itself: people are not asked for their consent.
    pub skips_consent: bool,
    /// Whether it has to push its authorization requests (RFC 9126 section 6).
    pub require_pushed_authorization_requests: bool,
    /// Whether its tokens are bound to a key of its own by DPoP (RFC 9449 section 5.2).
    pub dpop_bound_access_tokens: bool,
    /// How it says who it is.
    #[serde(flatten)]
    pub authentication: Authentication,
    /// How long its tokens live.
    #[serde(flatten)]
    pub lifetimes: Lifetimes,
    /// `cver` of its tokens; grows when all of them have to die.
    pub client_version: i64,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// Since when it may not ask for tokens.
    pub disabled_at: Option<DateTime<Utc>>,
}

impl Client {
    /// `sub` of its own tokens. A user's is a UUID, which has no colon.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("client:{}", self.client_id)
    }

    /// What it was registered as.
    #[must_use]
    pub fn registration(&self) -> NewClient {
        let this = self.clone();
        let new = NewClient {
            client_id: this.client_id,
            name: this.name,
            kind: this.kind,
            grants: this.grants,
            scopes: this.scopes,
            default_scopes: this.default_scopes,
            audience: this.audience,
            audiences: this.audiences,
            serves: this.serves,
            application_type: this.application_type,
            redirect_uris: this.redirect_uris,
            post_logout_redirect_uris: this.post_logout_redirect_uris,
            skips_consent: this.skips_consent,
            require_pushed_authorization_requests: this.require_pushed_authorization_requests,
            dpop_bound_access_tokens: this.dpop_bound_access_tokens,
            authentication: this.authentication,
            lifetimes: this.lifetimes,
        };
        new.in_order()
    }

    /// True when it may ask for tokens for this resource server.
    #[must_use]
    pub fn may_target(&self, audience: &str) -> bool {
        self.audience == audience || self.audiences.iter().any(|other| other == audience)
    }

    /// True when it may use this grant.
    #[must_use]
    pub fn allows(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }
}

/// A client as it is to be: what is needed to register it, and what a change leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewClient {
    /// Its public name.
    pub client_id: ClientId,
    /// What people call it.
    pub name: String,
    /// Whether it can keep a secret.
    pub kind: ClientKind,
    /// The grants that it may use.
    pub grants: Vec<GrantType>,
    /// The most that it may ask for.
    pub scopes: ScopeSet,
    /// What a request without scope asks for.
    pub default_scopes: ScopeSet,
    /// The resource server that its tokens are for, where a request names none.
    pub audience: String,
    /// Other resource servers that it may ask tokens for (RFC 8707).
    pub audiences: Vec<String>,
    /// The resource server whose tokens it may introspect.
    pub serves: Option<String>,
    /// Where it runs.
    pub application_type: ApplicationType,
    /// Where authorization answers may go.
    pub redirect_uris: Vec<String>,
    /// Where a browser may go after logging out.
    pub post_logout_redirect_uris: Vec<String>,
    /// Whether people are not asked for their consent.
    pub skips_consent: bool,
    /// Whether it has to push its authorization requests (RFC 9126 section 6).
    pub require_pushed_authorization_requests: bool,
    /// Whether its tokens are bound to a key of its own by DPoP (RFC 9449 section 5.2).
    pub dpop_bound_access_tokens: bool,
    /// How it says who it is.
    #[serde(flatten)]
    pub authentication: Authentication,
    /// How long its tokens live.
    #[serde(flatten)]
    pub lifetimes: Lifetimes,
}

impl NewClient {
    /// The same with every grant and audience once, in one order: equal registrations are equal values.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.grants.sort_unstable();
        self.grants.dedup();
        self.audiences.retain(|audience| *audience != self.audience);
        self.audiences.sort_unstable();
        self.audiences.dedup();
        self
    }
}
