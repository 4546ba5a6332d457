//! Pages of other origins (Fetch standard, section 3.3), at the price of those requests alone that come from one.
//!
//! [`CorsLayer`] looks up what it says for every request, and is copied for each as deep as its lists are. Most callers of
//! an API are no pages: they send no `Origin`, nothing is said to them, and they pass.

use std::convert::Infallible;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use http::{HeaderValue, Method, header};
use tower::{Layer, Service};
use tower_http::cors::CorsLayer;

/// What caches have to know even of an answer that was none for a page: another one is.
const VARY: HeaderValue = HeaderValue::from_static("origin");

/// Asks a [`CorsLayer`] about requests with an `Origin`, and about every `OPTIONS`.
#[derive(Clone)]
pub struct PagesLayer(Arc<CorsLayer>);

impl PagesLayer {
    /// Says what `cors` says, to pages. Its methods and headers have to be lists: then its `Vary` is `origin`.
    #[must_use]
    pub fn new(cors: CorsLayer) -> Self {
        Self(Arc::new(cors))
    }
}

impl<S> Layer<S> for PagesLayer {
    type Service = Pages<S>;

    fn layer(&self, inner: S) -> Pages<S> {
        Pages { inner, cors: Arc::clone(&self.0) }
    }
}

/// What [`PagesLayer`] makes of a service.
#[derive(Clone)]
pub struct Pages<S> {
    inner: S,
    cors: Arc<CorsLayer>,
}

impl<S> Service<Request> for Pages<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        if request.headers().contains_key(header::ORIGIN) || request.method() == Method::OPTIONS {
            // The one that is ready is used up, and its copy gets ready next.
            let next = self.inner.clone();
            return Box::pin(self.cors.layer(mem::replace(&mut self.inner, next)).call(request));
        }
        let answering = self.inner.call(request);
        Box::pin(async move {
            let mut response = answering.await?;
            response.headers_mut().append(header::VARY, VARY);
            Ok(response)
        })
    }
}
