//! The export of a Keycloak realm: one JSON document, of which the member `users` is read.

use std::fmt;
use std::io::{BufReader, Read};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::files::FileError;
use super::row::{Flag, Hash, Raw};
use crate::passwords::KeycloakPassword;

/// The users of a document, numbered from 1.
pub(super) struct Users {
    left: std::iter::Enumerate<std::vec::IntoIter<Box<RawValue>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    username: Option<String>,
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    #[serde(default)]
    email_verified: bool,
    #[serde(default = "yes")]
    enabled: bool,
    #[serde(default)]
    credentials: Vec<Credential>,
}

#[derive(Deserialize)]
struct Credential {
    r#type: String,
    #[serde(flatten)]
    rest: serde_json::Value,
}

const fn yes() -> bool {
    true
}

/// Reads the document; its users stay in memory as they are written.
pub(super) fn read(source: impl Read) -> Result<Users, FileError> {
    let mut document = serde_json::Deserializer::from_reader(BufReader::new(source));
    let users = Realm.deserialize(&mut document).and_then(|users| document.end().map(|()| users));
    let users = users.map_err(|error| match error.io_error_kind() {
        Some(kind) => FileError::Io(kind.into()),
        None if error.is_data() => {
            FileError::Keycloak(format!("`users` is missing or no list (line {})", error.line()))
        }
        None => FileError::Keycloak(format!("it is no JSON from line {} on", error.line())),
    })?;
    Ok(Users { left: users.into_iter().enumerate() })
}

/// Passes over everything of a realm but its users.
struct Realm;

impl<'de> DeserializeSeed<'de> for Realm {
    type Value = Vec<Box<RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Realm {
    type Value = Vec<Box<RawValue>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with the member `users`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut users = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "users" {
                users = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        users.ok_or_else(|| serde::de::Error::missing_field("users"))
    }
}

impl Iterator for Users {
    type Item = (u64, Result<Raw<'static>, String>);

    fn next(&mut self) -> Option<Self::Item> {
        let (index, user) = self.left.next()?;
        let number = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
        let user =
            serde_json::from_str::<User>(user.get()).map_err(|_| "is not a user as Keycloak writes it".to_owned());
        Some((number, user.and_then(User::into_raw)))
    }
}

impl User {
    fn into_raw(self) -> Result<Raw<'static>, String> {
        let password = self.credentials.into_iter().find(|credential| credential.r#type == "password");
        let hash = match password {
            None => Hash::None,
            Some(credential) => {
                let password: KeycloakPassword = serde_json::from_value(credential.rest)
                    .map_err(|_| "has a password credential without secretData and credentialData".to_owned())?;
                Hash::Keycloak(Box::new(password))
            }
        };
        let names: Vec<String> = [self.first_name, self.last_name].into_iter().flatten().collect();
        Ok(Raw {
            // A realm may use addresses as names, and leave the address out.
            email: self.email.or(self.username).map(Into::into),
            name: Some(names.join(" ").into()),
            hash,
            email_verified: Flag::Bool(self.email_verified),
            disabled: Flag::Bool(!self.enabled),
        })
    }
}
