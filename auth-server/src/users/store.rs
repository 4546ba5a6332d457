//! The table `users`. Columns adopted from the old application may be null; rows without an address are no users.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use super::model::{NewUser, User};
use crate::passwords::Hashed;

/// Serialises whatever gives out canonical addresses; the rest of the table goes on.
const ADDRESS_LOCK: i64 = 0x6d79_6170_6902;

/// A user with the stored hash, for the service alone.
pub(super) struct Found {
    pub(super) user: User,
    pub(super) hashed_password: Option<String>,
}

struct Row {
    sub: Uuid,
    email: String,
    name: Option<String>,
    hashed_password: Option<String>,
    email_verified: bool,
    scopes: Option<Vec<String>>,
    token_version: i64,
    disabled_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    password_changed_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Found {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let broken = || {
            let message = format!("users.scopes of sub {} cannot be read", row.sub);
            DbError::Other(sqlx::Error::Decode(message.into()))
        };
        let scopes = row.scopes.map(ScopeSet::from_names).transpose().map_err(|_| broken())?;
        let user = User {
            sub: row.sub,
            email: row.email,
            name: row.name,
            email_verified: row.email_verified,
            scopes,
            token_version: row.token_version,
            disabled_at: row.disabled_at,
            created_at: row.created_at,
            password_changed_at: row.password_changed_at,
        };
        Ok(Self { user, hashed_password: row.hashed_password })
    }
}

pub(super) async fn find_by_sub(conn: &mut Conn, sub: Uuid) -> Result<Option<Found>, DbError> {
    let row = sqlx::query_as!(
        Row,
        r#"select sub, email as "email!", name, hashed_password, email_verified, scopes, token_version, disabled_at,
                  created_at, password_changed_at
           from myapi.users
           where sub = $1 and email is not null"#,
        sub,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Found::try_from).transpose()
}

/// The same, and nobody changes the row until the transaction ends. After a wait for the lock it is the row as it is then.
pub(super) async fn find_for_share(conn: &mut Conn, sub: Uuid) -> Result<Option<Found>, DbError> {
    let row = sqlx::query_as!(
        Row,
        r#"select sub, email as "email!", name, hashed_password, email_verified, scopes, token_version, disabled_at,
                  created_at, password_changed_at
           from myapi.users
           where sub = $1 and email is not null
           for share"#,
        sub,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Found::try_from).transpose()
}

/// By the exact address first, else by the canonical one; a single round trip either way.
pub(super) async fn find_by_address(
    conn: &mut Conn,
    exact: &str,
    canonical: Option<&str>,
) -> Result<Option<Found>, DbError> {
    let row = sqlx::query_as!(
        Row,
        r#"select sub, email as "email!", name, hashed_password, email_verified, scopes, token_version, disabled_at,
                  created_at, password_changed_at
           from myapi.users
           where (email = $1 or email_canonical = $2) and email is not null
           order by email = $1 desc
           limit 1"#,
        exact,
        canonical,
    )
    .fetch_optional(conn)
    .await?;
    row.map(Found::try_from).transpose()
}

/// Users in the order of their addresses, those behind `after`.
pub(super) async fn list(conn: &mut Conn, after: Option<&str>, limit: i64) -> Result<Vec<User>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        r#"select sub, email as "email!", name, hashed_password, email_verified, scopes, token_version, disabled_at,
                  created_at, password_changed_at
           from myapi.users
           where email is not null and ($1::text is null or email > $1)
           order by email
           limit $2"#,
        after,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Found::try_from(row).map(|found| found.user)).collect()
}

/// One hash of each kind and cost that differs from `current`, which is how hashes of the settings' own costs begin. At
/// most 32: more kinds than applications that ever were.
pub(super) async fn list_kinds_of_hash(conn: &mut Conn, current: &str) -> Result<Vec<String>, DbError> {
    // Up to the cost of a bcrypt string, or without the last two parts of a PHC string, which are salt and hash.
    let hashes = sqlx::query_scalar!(
        r#"select min(hashed_password) as "hashed_password!"
           from myapi.users
           where hashed_password is not null and not starts_with(hashed_password, $1)
           group by coalesce(
               substring(hashed_password from '^.*\$2[aby]\$[0-9][0-9]\$'),
               substring(hashed_password from '^(.*)\$[^$]*\$[^$]*$')
           )
           limit 32"#,
        current,
    )
    .fetch_all(conn)
    .await?;
    Ok(hashes)
}

/// Waits until nobody else gives out canonical addresses; until the transaction ends.
pub(super) async fn lock_addresses(conn: &mut Conn) -> Result<(), DbError> {
    sqlx::query!("select pg_advisory_xact_lock($1)", ADDRESS_LOCK).execute(conn).await?;
    Ok(())
}

