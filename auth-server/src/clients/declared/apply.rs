//! Making what is what is to be.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};

use super::super::authentication::AuthMethod;
use super::super::error::ClientError;
use super::super::model::{Client, ClientId};
use super::super::secret::{ClientSecret, KnownSecret};
use super::super::service::Clients;
use super::super::store;
use super::plan::{Action, Change, Plan, SECRET_HASHES, change};
use super::{Apply, Declared};
use crate::audit::{self, Event, Kind};
use crate::revocations::{self, Revoked};

impl Clients {
    /// Makes the clients what `all` says; all of it or nothing. Each id stands there once.
    ///
    /// # Errors
    /// [`ClientError`] for the first client that cannot be; nothing is changed then.
    pub async fn apply(&self, all: Vec<Declared>, how: Apply) -> Result<Plan, ClientError> {
        let all: Vec<Declared> = all.into_iter().map(|one| Declared { new: one.new.in_order(), ..one }).collect();
        let catalogue = self.catalogue().await?;
        for declared in &all {
            self.check(&declared.new, &catalogue)?;
        }
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await.map_err(DbError::from)?;
        let mut plan = plan(&mut transaction, &all, how, now).await?;
        if how.dry_run {
            return Ok(plan);
        }
        let by_id: BTreeMap<&ClientId, &Declared> = all.iter().map(|one| (&one.new.client_id, one)).collect();
        let mut revoked = Vec::new();
        for change in &mut plan.changes {
            let client_id = change.client_id.clone();
            let dead = match by_id.get(&client_id) {
                Some(declared) => make(&mut transaction, declared, change, now).await?,
                None => remove(&mut transaction, &client_id, now).await?,
            };
            revoked.extend(dead.map(|version| Revoked::Client { client_id, version }));
        }
        revocations::append(&mut transaction, &revoked, now).await?;
        transaction.commit().await.map_err(DbError::from)?;
        plan.applied = true;
        plan.changes.iter().for_each(record);
        Ok(plan)
    }
}

/// What the audit log keeps of one change.
fn record(change: &Change) {
    let kind = match change.action {
        Action::Create => Kind::ClientCreated,
        Action::Update => Kind::ClientUpdated,
        Action::Delete => Kind::ClientDeleted,
    };
    let fields: Vec<String> = change.fields.iter().map(|change| change.field.to_string()).collect();
    audit::note(Event::ok(kind).client(&change.client_id).detail(fields.join(" ")));
}

async fn plan(conn: &mut Conn, all: &[Declared], how: Apply, now: DateTime<Utc>) -> Result<Plan, ClientError> {
    let are: BTreeMap<ClientId, Client> =
        store::list_locked(conn).await?.into_iter().map(|client| (client.client_id.clone(), client)).collect();
    let described: BTreeSet<&ClientId> = all.iter().map(|declared| &declared.new.client_id).collect();
    let ids: Vec<String> = described.iter().map(ToString::to_string).collect();
    if let Some(taken) = store::find_deleted(conn, &ids).await?
        && let Some(client_id) = described.iter().find(|id| id.as_str() == taken)
    {
        return Err(ClientError::Taken((*client_id).clone()));
    }
    let mut changes = Vec::new();
    for declared in all {
        let client = are.get(&declared.new.client_id);
        let secrets: Vec<KnownSecret> = match client {
            Some(client) => store::list_secrets(conn, &client.client_id, now).await?,
            None => Vec::new(),
        };
        changes.extend(change(declared, client.map(|client| (client, secrets.as_slice())))?);
    }
    let others: Vec<ClientId> = are.into_keys().filter(|id| !described.contains(id)).collect();
    let mut plan = Plan { applied: false, changes, not_described: others };
    if how.prune {
        let delete = |client_id| Change { client_id, action: Action::Delete, fields: Vec::new(), client_secret: None };
        plan.changes.extend(std::mem::take(&mut plan.not_described).into_iter().map(delete));
    }
    plan.changes.sort_by(|a, b| a.client_id.cmp(&b.client_id));
    Ok(plan)
}

/// Registers or changes one client; returns the last version of its tokens that is dead by this.
async fn make(
    conn: &mut Conn,
    declared: &Declared,
    change: &mut Change,
    now: DateTime<Utc>,
) -> Result<Option<i64>, ClientError> {
    let client_id = &declared.new.client_id;
    let is_new = change.action == Action::Create;
    let made = if is_new {
        store::insert(conn, &declared.new, now).await?.ok_or_else(|| ClientError::Taken(client_id.clone()))
    } else {
        store::update(conn, &declared.new).await?.ok_or_else(|| ClientError::Unknown(client_id.clone()))
    };
    made?;
    if is_new || change.fields.iter().any(|change| change.field == SECRET_HASHES) {
        change.client_secret = set_secrets(conn, declared, is_new, now).await?;
    }
    match declared.disabled {
        Some(true) => Ok(store::disable(conn, client_id, now).await?),
        Some(false) => {
            store::enable(conn, client_id).await?;
            Ok(None)
        }
        None => Ok(None),
    }
}

/// A secret that was made for want of a described one.
async fn set_secrets(
    conn: &mut Conn,
    declared: &Declared,
    is_new: bool,
    now: DateTime<Utc>,
) -> Result<Option<String>, ClientError> {
    let client_id = &declared.new.client_id;
    match &declared.secret_hashes {
        Some(hashes) => {
            // One that was to end soon and is described now is a lasting one: it is made anew.
            let kept = store::list_secrets(conn, client_id, now).await?;
            let lasting: Vec<_> = kept.iter().filter(|known| known.expires_at.is_none()).collect();
            let lasting: Vec<_> =
                hashes.iter().filter(|hash| lasting.iter().any(|known| known.secret_hash == **hash)).copied().collect();
            store::delete_secrets(conn, client_id, &lasting).await?;
            for hash in hashes.iter().filter(|hash| !lasting.contains(hash)) {
                store::insert_secret(conn, client_id, *hash, now).await?;
            }
            Ok(None)
        }
        None if declared.new.authentication.method != AuthMethod::Secret => {
            store::delete_secrets(conn, client_id, &[]).await?;
            Ok(None)
        }
        None if is_new => {
            let secret = ClientSecret::generate().map_err(ClientError::Randomness)?;
            store::insert_secret(conn, client_id, secret.hash(), now).await?;
            Ok(Some(secret.expose().to_owned()))
        }
        None => Ok(None),
    }
}

async fn remove(conn: &mut Conn, client_id: &ClientId, now: DateTime<Utc>) -> Result<Option<i64>, ClientError> {
    let dead = store::delete(conn, client_id, now).await?;
    store::delete_secrets(conn, client_id, &[]).await?;
    Ok(dead)
}
