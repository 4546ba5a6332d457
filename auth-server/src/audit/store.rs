//! The tables `audit_events`, `audit_checkpoints` and `audit_anchors`.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};
use sqlx::{Connection as _, Postgres, QueryBuilder, Transaction};
use uuid::Uuid;

use super::chain::hex;
use super::checkpoint::{Checkpoint, SignedHead};
use super::model::{Filter, Row};

/// Every column, in the order of [`Row`].
const COLUMNS: &str = "at, event, outcome, reason, subject, client_id, address, request_id, actor, detail, writer, seq, \
                       prev_hash, hash";

/// All of these rows or none. Those that are there already are an error, which [`are_there`] tells from others: `on
/// conflict` would look for each of them first, and that is a third of the work.
pub(super) async fn insert(conn: &mut Conn, rows: &[Row]) -> Result<(), DbError> {
    // Borrowed: each token that is given out comes by here.
    fn texts(rows: &[Row], column: impl Fn(&Row) -> &Option<String>) -> Vec<Option<&str>> {
        rows.iter().map(|row| column(row).as_deref()).collect()
    }
    let writers: Vec<Uuid> = rows.iter().map(|row| row.writer).collect();
    let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
    let times: Vec<DateTime<Utc>> = rows.iter().map(|row| row.at).collect();
    let events: Vec<&str> = rows.iter().map(|row| row.event.as_str()).collect();
    let outcomes: Vec<&str> = rows.iter().map(|row| row.outcome.as_str()).collect();
    let actors: Vec<&str> = rows.iter().map(|row| row.actor.as_str()).collect();
    let request_ids: Vec<Option<Uuid>> = rows.iter().map(|row| row.request_id).collect();
    let before: Vec<&[u8]> = rows.iter().map(|row| row.prev_hash.as_slice()).collect();
    let hashes: Vec<&[u8]> = rows.iter().map(|row| row.hash.as_slice()).collect();
    sqlx::query!(
        "insert into myapi.audit_events (writer, seq, at, event, outcome, reason, subject, client_id, address, request_id,
                                         actor, detail, prev_hash, hash)
         select r.writer, r.seq, r.at, r.event, r.outcome, r.reason, r.subject, r.client_id, r.address, r.request_id,
                r.actor, r.detail, r.prev_hash, r.hash
         from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[],
                     $8::text[], $9::text[], $10::uuid[], $11::text[], $12::text[], $13::bytea[], $14::bytea[])
              as r (writer, seq, at, event, outcome, reason, subject, client_id, address, request_id, actor, detail,
                    prev_hash, hash)",
        &writers,
        &seqs,
        &times,
        &events as &[&str],
        &outcomes as &[&str],
        &texts(rows, |row| &row.reason) as &[Option<&str>],
        &texts(rows, |row| &row.subject) as &[Option<&str>],
        &texts(rows, |row| &row.client_id) as &[Option<&str>],
        &texts(rows, |row| &row.address) as &[Option<&str>],
        &request_ids as &[Option<Uuid>],
        &actors as &[&str],
        &texts(rows, |row| &row.detail) as &[Option<&str>],
        &before as &[&[u8]],
        &hashes as &[&[u8]],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether rows were not inserted because rows of the same writer and number are there.
pub(super) fn are_there(error: &DbError) -> bool {
    // Each partition has its own: audit_events_20261123_pkey.
    error.constraint().is_some_and(|name| name.starts_with("audit_events_") && name.ends_with("_pkey"))
}

