//! From a request to the service and back. [`Authorized`] stands first in each signature: the token is checked before
//! anything else is looked at.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use shared::db::{DbError, Pool};
use shared::http::problem::Problem;
use shared::token::bearer::{Authorized, Permission};

use super::model::Movie;
use super::service::{self, MoviesError};
use super::{documented, schemas};
use crate::routes;

/// What a caller needs for looking up films.
pub struct MoviesRead;

impl Permission for MoviesRead {
    const SCOPE: &'static str = "movies:read";
}

/// One film by its key
///
/// The address of the application that this service takes the place of.
#[utoipa::path(
    get,
    path = routes::MOVIES_SLASH,
    tag = "Movies",
    security(("login" = [MoviesRead::SCOPE])),
    params(("movie_id" = i64, Query, description = "The key.", example = 1)),
    responses((status = 200, description = "The film.", body = Movie), documented::ShowByQuery)
)]
pub(super) async fn show_by_query(
    _: Authorized<MoviesRead>,
    State(pool): State<Pool>,
    RawQuery(query): RawQuery,
) -> Result<Json<Movie>, Problem> {
    let movie_id = schemas::movie_id_of_query(query.as_deref())?;
    Ok(Json(service::get(&pool, movie_id).await?))
}

/// One film by its key, without the slash
#[utoipa::path(
    get,
    path = routes::MOVIES,
    tag = "Movies",
    security(("login" = [MoviesRead::SCOPE])),
    params(("movie_id" = i64, Query, description = "The key.", example = 1)),
    responses((status = 200, description = "The film.", body = Movie), documented::ShowByQuery)
)]
pub(super) async fn show_by_query_unslashed(
    caller: Authorized<MoviesRead>,
    pool: State<Pool>,
    query: RawQuery,
) -> Result<Json<Movie>, Problem> {
    show_by_query(caller, pool, query).await
}

/// One film
#[utoipa::path(
    get,
    path = routes::MOVIE,
    tag = "Movies",
    security(("login" = [MoviesRead::SCOPE])),
    params(("movie_id" = i64, Path, description = "The key.", example = 1)),
    responses((status = 200, description = "The film.", body = Movie), documented::Show)
)]
pub(super) async fn show(
    _: Authorized<MoviesRead>,
    State(pool): State<Pool>,
    uri: Uri,
) -> Result<Json<Movie>, Problem> {
    let movie_id = schemas::movie_id_of_path(uri.path())?;
    Ok(Json(service::get(&pool, movie_id).await?))
}

/// Films that are new and good enough
///
/// Newest first, within a year by descending key. The body is the list; where there is a next page, the header `Link`
/// leads to it (RFC 8288).
#[utoipa::path(
    get,
    path = routes::NEW_MOVIES,
    tag = "Movies",
    security(("login" = [MoviesRead::SCOPE])),
    params(
        ("year" = i32, Query, description = "Released in this year or later.", minimum = 0, maximum = 9999, example = 2000),
        ("rating" = f64, Query, description = "Rated so or better, with at most one decimal.", minimum = 0, maximum = 9.9,
            example = 8.0),
        ("limit" = Option<u16>, Query, description = "Films on a page; 100 if absent.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "Where the page begins, as the `Link` of the last one says."),
    ),
    responses(
        (status = 200, description = "The films.", body = Vec<Movie>,
            headers(("Link" = String, description = "`<…>; rel=\"next\"` with the address of the next page, if there is one."))),
        documented::ListNew,
    )
)]
pub(super) async fn list_new(
    _: Authorized<MoviesRead>,
    State(pool): State<Pool>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let wanted = schemas::new_movies(query.as_deref())?;
    let page = service::list_new(&pool, wanted).await?;
    let mut response = Json(page.movies).into_response();
    if let Some(next) = page.next {
        let link = format!("<{}>; rel=\"next\"", schemas::next_page(wanted, next));
        // Digits and base64url: always a valid header.
        let link = HeaderValue::try_from(link).map_err(|_| Problem::internal())?;
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

impl From<MoviesError> for Problem {
    fn from(error: MoviesError) -> Self {
        match error {
            MoviesError::NotFound(movie_id) => {
                Self::new(StatusCode::NOT_FOUND, "movie_not_found", "There is no such movie")
                    .detail(format!("No movie has the id {movie_id}."))
            }
            MoviesError::Internal(DbError::Unavailable(error)) => {
                tracing::warn!(%error, "the database is unavailable");
                Self::unavailable()
            }
            MoviesError::Internal(DbError::Other(error)) => {
                tracing::error!(%error, "the database failed");
                Self::internal()
            }
        }
    }
}
