//! Refusals in the OpenAPI document: each is made by asking the code that refuses.

use std::collections::BTreeMap;

use shared::http::problem::Problem;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

use super::handlers::{ReviewsRead, ReviewsWrite};
use super::schemas;
use super::service::ReviewsError;
use crate::web::body::{self, JSON};
use crate::web::refusals::Refusals;

/// What listing reviews may answer besides the list.
pub(super) struct List;
/// What adding one may answer besides the review.
pub(super) struct Create;

impl IntoResponses for List {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let bad = ["movie_id=1&movie_id=2", "movie_id=one"].map(|query| schemas::wanted(Some(query)));
        Refusals::<ReviewsRead>::answers().each(bad.into_iter().filter_map(Result::err)).into_responses()
    }
}

impl IntoResponses for Create {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let bad = ["{", r#"{"movie_id":1,"stars":6,"body":"?"}"#].map(schemas::new_review);
        let of_bodies = [body::unsupported(JSON), body::too_large(), Problem::read_only()];
        let of_reviews = [ReviewsError::NoMovie(4), ReviewsError::Exists].map(Problem::from);
        let answers = Refusals::<ReviewsWrite>::answers().each(bad.into_iter().filter_map(Result::err));
        answers.each(of_bodies).each(of_reviews).into_responses()
    }
}
