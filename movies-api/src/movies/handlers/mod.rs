//! From a request to the service and back. [`Authorized`] stands first in each signature: the token is checked before
//! anything else is looked at.

pub(super) mod file;
pub mod write;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use shared::db::{DbError, Relay};
use shared::http::problem::Problem;
use shared::token::bearer::{Authorized, Permission};

use super::model::{Movie, YearStats};
use super::schemas::list::Wanted;
use super::service::{self, MoviesError};
use super::version::{Verdict, Version};
use super::{documented, schemas};
use crate::routes;
use crate::web::conditional::conditions;

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
    State(relay): State<Relay>,
    RawQuery(query): RawQuery,
) -> Result<Json<Movie>, Problem> {
    let movie_id = schemas::movie_id_of_query(query.as_deref())?;
    Ok(Json(service::get(&relay, movie_id).await?))
}

/// Films by title, year and rating; or one film by its key
///
/// The body is the list; where there is a next page, the header `Link` leads to it (RFC 8288). With `movie_id` it is that one
/// film, as in the application that this service takes the place of.
#[utoipa::path(
    get,
    path = routes::MOVIES,
    tag = "Movies",
    security(("login" = [MoviesRead::SCOPE])),
    params(
        ("title" = Option<String>, Query, description = "Each of these words begins some word of the title, in any order.",
            min_length = 1, max_length = 200, example = "land"),
        ("year_min" = Option<i32>, Query, description = "Released in this year or later.", minimum = 0, maximum = 9999),
        ("year_max" = Option<i32>, Query, description = "Released in this year or earlier.", minimum = 0, maximum = 9999),
        ("rating_min" = Option<f64>, Query, description = "Rated so or better, with at most one decimal.", minimum = 0, maximum = 9.9, multiple_of = 0.1),
        ("rating_max" = Option<f64>, Query, description = "Rated so or worse, with at most one decimal.", minimum = 0, maximum = 9.9, multiple_of = 0.1),
        ("sort" = Option<String>, Query, pattern = "^-?(movie_id|title|released|rating)$",
            description = "`movie_id` (if absent), `title`, `released` or `rating`; with `-` in front the greatest first. Films \
                of which that is not known come last."),
        ("limit" = Option<u16>, Query, description = "Films on a page; 100 if absent.", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "Where the page begins, as the `Link` of the last one says."),
        ("movie_id" = Option<i64>, Query, description = "That one film, whatever the other parameters say."),
    ),
    responses(
        (status = 200, description = "The films; with `movie_id` one film.", body = MovieOrMovies,
            headers(("Link" = String, description = "`<…>; rel=\"next\"` with the address of the next page, if there is one."))),
        documented::List,
    )
)]
pub(super) async fn list(
    _: Authorized<MoviesRead>,
    State(relay): State<Relay>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let wanted = match schemas::list::one_or_page(query.as_deref())? {
        Wanted::One(movie_id) => return Ok(Json(service::get(&relay, movie_id).await?).into_response()),
        Wanted::Page(wanted) => wanted,
    };
    let page = service::list(&relay, &wanted).await?;
    linked(page.movies, page.next.map(|next| schemas::list::next_page(&wanted, &next)))
}

/// The two bodies of `GET /movies`, for the documentation.
#[derive(serde::Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum MovieOrMovies {
    /// Without `movie_id`.
    List(Vec<Movie>),
    /// With `movie_id`.
    One(Movie),
}

