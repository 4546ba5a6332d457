//! What a client is.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::token::scope::ScopeSet;

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
    /// Authenticates with a secret.
    Confidential,
    /// Has no secret: an application on a user's device.
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
}

impl GrantType {
    /// Every grant that this server has.
    pub const ALL: [Self; 3] = [Self::Password, Self::RefreshToken, Self::ClientCredentials];

    /// The value of `grant_type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
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

/// How long a client's tokens live, where it differs from the settings; whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lifetimes {
    /// Of an access token.
    #[serde(rename = "access_token_ttl", with = "seconds")]
    pub access_token: Option<Duration>,
    /// Of a refresh token that is not used.
    #[serde(rename = "refresh_token_idle_ttl", with = "seconds")]
    pub refresh_idle: Option<Duration>,
    /// Of a family of refresh tokens, however often it is used.
    #[serde(rename = "refresh_token_ttl", with = "seconds")]
    pub refresh_absolute: Option<Duration>,
    /// Of a spent refresh token's right to be answered with its successor again.
    #[serde(rename = "refresh_retry_window", with = "seconds")]
    pub retry_window: Option<Duration>,
}

/// Durations as whole seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    #[expect(clippy::ref_option, reason = "serde gives the field by reference")]
    pub(super) fn serialize<S: Serializer>(ttl: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        ttl.map(|ttl| ttl.as_secs()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_secs))
    }
}

/// A registered client.
#[derive(Clone, Debug, Serialize)]
pub struct Client {
    /// Its public name.
    pub client_id: ClientId,
    /// What people call it.
    pub name: String,
    /// Whether it has secrets.
    pub kind: ClientKind,
    /// The grants that it may use.
    pub grants: Vec<GrantType>,
    /// The most that it may ask for.
    pub scopes: ScopeSet,
    /// What a request without scope asks for.
    pub default_scopes: ScopeSet,
    /// The resource server that its tokens are for.
    pub audience: String,
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

    /// True when it may use this grant.
    #[must_use]
    pub fn allows(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }
}

/// What is needed to register a client.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Its public name.
    pub client_id: ClientId,
    /// What people call it.
    pub name: String,
    /// Whether it gets a secret.
    pub kind: ClientKind,
    /// The grants that it may use.
    pub grants: Vec<GrantType>,
    /// The most that it may ask for.
    pub scopes: ScopeSet,
    /// What a request without scope asks for.
    pub default_scopes: ScopeSet,
    /// The resource server that its tokens are for.
    pub audience: String,
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
    /// How long its tokens live.
    pub lifetimes: Lifetimes,
}

/// What a request said about its client, not yet believed.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The id.
    pub client_id: ClientId,
    /// The secret; `None` where none or an empty one was sent.
    pub secret: Option<SecretString>,
}

/// A client secret: `mcs1_` and 256 random bits in base64url. Printed once, then only its hash is known.
pub struct ClientSecret(SecretString);

impl ClientSecret {
    /// A new one.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Self(SecretString::from(format!("mcs1_{}", URL_SAFE_NO_PAD.encode(bytes.as_slice())))))
    }

    /// The text, for the one time that it is shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub(super) fn hash(text: &str) -> [u8; 32] {
        Sha256::digest(text.as_bytes()).into()
    }
}