/// Up to `limit` rows, the newest first.
pub(super) async fn list(conn: &mut Conn, filter: &Filter, limit: i64) -> Result<Vec<Row>, DbError> {
    let mut query = select(filter);
    query.push(" order by at desc, writer, seq desc limit ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// Up to `limit` rows behind `after`, the oldest first.
pub(super) async fn list_after(
    conn: &mut Conn,
    filter: &Filter,
    after: Option<&Row>,
    limit: i64,
) -> Result<Vec<Row>, DbError> {
    let mut query = select(filter);
    if let Some(row) = after {
        query.push(" and (at, writer, seq) > (").push_bind(row.at).push(", ");
        query.push_bind(row.writer).push(", ").push_bind(row.seq).push(")");
    }
    query.push(" order by at, writer, seq limit ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(conn).await?)
}

fn select(filter: &Filter) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(format!("select {COLUMNS} from myapi.audit_events where true"));
    if let Some(since) = filter.since {
        query.push(" and at >= ").push_bind(since);
    }
    if let Some(until) = filter.until {
        query.push(" and at < ").push_bind(until);
    }
    if let Some(event) = filter.event {
        query.push(" and event = ").push_bind(event.as_str());
    }
    if let Some(outcome) = filter.outcome {
        query.push(" and outcome = ").push_bind(outcome.as_str());
    }
    if let Some(subject) = &filter.subject {
        query.push(" and subject = ").push_bind(subject.clone());
    }
    if let Some(client_id) = &filter.client_id {
        query.push(" and client_id = ").push_bind(client_id.clone());
    }
    query
}

/// A transaction that sees everything as of one moment.
pub(super) async fn begin_reading(conn: &mut Conn) -> Result<Transaction<'_, Postgres>, DbError> {
    let mut transaction = conn.begin().await?;
    sqlx::query("set transaction isolation level repeatable read, read only").execute(&mut *transaction).await?;
    Ok(transaction)
}

/// Up to `limit` rows behind this number of this chain, chain by chain.
pub(super) async fn list_chains(conn: &mut Conn, after: (Uuid, i64), limit: i64) -> Result<Vec<Row>, DbError> {
    let rows = sqlx::query_as!(
        Row,
        "select at, event, outcome, reason, subject, client_id, address, request_id, actor, detail, writer, seq, prev_hash,
                hash
         from myapi.audit_events
         where (writer, seq) > ($1, $2)
         order by writer, seq, at
         limit $3",
        after.0,
        after.1,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// The ends of the chains of all but `except` that were written since.
pub(super) async fn list_heads(
    conn: &mut Conn,
    since: DateTime<Utc>,
    except: Uuid,
) -> Result<Vec<SignedHead>, DbError> {
    let rows = sqlx::query!(
        "select distinct on (writer) writer, seq, hash
         from myapi.audit_events
         where at >= $1 and writer <> $2
         order by writer, seq desc",
        since,
        except,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| SignedHead { writer: row.writer, seq: row.seq, hash: hex(&row.hash) }).collect())
}

pub(super) async fn insert_checkpoint(conn: &mut Conn, checkpoint: &Checkpoint) -> Result<(), DbError> {
    sqlx::query!(
        "insert into myapi.audit_checkpoints (checkpoint_id, at, kid, public_jwk, jws, kek_id, code)
         values ($1, $2, $3, $4, $5, $6, $7)",
        checkpoint.checkpoint_id,
        checkpoint.at,
        checkpoint.kid,
        checkpoint.public_jwk,
        checkpoint.jws,
        checkpoint.kek_id,
        checkpoint.code,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Up to `limit` checkpoints behind this one, by time.
pub(super) async fn list_checkpoints(
    conn: &mut Conn,
    after: (DateTime<Utc>, Uuid),
    limit: i64,
) -> Result<Vec<Checkpoint>, DbError> {
    let checkpoints = sqlx::query_as!(
        Checkpoint,
        "select checkpoint_id, at, kid, public_jwk, jws, kek_id, code
         from myapi.audit_checkpoints
         where (at, checkpoint_id) > ($1, $2)
         order by at, checkpoint_id
         limit $3",
        after.0,
        after.1,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(checkpoints)
}

/// Where a chain goes on whose beginning was dropped.
pub(super) struct Anchor {
    pub(super) writer: Uuid,
    pub(super) seq: i64,
    pub(super) hash: Vec<u8>,
    /// Everything that was dropped is older.
    pub(super) until: DateTime<Utc>,
}

pub(super) async fn list_anchors(conn: &mut Conn) -> Result<Vec<Anchor>, DbError> {
    let anchors =
        sqlx::query_as!(Anchor, "select writer, seq, hash, until from myapi.audit_anchors").fetch_all(conn).await?;
    Ok(anchors)
}
