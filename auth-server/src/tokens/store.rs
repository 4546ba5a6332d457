//! The tables `families` and `refresh_tokens`. Every look at a token carries its end, so that it touches one partition.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use shared::token::dpop::Thumbprint;
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use super::model::Family;
use crate::clients::ClientId;

/// A refresh token's row.
pub(super) struct TokenRow {
    pub(super) token_hash: Vec<u8>,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) family_id: Uuid,
    pub(super) rotated_at: Option<DateTime<Utc>>,
    pub(super) salt: Option<Vec<u8>>,
    pub(super) kek_id: Option<String>,
    /// Hash and end.
    pub(super) successor: Option<(Vec<u8>, DateTime<Utc>)>,
    pub(super) predecessor: Option<(Vec<u8>, DateTime<Utc>)>,
}

/// A token that becomes spent, and what follows it.
pub(super) struct Rotation<'a> {
    pub(super) family_id: Uuid,
    pub(super) spent: &'a TokenRow,
    pub(super) salt: &'a [u8],
    pub(super) kek_id: &'a str,
    pub(super) successor_hash: &'a [u8],
    pub(super) successor_expires_at: DateTime<Utc>,
}

/// A family that was revoked just now.
pub(super) struct Ended {
    pub(super) family_id: Uuid,
    /// Seconds.
    pub(super) access_ttl: i32,
}

struct FamilyRow {
    family_id: Uuid,
    sub: Uuid,
    client_id: String,
    scope: Vec<String>,
    audience: String,
    user_version: i64,
    client_version: i64,
    session_id: Option<Uuid>,
    auth_time: DateTime<Utc>,
    access_ttl: i32,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    dpop_jkt: Option<String>,
    revoked_at: Option<DateTime<Utc>>,
}

impl TryFrom<FamilyRow> for Family {
    type Error = DbError;

    fn try_from(row: FamilyRow) -> Result<Self, DbError> {
        let broken = |column: &str| {
            let message = format!("families.{column} of family_id {} cannot be read", row.family_id);
            DbError::Other(sqlx::Error::Decode(message.into()))
        };
        let access_ttl = u64::try_from(row.access_ttl).map(Duration::from_secs);
        Ok(Self {
            client_id: row.client_id.parse().map_err(|_| broken("client_id"))?,
            scope: ScopeSet::from_names(&row.scope).map_err(|_| broken("scope"))?,
            access_ttl: access_ttl.map_err(|_| broken("access_ttl"))?,
            dpop_jkt: row.dpop_jkt.as_deref().map(str::parse).transpose().map_err(|_| broken("dpop_jkt"))?,
            family_id: row.family_id,
            sub: row.sub,
            audience: row.audience,
            user_version: row.user_version,
            client_version: row.client_version,
            session_id: row.session_id,
            auth_time: row.auth_time,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
        })
    }
}

