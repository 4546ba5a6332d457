//! From a request to the service and back. [`Authorized`] stands first: the token is checked before anything else.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use shared::clock::Clock;
use shared::db::{Pool, Primary};
use shared::http::problem::Problem;
use shared::token::bearer::{Authorized, Permission};

use super::documented;
use super::model::Review;
use super::schemas::{self, ReviewBody};
use super::service::{self, ReviewsError};
use crate::web::body::{self, JSON};

/// What a caller needs for reading reviews.
pub struct ReviewsRead;

impl Permission for ReviewsRead {
    const SCOPE: &'static str = "reviews:read";
}

/// What a caller needs for writing one.
pub struct ReviewsWrite;

impl Permission for ReviewsWrite {
    const SCOPE: &'static str = "reviews:write";
}

/// Reviews of a film, the newest first
#[utoipa::path(
    get,
    path = "/reviews",
    tag = "Reviews",
    security(("login" = [ReviewsRead::SCOPE])),
    params(
        ("movie_id" = i32, Query, description = "The film.", minimum = 0, example = 1),
        ("before" = Option<i64>, Query, description = "Where the page begins, as the `Link` of the last one says.", minimum = 0),
    ),
    responses((status = 200, description = "The reviews.", body = [Review]), documented::List)
)]
pub(super) async fn list(
    caller: Authorized<ReviewsRead>,
    State(pool): State<Pool>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let wanted = schemas::wanted(query.as_deref())?;
    let (reviews, next) = service::list(&pool, wanted.movie_id, wanted.before, caller.identity()).await?;
    let mut response = Json(reviews).into_response();
    if let Some(next) = next {
        let link = format!("</reviews?movie_id={}&before={next}>; rel=\"next\"", wanted.movie_id);
        let link = HeaderValue::try_from(link).map_err(|_| Problem::internal())?;
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// One's own review of a film
#[utoipa::path(
    post,
    path = "/reviews",
    tag = "Reviews",
    security(("login" = [ReviewsWrite::SCOPE])),
    request_body(content = ReviewBody, content_type = "application/json",
        example = json!({ "movie_id": 1, "stars": 4, "body": "Slow, and worth it." })),
    responses((status = 201, description = "The review that is stored now.", body = Review), documented::Create)
)]
pub(super) async fn create(
    caller: Authorized<ReviewsWrite>,
    State(primary): State<Primary>,
    State(clock): State<Clock>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Review>), Problem> {
    let review = schemas::new_review(&body::text(&headers, body, JSON)?)?;
    let stored = service::create(primary.pool(), &review, caller.identity(), clock.now()).await?;
    Ok((StatusCode::CREATED, Json(stored)))
}

impl From<ReviewsError> for Problem {
    fn from(error: ReviewsError) -> Self {
        match error {
            ReviewsError::NoMovie(movie_id) => {
                Self::new(StatusCode::NOT_FOUND, "movie_not_found", "There is no such movie")
                    .detail(format!("No movie has the id {movie_id}."))
            }
            ReviewsError::Exists => {
                Self::new(StatusCode::CONFLICT, "review_exists", "There is a review of this user already")
            }
            ReviewsError::ReadOnly(error) => {
                tracing::warn!(%error, "a write was refused: the role of this deployment only reads");
                Self::read_only()
            }
            ReviewsError::Internal(error) => error.into(),
        }
    }
}
