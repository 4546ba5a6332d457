//! Bodies that say what a film is to be.

use serde::Serialize;
use shared::http::problem::Problem;
use utoipa::ToSchema;

use super::fields::Fields;
use crate::movies::model::{self, Changes, Film, ValueError};
use crate::web::body::Members;

/// A film to be stored, for the documentation.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMovie {
    /// The title as it is catalogued; neither blank nor with NUL.
    #[schema(min_length = 1, max_length = 1000, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$", example = "The Land Girls")]
    pub title: String,
    /// The year of release.
    #[schema(minimum = 1000, maximum = 9999, example = 1998)]
    pub released: i32,
    /// A number with at most one decimal, never rounded.
    #[schema(minimum = 0, maximum = 9.9, multiple_of = 0.1, example = 6.1)]
    pub rating: f64,
}

/// Another content of a film, for the documentation; what the answer to a `GET` holds is one.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WholeMovie {
    /// The key of the address once more, if at all.
    #[schema(nullable = false, example = 1)]
    pub movie_id: Option<i64>,
    /// The title as it is catalogued; neither blank nor with NUL.
    #[schema(min_length = 1, max_length = 1000, pattern = r"^[^\x00]*[^\s\x00][^\x00]*$", example = "The Land Girls")]
    pub title: String,
    /// The year of release.
    #[schema(minimum = 1000, maximum = 9999, example = 1998)]
    pub released: i32,
    /// A number with at most one decimal, never rounded.
    #[schema(minimum = 0, maximum = 9.9, multiple_of = 0.1, example = 6.1)]
    pub rating: f64,
}

/// Some fields of a film, for the documentation: a merge patch (RFC 7396) that removes nothing.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoviePatch {
    /// Another title.
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\x00]*[^\s\x00][^\x00]*$",
        example = "The Land Girls"
    )]
    pub title: Option<String>,
    /// Another year of release.
    #[schema(nullable = false, minimum = 1000, maximum = 9999, example = 1998)]
    pub released: Option<i32>,
    /// Another rating.
    #[schema(nullable = false, minimum = 0, maximum = 9.9, multiple_of = 0.1, example = 6.5)]
    pub rating: Option<f64>,
}

/// Reads a film whose key the database chooses.
///
/// # Errors
/// 400 when it is no JSON object, 422 naming every member that is missing, unknown or does not fit.
pub fn new_film(text: &str) -> Result<Film, Problem> {
    let members = Members::read(text)?;
    let mut fields = Fields::default();
    refuse_others(&mut fields, &members, &["title", "released", "rating"]);
    let film = film(&mut fields, &members);
    fields.finish(film)
}

/// Reads a film that is to be stored under `movie_id`, which it may repeat.
///
/// # Errors
/// As [`new_film`].
pub fn whole_film(text: &str, movie_id: i64) -> Result<Film, Problem> {
    let members = Members::read(text)?;
    let mut fields = Fields::default();
    refuse_others(&mut fields, &members, &["movie_id", "title", "released", "rating"]);
    if let Some(repeated) = members.find("movie_id") {
        let is_same = repeated == movie_id.to_string();
        fields.keep("movie_id", is_same.then_some(()).ok_or(ValueError::OtherKey));
    }
    let film = film(&mut fields, &members);
    fields.finish(film)
}

/// Reads a merge patch (RFC 7396). `null` would take a field away, which no stored film goes without.
///
/// # Errors
/// As [`new_film`]; nothing is missing, though.
pub fn changes(text: &str) -> Result<Changes, Problem> {
    let members = Members::read(text)?;
    let mut fields = Fields::default();
    refuse_others(&mut fields, &members, &["title", "released", "rating"]);
    let title = fields.optional("title", members.find("title"), None, |raw| string(raw).map(Some));
    let released = fields
        .optional("released", members.find("released"), None, |raw| number(raw).and_then(model::released).map(Some));
    let rating =
        fields.optional("rating", members.find("rating"), None, |raw| number(raw).and_then(model::rating).map(Some));
    let all = title.zip(released).zip(rating);
    fields.finish(all.map(|((title, released), rating)| Changes { title, released, rating }))
}

fn film(fields: &mut Fields, members: &Members<'_>) -> Option<Film> {
    let title = fields.required("title", members.find("title"), string);
    let released = fields.required("released", members.find("released"), |raw| number(raw).and_then(model::released));
    let rating = fields.required("rating", members.find("rating"), |raw| number(raw).and_then(model::rating));
    let all = title.zip(released).zip(rating);
    all.map(|((title, released), rating)| Film { title, released, rating })
}

/// A name that is misspelt would else be a change that nobody makes.
fn refuse_others(fields: &mut Fields, members: &Members<'_>, known: &[&str]) {
    const SHOWN: usize = 40;
    for name in members.others(known) {
        let shown: String = name.chars().take(SHOWN).collect();
        fields.keep::<()>(shown, Err(ValueError::NotAMember));
    }
}

fn number(raw: &str) -> Result<&str, ValueError> {
    if raw == "null" { Err(ValueError::Null) } else { Ok(raw) }
}

fn string(raw: &str) -> Result<String, ValueError> {
    let text: String = serde_json::from_str(number(raw)?).map_err(|_| ValueError::NotText)?;
    model::title(&text)
}
