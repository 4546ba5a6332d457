//! One user of a file: checked field by field.

use std::borrow::Cow;

use shared::files::Fault;

use crate::passwords::{ForeignError, Hashed, KeycloakPassword, Reader};
use crate::users::{Email, Name};

/// A user that can be made.
#[derive(Clone, Debug)]
pub struct ImportedUser {
    /// The address to log in by.
    pub email: Email,
    /// What people call the user.
    pub name: Option<Name>,
    /// The hash in the form that is kept here; without it nobody can log in.
    pub hashed: Option<Hashed>,
    /// Whether somebody has shown that mail arrives there.
    pub email_verified: bool,
    /// Whether logins are refused.
    pub is_disabled: bool,
}

/// One row of a file.
#[derive(Clone, Debug)]
pub enum Row {
    /// A user, and the line where it begins.
    User(u64, Box<ImportedUser>),
    /// A row that is none, and everything that is wrong with it.
    Broken(Vec<Fault>),
}

/// Whether users without a password are imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPassword {
    /// A row without a hash is bad.
    Refused,
    /// They are, and cannot log in until somebody sets one.
    Allowed,
}

/// What a row says, before anything is checked.
#[derive(Default)]
pub(super) struct Raw<'a> {
    pub(super) email: Option<Cow<'a, str>>,
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) hash: Hash<'a>,
    pub(super) email_verified: Flag<'a>,
    pub(super) disabled: Flag<'a>,
}

/// A hash as the file has it.
#[derive(Default)]
pub(super) enum Hash<'a> {
    #[default]
    None,
    Text(Cow<'a, str>),
    Keycloak(Box<KeycloakPassword>),
}

/// Yes or no as the file has it; nothing is no.
#[derive(Default)]
pub(super) enum Flag<'a> {
    #[default]
    None,
    Bool(bool),
    Text(&'a str),
}

/// How rows are judged.
pub(super) struct Judge {
    pub(super) reader: Reader,
    pub(super) no_password: NoPassword,
}

/// A reason against one field; no hash is ever shown, for it might be a password.
struct Against(&'static str, String);

impl Judge {
    /// The user of this row, or all that is wrong with it.
    pub(super) fn judge(&self, line: u64, raw: Raw<'_>) -> Row {
        let mut faults = Vec::new();
        let email = keep(line, &mut faults, email(raw.email.as_deref()));
        let name = keep(line, &mut faults, name(raw.name.as_deref()));
        let hashed = keep(line, &mut faults, self.hash(&raw.hash));
        let email_verified = keep(line, &mut faults, flag("email_verified", &raw.email_verified));
        let is_disabled = keep(line, &mut faults, flag("disabled", &raw.disabled));
        match (email, name, hashed, email_verified, is_disabled) {
            (Some(email), Some(name), Some(hashed), Some(email_verified), Some(is_disabled)) => {
                Row::User(line, Box::new(ImportedUser { email, name, hashed, email_verified, is_disabled }))
            }
            _ => Row::Broken(faults),
        }
    }

    fn hash(&self, hash: &Hash<'_>) -> Result<Option<Hashed>, Against> {
        let read = match hash {
            Hash::None => Err(ForeignError::NoPassword),
            Hash::Text(text) => self.reader.read(text),
            Hash::Keycloak(credential) => self.reader.read_keycloak(credential),
        };
        match read {
            Ok(hashed) => Ok(Some(hashed)),
            Err(ForeignError::NoPassword) if self.no_password == NoPassword::Allowed => Ok(None),
            Err(error) => Err(Against("hashed_password", error.to_string())),
        }
    }
}

fn keep<T>(line: u64, faults: &mut Vec<Fault>, value: Result<T, Against>) -> Option<T> {
    value.map_err(|Against(field, reason)| faults.push(Fault { line, field: Some(field), reason })).ok()
}

fn email(text: Option<&str>) -> Result<Email, Against> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Err(Against("email", "is missing".to_owned()));
    };
    text.parse().map_err(|error| Against("email", format!("{} is none: {error}", excerpt(text))))
}

/// A name of spaces is none: it comes from joining two empty ones.
fn name(text: Option<&str>) -> Result<Option<Name>, Against> {
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => {
            text.parse().map(Some).map_err(|error| Against("name", format!("{} is none: {error}", excerpt(text))))
        }
    }
}

/// As JSON, Postgres and Django write them.
fn flag(field: &'static str, flag: &Flag<'_>) -> Result<bool, Against> {
    match flag {
        Flag::None => Ok(false),
        Flag::Bool(flag) => Ok(*flag),
        Flag::Text(text) => match text.to_ascii_lowercase().as_str() {
            "" | "false" | "f" | "0" | "no" => Ok(false),
            "true" | "t" | "1" | "yes" => Ok(true),
            _ => Err(Against(field, format!("is true or false, not {}", excerpt(text)))),
        },
    }
}

fn excerpt(text: &str) -> String {
    const SHOWN: usize = 40;
    let start: String = text.chars().take(SHOWN).collect();
    let dots = if text.chars().nth(SHOWN).is_some() { "…" } else { "" };
    format!("{start:?}{dots}")
}