/// The family and its first token, in one statement.
pub(super) async fn insert_family(
    conn: &mut Conn,
    family: &Family,
    token_hash: &[u8],
    expires_at: DateTime<Utc>,
) -> Result<bool, DbError> {
    let scope: Vec<String> = family.scope.iter().map(str::to_owned).collect();
    // Whoever disables the user waits for this and then kills its version, or was first and is seen here: after a wait
    // for the lock the conditions are judged again, on the row as it is then.
    let done = sqlx::query!(
        "with held as materialized (
             select sub
             from myapi.users
             where sub = $2 and token_version = $6 and disabled_at is null and email is not null
             for share
         ),
         family as (
             insert into myapi.families
                 (family_id, sub, client_id, scope, audience, user_version, client_version, session_id, auth_time,
                  access_ttl, created_at, expires_at, dpop_jkt)
             select $1, held.sub, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $15
             from held
             returning family_id
         )
         insert into myapi.refresh_tokens (token_hash, expires_at, family_id, created_at)
         select $13, $14, family_id, $11
         from family",
        family.family_id,
        family.sub,
        family.client_id.as_str(),
        &scope,
        family.audience,
        family.user_version,
        family.client_version,
        family.session_id,
        family.auth_time,
        seconds(family.access_ttl),
        family.created_at,
        family.expires_at,
        token_hash,
        expires_at,
        family.dpop_jkt.as_ref().map(Thumbprint::as_str),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Step 2: whose family a token is of; no lock.
pub(super) async fn find_family_id(
    conn: &mut Conn,
    token_hash: &[u8],
    expires_at: DateTime<Utc>,
) -> Result<Option<Uuid>, DbError> {
    let family_id = sqlx::query_scalar!(
        "select family_id from myapi.refresh_tokens where token_hash = $1 and expires_at = $2",
        token_hash,
        expires_at,
    )
    .fetch_optional(conn)
    .await?;
    Ok(family_id)
}

/// Step 3: alone, so that what is read next is read by a statement that began with the lock held.
pub(super) async fn lock_family(conn: &mut Conn, family_id: Uuid) -> Result<Option<Family>, DbError> {
    let row = sqlx::query_as!(
        FamilyRow,
        "select family_id, sub, client_id, scope, audience, user_version, client_version, session_id, auth_time,
                access_ttl, created_at, expires_at, dpop_jkt, revoked_at
         from myapi.families
         where family_id = $1
         for update",
        family_id,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Family::try_from).transpose()
}

pub(super) async fn find_family(conn: &mut Conn, family_id: Uuid) -> Result<Option<Family>, DbError> {
    let row = sqlx::query_as!(
        FamilyRow,
        "select family_id, sub, client_id, scope, audience, user_version, client_version, session_id, auth_time,
                access_ttl, created_at, expires_at, dpop_jkt, revoked_at
         from myapi.families
         where family_id = $1",
        family_id,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Family::try_from).transpose()
}

pub(super) async fn find_token(
    conn: &mut Conn,
    token_hash: &[u8],
    expires_at: DateTime<Utc>,
) -> Result<Option<TokenRow>, DbError> {
    let row = sqlx::query!(
        "select token_hash, expires_at, family_id, rotated_at, salt, kek_id, successor_hash, successor_expires_at,
                predecessor_hash, predecessor_expires_at
         from myapi.refresh_tokens
         where token_hash = $1 and expires_at = $2",
        token_hash,
        expires_at,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| TokenRow {
        token_hash: row.token_hash,
        expires_at: row.expires_at,
        family_id: row.family_id,
        rotated_at: row.rotated_at,
        salt: row.salt,
        kek_id: row.kek_id,
        successor: row.successor_hash.zip(row.successor_expires_at),
        predecessor: row.predecessor_hash.zip(row.predecessor_expires_at),
    }))
}

pub(super) async fn is_unspent(conn: &mut Conn, token_hash: &[u8], expires_at: DateTime<Utc>) -> Result<bool, DbError> {
    let is_unspent = sqlx::query_scalar!(
        r#"select rotated_at is null as "is_unspent!"
           from myapi.refresh_tokens
           where token_hash = $1 and expires_at = $2"#,
        token_hash,
        expires_at,
    )
    .fetch_optional(conn)
    .await?;
    Ok(is_unspent.unwrap_or(false))
}

