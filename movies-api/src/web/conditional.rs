//! The conditions in a request's headers (RFC 9110 section 13.1).

use http::{HeaderMap, HeaderName, StatusCode, header};
use shared::http::problem::Problem;

use crate::movies::version::{Conditions, Versions};

/// Reads `If-Match` and `If-None-Match`.
///
/// # Errors
/// 400 when one of them is neither `*` nor a list of entity tags: to ignore it would do what the client wanted to prevent.
pub fn conditions(headers: &HeaderMap) -> Result<Conditions, Problem> {
    Ok(Conditions {
        if_match: versions(headers, &header::IF_MATCH)?,
        if_none_match: versions(headers, &header::IF_NONE_MATCH)?,
    })
}

fn versions(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Versions>, Problem> {
    if !headers.contains_key(name) {
        return Ok(None);
    }
    // Several lines are one list (RFC 9110 section 5.3).
    let lines: Result<Vec<&str>, _> = headers.get_all(name).iter().map(|value| value.to_str()).collect();
    let read = lines.ok().and_then(|lines| Versions::read(&lines.join(", ")));
    read.map(Some).ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "request_malformed", "The request is malformed")
            .detail(format!("{name} must be * or a list of entity tags in quotes."))
    })
}
