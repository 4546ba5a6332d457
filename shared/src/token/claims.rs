//! The claims of an access token (RFC 9068 section 2.2), as auth-server writes them and everyone reads them.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::dpop::Thumbprint;
use super::scope::ScopeSet;

/// What an access token says. Times are seconds since the epoch.
///
/// Serialising gives the payload that auth-server signs; deserialising is strict: required claims must be there,
/// non-empty and of the right type, an optional claim must not be `null`, and times must be integers. Unknown claims
/// are ignored (RFC 7519 section 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct AccessClaims {
    /// The issuer's URL, compared byte by byte.
    pub iss: String,
    /// The resource servers that the token is for.
    pub aud: Audience,
    /// The user's UUID, or a client's own subject.
    pub sub: String,
    /// The client that asked for the token.
    pub client_id: String,
    /// What the token allows. One space-separated string on the wire, left out where empty.
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    pub scope: ScopeSet,
    /// When it was issued.
    pub iat: i64,
    /// When it ends.
    pub exp: i64,
    /// The token's own id, unique for each token.
    pub jti: String,
    /// The login that it came from; absent for client credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The subject's token version: a revocation names the versions that it kills.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ver: Option<i64>,
    /// The client's token version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cver: Option<i64>,
    /// When it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// When the user last proved who they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The user's name, where scope `profile` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The user's e-mail address, where scope `email` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The key that the token is bound to. Who takes such a token has to ask for a proof: a
    /// [`Gate`](super::bearer::Gate) does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

/// What the holder of a bound token has to prove (RFC 7800 section 3, RFC 9449 section 6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confirmation {
    /// The thumbprint of the key.
    pub jkt: Thumbprint,
}

/// The `aud` claim: one string, or a list of them (RFC 7519 section 4.1.3). One audience is written as a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience(Vec<String>);

/// What is wrong with a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// A required claim is not there.
    #[error("claim {0} is missing")]
    Missing(&'static str),
    /// A claim has another JSON type than it should, `null` and fractions included.
    #[error("claim {0} has the wrong type")]
    Mistyped(&'static str),
    /// A claim that names something is the empty string or the empty list.
    #[error("claim {0} is empty")]
    Empty(&'static str),
    /// The scope is outside the grammar of RFC 6749 section 3.3.
    #[error("claim scope is malformed")]
    Scope,
    /// The token is bound (RFC 7800 `cnf`) in another way than by the thumbprint of a DPoP key; taken as a mere bearer
    /// token, it would lose that protection.
    #[error("claim cnf binds the token to a proof that is not checked here")]
    Confirmation,
}

impl Audience {
    /// Whether the token is for this resource server.
    pub fn contains(&self, audience: &str) -> bool {
        self.0.iter().any(|entry| entry == audience)
    }

    /// The audiences, in the order of the token.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<S: Into<String>> From<S> for Audience {
    fn from(audience: S) -> Self {
        Self(vec![audience.into()])
    }
}

impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.serialize_str(one),
            several => several.serialize(serializer),
        }
    }
}

impl TryFrom<Map<String, Value>> for AccessClaims {
    type Error = ClaimError;

    fn try_from(mut members: Map<String, Value>) -> Result<Self, ClaimError> {
        Ok(Self {
            iss: required(text(&mut members, "iss")?, "iss")?,
            aud: audience(&mut members)?,
            sub: required(text(&mut members, "sub")?, "sub")?,
            client_id: required(text(&mut members, "client_id")?, "client_id")?,
            scope: scope(&mut members)?,
            iat: required(integer(&members, "iat")?, "iat")?,
            exp: required(integer(&members, "exp")?, "exp")?,
            jti: required(text(&mut members, "jti")?, "jti")?,
            sid: text(&mut members, "sid")?,
            ver: integer(&members, "ver")?,
            cver: integer(&members, "cver")?,
            nbf: integer(&members, "nbf")?,
            auth_time: integer(&members, "auth_time")?,
            name: string(&mut members, "name")?,
            email: string(&mut members, "email")?,
            cnf: confirmation(&mut members)?,
        })
    }
}

fn required<T>(value: Option<T>, claim: &'static str) -> Result<T, ClaimError> {
    value.ok_or(ClaimError::Missing(claim))
}

fn string(members: &mut Map<String, Value>, claim: &'static str) -> Result<Option<String>, ClaimError> {
    match members.remove(claim) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(ClaimError::Mistyped(claim)),
    }
}

fn text(members: &mut Map<String, Value>, claim: &'static str) -> Result<Option<String>, ClaimError> {
    match string(members, claim)? {
        Some(value) if value.is_empty() => Err(ClaimError::Empty(claim)),
        value => Ok(value),
    }
}

fn integer(members: &Map<String, Value>, claim: &'static str) -> Result<Option<i64>, ClaimError> {
    match members.get(claim) {
        None => Ok(None),
        // RFC 7519 allows fractions in a NumericDate; nobody here writes one, and rounding is where checks drift apart.
        Some(value) => value.as_i64().map(Some).ok_or(ClaimError::Mistyped(claim)),
    }
}

fn scope(members: &mut Map<String, Value>) -> Result<ScopeSet, ClaimError> {
    match string(members, "scope")? {
        None => Ok(ScopeSet::default()),
        Some(value) => value.parse().map_err(|_| ClaimError::Scope),
    }
}

/// One key and nothing beside it: another method would be another thing to prove.
fn confirmation(members: &mut Map<String, Value>) -> Result<Option<Confirmation>, ClaimError> {
    let Some(value) = members.remove("cnf") else { return Ok(None) };
    let Value::Object(methods) = value else { return Err(ClaimError::Confirmation) };
    match methods.get("jkt") {
        Some(Value::String(jkt)) if methods.len() == 1 => {
            let jkt = jkt.parse().map_err(|_| ClaimError::Confirmation)?;
            Ok(Some(Confirmation { jkt }))
        }
        _ => Err(ClaimError::Confirmation),
    }
}

fn audience(members: &mut Map<String, Value>) -> Result<Audience, ClaimError> {
    let entries = match required(members.remove("aud"), "aud")? {
        Value::Array(entries) => entries,
        entry => vec![entry],
    };
    if entries.is_empty() {
        return Err(ClaimError::Empty("aud"));
    }
    let mut audiences = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry {
            Value::String(entry) if entry.is_empty() => return Err(ClaimError::Empty("aud")),
            Value::String(entry) => audiences.push(entry),
            _ => return Err(ClaimError::Mistyped("aud")),
        }
    }
    Ok(Audience(audiences))
}
