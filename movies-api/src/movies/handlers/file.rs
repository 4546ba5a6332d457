//! All films as a file.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header;
use shared::db::Pool;
use shared::http::problem::Problem;
use shared::token::bearer::{Authorized, Permission};

use super::MoviesRead;
use crate::movies::export::ExportError;
use crate::movies::files::Format;
use crate::movies::service::MoviesError;
use crate::movies::stream::Pages;
use crate::movies::{documented, schemas};
use crate::routes;

/// All films as a file
///
/// In the order of their keys, as many at a time as the reader takes; `movies-api import` reads both formats. Each film is in
/// it once, as it was when its part of the file was written. A file that ends early ends with the connection, never as if it
/// were whole.
#[utoipa::path(
    get,
    path = routes::EXPORT,
    tag = "Movies",
    security(("login" = [MoviesRead::SCOPE])),
    params(("format" = String, Query, description = "`csv` (RFC 4180, with a header line) or `ndjson` (one JSON object a line).",
        pattern = "^(csv|ndjson)$", example = "csv")),
    responses(
        (status = 200, description = "The file.", content((String = "text/csv"), (String = "application/x-ndjson"))),
        documented::Export,
    )
)]
pub(in crate::movies) async fn export(
    _: Authorized<MoviesRead>,
    State(pool): State<Pool>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let format = schemas::list::format(query.as_deref())?;
    let mut pages = Pages::new(pool, format);
    // Before the first byte is sent a failure can still be told by a status.
    let first = pages.next().await.map_err(|error| match error {
        ExportError::Database(error) => MoviesError::from(error).into(),
        ExportError::Write(_) => Problem::internal(),
    })?;
    let parts = stream::try_unfold((first, pages), |(first, mut pages)| async move {
        let part = match first {
            Some(part) => Some(part),
            None => pages.next().await.inspect_err(|error| tracing::warn!(%error, "an export ended early"))?,
        };
        Ok::<_, ExportError>(part.map(|part| (part, (None, pages))))
    });
    let (media_type, disposition) = match format {
        Format::Csv => ("text/csv; charset=utf-8; header=present", "attachment; filename=\"movies.csv\""),
        Format::Jsonl => ("application/x-ndjson", "attachment; filename=\"movies.ndjson\""),
    };
    let headers = [(header::CONTENT_TYPE, media_type), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, Body::from_stream(parts)).into_response())
}
