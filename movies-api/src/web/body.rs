//! Reads a JSON body strictly: one object, no member twice, of the media type that the route takes.
//!
//! Values stay the text that the client wrote, so that a number is judged by its digits and never passes through a float.

use std::fmt;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use http::{HeaderMap, StatusCode, header};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use shared::http::problem::Problem;

use crate::config::MAX_BODY;

/// A whole film.
pub const JSON: &str = "application/json";
/// Some fields of one (RFC 7396).
pub const MERGE_PATCH: &str = "application/merge-patch+json";

/// Checks that the body is of `media_type`, not encoded, and within the limit.
///
/// # Errors
/// 415, 413, or 400 when it could not be read to its end.
pub fn text(headers: &HeaderMap, body: Result<Bytes, BytesRejection>, media_type: &str) -> Result<String, Problem> {
    let is_encoded = headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity");
    if is_encoded || !is_of(headers, media_type) {
        return Err(unsupported(media_type));
    }
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => malformed("The body could not be read to its end."),
    })?;
    String::from_utf8(body.into()).map_err(|_| malformed("The body is not valid UTF-8."))
}

/// Media types have no case, and parameters such as a charset change nothing: JSON is UTF-8 (RFC 8259 section 8.1).
fn is_of(headers: &HeaderMap, media_type: &str) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(Ok(found)) = types.next().map(|value| value.to_str()) else { return false };
    let essence = found.split(';').next().unwrap_or_default().trim();
    types.next().is_none() && essence.eq_ignore_ascii_case(media_type)
}

/// The body has another media type.
#[must_use]
pub fn unsupported(media_type: &str) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "media_type_unsupported",
        "The body is of a type that this does not take",
    )
    .detail(format!("The body must be {media_type}, without Content-Encoding."))
}

/// The body is too long.
#[must_use]
pub fn too_large() -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The body is too long")
        .detail(format!("A body has {MAX_BODY} bytes at most."))
}

fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "request_malformed", "The request is malformed").detail(detail)
}

/// The members of a JSON object, in their order.
pub struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Reads one object and nothing behind it.
    ///
    /// # Errors
    /// 400 for anything else, and when a member is there twice.
    pub fn read(text: &'a str) -> Result<Self, Problem> {
        serde_json::from_str(text).map_err(|error: serde_json::Error| {
            // Where the error is in the data, its text is the visitor's below.
            let detail = if error.is_data() {
                "The body is not a JSON object with each member once."
            } else {
                "The body is not JSON."
            };
            malformed(detail)
        })
    }

    /// The text of a member's value, `null` included.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.get())
    }

    /// The names that are none of these.
    pub fn others<'s>(&'s self, names: &'s [&str]) -> impl Iterator<Item = &'s str> {
        self.0.iter().map(|(name, _)| name.as_str()).filter(|name| !names.contains(name))
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with each member once")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        let mut members: Vec<(String, &RawValue)> = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            // Few by far in any honest body; MAX_MEMBERS keeps a dishonest one from costing its square.
            if members.len() == MAX_MEMBERS || members.iter().any(|(known, _)| *known == name) {
                return Err(A::Error::custom("a member twice, or too many"));
            }
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

/// The most members that are read.
const MAX_MEMBERS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("", "The body is not JSON.")]
    #[case("{", "The body is not JSON.")]
    #[case("{} {}", "The body is not JSON.")]
    #[case("{'a':1}", "The body is not JSON.")]
    #[case("[]", "The body is not a JSON object with each member once.")]
    #[case("null", "The body is not a JSON object with each member once.")]
    #[case(r#"{"a":1,"\u0061":2}"#, "The body is not a JSON object with each member once.")]
    fn what_is_not_one_object_is_refused(#[case] text: &str, #[case] detail: &str) {
        let refused = Members::read(text).err().unwrap();
        let json = serde_json::to_value(&refused).unwrap();
        assert_eq!((json["code"].as_str(), json["detail"].as_str()), (Some("request_malformed"), Some(detail)));
    }

    #[test]
    fn values_are_their_text() {
        let members = Members::read(r#" {"a":1.50,"b":null,"c":"x"} "#).unwrap();
        assert_eq!((members.find("a"), members.find("b"), members.find("d")), (Some("1.50"), Some("null"), None));
        assert_eq!(members.others(&["a", "b"]).collect::<Vec<_>>(), ["c"]);
    }
}
