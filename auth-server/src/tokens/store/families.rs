//! Families: made, held while one of their tokens is looked at, changed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use shared::token::dpop::Thumbprint;
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use crate::tokens::model::Family;

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
pub(in crate::tokens) async fn insert_family(
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

/// Step 3: alone, so that what is read next is read by a statement that began with the lock held.
pub(in crate::tokens) async fn lock_family(conn: &mut Conn, family_id: Uuid) -> Result<Option<Family>, DbError> {
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

pub(in crate::tokens) async fn find_family(conn: &mut Conn, family_id: Uuid) -> Result<Option<Family>, DbError> {
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

pub(in crate::tokens) async fn update_access_ttl(conn: &mut Conn, family: &Family) -> Result<(), DbError> {
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
pub(in crate::tokens) async fn bind(conn: &mut Conn, family_id: Uuid, key: &Thumbprint) -> Result<(), DbError> {
    sqlx::query!(
        "update myapi.families set dpop_jkt = $2 where family_id = $1 and dpop_jkt is null",
        family_id,
        key.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn seconds(ttl: Duration) -> i32 {
    i32::try_from(ttl.as_secs()).unwrap_or(i32::MAX)
}
