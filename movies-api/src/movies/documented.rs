//! Refusals in the OpenAPI document: each is made by asking the code that refuses.

use std::collections::BTreeMap;

use shared::http::docs::Answers;
use shared::http::problem::Problem;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

use super::handlers::MoviesRead;
use super::schemas;
use super::service::MoviesError;
use crate::web::refusals::Refusals;

/// What looking up one film by `?movie_id=` may answer besides the film.
pub(super) struct ShowByQuery;
/// What looking up one film by its path may answer besides the film.
pub(super) struct Show;
/// What listing films may answer besides the list.
pub(super) struct ListNew;

impl IntoResponses for ShowByQuery {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let bad = ["movie_id=1&movie_id=2", "movie_id=one"].map(|query| schemas::movie_id_of_query(Some(query)));
        behind_a_token(bad).problem(&MoviesError::NotFound(4).into()).into_responses()
    }
}

impl IntoResponses for Show {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let bad = ["/movies/%ff", "/movies/one"].map(schemas::movie_id_of_path);
        behind_a_token(bad).problem(&MoviesError::NotFound(4).into()).into_responses()
    }
}

impl IntoResponses for ListNew {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let bad = ["year=2000&year=2001", "year=2000&rating=10"].map(|query| schemas::new_movies(Some(query)));
        behind_a_token(bad).into_responses()
    }
}

/// The refusals of the token, of these bad requests, and of a service that fails.
fn behind_a_token<T>(bad: impl IntoIterator<Item = Result<T, Problem>>) -> Answers {
    let refused = bad.into_iter().filter_map(Result::err);
    refused.fold(Refusals::<MoviesRead>::answers(), |answers, problem| answers.problem(&problem))
}
