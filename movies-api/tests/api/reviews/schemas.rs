//! What requests say, checked as a whole: every wrong field is named in one answer.

use serde::Serialize;
use shared::http::problem::Problem;
use utoipa::ToSchema;

use super::model::NewReview;
use crate::web::body::Members;
use crate::web::fields::Fields;
use crate::web::query::Query;

/// The longest review, in characters.
const MAX_BODY: usize = 2000;

/// A review to be stored, for the documentation.
#[derive(Serialize, ToSchema)]
pub struct ReviewBody {
    /// What it is about.
    #[schema(minimum = 0, example = 1)]
    pub movie_id: i32,
    /// How good it is.
    #[schema(minimum = 1, maximum = 5, example = 4)]
    pub stars: i16,
    /// What there is to say.
    #[schema(min_length = 1, max_length = 2000, example = "Slow, and worth it.")]
    pub body: String,
}

/// Which page of reviews is asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of this film.
    pub movie_id: i32,
    /// Older than this one; none for the newest.
    pub before: Option<i64>,
}

/// Reads `?movie_id=&before=`.
///
/// # Errors
/// 400 when the query is malformed, 422 naming every parameter that is missing or does not fit.
pub fn wanted(raw: Option<&str>) -> Result<Wanted, Problem> {
    let query = Query::read(raw)?;
    let mut fields = Fields::default();
    let movie_id = fields.required("movie_id", query.find("movie_id")?, |text| whole(text, 0, i32::MAX));
    let before = fields.optional("before", query.find("before")?, None, |text| whole(text, 0, i64::MAX).map(Some));
    fields.finish(movie_id.zip(before).map(|(movie_id, before)| Wanted { movie_id, before }))
}

/// Reads a review that is to be stored.
///
/// # Errors
/// 400 when it is no JSON object, 422 naming every member that is missing, unknown or does not fit.
pub fn new_review(text: &str) -> Result<NewReview, Problem> {
    let members = Members::read(text)?;
    let mut fields = Fields::default();
    for name in members.others(&["movie_id", "stars", "body"]) {
        fields.keep::<(), _>(name.chars().take(40).collect::<String>(), Err("is not a member of a review"));
    }
    let movie_id = fields.required("movie_id", members.find("movie_id"), |raw| whole(raw, 0, i32::MAX));
    let stars = fields.required("stars", members.find("stars"), |raw| whole(raw, 1, 5));
    let body = fields.required("body", members.find("body"), body);
    let all = movie_id.zip(stars).zip(body);
    fields.finish(all.map(|((movie_id, stars), body)| NewReview { movie_id, stars, body }))
}

fn whole<T: std::str::FromStr + PartialOrd + std::fmt::Display>(text: &str, min: T, max: T) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| (&min..=&max).contains(&number));
    number.ok_or_else(|| format!("must be a whole number between {min} and {max}"))
}

fn body(raw: &str) -> Result<String, &'static str> {
    let text: String = serde_json::from_str(raw).map_err(|_| "must be text")?;
    match text.chars().count() {
        _ if text.trim().is_empty() => Err("is empty"),
        _ if text.contains('\0') => Err("holds a NUL character"),
        length if length > MAX_BODY => Err("is longer than 2000 characters"),
        _ => Ok(text),
    }
}
