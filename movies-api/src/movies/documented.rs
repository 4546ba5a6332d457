//! Refusals in the OpenAPI document: each is made by asking the code that refuses.

use std::collections::BTreeMap;

use shared::http::docs::Answers;
use shared::http::problem::Problem;
use shared::token::bearer::Permission;
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

use super::handlers::MoviesRead;
use super::handlers::write::MoviesWrite;
use super::schemas::{self, film, list};
use super::service::MoviesError;
use crate::web::body::{self, JSON, MERGE_PATCH, Members};
use crate::web::refusals::Refusals;

/// What looking up one film by `?movie_id=` may answer besides the film.
pub(super) struct ShowByQuery;
/// What looking up one film by its path may answer besides the film.
pub(super) struct Show;
/// What listing new films may answer besides the list.
pub(super) struct ListNew;
/// What listing films may answer besides the list.
pub(super) struct List;
/// What counting films may answer besides the counts.
pub(super) struct Stats;
/// What all films as a file may be answered with besides the file.
pub(super) struct Export;
/// What storing a film may answer besides the film.
pub(super) struct Create;
/// What storing a film under its own key may answer besides the film.
pub(super) struct Put;
/// What changing a film may answer besides the film.
pub(super) struct Change;
/// What deleting a film may answer besides that it is gone.
pub(super) struct Delete;

impl IntoResponses for ShowByQuery {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let bad = ["movie_id=1&movie_id=2", "movie_id=one"].map(|query| schemas::movie_id_of_query(Some(query)));
        behind_a_token::<MoviesRead, _>(bad).problem(&MoviesError::NotFound(4).into()).into_responses()
    }
}

impl IntoResponses for Show {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        by_its_path::<MoviesRead>().into_responses()
    }
}

impl IntoResponses for ListNew {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let bad = ["year=2000&year=2001", "year=2000&rating=10"].map(|query| schemas::new_movies(Some(query)));
        behind_a_token::<MoviesRead, _>(bad).into_responses()
    }
}

impl IntoResponses for List {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let bad = ["title=a&title=b", "sort=length"].map(|query| list::one_or_page(Some(query)));
        behind_a_token::<MoviesRead, _>(bad).problem(&MoviesError::NotFound(4).into()).into_responses()
    }
}

impl IntoResponses for Stats {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let bad = ["year_min=1&year_min=2", "year_min=one"].map(|query| list::years(Some(query)));
        behind_a_token::<MoviesRead, _>(bad).into_responses()
    }
}

impl IntoResponses for Export {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let bad = ["format=csv&format=csv", "format=xml"].map(|query| list::format(Some(query)));
        behind_a_token::<MoviesRead, _>(bad).into_responses()
    }
}

impl IntoResponses for Create {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let bad = [r#"{"title":"Up","released":209}"#].map(film::new_film);
        with_a_body(behind_a_token::<MoviesWrite, _>(bad), JSON).into_responses()
    }
}

impl IntoResponses for Put {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        with_a_body(by_its_path::<MoviesWrite>(), JSON).into_responses()
    }
}

impl IntoResponses for Change {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        with_a_body(by_its_path::<MoviesWrite>(), MERGE_PATCH).into_responses()
    }
}

impl IntoResponses for Delete {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        by_its_path::<MoviesWrite>().problem(&Problem::read_only()).into_responses()
    }
}

fn by_its_path<P: Permission>() -> Answers {
    let bad = ["/movies/%ff", "/movies/one"].map(schemas::movie_id_of_path);
    behind_a_token::<P, _>(bad).each([MoviesError::NotFound(4), MoviesError::Changed].map(Problem::from))
}

fn with_a_body(answers: Answers, media_type: &str) -> Answers {
    let malformed = Members::read("{").err();
    answers.each(malformed).each([body::unsupported(media_type), body::too_large(), Problem::read_only()])
}

/// The refusals of the token, of these bad requests, and of a service that fails.
fn behind_a_token<P: Permission, T>(bad: impl IntoIterator<Item = Result<T, Problem>>) -> Answers {
    Refusals::<P>::answers().each(bad.into_iter().filter_map(Result::err))
}
