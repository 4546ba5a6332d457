//! What callers are told of their limits: `RateLimit-Policy` and `RateLimit`, lists of structured fields (RFC 9651).

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use tower::{Layer, Service};

use super::Budget;

/// What is allowed; the same in each answer.
pub const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left of it.
pub const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// What each policy says of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::token::bearer) struct Told {
    pub(super) subject: Option<Budget>,
    pub(super) client: Option<Budget>,
}

impl Told {
    /// Of a caller who asks once too often, for documentation.
    pub(in crate::token::bearer) const EXAMPLE: Self = Self {
        subject: Some(Budget { name: "subject", quota: 200, window: 4, left: None, reset: 1 }),
        client: Some(Budget { name: "client", quota: 2000, window: 4, left: Some(1500), reset: 1 }),
    };

    fn budgets(&self) -> impl Iterator<Item = &Budget> {
        [&self.subject, &self.client].into_iter().flatten()
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.budgets().any(|budget| budget.left.is_none())
    }

    /// Which policy refuses, and in how many seconds it does not any more; of two the longer one.
    pub(in crate::token::bearer) fn refusal(&self) -> Option<(&'static str, u32)> {
        let refusing = self.budgets().filter(|budget| budget.left.is_none());
        let longest = refusing.max_by_key(|budget| budget.reset)?;
        Some((longest.name, u32::try_from(longest.reset).unwrap_or(u32::MAX)))
    }

    /// `"subject";q=200;w=4, "client";q=2000;w=4`.
    pub(in crate::token::bearer) fn policy(&self) -> String {
        self.list([";q=", ";w="], |budget| [budget.quota.into(), budget.window])
    }

    /// `"subject";r=0;t=1, "client";r=1500;t=1`.
    pub(in crate::token::bearer) fn left(&self) -> String {
        self.list([";r=", ";t="], |budget| [budget.left.unwrap_or_default().into(), budget.reset])
    }

    /// An item for each policy: its name, and two numbers as parameters. Written without `format!`: every answer has it.
    fn list(&self, parameters: [&str; 2], numbers: impl Fn(&Budget) -> [u64; 2]) -> String {
        let mut text = String::with_capacity(64);
        let mut digits = itoa::Buffer::new();
        for budget in self.budgets() {
            text.push_str(if text.is_empty() { "\"" } else { ", \"" });
            text.push_str(budget.name);
            text.push('"');
            for (parameter, number) in parameters.into_iter().zip(numbers(budget)) {
                text.push_str(parameter);
                text.push_str(digits.format(number));
            }
        }
        text
    }

    pub(in crate::token::bearer) fn set(&self, headers: &mut HeaderMap) {
        for (name, text) in [(POLICY, self.policy()), (LEFT, self.left())] {
            // Names and digits: always a valid header.
            if let (false, Ok(value)) = (text.is_empty(), HeaderValue::try_from(text)) {
                headers.insert(name, value);
            }
        }
    }
}

/// Where the check leaves word for the layer around it.
#[derive(Clone, Default)]
struct Slot(Arc<OnceLock<Told>>);

/// Leaves word for [`TellLayer`], if there is one.
pub(in crate::token::bearer) fn tell(parts: &Parts, told: Told) {
    if let Some(Slot(slot)) = parts.extensions.get() {
        // The first check of a request counts; there is no second.
        slot.get_or_init(|| told);
    }
}

/// Puts `RateLimit-Policy` and `RateLimit` on the answers to requests that were counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct TellLayer;

impl<S> Layer<S> for TellLayer {
    type Service = Tell<S>;

    fn layer(&self, inner: S) -> Tell<S> {
        Tell(inner)
    }
}

/// What [`TellLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct Tell<S>(S);

impl<S> Service<Request> for Tell<S>
where
    S: Service<Request, Error = Infallible>,
    S::Response: IntoResponse,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let slot = Slot::default();
        request.extensions_mut().insert(slot.clone());
        let answering = self.0.call(request);
        Box::pin(async move {
            let mut response = answering.await?.into_response();
            if let Some(told) = slot.0.get() {
                told.set(response.headers_mut());
            }
            Ok(response)
        })
    }
}
