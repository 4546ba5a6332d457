//! What the services are compared with: `xtask __bench-server`. The least that answers the same bytes, in the services'
//! own serving loop, with the same runtime and the same kind of pool; no layers, no log, no token.

mod floors;
mod opaque;
mod samples;
mod statements;
mod trail;

use std::env;
use std::process::ExitCode;

use anyhow::{Context, Result};
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use shared::db::{self, Conn, Pool, Relay};
use shared::http::serve::{self, ServeOptions};
use sqlx::Row;
use tokio::runtime::Builder;

use crate::cli::BenchServer;

pub use floors::{CLIENT, CODE, INTROSPECT, REFRESH, REVOKE, SECRET_KNOWN};
pub use samples::{Issued, Samples};

/// Answers [`MOVIE`] from memory, whatever is asked for.
pub const BARE: &str = "/bare";
/// Reads a row, `?movie_id=`.
pub const ROW: &str = "/row";
/// The same on a connection that is handed on from request to request, as movies-api does it.
pub const HANDED: &str = "/handed";
/// The movie that the bare handler answers.
pub const MOVIE: i64 = 1;

/// The services' own.
const MAX_CONNECTIONS: u32 = 10;
/// movies-api's own, to the letter (but for spaces).
const FIND: &str = r#"
    select movie_id::bigint as "movie_id!", title, released, rating
    from myapi.movies
    where movie_id = $1::bigint
"#;

#[derive(Deserialize)]
struct Asked {
    movie_id: i64,
}

#[derive(Serialize)]
struct Movie {
    movie_id: i64,
    title: Option<String>,
    released: Option<i32>,
    rating: Option<Decimal>,
}

/// Serves until it is told to stop.
///
/// # Errors
/// When the database or the address cannot be used.
pub fn run(options: &BenchServer) -> Result<ExitCode> {
    // movies-api's runtime: as many workers as it has cores.
    let runtime = Builder::new_multi_thread().enable_all().build().context("cannot start a runtime")?;
    runtime.block_on(serve(options)).map(|()| ExitCode::SUCCESS)
}

async fn serve(options: &BenchServer) -> Result<()> {
    let url = env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    let pool = db::pool(db::connect_options(&url)?, MAX_CONNECTIONS, "bench-server");
    let samples = env::var(Samples::VARIABLE).with_context(|| format!("{} is not set", Samples::VARIABLE))?;
    let floors = floors::router(pool.clone(), serde_json::from_str(&samples)?)?;
    let movie = find(&mut *pool.acquire().await?, MOVIE).await?.context("there is no movie to answer")?;
    let bytes = Bytes::from(serde_json::to_vec(&movie)?);
    let app = Router::new()
        .route(BARE, get(async move || ([(CONTENT_TYPE, "application/json")], bytes.clone())))
        .route(ROW, get(row))
        .route(HANDED, get(handed))
        .route("/readyz", get(async || "ready"))
        .with_state(Relay::new(pool))
        .merge(floors);
    let stop = serve::stop_signal()?;
    let listener = serve::bind(options.bind, "--bind").await?;
    serve::serve(listener, app, ServeOptions::default(), stop).await;
    Ok(())
}

async fn row(State(relay): State<Relay>, Query(asked): Query<Asked>) -> axum::response::Response {
    answer(read(relay.pool(), asked.movie_id).await)
}

async fn read(pool: &Pool, movie_id: i64) -> sqlx::Result<Option<Movie>> {
    find(&mut *pool.acquire().await?, movie_id).await
}

async fn handed(State(relay): State<Relay>, Query(asked): Query<Asked>) -> axum::response::Response {
    let mut lent = match relay.acquire().await {
        Ok(lent) => lent,
        Err(error) => return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    };
    let movie = find(&mut lent, asked.movie_id).await;
    lent.hand_on();
    answer(movie)
}

fn answer(found: sqlx::Result<Option<Movie>>) -> axum::response::Response {
    match found {
        Ok(Some(movie)) => Json(movie).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// As the checked macros of movies-api do it: the columns by their place, their types known.
async fn find(conn: &mut Conn, movie_id: i64) -> sqlx::Result<Option<Movie>> {
    let read = |row: sqlx::postgres::PgRow| {
        Ok(Movie {
            movie_id: row.try_get_unchecked(0)?,
            title: row.try_get_unchecked(1)?,
            released: row.try_get_unchecked(2)?,
            rating: row.try_get_unchecked(3)?,
        })
    };
    sqlx::query(FIND).bind(movie_id).try_map(read).fetch_optional(conn).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_pool_are_those_of_movies_api() {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let store = include_str!("../../../../movies-api/src/movies/store/mod.rs");
        assert!(words(store).contains(&words(FIND)));
        let config = include_str!("../../../../movies-api/src/config/mod.rs");
        assert!(config.contains(&format!("MAX_CONNECTIONS: u32 = {MAX_CONNECTIONS};")));
    }
}
