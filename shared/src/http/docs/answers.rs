//! Refusals as documentation, each example written by the code that answers with it.

use std::collections::BTreeMap;

use http::StatusCode;
use http::header::{HeaderName, RETRY_AFTER};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::http::problem::{self, Problem};

/// What an operation may answer besides success, by status; several reasons of one status are examples of one answer.
#[derive(Clone, Debug)]
pub struct Answers {
    media_type: String,
    schema: String,
    by_status: BTreeMap<u16, Documented>,
}

#[derive(Clone, Debug, Default)]
struct Documented {
    /// By a short stable name: what it means, and the body.
    examples: BTreeMap<String, (String, Value)>,
    /// By name: what it says, and a value.
    headers: BTreeMap<String, (String, String)>,
}

impl Answers {
    /// No refusal yet; those to come have this media type and the schema of `T`, which has to be among the document's
    /// components.
    #[must_use]
    pub fn of<T: ToSchema>(media_type: &str) -> Self {
        Self { media_type: media_type.to_owned(), schema: T::name().into_owned(), by_status: BTreeMap::new() }
    }

    /// No refusal yet; those to come are problem documents (RFC 9457).
    #[must_use]
    pub fn problems() -> Self {
        Self::of::<Problem>(problem::MEDIA_TYPE)
    }

    /// One more reason: its stable name, what it means, and the body. Another body of the same name is numbered.
    #[must_use]
    pub fn example(mut self, status: StatusCode, name: &str, meaning: &str, body: Value) -> Self {
        let documented = self.by_status.entry(status.as_u16()).or_default();
        let names = std::iter::once(name.to_owned()).chain((2..).map(|number| format!("{name}_{number}")));
        let is_free = |name: &String| documented.examples.get(name).is_none_or(|(_, known)| *known == body);
        if let Some(name) = names.into_iter().find(is_free) {
            documented.examples.insert(name, (meaning.to_owned(), body));
        }
        self
    }

    /// A header that comes with every answer of this status.
    #[must_use]
    pub fn header(mut self, status: StatusCode, name: &HeaderName, meaning: &str, value: &str) -> Self {
        let documented = self.by_status.entry(status.as_u16()).or_default();
        // Header names have no case; documents show them as people write them.
        let name = name.as_str().split('-').map(capitalised).collect::<Vec<_>>().join("-");
        documented.headers.insert(name, (meaning.to_owned(), value.to_owned()));
        self
    }

    /// `Retry-After` of this status.
    #[must_use]
    pub fn retry_after(self, status: StatusCode, seconds: u64) -> Self {
        self.header(status, &RETRY_AFTER, "Seconds until another try makes sense.", &seconds.to_string())
    }

    /// One more problem, just as it is sent.
    #[must_use]
    pub fn problem(self, problem: &Problem) -> Self {
        let body = serde_json::to_value(problem).unwrap_or_default();
        let answers = self.example(problem.status(), problem.code(), problem.title(), body);
        match problem.retry_after_seconds() {
            Some(seconds) => answers.retry_after(problem.status(), seconds.into()),
            None => answers,
        }
    }

    /// All of these problems.
    #[must_use]
    pub fn each(self, problems: impl IntoIterator<Item = Problem>) -> Self {
        problems.into_iter().fold(self, |answers, problem| answers.problem(&problem))
    }

    /// For an implementation of [`utoipa::IntoResponses`].
    #[must_use]
    pub fn into_responses(self) -> BTreeMap<String, RefOr<Response>> {
        let Self { media_type, schema, by_status } = self;
        let write = |documented: Documented| documented.into_response(&media_type, &schema);
        by_status.into_iter().map(|(status, documented)| (status.to_string(), RefOr::T(write(documented)))).collect()
    }
}

impl Documented {
    fn into_response(self, media_type: &str, schema: &str) -> Response {
        let mut meanings: Vec<&str> = self.examples.values().map(|(meaning, _)| meaning.as_str()).collect();
        meanings.sort_unstable();
        meanings.dedup();
        let description = meanings.join("; ");
        let examples = self
            .examples
            .into_iter()
            .map(|(name, (meaning, body))| (name, ExampleBuilder::new().summary(meaning).value(Some(body)).build()));
        let content =
            ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).examples_from_iter(examples).build();
        let response = ResponseBuilder::new().description(description).content(media_type, content);
        let headers = self.headers.into_iter();
        headers
            .fold(response, |response, (name, (meaning, value))| response.header(name, text(&meaning, &value)))
            .build()
    }
}

fn text(meaning: &str, value: &str) -> utoipa::openapi::Header {
    let schema = ObjectBuilder::new().schema_type(Type::String).examples([value]).build();
    HeaderBuilder::new().schema(Some(schema)).description(Some(meaning)).build()
}

fn capitalised(word: &str) -> String {
    if word == "www" {
        return "WWW".to_owned();
    }
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}
