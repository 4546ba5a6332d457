//! The check as a tower layer, before routes whose handlers know nothing of it.

use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use tower::{Layer, Service};

use super::{Gate, Permission};

/// Lets requests through that carry a good token with the scope of `P`, and answers all others. What is behind it finds an
/// [`Authorized`](super::Authorized) among the request's extensions.
pub struct RequireLayer<P> {
    gate: Arc<Gate>,
    permission: PhantomData<fn() -> P>,
}

impl<P: Permission> RequireLayer<P> {
    /// A layer that asks `gate`.
    #[must_use]
    pub const fn new(gate: Arc<Gate>) -> Self {
        Self { gate, permission: PhantomData }
    }
}

/// By hand, because the derived one would ask it of `P`.
impl<P> Clone for RequireLayer<P> {
    fn clone(&self) -> Self {
        Self { gate: Arc::clone(&self.gate), permission: PhantomData }
    }
}

impl<S, P> Layer<S> for RequireLayer<P> {
    type Service = Require<S, P>;

    fn layer(&self, inner: S) -> Require<S, P> {
        Require { inner, layer: self.clone() }
    }
}

/// What [`RequireLayer`] makes of a service.
pub struct Require<S, P> {
    inner: S,
    layer: RequireLayer<P>,
}

impl<S: Clone, P> Clone for Require<S, P> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S, P> Service<Request> for Require<S, P>
where
    S: Service<Request, Error = Infallible> + Clone + Send + 'static,
    S::Response: IntoResponse,
    S::Future: Send,
    P: Permission,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let gate = Arc::clone(&self.layer.gate);
        // The one that is ready is used up, and its copy gets ready next.
        let next = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, next);
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match gate.admit::<P>(&mut parts).await {
                Ok(admitted) => {
                    parts.extensions.insert(admitted);
                    Ok(inner.call(Request::from_parts(parts, body)).await?.into_response())
                }
                Err(denied) => Ok(denied.into_response()),
            }
        })
    }
}
