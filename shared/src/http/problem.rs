//! Problem details (RFC 9457): the errors of resource servers.

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::metrics;

/// Media type of a problem document (RFC 9457 section 3).
pub const MEDIA_TYPE: &str = "application/problem+json";
/// The same as a header.
pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static(MEDIA_TYPE);

/// A refusal that a program can act on: `code` is stable, `title` is fixed per code, `detail` says what to do here.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// What kind of problem, in words that are fixed for each code.
    title: &'static str,
    /// The status of the answer, once more.
    status: u16,
    /// What kind of problem, for programs: stable.
    code: &'static str,
    /// What happened in this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
    /// Every wrong field, where fields are wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

/// One wrong field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The parameter or member that is wrong.
    #[schema(value_type = String)]
    pub field: Cow<'static, str>,
    /// What is wrong with it and what would do.
    pub message: String,
}

impl Problem {
    /// A problem with the stable `code` and its fixed `title`.
    #[must_use]
    pub const fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self { title, status: status.as_u16(), code, detail: None, errors: Vec::new(), retry_after: None }
    }

    /// What happened in this request.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Every wrong field, at once.
    #[must_use]
    pub fn errors(mut self, errors: Vec<FieldError>) -> Self {
        self.errors = errors;
        self
    }

    /// Seconds until another try makes sense, sent as `Retry-After`.
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The fixed words of the code.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.title
    }

    /// Seconds until another try makes sense, if that is known.
    #[must_use]
    pub const fn retry_after_seconds(&self) -> Option<u32> {
        self.retry_after
    }

    /// The database or another part does not answer now.
    #[must_use]
    pub const fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "The service cannot answer now").retry_after(1)
    }

    /// A defect on this side; the log has the reason, the answer has none.
    #[must_use]
    pub const fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "The service failed")
    }

    /// No such path.
    #[must_use]
    pub const fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "route_not_found", "There is nothing at this path")
    }

    /// A method that the path does not have.
    #[must_use]
    pub const fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "The path does not have this method")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        metrics::refused(self.code);
        // The request's line says which refusal its client was given.
        tracing::Span::current().record("error.code", self.code);
        let status = self.status();
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, CONTENT_TYPE);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
