//! `myapi.signing_keys`.

use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::db::{Conn, DbError};
use shared::token::keys::{Jwk, VerifyingKey};

use super::model::{KeyState, StoredKey};
use super::seal::Sealed;

/// Makes changes to the set of keys wait for each other until their transactions end. Readers do not wait.
pub async fn lock(conn: &mut Conn) -> Result<(), DbError> {
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('myapi.signing_keys', 0))").execute(conn).await?;
    Ok(())
}

struct Row {
    kid: String,
    alg: String,
    state: String,
    public_jwk: Value,
    private_key: Vec<u8>,
    private_key_nonce: Vec<u8>,
    kek_id: String,
    created_at: DateTime<Utc>,
    activated_at: Option<DateTime<Utc>>,
    retired_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
}

/// All keys: the active one, the next, the retired and the revoked ones, each in the order of their making.
pub async fn list(conn: &mut Conn) -> Result<Vec<StoredKey>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "select kid, alg, state, public_jwk, private_key, private_key_nonce, kek_id, created_at, activated_at, retired_at,
                revoked_at
         from myapi.signing_keys
         order by case state when 'active' then 0 when 'next' then 1 when 'retired' then 2 else 3 end, created_at, kid",
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(StoredKey::try_from).collect()
}

/// One key.
pub async fn find(conn: &mut Conn, kid: &str) -> Result<Option<StoredKey>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "select kid, alg, state, public_jwk, private_key, private_key_nonce, kek_id, created_at, activated_at, retired_at,
                revoked_at
         from myapi.signing_keys
         where kid = $1",
        kid,
    )
    .fetch_optional(conn)
    .await?;
    row.map(StoredKey::try_from).transpose()
}

/// The kid of the key that signs.
pub async fn find_active(conn: &mut Conn) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar!("select kid from myapi.signing_keys where state = 'active'").fetch_optional(conn).await?)
}

/// Adds a key. The constraint `signing_keys_pkey` says that its kid is taken.
pub async fn insert(conn: &mut Conn, key: &StoredKey) -> Result<(), DbError> {
    let public_jwk = serde_json::to_value(key.public.jwk()).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query!(
        "insert into myapi.signing_keys
         (kid, alg, state, public_jwk, private_key, private_key_nonce, kek_id, created_at, activated_at, retired_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        key.public.kid(),
        key.public.algorithm().as_str(),
        key.state.as_str(),
        public_jwk,
        key.sealed.ciphertext,
        key.sealed.nonce,
        key.sealed.kek_id,
        key.created_at,
        key.activated_at,
        key.retired_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the signing of the active key, if there is one; returns its kid.
pub async fn retire_active(conn: &mut Conn, now: DateTime<Utc>) -> Result<Option<String>, DbError> {
    let retired = sqlx::query_scalar!(
        "update myapi.signing_keys set state = 'retired', retired_at = $1 where state = 'active' returning kid",
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(retired)
}

/// Makes a next key the active one.
pub async fn update_to_active(conn: &mut Conn, kid: &str, now: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query!(
        "update myapi.signing_keys set state = 'active', activated_at = $2 where kid = $1 and state = 'next'",
        kid,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a key in any state but its own.
pub async fn revoke(conn: &mut Conn, kid: &str, now: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query!(
        "update myapi.signing_keys set state = 'revoked', revoked_at = $2 where kid = $1 and state <> 'revoked'",
        kid,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes a key that has never signed.
pub async fn delete(conn: &mut Conn, kid: &str) -> Result<(), DbError> {
    sqlx::query!("delete from myapi.signing_keys where kid = $1 and state = 'next'", kid).execute(conn).await?;
    Ok(())
}

/// Removes the keys that ceased to count before `before`; returns their kids.
pub async fn delete_gone(conn: &mut Conn, before: DateTime<Utc>) -> Result<Vec<String>, DbError> {
    let gone = sqlx::query_scalar!(
        "delete from myapi.signing_keys
         where (state = 'retired' and retired_at <= $1) or (state = 'revoked' and revoked_at <= $1)
         returning kid",
        before,
    )
    .fetch_all(conn)
    .await?;
    Ok(gone)
}

/// Exchanges the encrypted private half of a key.
pub async fn update_sealed(conn: &mut Conn, kid: &str, sealed: &Sealed) -> Result<(), DbError> {
    sqlx::query!(
        "update myapi.signing_keys set private_key = $2, private_key_nonce = $3, kek_id = $4 where kid = $1",
        kid,
        sealed.ciphertext,
        sealed.nonce,
        sealed.kek_id,
    )
    .execute(conn)
    .await?;
    Ok(())
}

impl TryFrom<Row> for StoredKey {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let impossible = |reason: String| {
            let text = format!("row {} of myapi.signing_keys is impossible: {reason}", row.kid);
            DbError::Other(sqlx::Error::Decode(text.into()))
        };
        let jwk: Jwk = serde_json::from_value(row.public_jwk.clone()).map_err(|error| impossible(error.to_string()))?;
        let public = VerifyingKey::new(jwk).map_err(|error| impossible(error.to_string()))?;
        if public.kid() != row.kid || public.algorithm().as_str() != row.alg {
            return Err(impossible("kid or alg differ from its public_jwk".to_owned()));
        }
        let state = row.state.parse::<KeyState>().map_err(impossible)?;
        Ok(Self {
            public,
            state,
            sealed: Sealed { ciphertext: row.private_key, nonce: row.private_key_nonce, kek_id: row.kek_id },
            created_at: row.created_at,
            activated_at: row.activated_at,
            retired_at: row.retired_at,
            revoked_at: row.revoked_at,
        })
    }
}
