//! Bulk loading: a temporary table that lives as long as its transaction, filled by `copy`, merged by upserts.
//!
//! The statements here are plain strings: a checked macro cannot know a table that is made at run time.

use shared::db::{Conn, DbError};
use sqlx::postgres::PgCopyIn;

use crate::movies::model::Movie;

/// How much is gathered before it goes to the server.
const CHUNK: usize = 64 * 1024;

/// A `copy` into the staging table that is under way. It has to end in [`Staging::finish`]; a dropped one makes the
/// server refuse it, and with it the transaction.
pub(in crate::movies) struct Staging<'c> {
    copy: PgCopyIn<&'c mut Conn>,
    buffer: Vec<u8>,
}

/// A film whose key stood in an earlier line already.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub(in crate::movies) struct Repeated {
    pub line: i64,
    pub movie_id: i64,
    pub first_line: i64,
}

/// What an upsert did.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
pub(in crate::movies) struct Merged {
    pub inserted: i64,
    pub updated: i64,
    pub unchanged: i64,
    /// The last key of it; `None` when there was nothing left to do.
    pub last: Option<i64>,
}

impl<'c> Staging<'c> {
    /// Makes the staging table, which ends with the transaction, and begins to fill it.
    pub(in crate::movies) async fn open(conn: &'c mut Conn) -> Result<Self, DbError> {
        sqlx::query(
            "create temporary table movies_staging (
                 line bigint not null, movie_id bigint not null, title text, released integer, rating numeric(2, 1)
             ) on commit drop",
        )
        .execute(&mut *conn)
        .await?;
        let copy = conn
            .copy_in_raw("copy pg_temp.movies_staging (line, movie_id, title, released, rating) from stdin")
            .await?;
        Ok(Self { copy, buffer: Vec::with_capacity(CHUNK) })
    }

    /// Adds one film that stands in `line` of its file.
    pub(in crate::movies) async fn add(&mut self, line: u64, movie: &Movie) -> Result<(), DbError> {
        write_row(&mut self.buffer, line, movie);
        if self.buffer.len() >= CHUNK {
            self.copy.send(self.buffer.as_slice()).await?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Ends the copy.
    pub(in crate::movies) async fn finish(mut self) -> Result<(), DbError> {
        self.copy.send(self.buffer.as_slice()).await?;
        self.copy.finish().await?;
        Ok(())
    }
}

/// Counts the lines whose key stood in an earlier line, and lists the first `limit` of them.
pub(in crate::movies) async fn list_repeated(conn: &mut Conn, limit: i64) -> Result<(i64, Vec<Repeated>), DbError> {
    sqlx::query("create index on pg_temp.movies_staging (movie_id, line)").execute(&mut *conn).await?;
    // Without statistics the queries below would be planned for a table of a thousand rows.
    sqlx::query("analyze pg_temp.movies_staging").execute(&mut *conn).await?;
    let repeated: i64 = sqlx::query_scalar("select count(*) - count(distinct movie_id) from pg_temp.movies_staging")
        .fetch_one(&mut *conn)
        .await?;
    if repeated == 0 {
        return Ok((0, Vec::new()));
    }
    let listed = sqlx::query_as(
        "select line, movie_id, first_line
         from (
             select line, movie_id, min(line) over (partition by movie_id) as first_line
             from pg_temp.movies_staging
         ) as staged
         where line > first_line
         order by line
         limit $1",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok((repeated, listed))
}

/// Brings the next staged films behind the key `after` into `myapi.movies`, at most `limit`; of a repeated key the first line
/// counts. Keys are locked in order, so that two imports at once wait for each other instead of ending in a deadlock.
pub(in crate::movies) async fn merge(conn: &mut Conn, after: Option<i64>, limit: i64) -> Result<Merged, DbError> {
    let merged = sqlx::query_as(
        "with staged as materialized (
             select distinct on (movie_id) movie_id, title, released, rating
             from pg_temp.movies_staging
             where movie_id > coalesce($1, -9223372036854775808)
             order by movie_id, line
             limit $2
         ),
         upserted as (
             insert into myapi.movies as movies (movie_id, title, released, rating)
             select movie_id, title, released, rating from staged order by movie_id
             on conflict (movie_id) do update
                 set title = excluded.title, released = excluded.released, rating = excluded.rating
                 where (movies.title, movies.released, movies.rating)
                       is distinct from (excluded.title, excluded.released, excluded.rating)
             -- xmax is 0 in a new row; one that stood there was locked by this statement first.
             returning xmax = 0 as is_new
         )
         select count(*) filter (where is_new) as inserted,
                count(*) filter (where not is_new) as updated,
                (select count(*) from staged) - count(*) as unchanged,
                (select max(movie_id) from staged) as last
         from upserted",
    )
    .bind(after)
    .bind(limit)
    // Planned with its values each time.
    .persistent(false)
    .fetch_one(conn)
    .await?;
    Ok(merged)
}

/// Lets the planner know at once how many films there are now, instead of when Postgres looks by itself. It is a matter of
/// the table's owner: for others it does nothing.
pub(in crate::movies) async fn analyze(conn: &mut Conn) -> Result<(), DbError> {
    sqlx::query("analyze myapi.movies").execute(conn).await?;
    Ok(())
}

/// Moves the key's own counter past the keys that came from outside, so that the next insert without a key finds a free
/// one. A key near the end of the range does not move it, for few would be left behind that; only where the counter gets
/// there by itself does it go past those in a row. A counter never goes back, not even when a transaction does: for after
/// an insert that stays.
pub(in crate::movies) async fn advance_key(conn: &mut Conn) -> Result<(), DbError> {
    sqlx::query(
        "select setval(counter, coalesce(
             (select movies.movie_id
              from myapi.movies
              where movies.movie_id > key.last
                  and exists (select from myapi.movies as next where next.movie_id = key.last + 1)
                  and not exists (select from myapi.movies as next where next.movie_id = movies.movie_id::bigint + 1)
              order by movies.movie_id
              limit 1),
             key.last))
         from (select counter, greatest(
                   nextval(counter), (select max(movie_id) from myapi.movies where movie_id < 2000000000)) as last
               from (select pg_get_serial_sequence('myapi.movies', 'movie_id')::regclass as counter) as found
               where counter is not null) as key",
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One row in the text format of `copy`: tabs between fields, `\N` for null, a backslash before what means something.
fn write_row(buffer: &mut Vec<u8>, line: u64, movie: &Movie) {
    let Movie { movie_id, title, released, rating } = movie;
    buffer.extend(format!("{line}\t{movie_id}\t").bytes());
    match title {
        Some(title) => title.bytes().for_each(|byte| match byte {
            b'\\' => buffer.extend(b"\\\\"),
            b'\t' => buffer.extend(b"\\t"),
            b'\n' => buffer.extend(b"\\n"),
            b'\r' => buffer.extend(b"\\r"),
            _ => buffer.push(byte),
        }),
        None => buffer.extend(b"\\N"),
    }
    buffer.push(b'\t');
    write_number(buffer, released.map(|year| year.to_string()));
    buffer.push(b'\t');
    write_number(buffer, rating.map(|rating| rating.to_string()));
    buffer.push(b'\n');
}

fn write_number(buffer: &mut Vec<u8>, number: Option<String>) {
    buffer.extend(number.as_deref().unwrap_or("\\N").bytes());
}
