//! The least that the token endpoints could do: their statements, in their order, with as many round trips, and their
//! signature, over the same bytes, and the audit log's rows. No form, no scopes, no state machine, no log lines. Rows are
//! not even looked at, unless the next statement needs what they hold.

use std::sync::Arc;

use anyhow::{Context, Result};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use shared::clock::Clock;
use shared::db::{Conn, Pool};
use shared::token::keys::{KeySet, VerifyingKey};
use sqlx::types::Uuid;
use sqlx::{Connection as _, Row as _};

use super::opaque::{CODE_PREFIX, PREFIX, random_id, read, successor};
use super::samples::{Issued, Samples};
use super::statements;
use super::trail::Trail;

/// Does what client credentials need.
pub const CLIENT: &str = "/floor/client";
/// Does what a refresh needs.
pub const REFRESH: &str = "/floor/refresh";
/// Does what the redemption of an authorization code needs.
pub const CODE: &str = "/floor/code";
/// Does what an introspection needs.
pub const INTROSPECT: &str = "/floor/introspect";
/// Does what a revocation needs.
pub const REVOKE: &str = "/floor/revoke";

/// Of a client that was never disabled, as auth-server knows it from before.
const CLIENT_VERSION: i64 = 1;
/// Counters of a client's secret that was never wrong: at one address and everywhere, kind and place.
const UNCHARGED: [(i16, i32); 2] = [(6, 1), (7, 2)];
/// The kind of the counter that tells when it was last right.
pub const SECRET_KNOWN: i16 = 8;

/// What the floors hold in memory, as auth-server does.
struct Floor {
    pool: Pool,
    clock: Clock,
    key: EcdsaKeyPair,
    published: Arc<VerifyingKey>,
    samples: Samples,
    trail: Trail,
    client: Issued,
    refresh: Issued,
}

type Shared = State<Arc<Floor>>;

/// Whatever goes wrong ends the run.
struct Failure(anyhow::Error);

/// The routes.
///
/// # Errors
/// When a sample is not what it should be.
pub fn router(pool: Pool, samples: Samples) -> Result<Router> {
    let clock = Clock::system();
    let floor = Floor {
        trail: Trail::start(pool.clone(), clock.clone(), samples.client_id.clone())?,
        pool,
        clock,
        key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).context("no key")?,
        published: first_key(&samples.keys()?).context("auth-server publishes no key")?,
        client: Issued::read(samples.client.as_bytes())?,
        refresh: Issued::read(samples.refresh.as_bytes())?,
        samples,
    };
    let router = Router::new()
        .route(CLIENT, post(client))
        .route(REFRESH, post(refresh))
        .route(CODE, post(code))
        .route(INTROSPECT, post(introspect))
        .route(REVOKE, post(revoke));
    Ok(router.with_state(Arc::new(floor)))
}

fn first_key(keys: &KeySet) -> Option<Arc<VerifyingKey>> {
    keys.find(keys.kids().first()?).cloned()
}

async fn client(State(floor): Shared, _: Bytes) -> Result<Response, Failure> {
    authenticate(&floor, &mut *floor.pool.acquire().await?).await?;
    Ok(Json(floor.issue(&floor.client)?).into_response())
}

async fn refresh(State(floor): Shared, body: Bytes) -> Result<Response, Failure> {
    let now = floor.clock.now();
    let (hash, expires_at) = read(last_value(&body), PREFIX)?;
    let mut conn = floor.pool.acquire().await?;
    authenticate(&floor, &mut conn).await?;

    let mut transaction = conn.begin().await?;
    let by_token = |statement| sqlx::query(statement).bind(hash.clone()).bind(expires_at);
    let family: Uuid = by_token(statements::FAMILY_ID).fetch_one(&mut *transaction).await?.try_get_unchecked(0)?;
    let locked = sqlx::query(statements::LOCKED_FAMILY).bind(family).fetch_one(&mut *transaction).await?;
    let token = by_token(statements::REFRESH_TOKEN).fetch_one(&mut *transaction).await?;
    let sub: Uuid = locked.try_get_unchecked(1)?;
    sqlx::query(statements::USER).bind(sub).fetch_one(&mut *transaction).await?;
    let successor = successor(expires_at)?;
    let (successor_hash, _) = read(&successor, PREFIX)?;
    let spent: i64 = sqlx::query_scalar(statements::ROTATE)
        .bind(successor_hash)
        .bind(expires_at)
        .bind(family)
        .bind(now)
        .bind(hash)
        .bind(expires_at)
        .bind([7_u8; 32].to_vec())
        .bind("floor")
        .bind(token.try_get_unchecked::<Option<Vec<u8>>, _>(8)?)
        .bind(token.try_get_unchecked::<Option<DateTime<Utc>>, _>(9)?)
        .fetch_one(&mut *transaction)
        .await?;
    transaction.commit().await?;
    if spent != 1 {
        return Err(anyhow::anyhow!("{spent} refresh tokens became spent").into());
    }
    let mut issued = floor.issue(&floor.refresh)?;
    issued.refresh_token = Some(successor);
    Ok(Json(issued).into_response())
}

