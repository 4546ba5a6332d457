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
use super::schemas;
use super::service::{self, MoviesError};

/// What a caller needs for looking up films.
pub struct MoviesRead;

impl Permission for MoviesRead {
    const SCOPE: &'static str = "movies:read";
}

/// `GET /movies/?movie_id=`
pub(super) async fn show_by_query(
    _: Authorized<MoviesRead>,
    State(pool): State<Pool>,
    RawQuery(query): RawQuery,
) -> Result<Json<Movie>, Problem> {
    let movie_id = schemas::movie_id_of_query(query.as_deref())?;
    Ok(Json(service::get(&pool, movie_id).await?))
}

/// `GET /movies/{movie_id}`
pub(super) async fn show(
    _: Authorized<MoviesRead>,
    State(pool): State<Pool>,
    uri: Uri,
) -> Result<Json<Movie>, Problem> {
    let movie_id = schemas::movie_id_of_path(uri.path())?;
    Ok(Json(service::get(&pool, movie_id).await?))
}

/// `GET /movies/new?year=&rating=&limit=&cursor=`: the body is the list; the next page is a `Link` (RFC 8288).
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
