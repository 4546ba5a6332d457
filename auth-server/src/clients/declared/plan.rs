//! The difference between what is and what is to be.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::authentication::AuthMethod;
use super::super::error::{Broken, ClientError};
use super::super::model::{Client, ClientId, ClientKind};
use super::super::secret::{KnownSecret, MOST_SECRETS, SecretHash};
use super::Declared;

/// The field of the secrets.
pub(super) const SECRET_HASHES: &str = "secret_hashes";

/// What happens to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is registered.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
}

/// One field of one client; `null` is a field without a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// As `client show --output json` names it.
    pub field: String,
    /// As it is.
    pub from: Value,
    /// As it is to be.
    pub to: Value,
}

/// What happens to one client.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// Which.
    pub client_id: ClientId,
    /// What.
    pub action: Action,
    /// What differs; nothing for a deletion.
    pub fields: Vec<FieldChange>,
    /// The secret of a new client that brought none, this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

/// Everything that a description changes.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Whether it was done.
    pub applied: bool,
    /// In the order of the ids.
    pub changes: Vec<Change>,
    /// Clients that are not described and stay.
    pub not_described: Vec<ClientId>,
}

/// How one client differs from its description; `None` where it does not.
pub(super) fn change(
    declared: &Declared,
    is: Option<(&Client, &[KnownSecret])>,
) -> Result<Option<Change>, ClientError> {
    let client_id = declared.new.client_id.clone();
    check_secrets(declared).map_err(|broken| ClientError::Rule { client_id: client_id.clone(), broken })?;
    if let Some((client, _)) = is
        && client.kind != declared.new.kind
    {
        return Err(ClientError::Kind { client_id, kind: client.kind });
    }
    let before = is.map_or_else(Map::new, |(client, secrets)| {
        // One that ends by itself is no part of what is to be.
        let lasting = secrets.iter().filter(|known| known.expires_at.is_none());
        fields(&client.registration(), client.disabled_at.is_some(), lasting.map(|known| known.secret_hash))
    });
    let is_disabled = declared.disabled.unwrap_or(is.is_some_and(|(client, _)| client.disabled_at.is_some()));
    let mut after = fields(&declared.new, is_disabled, declared.secret_hashes.iter().flatten().copied());
    if declared.secret_hashes.is_none() && declared.new.authentication.method == AuthMethod::Secret {
        let stays = before.get(SECRET_HASHES).cloned().unwrap_or_else(|| json!([]));
        after.insert(SECRET_HASHES.to_owned(), stays);
    }
    let fields = differences(&before, &after);
    let action = if is.is_some() { Action::Update } else { Action::Create };
    let is_same = action == Action::Update && fields.is_empty();
    Ok((!is_same).then_some(Change { client_id, action, fields, client_secret: None }))
}

fn check_secrets(declared: &Declared) -> Result<(), Broken> {
    let Some(hashes) = &declared.secret_hashes else { return Ok(()) };
    if declared.new.kind == ClientKind::Public {
        return Err(Broken::new(SECRET_HASHES, "a public client has no secrets"));
    }
    if declared.new.authentication.method != AuthMethod::Secret {
        return Err(Broken::new(SECRET_HASHES, "a client that signs with a key of its own has no secrets"));
    }
    let has_repeats = hashes.iter().enumerate().any(|(at, hash)| hashes.iter().take(at).any(|other| other == hash));
    if hashes.is_empty() || hashes.len() > MOST_SECRETS || has_repeats {
        return Err(Broken::new(SECRET_HASHES, "a confidential client has one secret or two different ones"));
    }
    Ok(())
}

fn fields(
    registration: &impl Serialize,
    is_disabled: bool,
    hashes: impl Iterator<Item = SecretHash>,
) -> Map<String, Value> {
    let mut hashes: Vec<String> = hashes.map(|hash| hash.to_string()).collect();
    hashes.sort_unstable();
    let mut fields = match serde_json::to_value(registration) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.remove("client_id");
    fields.insert("disabled".to_owned(), json!(is_disabled));
    fields.insert(SECRET_HASHES.to_owned(), json!(hashes));
    fields
}

/// A field that is empty on both sides is none.
fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<FieldChange> {
    let is_empty = |value: &Value| [Value::Null, json!([]), json!(""), json!(false)].contains(value);
    let changed = after.iter().filter_map(|(field, to)| {
        let from = before.get(field).unwrap_or(&Value::Null);
        let is_same = from == to || (is_empty(from) && is_empty(to));
        (!is_same).then(|| FieldChange { field: field.clone(), from: from.clone(), to: to.clone() })
    });
    changed.collect()
}