/// `None` when the address is taken, whatever the constraint that says so is called.
pub(super) async fn insert(
    conn: &mut Conn,
    new: &NewUser,
    hashed: &Hashed,
    now: DateTime<Utc>,
) -> Result<Option<Uuid>, DbError> {
    let scopes: Option<Vec<String>> = new.scopes.clone().map(|scopes| scopes.into_iter().collect());
    let sub = sqlx::query_scalar!(
        "insert into myapi.users (email, email_canonical, name, hashed_password, scopes, created_at, password_changed_at)
         values ($1, $2, $3, $4, $5, $6, $6)
         on conflict do nothing
         returning sub",
        new.email.as_str(),
        new.email.canonical(),
        new.name.as_ref().map(|name| name.as_str()),
        hashed.as_str(),
        scopes.as_deref(),
        now,
    )
    .fetch_optional(conn)
    .await?;
    Ok(sub)
}

/// Sets a password and kills every token given out so far.
pub(super) async fn update_password(
    conn: &mut Conn,
    sub: Uuid,
    hashed: &Hashed,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query!(
        "update myapi.users
         set hashed_password = $2, password_changed_at = $3, token_version = token_version + 1
         where sub = $1",
        sub,
        hashed.as_str(),
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Replaces a hash of the same password; false when another one was set meanwhile.
pub(super) async fn update_hash(conn: &mut Conn, sub: Uuid, old: &str, new: &Hashed) -> Result<bool, DbError> {
    let done = sqlx::query!(
        "update myapi.users set hashed_password = $3 where sub = $1 and hashed_password = $2",
        sub,
        old,
        new.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Disables, and kills every token given out so far; nothing happens to a user that is disabled already.
pub(super) async fn disable(conn: &mut Conn, sub: Uuid, now: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query!(
        "update myapi.users
         set disabled_at = $2, token_version = token_version + 1
         where sub = $1 and disabled_at is null",
        sub,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn enable(conn: &mut Conn, sub: Uuid) -> Result<(), DbError> {
    sqlx::query!("update myapi.users set disabled_at = null where sub = $1", sub).execute(conn).await?;
    Ok(())
}

pub(super) async fn update_scopes(conn: &mut Conn, sub: Uuid, scopes: Option<ScopeSet>) -> Result<(), DbError> {
    let scopes: Option<Vec<String>> = scopes.map(|scopes| scopes.into_iter().collect());
    sqlx::query!("update myapi.users set scopes = $2 where sub = $1", sub, scopes.as_deref()).execute(conn).await?;
    Ok(())
}

/// The token version that must die with the user; `None` when there is no such row.
pub(super) async fn delete(conn: &mut Conn, sub: Uuid) -> Result<Option<i64>, DbError> {
    let version = sqlx::query_scalar!("delete from myapi.users where sub = $1 returning token_version", sub)
        .fetch_optional(conn)
        .await?;
    Ok(version)
}

/// A row whose canonical address is not known yet, or is another row's.
pub(super) struct OpenAddress {
    pub(super) sub: Uuid,
    pub(super) email: String,
}

pub(super) async fn list_open_addresses(conn: &mut Conn) -> Result<Vec<OpenAddress>, DbError> {
    let open = sqlx::query_as!(
        OpenAddress,
        r#"select sub, email as "email!" from myapi.users where email_canonical is null and email is not null"#,
    )
    .fetch_all(conn)
    .await?;
    Ok(open)
}

/// Gives each row its canonical address unless another row holds it; returns those that got theirs.
pub(super) async fn adopt(conn: &mut Conn, subs: &[Uuid], canonicals: &[String]) -> Result<Vec<Uuid>, DbError> {
    let adopted = sqlx::query_scalar!(
        "update myapi.users u
         set email_canonical = open.canonical
         from unnest($1::uuid[], $2::text[]) as open (sub, canonical)
         where u.sub = open.sub and u.email_canonical is null
           and not exists (select from myapi.users o where o.email_canonical = open.canonical)
         returning u.sub",
        subs,
        canonicals,
    )
    .fetch_all(conn)
    .await?;
    Ok(adopted)
}

/// Who holds which of the canonical addresses: (canonical, address).
pub(super) async fn list_holders(conn: &mut Conn, canonicals: &[String]) -> Result<Vec<(String, String)>, DbError> {
    let rows = sqlx::query!(
        r#"select email_canonical as "canonical!", email as "email!"
           from myapi.users
           where email_canonical = any($1) and email is not null"#,
        canonicals,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.canonical, row.email)).collect())
}
