//! Films are stored, changed and deleted, by whoever holds `movies:write`.
//!
//! Each answer encloses the film as it is now, and its `ETag` speaks of what is enclosed (RFC 9110 section 8.8), whatever
//! the spelling of the request's JSON was.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use shared::db::Primary;
use shared::http::problem::Problem;
use shared::token::bearer::{Authorized, Permission, WhenStale};

use super::enclose;
use crate::movies::documented;
use crate::movies::model::Movie;
use crate::movies::schemas;
use crate::movies::schemas::film::{self, MoviePatch, NewMovie, WholeMovie};
use crate::movies::service::write::{self, Put};
use crate::routes;
use crate::web::body::{self, JSON, MERGE_PATCH};
use crate::web::conditional::conditions;

/// What a caller needs for changing films.
pub struct MoviesWrite;

impl Permission for MoviesWrite {
    const SCOPE: &'static str = "movies:write";
    /// Nothing here reads alone.
    const WHEN_STALE: WhenStale = WhenStale::Refuse;
}

/// A new film
///
/// The database chooses its key, so each request makes another film. Whoever wants to be able to ask again chooses the key:
/// `PUT /movies/{movie_id}` with `If-None-Match: *`.
#[utoipa::path(
    post,
    path = routes::MOVIES,
    tag = "Movies",
    security(("login" = [MoviesWrite::SCOPE])),
    request_body(content = NewMovie, content_type = "application/json", 
        example = json!({ "title": "Winter's Bone", "released": 2010, "rating": 7.2 })),
    responses(
        (status = 201, description = "The film that is stored now.", body = Movie, headers(
            ("Location" = String, description = "The film's address."),
            ("ETag" = String, description = "The version of its content."))),
        documented::Create,
    )
)]
pub(in crate::movies) async fn create(
    _: Authorized<MoviesWrite>,
    State(primary): State<Primary>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let film = film::new_film(&body::text(&headers, body, JSON)?)?;
    created(&write::create(primary.pool(), &film).await?)
}

/// A film under a key of one's own choice, or another content of a film
///
/// To ask twice is to ask once. With `If-None-Match: *` a film that is there stays as it is; with `If-Match` only the version
/// that the client knows is replaced: 412 if there is another.
#[utoipa::path(
    put,
    path = routes::MOVIE,
    tag = "Movies",
    security(("login" = [MoviesWrite::SCOPE])),
    params(
        ("movie_id" = i64, Path, description = "The key.", minimum = 0, maximum = 2_147_483_647, example = 1),
        ("If-Match" = Option<String>, Header, description = "Versions of which the film has to have one, or `*`.",
            nullable = false, pattern = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if there is none.",
            nullable = false, pattern = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#),
    ),
    request_body(content = WholeMovie, content_type = "application/json", 
        example = json!({ "title": "The Land Girls", "released": 1998, "rating": 6.2 })),
    responses(
        (status = 200, description = "What the film is now.", body = Movie,
            headers(("ETag" = String, description = "The version of its content."))),
        (status = 201, description = "The film that is stored now.", body = Movie, headers(
            ("Location" = String, description = "The film's address."),
            ("ETag" = String, description = "The version of its content."))),
        documented::Put,
    )
)]
pub(in crate::movies) async fn put(
    _: Authorized<MoviesWrite>,
    State(primary): State<Primary>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let movie_id = schemas::new_movie_id_of_path(uri.path())?;
    let conditions = conditions(&headers)?;
    let film = film::whole_film(&body::text(&headers, body, JSON)?, movie_id)?;
    // It was read as one.
    let movie_id = i32::try_from(movie_id).map_err(|_| Problem::internal())?;
    match write::put(primary.pool(), movie_id, &film, &conditions).await? {
        Put::Created(movie) => created(&movie),
        Put::Replaced(movie) => replaced(&movie),
    }
}

/// Some fields of a film
///
/// A merge patch (RFC 7396): members that are absent stay as they are. `null` would take a field away, which no film goes
/// without: 422.
#[utoipa::path(
    patch,
    path = routes::MOVIE,
    tag = "Movies",
    security(("login" = [MoviesWrite::SCOPE])),
    params(
        ("movie_id" = i64, Path, description = "The key.", example = 1),
        ("If-Match" = Option<String>, Header, description = "Versions of which the film has to have one, or `*`.",
            nullable = false, pattern = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#),
        ("If-None-Match" = Option<String>, Header, description = "Versions of which the film may have none.",
            nullable = false, pattern = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#),
    ),
    request_body(content = MoviePatch, content_type = "application/merge-patch+json", example = json!({ "rating": 6.5 })),
    responses(
        (status = 200, description = "What the film is now.", body = Movie,
            headers(("ETag" = String, description = "The version of its content."))),
        documented::Change,
    )
)]
pub(in crate::movies) async fn change(
    _: Authorized<MoviesWrite>,
    State(primary): State<Primary>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let movie_id = schemas::movie_id_of_path(uri.path())?;
    let conditions = conditions(&headers)?;
    let text = match body::text(&headers, body, MERGE_PATCH) {
        // RFC 5789 section 2.2.
        Err(problem) if problem.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            let accepted = HeaderName::from_static("accept-patch");
            return Ok(([(accepted, MERGE_PATCH)], problem).into_response());
        }
        read => read?,
    };
    replaced(&write::change(primary.pool(), movie_id, film::changes(&text)?, &conditions).await?)
}

/// Takes a film away
#[utoipa::path(
    delete,
    path = routes::MOVIE,
    tag = "Movies",
    security(("login" = [MoviesWrite::SCOPE])),
    params(
        ("movie_id" = i64, Path, description = "The key.", example = 2),
        ("If-Match" = Option<String>, Header, description = "Versions of which the film has to have one, or `*`.",
            nullable = false, pattern = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#),
        ("If-None-Match" = Option<String>, Header, description = "Versions of which the film may have none.",
            nullable = false, pattern = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$"#),
    ),
    responses((status = 204, description = "It is gone."), documented::Delete)
)]
pub(in crate::movies) async fn delete(
    _: Authorized<MoviesWrite>,
    State(primary): State<Primary>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let movie_id = schemas::movie_id_of_path(uri.path())?;
    write::delete(primary.pool(), movie_id, &conditions(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn created(movie: &Movie) -> Result<Response, Problem> {
    let mut response = enclose(StatusCode::CREATED, movie)?;
    response.headers_mut().insert(header::LOCATION, address(movie)?);
    Ok(response)
}

/// `Content-Location` says that the film itself is enclosed, and no report on what was done (RFC 9110 section 8.7).
fn replaced(movie: &Movie) -> Result<Response, Problem> {
    let mut response = enclose(StatusCode::OK, movie)?;
    response.headers_mut().insert(header::CONTENT_LOCATION, address(movie)?);
    Ok(response)
}

fn address(movie: &Movie) -> Result<HeaderValue, Problem> {
    let address = routes::MOVIE.replace("{movie_id}", &movie.movie_id.to_string());
    HeaderValue::try_from(address).map_err(|_| Problem::internal())
}
