//! What requests say, checked as a whole: every wrong field is named in one answer.

pub mod film;
pub mod list;

use shared::http::percent;
use shared::http::problem::Problem;

use super::cursor::Cursor;
use super::model::{self, ValueError};
use super::service::NewMovies;
use crate::config::{DEFAULT_PAGE, MAX_PAGE};
use crate::routes;
use crate::web::fields::Fields;
use crate::web::query::{Malformed, Query};

/// Reads `?movie_id=`.
///
/// # Errors
/// 400 when the query is malformed, 422 when the parameter is missing or not a whole number.
pub fn movie_id_of_query(raw: Option<&str>) -> Result<i64, Problem> {
    let query = Query::read(raw)?;
    let mut fields = Fields::default();
    let movie_id = fields.required("movie_id", query.find("movie_id")?, model::movie_id);
    fields.finish(movie_id)
}

/// Reads the last segment of a path, which is still percent-encoded.
///
/// # Errors
/// 400 when it is malformed, 422 when it is not a whole number.
pub fn movie_id_of_path(path: &str) -> Result<i64, Problem> {
    id_of_path(path, model::movie_id)
}

/// The same for a film that may be stored under it.
///
/// # Errors
/// As [`movie_id_of_path`]; 422 also when it is beyond the keys that there can be.
pub fn new_movie_id_of_path(path: &str) -> Result<i64, Problem> {
    id_of_path(path, model::new_movie_id)
}

fn id_of_path(path: &str, read: impl FnOnce(&str) -> Result<i64, ValueError>) -> Result<i64, Problem> {
    let segment = percent::decode(path.rsplit('/').next().unwrap_or_default()).map_err(Malformed::from)?;
    let mut fields = Fields::default();
    let movie_id = fields.required("movie_id", Some(&segment), read);
    fields.finish(movie_id)
}

/// Reads `?year=&rating=&limit=&cursor=`.
///
/// # Errors
/// 400 when the query is malformed, 422 naming every parameter that is missing or does not fit.
pub fn new_movies(raw: Option<&str>) -> Result<NewMovies, Problem> {
    let query = Query::read(raw)?;
    let mut fields = Fields::default();
    let year = fields.required("year", query.find("year")?, model::year);
    let rating = fields.required("rating", query.find("rating")?, model::rating);
    let limit = fields.optional("limit", query.find("limit")?, DEFAULT_PAGE, |text| model::limit(text, MAX_PAGE));
    let after = fields.optional("cursor", query.find("cursor")?, Cursor::START, Cursor::decode);
    let all = year.zip(rating).zip(limit).zip(after);
    fields.finish(all.map(|(((year, rating), limit), after)| NewMovies { year, rating, limit, after }))
}

/// A reference (RFC 3986 section 4.2) to the page that begins at `next`, relative to this service's origin.
#[must_use]
pub fn next_page(wanted: NewMovies, next: Cursor) -> String {
    let NewMovies { year, rating, limit, .. } = wanted;
    let (path, cursor) = (routes::NEW_MOVIES, next.encode());
    format!("{path}?year={year}&rating={rating}&limit={limit}&cursor={cursor}")
}
