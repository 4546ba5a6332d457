//! What requests say, checked as a whole: every wrong field is named in one answer.

use http::StatusCode;
use shared::http::percent;
use shared::http::problem::{FieldError, Problem};

use super::cursor::Cursor;
use super::model::{self, ValueError};
use super::service::NewMovies;
use crate::config::{DEFAULT_PAGE, MAX_PAGE};
use crate::routes;
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
    let segment = percent::decode(path.rsplit('/').next().unwrap_or_default()).map_err(Malformed::from)?;
    let mut fields = Fields::default();
    let movie_id = fields.required("movie_id", Some(&segment), model::movie_id);
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

/// Collects what is wrong with the fields of one request.
#[derive(Default)]
struct Fields(Vec<FieldError>);

impl Fields {
    fn required<T>(
        &mut self,
        field: &'static str,
        value: Option<&str>,
        read: impl FnOnce(&str) -> Result<T, ValueError>,
    ) -> Option<T> {
        self.keep(field, value.ok_or(ValueError::Missing).and_then(read))
    }

    fn optional<T>(
        &mut self,
        field: &'static str,
        value: Option<&str>,
        default: T,
        read: impl FnOnce(&str) -> Result<T, ValueError>,
    ) -> Option<T> {
        self.keep(field, value.map_or(Ok(default), read))
    }

    fn keep<T>(&mut self, field: &'static str, value: Result<T, ValueError>) -> Option<T> {
        value.map_err(|error| self.0.push(FieldError { field, message: error.to_string() })).ok()
    }

    fn finish<T>(self, value: Option<T>) -> Result<T, Problem> {
        value.filter(|_| self.0.is_empty()).ok_or_else(|| {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "validation_failed",
                "A parameter is missing or does not fit",
            )
            .errors(self.0)
        })
    }
}
