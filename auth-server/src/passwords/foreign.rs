//! Hashes in the forms of other applications, put into the form that is kept here.
//!
//! A PHC string where the kind has one; bcrypt and bcrypt of a digest stay as they stand. What would not be checked at
//! a login, because it costs too much or is broken, is refused here already.

use argon2::Params;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::derived::{DerivedHash, Function, Prf};
use super::hash::params;
use super::stored::Stored;
use super::{Hashed, Settings, SettingsError, Unusable};

/// With or without padding: Django and Keycloak write it, passlib does not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text is not taken as a hash. None of these show it: it may be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignError {
    /// Nothing, or Django's mark for a user without a password.
    #[error("is empty or Django's mark of no password: --allow-no-password imports such users without one")]
    NoPassword,
    /// Of no kind that is known.
    #[error(
        "is of no known kind: argon2, bcrypt, PBKDF2 and scrypt are, as PHC strings or in the forms of passlib, Django and Keycloak"
    )]
    Unknown,
    /// Of a known kind, yet broken.
    #[error("begins as a {0} hash and cannot be read as one")]
    Malformed(&'static str),
    /// Its costs are outside what is checked here.
    #[error("asks for more memory or time than a login may take here")]
    TooDear,
}

/// Reads hashes of other applications.
#[derive(Clone, Debug)]
pub struct Reader {
    current: Params,
}

/// A credential of the type `password` in a Keycloak export; the two inner documents are JSON in a JSON string.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeycloakPassword {
    secret_data: String,
    credential_data: String,
}

#[derive(Deserialize)]
struct KeycloakSecret {
    value: String,
    salt: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeycloakCosts {
    hash_iterations: u32,
    algorithm: String,
    #[serde(default)]
    additional_parameters: KeycloakArgon2,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KeycloakArgon2 {
    memory: Vec<String>,
    parallelism: Vec<String>,
    version: Vec<String>,
    r#type: Vec<String>,
}

impl Reader {
    /// A reader that refuses what a server with these settings would not check.
    ///
    /// # Errors
    /// [`SettingsError`] when the settings are refused.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        Ok(Self { current: params(settings)? })
    }

    /// Reads a PHC string, a bcrypt string, or a string of passlib or Django.
    ///
    /// # Errors
    /// [`ForeignError`] says what is wrong, without the text itself.
    pub fn read(&self, text: &str) -> Result<Hashed, ForeignError> {
        if text.is_empty() || text.starts_with('!') {
            return Err(ForeignError::NoPassword);
        }
        if let Some(derived) = read_derived(text) {
            let phc = derived.and_then(|hash| hash.to_phc().map_err(|_| Unusable::Format));
            return phc.map(Hashed::of).map_err(|unusable| refused(unusable, kind_of(text)));
        }
        // Django writes its own name of the kind in front of strings that stand by themselves.
        let text = ["argon2$", "bcrypt$"].iter().find_map(|name| text.strip_prefix(name)).map_or_else(
            || text.to_owned(),
            |own| if own.starts_with('$') { own.to_owned() } else { format!("${own}") },
        );
        self.keep(text)
    }

    /// Reads a credential of a Keycloak export.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn read_keycloak(&self, credential: &KeycloakPassword) -> Result<Hashed, ForeignError> {
        const BROKEN: ForeignError = ForeignError::Malformed("Keycloak");
        let secret: KeycloakSecret = serde_json::from_str(&credential.secret_data).map_err(|_| BROKEN)?;
        let costs: KeycloakCosts = serde_json::from_str(&credential.credential_data).map_err(|_| BROKEN)?;
        let prf = match costs.algorithm.as_str() {
            "pbkdf2" => Prf::Sha1,
            "pbkdf2-sha256" => Prf::Sha256,
            "pbkdf2-sha512" => Prf::Sha512,
            "argon2" => return self.keep(costs.argon2(&secret).ok_or(BROKEN)?),
            _ => return Err(ForeignError::Unknown),
        };
        let function = Function::pbkdf2(prf, costs.hash_iterations).map_err(|reason| refused(reason, "Keycloak"))?;
        let (salt, output) = (decode(&secret.salt).ok_or(BROKEN)?, decode(&secret.value).ok_or(BROKEN)?);
        let hash = DerivedHash::new(function, &salt, &output).map_err(|reason| refused(reason, "Keycloak"))?;
        hash.to_phc().map(Hashed::of).map_err(|_| BROKEN)
    }

    /// Takes a string that is kept as it stands, if a login could check it.
    fn keep(&self, text: String) -> Result<Hashed, ForeignError> {
        match Stored::parse(&text, &self.current) {
            Ok(_) => Ok(Hashed::of(text)),
            Err(reason) => Err(refused(reason, kind_of(&text))),
        }
    }
}

