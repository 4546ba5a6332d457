//! The file of `client apply`: TOML, a table `[clients.ID]` for each client, its fields named as `client show --output
//! json` names them. Read by hand rather than by serde, so that every mistake has its line and a field that there is not
//! has its nearest name.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use shared::token::scope::ScopeSet;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::clients::{
    ApplicationType, AuthMethod, Authentication, ClientId, ClientKind, Declared, Lifetimes, NewClient,
};

/// The fields of a client.
const FIELDS: [&str; 23] = [
    "name",
    "kind",
    "grants",
    "scopes",
    "default_scopes",
    "audience",
    "audiences",
    "serves",
    "application_type",
    "redirect_uris",
    "post_logout_redirect_uris",
    "skips_consent",
    "require_pushed_authorization_requests",
    "dpop_bound_access_tokens",
    "token_endpoint_auth_method",
    "jwks",
    "jwks_uri",
    "access_token_ttl",
    "refresh_token_idle_ttl",
    "refresh_token_ttl",
    "refresh_retry_window",
    "disabled",
    "secret_hashes",
];

/// A line of the file and what is wrong there.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text}")]
pub(super) struct FileError {
    line: usize,
    text: String,
}

/// What a file says.
#[derive(Debug)]
pub(super) struct File {
    /// In the order of the ids.
    pub(super) clients: Vec<Declared>,
    /// Where each field of each client stands; a client's own line is that of the empty field.
    lines: BTreeMap<(ClientId, String), usize>,
}

impl File {
    /// Reads a text. A client without an audience has `audience`.
    pub(super) fn parse(text: &str, audience: &str) -> Result<Self, FileError> {
        let source = Source { text };
        let parsed = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            source.error(at, error.message().replace('\n', ", "))
        })?;
        let mut file = Self { clients: Vec::new(), lines: BTreeMap::new() };
        for (key, value) in parsed.get_ref().iter() {
            if key.get_ref() != "clients" {
                let text = unknown("key", key.get_ref(), &["clients"]);
                return Err(source.error(key.span().start, text));
            }
            let clients = source.table(value, "clients")?;
            for (id, table) in clients.iter() {
                let client_id: ClientId = id.get_ref().parse().map_err(|rule: &str| {
                    source.error(id.span().start, format!("client `{}`: {rule}", id.get_ref().escape_debug()))
                })?;
                let fields = Fields {
                    source,
                    client_id: &client_id,
                    at: id.span().start,
                    table: source.table(table, id.get_ref())?,
                };
                file.clients.push(fields.read(audience)?);
                file.lines.insert((client_id.clone(), String::new()), source.line(id.span().start));
                for (name, _) in fields.table.iter() {
                    let at = source.line(name.span().start);
                    file.lines.insert((client_id.clone(), name.get_ref().to_string()), at);
                }
            }
        }
        file.clients.sort_by(|a, b| a.new.client_id.cmp(&b.new.client_id));
        Ok(file)
    }

    /// Where a field of a client stands, or else the client.
    pub(super) fn line(&self, client_id: &ClientId, field: &str) -> Option<usize> {
        let of = |field: &str| self.lines.get(&(client_id.clone(), field.to_owned()));
        of(field).or_else(|| of("")).copied()
    }
}

#[derive(Clone, Copy)]
struct Source<'a> {
    text: &'a str,
}

impl<'a> Source<'a> {
    fn line(self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    fn error(self, at: usize, text: impl Into<String>) -> FileError {
        FileError { line: self.line(at), text: text.into() }
    }

    fn table<'b>(self, value: &'b Spanned<DeValue<'a>>, name: &str) -> Result<&'b DeTable<'a>, FileError> {
        value.get_ref().as_table().ok_or_else(|| {
            let text = format!("`{}` is a table, written [clients.ID]", name.escape_debug());
            self.error(value.span().start, text)
        })
    }
}

/// The fields of one client.
struct Fields<'a, 'b> {
    source: Source<'a>,
    client_id: &'b ClientId,
    at: usize,
    table: &'b DeTable<'a>,
}

