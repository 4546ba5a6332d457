//! What is there without the feature: the same names, and nothing behind them.

use axum::extract::Request;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::{Ids, Part, Purpose, StartError, TracesConfig};
use crate::http::layers::RequestId;

/// One request; here nothing.
pub struct ServerSpan;

/// A part of a request; here nothing.
pub struct Child;

/// One of our own requests; here nothing.
pub struct Outgoing;

/// Never called with settings: without the feature they are refused.
///
/// # Errors
/// None.
pub const fn start(_: Option<&TracesConfig>, _: &'static str, _: &'static str) -> Result<(), StartError> {
    Ok(())
}

/// Nothing waits to be sent.
pub async fn stop() {}

/// The future as it is.
pub const fn carry<F>(future: F) -> F {
    future
}

/// Nothing.
#[must_use]
pub const fn child(_: Part) -> Child {
    Child
}

impl ServerSpan {
    pub(crate) const fn begin(_: &Request, _: RequestId, _: bool) -> Self {
        Self
    }

    pub(crate) const fn ids(&self) -> Option<Ids> {
        None
    }

    pub(crate) const fn around<F>(&self, future: F) -> F {
        future
    }

    pub(crate) const fn answered(&self, _: StatusCode) {}
}

impl Outgoing {
    pub(crate) const fn begin(_: &Method, _: &Url, _: Purpose) -> Self {
        Self
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        HeaderMap::new()
    }

    pub(crate) const fn answered(&self, _: StatusCode) {}
}
