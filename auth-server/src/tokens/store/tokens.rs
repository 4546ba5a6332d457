//! Refresh tokens: found, and followed by their successors.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use uuid::Uuid;

/// A refresh token's row.
pub(in crate::tokens) struct TokenRow {
    pub(in crate::tokens) token_hash: Vec<u8>,
    pub(in crate::tokens) expires_at: DateTime<Utc>,
    pub(in crate::tokens) family_id: Uuid,
    pub(in crate::tokens) rotated_at: Option<DateTime<Utc>>,
    pub(in crate::tokens) salt: Option<Vec<u8>>,
    pub(in crate::tokens) kek_id: Option<String>,
    /// Hash and end.
    pub(in crate::tokens) successor: Option<(Vec<u8>, DateTime<Utc>)>,
    pub(in crate::tokens) predecessor: Option<(Vec<u8>, DateTime<Utc>)>,
}

/// A token that becomes spent, and what follows it.
pub(in crate::tokens) struct Rotation<'a> {
    pub(in crate::tokens) family_id: Uuid,
    pub(in crate::tokens) spent: &'a TokenRow,
    pub(in crate::tokens) salt: &'a [u8],
    pub(in crate::tokens) kek_id: &'a str,
    pub(in crate::tokens) successor_hash: &'a [u8],
    pub(in crate::tokens) successor_expires_at: DateTime<Utc>,
}

/// Step 2: whose family a token is of; no lock.
pub(in crate::tokens) async fn find_family_id(
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

pub(in crate::tokens) async fn find_token(
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

pub(in crate::tokens) async fn is_unspent(
    conn: &mut Conn,
    token_hash: &[u8],
    expires_at: DateTime<Utc>,
) -> Result<bool, DbError> {
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
pub(in crate::tokens) async fn rotate(
    conn: &mut Conn,
    rotation: &Rotation<'_>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
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
