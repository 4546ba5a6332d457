//! How a client says who it is, and with which keys.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use shared::token::keys::{KeyError, KeySet, VerifyingKey};
use shared::token::source::check_url;
use url::Url;

use super::model::ClientKind;

/// The most keys of one client: the one in use, the next one, and some for each of its parts.
const MOST_KEYS: usize = 20;

/// The longest URL of keys, in bytes.
const LONGEST_URL: usize = 2000;

/// How a client authenticates (RFC 7591 section 2, `token_endpoint_auth_method`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// By a secret, in HTTP Basic or in the form, whichever it likes (RFC 6749 section 2.3.1).
    Secret,
    /// Not at all: it is public.
    None,
    /// By a JWT that it signs with a key of its own (RFC 7523 section 2.2).
    PrivateKeyJwt,
}

impl AuthMethod {
    /// As it is registered and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::None => "none",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// What a client of this kind does where nobody says otherwise.
    #[must_use]
    pub const fn of_kind(kind: ClientKind) -> Self {
        match kind {
            ClientKind::Confidential => Self::Secret,
            ClientKind::Public => Self::None,
        }
    }
}

impl FromStr for AuthMethod {
    type Err = &'static str;

    /// The two names of RFC 7591 for a secret mean the same here: both ways are open to whoever has one.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "secret" | "client_secret_basic" | "client_secret_post" => Ok(Self::Secret),
            "none" => Ok(Self::None),
            "private_key_jwt" => Ok(Self::PrivateKeyJwt),
            _ => Err("it is secret, private_key_jwt or none"),
        }
    }
}

impl Serialize for AuthMethod {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A client's public keys, strong ones alone. Written as a JWK Set, whatever they were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKeys(KeySet);

impl ClientKeys {
    /// The keys, for checking signatures.
    #[must_use]
    pub const fn set(&self) -> &KeySet {
        &self.0
    }
}

/// Why keys are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientKeysError {
    /// One of them is private, weak or of no use, or they are no keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// More than anybody needs.
    #[error("there are more than {MOST_KEYS} keys")]
    Many,
}

impl FromStr for ClientKeys {
    type Err = ClientKeysError;

    /// A JWK Set, one JWK, or PEM blocks `PUBLIC KEY`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let keys = match text.trim_start().starts_with('{') {
            true => KeySet::from_jwks(text.as_bytes()).or_else(|error| match error {
                KeyError::Json(_) => KeySet::new([VerifyingKey::from_jwk(text.as_bytes())?]),
                error => Err(error),
            })?,
            false => KeySet::from_pem(text)?,
        };
        if keys.len() > MOST_KEYS { Err(ClientKeysError::Many) } else { Ok(Self(keys)) }
    }
}

impl Serialize for ClientKeys {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.to_jwks().serialize(serializer)
    }
}

/// Where a client's keys are read from: `https`, or `http` on loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksUri(Url);

impl JwksUri {
    /// The address.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }
}

impl FromStr for JwksUri {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > LONGEST_URL {
            return Err("it is longer than 2000 characters");
        }
        let url = Url::parse(text).map_err(|_| "it is no absolute URL")?;
        if url.fragment().is_some() || !url.has_host() {
            return Err("it has a fragment, or no host");
        }
        check_url(&url, false)?;
        Ok(Self(url))
    }
}

impl fmt::Display for JwksUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for JwksUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How a client authenticates, and the keys for that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Authentication {
    /// The one way in which it may.
    #[serde(rename = "token_endpoint_auth_method")]
    pub method: AuthMethod,
    /// Its public keys, where they are registered.
    pub jwks: Option<ClientKeys>,
    /// Where its public keys are, in place of `jwks`.
    pub jwks_uri: Option<JwksUri>,
}

impl Authentication {
    /// What a client of this kind does where nobody says otherwise.
    #[must_use]
    pub const fn of_kind(kind: ClientKind) -> Self {
        Self { method: AuthMethod::of_kind(kind), jwks: None, jwks_uri: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    #[test]
    fn keys_are_read_from_a_set_from_one_and_from_pem_and_written_as_a_set() {
        let one: ClientKeys = ED25519.parse().unwrap();
        let set: ClientKeys = format!("{{\"keys\":[{ED25519}]}}").parse().unwrap();
        assert_eq!(one, set);
        let written = serde_json::to_string(&one).unwrap();
        assert_eq!(written.parse::<ClientKeys>().unwrap(), one);
        let pem = one.set().find("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k").unwrap().to_pem().unwrap();
        assert_eq!(pem.parse::<ClientKeys>().unwrap(), one);
    }

    #[test]
    fn private_weak_and_foreign_keys_are_refused() {
        let with = |from: &str, to: &str| ED25519.replace(from, to).parse::<ClientKeys>().unwrap_err().to_string();
        assert!(with("\"x\"", "\"d\":\"AA\",\"x\"").contains("private"), "a private key");
        let small = with("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", &format!("AQ{}", "A".repeat(41)));
        assert!(small.contains("weak"), "{small}");
        assert!(with("Ed25519", "X25519").contains("not supported"));
        for nothing in ["", "{}", "{\"keys\":[]}", "[]", "x"] {
            assert!(nothing.parse::<ClientKeys>().is_err(), "{nothing}");
        }
        let keys: Vec<String> =
            (0..=MOST_KEYS).map(|kid| ED25519.replace("\"x\"", &format!("\"kid\":\"{kid}\",\"x\""))).collect();
        let many = format!("{{\"keys\":[{}]}}", keys.join(","));
        assert_eq!(many.parse::<ClientKeys>(), Err(ClientKeysError::Many));
    }

    #[test]
    fn keys_come_by_https_or_from_this_machine() {
        for good in ["https://a.example/jwks?x=1", "http://127.0.0.1:1/", "http://[::1]/jwks", "http://localhost/"] {
            assert_eq!(good.parse::<JwksUri>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "jwks",
            "http://a.example/jwks",
            "http://169.254.169.254/",
            "http://10.0.0.1/",
            "file:///etc/passwd",
            "data:,{}",
            "https://user:pw@a.example/",
            "https://a.example/#x",
            &format!("https://a.example/{}", "x".repeat(2000)),
        ] {
            assert!(bad.parse::<JwksUri>().is_err(), "{bad}");
        }
    }
}