impl<'a> Fields<'a, '_> {
    fn read(&self, audience: &str) -> Result<Declared, FileError> {
        for (name, _) in self.table.iter() {
            if !FIELDS.contains(&name.get_ref().as_ref()) {
                return Err(self.error(name.span().start, &unknown("field", name.get_ref(), &FIELDS)));
            }
        }
        let scopes = self.required("scopes", self.scopes("scopes")?)?;
        let kind = self.parsed("kind")?.unwrap_or(ClientKind::Confidential);
        let new = NewClient {
            client_id: self.client_id.clone(),
            name: self.string("name")?.unwrap_or_else(|| self.client_id.as_str()).to_owned(),
            kind,
            grants: self.required("grants", self.list("grants")?)?,
            default_scopes: self.scopes("default_scopes")?.unwrap_or_else(|| scopes.clone()),
            scopes,
            audience: self.string("audience")?.unwrap_or(audience).to_owned(),
            audiences: self.list("audiences")?.unwrap_or_default(),
            serves: self.string("serves")?.map(str::to_owned),
            application_type: self.parsed("application_type")?.unwrap_or(ApplicationType::Web),
            redirect_uris: self.list("redirect_uris")?.unwrap_or_default(),
            post_logout_redirect_uris: self.list("post_logout_redirect_uris")?.unwrap_or_default(),
            skips_consent: self.bool("skips_consent")?.unwrap_or(false),
            require_pushed_authorization_requests: self.bool("require_pushed_authorization_requests")?.unwrap_or(false),
            dpop_bound_access_tokens: self.bool("dpop_bound_access_tokens")?.unwrap_or(false),
            authentication: Authentication {
                method: self.parsed("token_endpoint_auth_method")?.unwrap_or(AuthMethod::of_kind(kind)),
                jwks: self.parsed("jwks")?,
                jwks_uri: self.parsed("jwks_uri")?,
            },
            lifetimes: Lifetimes {
                access_token: self.seconds("access_token_ttl")?,
                refresh_idle: self.seconds("refresh_token_idle_ttl")?,
                refresh_absolute: self.seconds("refresh_token_ttl")?,
                retry_window: self.seconds("refresh_retry_window")?,
            },
        };
        Ok(Declared { new, disabled: self.bool("disabled")?, secret_hashes: self.list("secret_hashes")? })
    }

    fn error(&self, at: usize, text: &str) -> FileError {
        self.source.error(at, format!("client `{}`: {text}", self.client_id))
    }

    fn wrong(&self, name: &str, value: &Spanned<DeValue<'a>>, reason: impl std::fmt::Display) -> FileError {
        self.error(value.span().start, &format!("{name}: {reason}"))
    }

    fn required<T>(&self, name: &str, value: Option<T>) -> Result<T, FileError> {
        value.ok_or_else(|| self.error(self.at, &format!("{name}: is missing")))
    }

    fn find(&self, name: &str) -> Option<&Spanned<DeValue<'a>>> {
        self.table.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value)
    }

    fn string(&self, name: &str) -> Result<Option<&str>, FileError> {
        let Some(value) = self.find(name) else { return Ok(None) };
        value.get_ref().as_str().map(Some).ok_or_else(|| self.wrong(name, value, "it is a text in quotes"))
    }

    fn parsed<T>(&self, name: &str) -> Result<Option<T>, FileError>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        let Some(value) = self.find(name) else { return Ok(None) };
        let text = value.get_ref().as_str().ok_or_else(|| self.wrong(name, value, "it is a text in quotes"))?;
        self.parse(name, value, text).map(Some)
    }

    fn parse<T>(&self, name: &str, at: &Spanned<DeValue<'a>>, text: &str) -> Result<T, FileError>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        text.parse().map_err(|error| self.wrong(name, at, format_args!("`{}`: {error}", text.escape_debug())))
    }

    fn bool(&self, name: &str) -> Result<Option<bool>, FileError> {
        let Some(value) = self.find(name) else { return Ok(None) };
        value.get_ref().as_bool().map(Some).ok_or_else(|| self.wrong(name, value, "it is true or false"))
    }

    fn seconds(&self, name: &str) -> Result<Option<Duration>, FileError> {
        let Some(value) = self.find(name) else { return Ok(None) };
        let number = value.get_ref().as_integer();
        let number = number.and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok());
        let seconds = number.ok_or_else(|| self.wrong(name, value, "it is a whole number of seconds"))?;
        Ok(Some(Duration::from_secs(seconds.into())))
    }

    fn list<T>(&self, name: &str) -> Result<Option<Vec<T>>, FileError>
    where
        T: FromStr<Err: std::fmt::Display>,
    {
        const FORM: &str = "it is a list of texts, written [\"one\", \"two\"]";
        let Some(value) = self.find(name) else { return Ok(None) };
        let items = value.get_ref().as_array().ok_or_else(|| self.wrong(name, value, FORM))?;
        let items = items.iter().map(|item| {
            let text = item.get_ref().as_str().ok_or_else(|| self.wrong(name, item, FORM))?;
            self.parse(name, item, text)
        });
        items.collect::<Result<_, _>>().map(Some)
    }

    fn scopes(&self, name: &str) -> Result<Option<ScopeSet>, FileError> {
        let Some(names) = self.list::<ScopeSet>(name)? else { return Ok(None) };
        let names = names.iter().flat_map(ScopeSet::iter);
        // Each is a set by itself, so they are one together.
        Ok(Some(ScopeSet::from_names(names).unwrap_or_default()))
    }
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
    let nearest = nearest.filter(|(distance, _)| *distance <= name.len().div_ceil(2));
    let hint = nearest.map_or_else(String::new, |(_, known)| format!(": did you mean `{known}`?"));
    format!("there is no {what} `{}`{hint}", name.escape_debug())
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
