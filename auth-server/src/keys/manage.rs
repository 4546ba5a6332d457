//! What operators do with keys: make, import, list, activate, move to another key encryption key.
//!
//! Each change waits for the others (`store::lock`), so that two at once leave exactly one active key.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::db::{Conn, DbError, Pool};
use shared::token::keys::{Algorithm, VerifyingKey};

use super::error::KeysError;
use super::jwks::JwksDocument;
use super::kek::KekRing;
use super::material::PrivateKey;
use super::model::{KeyId, KeyState, StoredKey};
use super::private_file::parse_pem;
use super::seal::{SealError, seal};
use super::signer::Signer;
use super::{service, store};
use crate::audit::{self, Event, Kind};

/// How a key joins the others.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// Its kid; else its RFC 7638 thumbprint.
    pub kid: Option<KeyId>,
    /// Let it sign at once, even if another key does.
    pub activate: bool,
}

/// What `key list` shows of a key: nothing secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedKey {
    /// Its name in token headers.
    pub kid: String,
    /// What it signs with.
    pub alg: Algorithm,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made or imported.
    pub created_at: DateTime<Utc>,
    /// When it began to sign.
    pub activated_at: Option<DateTime<Utc>>,
    /// When it ceased to sign.
    pub retired_at: Option<DateTime<Utc>>,
    /// When everything under it died.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<DateTime<Utc>>,
    /// Which key encryption key sealed it.
    pub kek_id: String,
}

/// What became of a key that was added or activated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The key.
    #[serde(flatten)]
    pub key: ListedKey,
    /// The key that signed until now. Resource servers may not know the new one until their copy of the JWK Set is as
    /// old as its max-age, and refuse its tokens until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired_kid: Option<String>,
}

/// What became of `key reencrypt`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reencrypted {
    /// Keys that are now under the current key encryption key, and were not.
    pub moved: Vec<String>,
    /// Retired keys that no configured key encryption key opens. They go on verifying.
    pub unopened: Vec<String>,
}

/// Makes a key. The first one signs at once, a further one is next unless [`NewKey::activate`] is set.
///
/// # Errors
/// [`KeysError::KidTaken`], [`KeysError::Sign`] when the self-check fails, [`KeysError::Db`].
pub async fn generate(
    pool: &Pool,
    keks: &KekRing,
    algorithm: Algorithm,
    options: &NewKey,
    now: DateTime<Utc>,
) -> Result<Changed, KeysError> {
    let added = add(pool, keks, PrivateKey::generate(algorithm)?, options, Condition::Always, now).await?;
    added.ok_or_else(|| KeysError::Internal("no key was added".to_owned()))
}

/// Makes a key where there is none, for set-up scripts that run at every start; `None` where there is one. Of several
/// at once one makes it.
///
/// # Errors
/// Those of [`generate`].
pub async fn generate_first(
    pool: &Pool,
    keks: &KekRing,
    algorithm: Algorithm,
    options: &NewKey,
    now: DateTime<Utc>,
) -> Result<Option<Changed>, KeysError> {
    add(pool, keks, PrivateKey::generate(algorithm)?, options, Condition::NoKeyYet, now).await
}

/// Takes in the private key of a PEM text, as [`generate`] does with a new one.
///
/// # Errors
/// [`KeysError::Import`] for a key that must not sign, and those of [`generate`].
pub async fn import(
    pool: &Pool,
    keks: &KekRing,
    pem: &str,
    options: &NewKey,
    now: DateTime<Utc>,
) -> Result<Changed, KeysError> {
    let added = add(pool, keks, parse_pem(pem)?, options, Condition::Always, now).await?;
    added.ok_or_else(|| KeysError::Internal("no key was added".to_owned()))
}

/// When a key is added; asked under the lock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    NoKeyYet,
}

async fn add(
    pool: &Pool,
    keks: &KekRing,
    key: PrivateKey,
    options: &NewKey,
    condition: Condition,
    now: DateTime<Utc>,
) -> Result<Option<Changed>, KeysError> {
    let mut tx = pool.begin().await?;
    store::lock(&mut tx).await?;
    if condition == Condition::NoKeyYet && !store::list(&mut tx).await?.is_empty() {
        return Ok(None);
    }
    let retired_kid = if options.activate { store::retire_active(&mut tx, now).await? } else { None };
    let row = add_in(&mut tx, keks, key, options, now).await?;
    tx.commit().await?;
    audit::note(Event::ok(Kind::KeyCreated).detail(row.public.kid()));
    Ok(Some(Changed { key: row.into(), retired_kid }))
}

/// Adds a key, under the lock: it signs where none does, else it is next.
pub(super) async fn add_in(
    tx: &mut Conn,
    keks: &KekRing,
    key: PrivateKey,
    options: &NewKey,
    now: DateTime<Utc>,
) -> Result<StoredKey, KeysError> {
    let public = key.public(options.kid.as_ref())?;
    let sealed = seal(keks, public.kid(), key.algorithm(), &key.to_pkcs8()?)
        .map_err(|error| KeysError::Internal(error.to_string()))?;
    Signer::new(key, public.kid())?.self_check(&public)?;
    let signs = store::find_active(tx).await?.is_none();
    let row = StoredKey {
        public,
        state: if signs { KeyState::Active } else { KeyState::Next },
        sealed,
        created_at: now,
        activated_at: signs.then_some(now),
        retired_at: None,
        revoked_at: None,
    };
    store::insert(tx, &row).await.map_err(|error| match error.constraint() {
        Some("signing_keys_pkey") => KeysError::KidTaken(row.public.kid().to_owned()),
        _ => error.into(),
    })?;
    Ok(row)
}

