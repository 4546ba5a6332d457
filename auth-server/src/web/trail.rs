//! Each request's trail in the audit log ([`crate::audit`]).

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::Request;
use shared::http::layers::RequestId;
use tower::{Layer, Service};

use crate::audit::{Audit, Trail};

/// What a request notes is recorded under the id that its answer tells the client.
#[derive(Clone)]
pub struct TrailLayer {
    audit: Audit,
}

impl TrailLayer {
    /// Into this audit log.
    #[must_use]
    pub const fn new(audit: Audit) -> Self {
        Self { audit }
    }
}

impl<S> Layer<S> for TrailLayer {
    type Service = OnTrail<S>;

    fn layer(&self, inner: S) -> OnTrail<S> {
        OnTrail { inner, audit: self.audit.clone() }
    }
}

/// [`TrailLayer`] around a service.
#[derive(Clone)]
pub struct OnTrail<S> {
    inner: S,
    audit: Audit,
}

impl<S> Service<Request> for OnTrail<S>
where
    S: Service<Request, Error = Infallible>,
    S::Future: Send + 'static,
    S::Response: 'static,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let request_id = request.extensions().get::<RequestId>().map(|id| id.0);
        let trail = Trail::of_request(self.audit.clone(), request_id);
        Box::pin(trail.scope(self.inner.call(request)))
    }
}