/// Step 6 in one statement: the successor's row, this row spent, the salt of the one before it gone.
pub(super) async fn rotate(conn: &mut Conn, rotation: &Rotation<'_>, now: DateTime<Utc>) -> Result<(), DbError> {
    let (predecessor_hash, predecessor_expires_at) = rotation.spent.predecessor.clone().unzip();
    let spent = sqlx::query_scalar!(
        r#"with successor as (
             insert into myapi.refresh_tokens
                 (token_hash, expires_at, family_id, created_at, predecessor_hash, predecessor_expires_at)
             values ($1, $2, $3, $4, $5, $6)
         ), spent as (
             update myapi.refresh_tokens
             set rotated_at = $4, salt = $7, kek_id = $8, successor_hash = $1, successor_expires_at = $2
             where token_hash = $5 and expires_at = $6 and rotated_at is null
             returning 1
         ), forgotten as (
             update myapi.refresh_tokens set salt = null, kek_id = null where token_hash = $9 and expires_at = $10
         )
         select count(*) as "spent!" from spent"#,
        rotation.successor_hash,
        rotation.successor_expires_at,
        rotation.family_id,
        now,
        rotation.spent.token_hash,
        rotation.spent.expires_at,
        rotation.salt,
        rotation.kek_id,
        predecessor_hash,
        predecessor_expires_at,
    )
    .fetch_one(conn)
    .await?;
    if spent == 1 {
        return Ok(());
    }
    let message = format!("refresh_tokens: {spent} rows of family_id {} became spent", rotation.family_id);
    Err(DbError::Other(sqlx::Error::Decode(message.into())))
}

pub(super) async fn update_access_ttl(conn: &mut Conn, family: &Family) -> Result<(), DbError> {
    sqlx::query!(
        "update myapi.families set access_ttl = $2 where family_id = $1",
        family.family_id,
        seconds(family.access_ttl),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// The first key that a family's client has proven: from here on it needs it.
pub(super) async fn bind(conn: &mut Conn, family_id: Uuid, key: &Thumbprint) -> Result<(), DbError> {
    sqlx::query!(
        "update myapi.families set dpop_jkt = $2 where family_id = $1 and dpop_jkt is null",
        family_id,
        key.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// `None` where it was revoked before.
pub(super) async fn revoke_family(
    conn: &mut Conn,
    family_id: Uuid,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Option<Ended>, DbError> {
    let ended = sqlx::query_as!(
        Ended,
        "update myapi.families
         set revoked_at = $2, revoked_for = $3
         where family_id = $1 and revoked_at is null
         returning family_id, access_ttl",
        family_id,
        now,
        reason,
    )
    .fetch_optional(conn)
    .await?;
    Ok(ended)
}

/// The families that were alive until now.
pub(super) async fn revoke_session(
    conn: &mut Conn,
    session_id: Uuid,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Vec<Ended>, DbError> {
    let ended = sqlx::query_as!(
        Ended,
        "update myapi.families
         set revoked_at = $2, revoked_for = $3
         where session_id = $1 and revoked_at is null
         returning family_id, access_ttl",
        session_id,
        now,
        reason,
    )
    .fetch_all(conn)
    .await?;
    Ok(ended)
}

pub(super) async fn revoke_all(conn: &mut Conn, reason: &str, now: DateTime<Utc>) -> Result<Vec<Ended>, DbError> {
    let ended = sqlx::query_as!(
        Ended,
        "update myapi.families
         set revoked_at = $1, revoked_for = $2
         where revoked_at is null and expires_at > $1
         returning family_id, access_ttl",
        now,
        reason,
    )
    .fetch_all(conn)
    .await?;
    Ok(ended)
}

/// The families that were alive until now, of all clients or of some.
pub(super) async fn revoke_user(
    conn: &mut Conn,
    sub: Uuid,
    clients: Option<&[ClientId]>,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<Vec<Ended>, DbError> {
    let clients: Option<Vec<String>> = clients.map(|clients| clients.iter().map(ToString::to_string).collect());
    let ended = sqlx::query_as!(
        Ended,
        "update myapi.families
         set revoked_at = $2, revoked_for = $3
         where sub = $1 and revoked_at is null and expires_at > $2 and ($4::text[] is null or client_id = any($4))
         returning family_id, access_ttl",
        sub,
        now,
        reason,
        clients.as_deref(),
    )
    .fetch_all(conn)
    .await?;
    Ok(ended)
}

fn seconds(ttl: Duration) -> i32 {
    i32::try_from(ttl.as_secs()).unwrap_or(i32::MAX)
}