/// All keys: active, next, retired, each in the order of their making.
///
/// # Errors
/// [`KeysError::Db`]
pub async fn list(pool: &Pool) -> Result<Vec<ListedKey>, KeysError> {
    Ok(rows(pool).await?.into_iter().map(ListedKey::from).collect())
}

/// The public half of one key; of the active one without a kid.
///
/// # Errors
/// [`KeysError::NotFound`], [`KeysError::NoKey`], [`KeysError::NoActiveKey`], [`KeysError::Db`].
pub async fn export_public(pool: &Pool, kid: Option<&str>) -> Result<VerifyingKey, KeysError> {
    let rows = rows(pool).await?;
    let missing = match kid {
        Some(kid) => KeysError::NotFound(kid.to_owned()),
        None if rows.is_empty() => KeysError::NoKey,
        None => KeysError::NoActiveKey,
    };
    let is_meant = |row: &StoredKey| match kid {
        Some(kid) => row.public.kid() == kid,
        None => row.state == KeyState::Active,
    };
    rows.into_iter().find(is_meant).map(|row| row.public).ok_or(missing)
}

/// The public halves of all keys, revoked ones too, whose signatures are looked at later.
///
/// # Errors
/// [`KeysError::Db`]
pub async fn list_public(pool: &Pool) -> Result<Vec<VerifyingKey>, KeysError> {
    Ok(rows(pool).await?.into_iter().map(|row| row.public).collect())
}

/// All public halves, as the server publishes them.
///
/// # Errors
/// [`KeysError::Db`]
pub async fn export_jwks(pool: &Pool) -> Result<JwksDocument, KeysError> {
    let rows = rows(pool).await?;
    JwksDocument::new(rows.iter().filter(|row| row.state.is_published()).map(|row| &row.public))
        .map_err(|error| KeysError::Internal(error.to_string()))
}

async fn rows(pool: &Pool) -> Result<Vec<StoredKey>, KeysError> {
    let mut conn = pool.acquire().await?;
    Ok(store::list(&mut conn).await?)
}

/// Lets a next key sign and retires the one that did. Of the active key itself it changes nothing.
///
/// # Errors
/// [`KeysError::NotFound`], [`KeysError::Retired`], [`KeysError::CannotOpen`], [`KeysError::BrokenKey`],
/// [`KeysError::Db`].
pub async fn activate(pool: &Pool, keks: &KekRing, kid: &str, now: DateTime<Utc>) -> Result<Changed, KeysError> {
    let mut tx = pool.begin().await?;
    store::lock(&mut tx).await?;
    let row = store::find(&mut tx, kid).await?.ok_or_else(|| KeysError::NotFound(kid.to_owned()))?;
    match row.state {
        KeyState::Active => return Ok(Changed { key: row.into(), retired_kid: None }),
        KeyState::Retired | KeyState::Revoked => return Err(KeysError::Retired(kid.to_owned())),
        KeyState::Next => {}
    }
    service::open(keks, &row)?;
    let changed = activate_in(&mut tx, row, now).await?;
    tx.commit().await?;
    audit::note(Event::ok(Kind::KeyActivated).detail(kid));
    Ok(changed)
}

/// Lets a next key sign, under the lock; whoever calls has opened it.
pub(super) async fn activate_in(tx: &mut Conn, mut row: StoredKey, now: DateTime<Utc>) -> Result<Changed, KeysError> {
    let retired_kid = store::retire_active(tx, now).await?;
    store::update_to_active(tx, row.public.kid(), now).await?;
    (row.state, row.activated_at) = (KeyState::Active, Some(now));
    Ok(Changed { key: row.into(), retired_kid })
}

/// Moves every key that an earlier key encryption key sealed to the current one, all or none.
///
/// # Errors
/// [`KeysError::CannotOpen`] for a key that signs or is to sign, [`KeysError::Db`].
pub async fn reencrypt(pool: &Pool, keks: &KekRing) -> Result<Reencrypted, KeysError> {
    let mut done = Reencrypted::default();
    let mut tx = pool.begin().await?;
    store::lock(&mut tx).await?;
    for row in store::list(&mut tx).await? {
        let (kid, algorithm) = (row.public.kid().to_owned(), row.public.algorithm());
        if row.sealed.kek_id == keks.current().id() {
            continue;
        }
        match service::open(keks, &row) {
            Ok(key) => {
                let sealed = seal(keks, &kid, algorithm, &key.to_pkcs8()?)
                    .map_err(|error: SealError| KeysError::Internal(error.to_string()))?;
                store::update_sealed(&mut tx, &kid, &sealed).await?;
                done.moved.push(kid);
            }
            Err(KeysError::CannotOpen { .. }) if matches!(row.state, KeyState::Retired | KeyState::Revoked) => {
                done.unopened.push(kid)
            }
            Err(error) => return Err(error),
        }
    }
    tx.commit().await.map_err(DbError::from)?;
    audit::note(Event::ok(Kind::KeysReencrypted).detail(done.moved.join(" ")));
    Ok(done)
}

impl From<StoredKey> for ListedKey {
    fn from(row: StoredKey) -> Self {
        Self {
            kid: row.public.kid().to_owned(),
            alg: row.public.algorithm(),
            state: row.state,
            created_at: row.created_at,
            activated_at: row.activated_at,
            retired_at: row.retired_at,
            revoked_at: row.revoked_at,
            kek_id: row.sealed.kek_id,
        }
    }
}