async fn code(State(floor): Shared, body: Bytes) -> Result<Response, Failure> {
    let now = floor.clock.now();
    let (hash, expires_at) = read(last_value(&body), CODE_PREFIX)?;
    let mut conn = floor.pool.acquire().await?;
    authenticate(&floor, &mut conn).await?;
    let by_code = |statement| sqlx::query(statement).bind(hash.clone()).bind(expires_at);
    let given = by_code(statements::CODE).fetch_one(&mut *conn).await?;
    let (sub, session): (Uuid, Uuid) = (given.try_get_unchecked(2)?, given.try_get_unchecked(4)?);

    let mut transaction = conn.begin().await?;
    by_code(statements::CONSUME_CODE).bind(now).bind(5_i16).fetch_one(&mut *transaction).await?;
    sqlx::query(statements::HELD_SESSION).bind(session).bind(now).fetch_one(&mut *transaction).await?;
    sqlx::query(statements::LOCKED_USER).bind(sub).fetch_one(&mut *transaction).await?;
    let (family, ends) = (random_id()?, now + TimeDelta::days(14));
    let first = successor(ends)?;
    let (first_hash, first_ends) = read(&first, PREFIX)?;
    sqlx::query(statements::INSERT_FAMILY)
        .bind(family)
        .bind(sub)
        .bind(&floor.samples.client_id)
        .bind(given.try_get_unchecked::<Vec<String>, _>(6)?)
        .bind("http://127.0.0.1:8000")
        .bind(given.try_get_unchecked::<i64, _>(3)?)
        .bind(CLIENT_VERSION)
        .bind(session)
        .bind(now)
        .bind(600_i32)
        .bind(now)
        .bind(now + TimeDelta::days(90))
        .bind(first_hash)
        .bind(first_ends)
        .bind(None::<String>)
        .execute(&mut *transaction)
        .await?;
    by_code(statements::GIVEN_BY_CODE).bind(family).bind(600_i32).execute(&mut *transaction).await?;
    transaction.commit().await?;
    let mut issued = floor.issue(&floor.refresh)?;
    issued.refresh_token = Some(first);
    Ok(Json(issued).into_response())
}

async fn introspect(State(floor): Shared, _: Bytes) -> Result<Response, Failure> {
    let now = floor.clock.now();
    let mut conn = floor.pool.acquire().await?;
    authenticate(&floor, &mut conn).await?;
    let id = Uuid::nil().to_string();
    let client_id = &floor.samples.client_id;
    sqlx::query(statements::IS_REVOKED)
        .bind(now)
        .bind(&id)
        .bind(Some(&id))
        .bind(&id)
        .bind(1_i64)
        .bind(client_id)
        .bind(1_i64)
        .bind(floor.published.kid())
        .fetch_one(&mut *conn)
        .await?;
    sqlx::query(statements::CLIENT_REVISION).bind(client_id).fetch_optional(&mut *conn).await?;
    sqlx::query(statements::USER).bind(Uuid::nil()).fetch_optional(&mut *conn).await?;
    Ok(([(CONTENT_TYPE, "application/json")], floor.samples.introspect.clone()).into_response())
}

async fn revoke(State(floor): Shared, body: Bytes) -> Result<StatusCode, Failure> {
    let now = floor.clock.now();
    let mut conn = floor.pool.acquire().await?;
    authenticate(&floor, &mut conn).await?;
    let (message, signature) = last_value(&body).rsplit_once('.').context("no token")?;
    if !floor.published.verify(message.as_bytes(), signature) {
        return Err(anyhow::anyhow!("a token of another key").into());
    }
    let mut transaction = conn.begin().await?;
    sqlx::query(statements::REVOKE)
        .bind(vec!["token".to_owned()])
        .bind(vec![random_id()?.to_string()])
        .bind(vec![None::<i64>])
        .bind(now)
        .bind(vec![now + TimeDelta::minutes(10)])
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    floor.trail.note()?;
    Ok(StatusCode::OK)
}

/// The two statements by which the secret of a client is checked that was read before.
async fn authenticate(floor: &Floor, conn: &mut Conn) -> Result<()> {
    let [here, anywhere] = UNCHARGED;
    let counters = [here, anywhere, (SECRET_KNOWN, floor.samples.secret_slot)];
    let limits = counters
        .into_iter()
        .fold(sqlx::query(statements::SECRET_LIMITS), |query, (kind, slot)| query.bind(kind).bind(slot));
    limits.fetch_one(&mut *conn).await?;
    sqlx::query(statements::CLIENT_REVISION).bind(&floor.samples.client_id).fetch_one(conn).await?;
    Ok(())
}

impl Floor {
    /// The sample with a signature of our own, and noted.
    fn issue(&self, sample: &Issued) -> Result<Issued> {
        self.trail.note()?;
        let message = sample.message();
        let signature = self.key.sign(&SystemRandom::new(), message.as_bytes()).context("signing")?;
        let mut issued = sample.clone();
        issued.access_token.truncate(message.len() + 1);
        URL_SAFE_NO_PAD.encode_string(signature, &mut issued.access_token);
        Ok(issued)
    }
}

/// The value of a form's last parameter.
fn last_value(form: &[u8]) -> &str {
    std::str::from_utf8(form).unwrap_or_default().rsplit('=').next().unwrap_or_default()
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{:#}", self.0)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_of_a_form_is_its_token() {
        assert_eq!(last_value(b"grant_type=refresh_token&refresh_token=mrt1_a"), "mrt1_a");
    }
}
