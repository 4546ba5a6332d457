//! The table `client_secrets`.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use uuid::Uuid;

use super::super::model::ClientId;
use super::super::secret::{KnownSecret, SecretHash};

/// Those that are good now, the newest first.
pub(in crate::clients) async fn list_secrets(
    conn: &mut Conn,
    client_id: &ClientId,
    now: DateTime<Utc>,
) -> Result<Vec<KnownSecret>, DbError> {
    let rows = sqlx::query!(
        "select secret_id, secret_hash, created_at, expires_at
         from myapi.client_secrets
         where client_id = $1 and (expires_at is null or expires_at > $2)
         order by expires_at desc nulls first, created_at desc, secret_id desc",
        client_id.as_str(),
        now,
    )
    .fetch_all(conn)
    .await?;
    let known = rows.into_iter().map(|row| {
        let secret_hash = SecretHash::from_bytes(&row.secret_hash).ok_or_else(|| {
            let message = format!("client_secrets.secret_hash of secret_id {} cannot be read", row.secret_id);
            DbError::Other(sqlx::Error::Decode(message.into()))
        })?;
        Ok(KnownSecret { secret_hash, created_at: row.created_at, expires_at: row.expires_at })
    });
    known.collect()
}

pub(in crate::clients) async fn insert_secret(
    conn: &mut Conn,
    client_id: &ClientId,
    hash: SecretHash,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "insert into myapi.client_secrets (secret_id, client_id, secret_hash, created_at) values ($1, $2, $3, $4)",
        Uuid::now_v7(),
        client_id.as_str(),
        hash.bytes(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets an end to the newest secret, unless it has an earlier one, and deletes all others. Returns that end.
pub(in crate::clients) async fn keep_one_secret(
    conn: &mut Conn,
    client_id: &ClientId,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, DbError> {
    let kept = sqlx::query_scalar!(
        r#"with newest as (
               select secret_id
               from myapi.client_secrets
               where client_id = $1 and (expires_at is null or expires_at > $3)
               order by expires_at desc nulls first, created_at desc, secret_id desc
               limit 1
           ), deleted as (
               delete from myapi.client_secrets
               where client_id = $1 and secret_id not in (select secret_id from newest)
           )
           update myapi.client_secrets s
           set expires_at = least(s.expires_at, $2)
           from newest
           where s.secret_id = newest.secret_id
           returning s.expires_at as "expires_at!""#,
        client_id.as_str(),
        until,
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(kept)
}

/// All but these.
pub(in crate::clients) async fn delete_secrets(
    conn: &mut Conn,
    client_id: &ClientId,
    but: &[SecretHash],
) -> Result<(), DbError> {
    let but: Vec<Vec<u8>> = but.iter().map(|hash| hash.bytes().to_vec()).collect();
    sqlx::query!(
        "delete from myapi.client_secrets where client_id = $1 and not secret_hash = any($2)",
        client_id.as_str(),
        &but,
    )
    .execute(conn)
    .await?;
    Ok(())
}