impl KeycloakCosts {
    fn argon2(&self, secret: &KeycloakSecret) -> Option<String> {
        let KeycloakArgon2 { memory, parallelism, version, r#type } = &self.additional_parameters;
        let version = match version.first()?.as_str() {
            "1.3" => 19,
            "1.0" => 16,
            _ => return None,
        };
        let (kind, memory, lanes) = (r#type.first()?, memory.first()?, parallelism.first()?);
        let (passes, salt, hash) =
            (self.hash_iterations, secret.salt.trim_end_matches('='), secret.value.trim_end_matches('='));
        Some(format!("$argon2{kind}$v={version}$m={memory},t={passes},p={lanes}${salt}${hash}"))
    }
}

impl Hashed {
    /// What kind of hash it is: `argon2`, `bcrypt`, `PBKDF2` or `scrypt`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        kind_of(self.as_str())
    }
}

fn refused(reason: Unusable, kind: &'static str) -> ForeignError {
    match reason {
        Unusable::TooDear => ForeignError::TooDear,
        Unusable::Format if kind.is_empty() => ForeignError::Unknown,
        Unusable::Format => ForeignError::Malformed(kind),
    }
}

/// The kind that a text begins as; empty for none.
fn kind_of(text: &str) -> &'static str {
    let text = text.trim_start_matches('$');
    let kinds =
        [("argon2", "argon2"), ("pbkdf2", "PBKDF2"), ("scrypt$", "scrypt"), ("bcrypt", "bcrypt"), ("2", "bcrypt")];
    kinds.iter().find(|(beginning, _)| text.starts_with(beginning)).map_or("", |(_, kind)| kind)
}

/// A PBKDF2 or scrypt hash in any form; `None` when it is of another kind.
fn read_derived(text: &str) -> Option<Result<DerivedHash, Unusable>> {
    let fields: Vec<&str> = text.split('$').collect();
    let hash = match fields.as_slice() {
        ["", "scrypt" | "pbkdf2-sha1", ..] => DerivedHash::parse(text),
        ["", "pbkdf2-sha256" | "pbkdf2-sha512", costs, ..] if costs.contains('=') => DerivedHash::parse(text),
        ["", "pbkdf2", rounds, salt, hash] => pbkdf2_of_passlib(Prf::Sha1, rounds, salt, hash),
        ["", "pbkdf2-sha256", rounds, salt, hash] => pbkdf2_of_passlib(Prf::Sha256, rounds, salt, hash),
        ["", "pbkdf2-sha512", rounds, salt, hash] => pbkdf2_of_passlib(Prf::Sha512, rounds, salt, hash),
        ["pbkdf2_sha1", rounds, salt, hash] => pbkdf2_of_django(Prf::Sha1, rounds, salt, hash),
        ["pbkdf2_sha256", rounds, salt, hash] => pbkdf2_of_django(Prf::Sha256, rounds, salt, hash),
        ["scrypt", n, salt, block, parallelism, hash] => scrypt_of_django(n, salt, [block, parallelism], hash),
        [kind, ..] if kind.starts_with("pbkdf2_") || *kind == "scrypt" => Err(Unusable::Format),
        ["", kind, ..] if kind.starts_with("pbkdf2") => Err(Unusable::Format),
        _ => return None,
    };
    Some(hash)
}

/// `$pbkdf2-sha256$29000$salt$hash`, with a dot for the plus of base64.
fn pbkdf2_of_passlib(prf: Prf, rounds: &str, salt: &str, hash: &str) -> Result<DerivedHash, Unusable> {
    let function = Function::pbkdf2(prf, number(rounds)?)?;
    let bytes = |text: &str| decode(&text.replace('.', "+")).ok_or(Unusable::Format);
    DerivedHash::new(function, &bytes(salt)?, &bytes(hash)?)
}

/// `pbkdf2_sha256$1000000$salt$hash`; the salt is text.
fn pbkdf2_of_django(prf: Prf, rounds: &str, salt: &str, hash: &str) -> Result<DerivedHash, Unusable> {
    let function = Function::pbkdf2(prf, number(rounds)?)?;
    DerivedHash::new(function, salt.as_bytes(), &decode(hash).ok_or(Unusable::Format)?)
}

/// `scrypt$16384$salt$8$5$hash`; the salt is text.
fn scrypt_of_django(n: &str, salt: &str, costs: [&str; 2], hash: &str) -> Result<DerivedHash, Unusable> {
    let n = number(n)?;
    if !n.is_power_of_two() {
        return Err(Unusable::Format);
    }
    let [block, parallelism] = costs.map(number);
    let function = Function::scrypt(n.trailing_zeros(), block?, parallelism?)?;
    DerivedHash::new(function, salt.as_bytes(), &decode(hash).ok_or(Unusable::Format)?)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// Digits only; more than fit are too dear rather than broken.
fn number(text: &str) -> Result<u32, Unusable> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Unusable::Format);
    }
    text.parse().map_err(|_| Unusable::TooDear)
}

#[cfg(test)]
#[path = "foreign_tests.rs"]
mod tests;