/// How many films each year has, and how they are rated
///
/// Earliest year first; films of unknown year are not counted.
#[utoipa::path(
    get,
    path = routes::STATS,
    tag = "Movies",
    security(("login" = [MoviesRead::SCOPE])),
    params(
        ("year_min" = Option<i32>, Query, description = "This year or later.", minimum = 0, maximum = 9999, example = 1990),
        ("year_max" = Option<i32>, Query, description = "This year or earlier.", minimum = 0, maximum = 9999),
    ),
    responses((status = 200, description = "The years.", body = Vec<YearStats>), documented::Stats)
)]
pub(super) async fn stats(
    _: Authorized<MoviesRead>,
    State(relay): State<Relay>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<YearStats>>, Problem> {
    let (year_min, year_max) = schemas::list::years(query.as_deref())?;
    Ok(Json(service::stats(&relay, year_min, year_max).await?))
}

/// One film
///
/// Its `ETag` is the version of its content: `If-None-Match` asks for another one only (304 if there is none), and `If-Match`
/// makes a change depend on it.
#[utoipa::path(
    get,
    path = routes::MOVIE,
    tag = "Movies",
    security(("login" = [MoviesRead::SCOPE])),
    params(
        ("movie_id" = i64, Path, description = "The key.", example = 1),
        ("If-None-Match" = Option<String>, Header, description = "Versions that the client has already.",
            nullable = false, pattern = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#),
    ),
    responses(
        (status = 200, description = "The film.", body = Movie,
            headers(("ETag" = String, description = "The version of its content."))),
        (status = 304, description = "The client has it already.",
            headers(("ETag" = String, description = "The version of its content."))),
        documented::Show,
    )
)]
pub(super) async fn show(
    _: Authorized<MoviesRead>,
    State(relay): State<Relay>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let movie_id = schemas::movie_id_of_path(uri.path())?;
    let conditions = conditions(&headers)?;
    let movie = service::get(&relay, movie_id).await?;
    let mut response = match conditions.judge(Some(&Version::of(&movie))) {
        Verdict::Met => enclose(StatusCode::OK, &movie)?,
        Verdict::Known => (StatusCode::NOT_MODIFIED, [(header::ETAG, tag(&movie)?)]).into_response(),
        Verdict::Failed => return Err(MoviesError::Changed.into()),
    };
    // The client may keep it, and asks with its token each time before it is used.
    let own_cache = HeaderValue::from_static("private, no-cache");
    response.headers_mut().insert(header::CACHE_CONTROL, own_cache);
    Ok(response)
}

/// A film with its version.
fn enclose(status: StatusCode, movie: &Movie) -> Result<Response, Problem> {
    Ok((status, [(header::ETAG, tag(movie)?)], Json(movie)).into_response())
}

fn tag(movie: &Movie) -> Result<HeaderValue, Problem> {
    // Base64url in quotes: always a valid header.
    HeaderValue::try_from(Version::of(movie).to_string()).map_err(|_| Problem::internal())
}

/// A list with the address of its next page.
fn linked(movies: Vec<Movie>, next: Option<String>) -> Result<Response, Problem> {
    let mut response = Json(movies).into_response();
    if let Some(next) = next {
        // Digits, base64url and percent-encoded text: always a valid header.
        let link = HeaderValue::try_from(format!("<{next}>; rel=\"next\"")).map_err(|_| Problem::internal())?;
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
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
        ("rating" = f64, Query, description = "Rated so or better, with at most one decimal.", minimum = 0, maximum = 9.9, multiple_of = 0.1,
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
    State(relay): State<Relay>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let wanted = schemas::new_movies(query.as_deref())?;
    let page = service::list_new(&relay, wanted).await?;
    linked(page.movies, page.next.map(|next| schemas::next_page(wanted, next)))
}

/// No token is at fault, so there is no challenge; and no retry helps.
pub(super) const fn read_only() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "read_only", "This deployment serves reads alone")
}

impl From<MoviesError> for Problem {
    fn from(error: MoviesError) -> Self {
        match error {
            MoviesError::NotFound(movie_id) => {
                Self::new(StatusCode::NOT_FOUND, "movie_not_found", "There is no such movie")
                    .detail(format!("No movie has the id {movie_id}."))
            }
            MoviesError::Changed => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition_failed",
                "The movie is not what the request takes it for",
            )
            .detail("It was changed, stored or deleted meanwhile: read it again."),
            MoviesError::ReadOnly(error) => {
                tracing::warn!(%error, "a write was refused: the role of this deployment only reads");
                read_only()
            }
            MoviesError::Contended => {
                tracing::warn!("gave up on a write that others got in the way of again and again");
                Self::unavailable()
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
