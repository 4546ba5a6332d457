//! From a request to the service and back.

use axum::Json;
use axum::extract::State;
use shared::db::Pool;
use shared::http::problem::Problem;
use shared::token::bearer::{Authorized, Permission};

use super::model::Decade;
use super::service;
use crate::web::refusals::Refusals;

/// What a caller needs for reading decades.
pub struct DecadesRead;

impl Permission for DecadesRead {
    const SCOPE: &'static str = "decades:read";
}

type Refused = Refusals<DecadesRead>;

/// Every decade, earliest first
#[utoipa::path(
    get,
    path = "/decades",
    tag = "Decades",
    security(("login" = [DecadesRead::SCOPE])),
    responses((status = 200, description = "The decades.", body = [Decade]), Refused)
)]
pub(super) async fn list(_: Authorized<DecadesRead>, State(pool): State<Pool>) -> Result<Json<Vec<Decade>>, Problem> {
    Ok(Json(service::list(&pool).await?))
}
