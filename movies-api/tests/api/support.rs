//! One service with its own issuer, and answers as text.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use chrono::DateTime;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use movies_api::app::{self, AppOptions, Resource};
use movies_api::config::REALM;
use movies_api::state::AppState;
use serde_json::Value;
use shared::clock::Clock;
use shared::db::{Pool, Primary};
use shared::http::docs::Endpoints;
use shared::http::serve::{self, ServeOptions};
use shared::testing::{TestIssuer, TokenBuilder};
use shared::token::bearer::{Gate, Limits};
use shared::token::keys::KeySet;
use shared::token::revocations::Revocations;
use shared::token::source::Keys;
use shared::token::verifier::Verifier;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;
use utoipa_axum::router::OpenApiRouter;

/// The service as `serve` builds it, with a clock that stands still.
pub struct TestApp {
    pub issuer: TestIssuer,
    pub clock: Clock,
    router: Router,
}

impl TestApp {
    pub fn new(pool: PgPool) -> Self {
        let issuer = TestIssuer::es256();
        let keys = issuer.key_set();
        Self::with_keys(pool, issuer, keys)
    }

    pub fn without_docs(pool: PgPool) -> Self {
        let issuer = TestIssuer::es256();
        let keys = issuer.key_set();
        Self::with(pool, issuer, keys, false, app::rooms())
    }

    /// With other rooms than the service has.
    pub fn with_rooms(pool: PgPool, rooms: OpenApiRouter<AppState>) -> Self {
        let issuer = TestIssuer::es256();
        let keys = issuer.key_set();
        Self::with(pool, issuer, keys, true, rooms)
    }

    pub fn with_keys(pool: Pool, issuer: TestIssuer, set: KeySet) -> Self {
        Self::with(pool, issuer, set, true, app::rooms())
    }

    /// With so many requests for each subject, and for each client.
    pub fn with_limits(pool: Pool, subject: &str, client: &str) -> Self {
        let (issuer, clock) = (TestIssuer::es256(), Self::standing_clock());
        let limits = Limits::new(subject.parse().unwrap(), client.parse().unwrap(), clock.clone());
        let keys = Keys::fixed(issuer.key_set());
        let verifier = Verifier::new(issuer.issuer(), issuer.audience(), keys.set());
        let gate = Gate::new(verifier, keys, REALM, clock.clone()).with_limits(limits);
        let resource = resource(&issuer);
        Self::behind(pool, issuer, (Arc::new(gate), clock), resource, (true, app::rooms(), Vec::new()))
    }

    /// Open to pages of this origin; a subject has four requests.
    pub fn for_pages_of(pool: Pool, origin: &str) -> Self {
        let (issuer, clock) = (TestIssuer::es256(), Self::standing_clock());
        let limits = Limits::new("4:1/h".parse().unwrap(), "off".parse().unwrap(), clock.clone());
        let keys = Keys::fixed(issuer.key_set());
        let verifier = Verifier::new(issuer.issuer(), issuer.audience(), keys.set());
        let resource = resource(&issuer);
        let gate = resource.guard(Gate::new(verifier, keys, REALM, clock.clone()).with_limits(limits));
        let parts = (true, app::rooms(), vec![origin.to_owned()]);
        Self::behind(pool, issuer, (Arc::new(gate), clock), resource, parts)
    }

    /// With keys from wherever.
    pub fn with_source(pool: Pool, issuer: TestIssuer, keys: Keys) -> Self {
        Self::with_revocations(pool, issuer, keys, Revocations::off(), Self::standing_clock())
    }

    /// With a feed that somebody else follows, by the same clock.
    pub fn with_revocations(pool: Pool, issuer: TestIssuer, keys: Keys, feed: Revocations, clock: Clock) -> Self {
        Self::build(pool, issuer, (keys, feed, clock), true, app::rooms())
    }

    pub fn standing_clock() -> Clock {
        Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap())
    }

    fn with(pool: Pool, issuer: TestIssuer, set: KeySet, has_docs: bool, rooms: OpenApiRouter<AppState>) -> Self {
        let parts = (Keys::fixed(set), Revocations::off(), Self::standing_clock());
        Self::build(pool, issuer, parts, has_docs, rooms)
    }

    /// Takes tokens that are bound to a key alone.
    pub fn requiring_dpop(pool: Pool) -> Self {
        let issuer = TestIssuer::es256();
        let keys = Keys::fixed(issuer.key_set());
        let parts = (keys, Revocations::off(), Self::standing_clock());
        let resource = Resource { requires_dpop: true, ..resource(&issuer) };
        Self::of(pool, issuer, parts, resource, (true, app::rooms()))
    }

    fn build(
        pool: Pool,
        issuer: TestIssuer,
        parts: (Keys, Revocations, Clock),
        has_docs: bool,
        rooms: OpenApiRouter<AppState>,
    ) -> Self {
        let resource = resource(&issuer);
        Self::of(pool, issuer, parts, resource, (has_docs, rooms))
    }

    fn of(
        pool: Pool,
        issuer: TestIssuer,
        (keys, revocations, clock): (Keys, Revocations, Clock),
        resource: Resource,
        (has_docs, rooms): (bool, OpenApiRouter<AppState>),
    ) -> Self {
        let verifier = Verifier::new(issuer.issuer(), issuer.audience(), keys.set()).with_revocations(revocations);
        let gate = Arc::new(resource.guard(Gate::new(verifier, keys, REALM, clock.clone())));
        Self::behind(pool, issuer, (gate, clock), resource, (has_docs, rooms, Vec::new()))
    }

    fn behind(
        pool: Pool,
        issuer: TestIssuer,
        (gate, clock): (Arc<Gate>, Clock),
        resource: Resource,
        (has_docs, rooms, cors_origins): (bool, OpenApiRouter<AppState>, Vec<String>),
    ) -> Self {
        let login = Endpoints::of(issuer.issuer());
        let docs_client = Some("demo".to_owned());
        let options = AppOptions { is_https: false, resource, cors_origins, has_docs, login, docs_client };
        Self {
            issuer,
            clock,
            router: app::assemble(
                rooms,
                AppState { primary: Primary::new(pool.clone(), None), relay: pool.into(), gate },
                options,
            ),
        }
    }

    /// A good token in the making.
    pub fn token(&self) -> TokenBuilder<'_> {
        self.issuer.token(self.clock.now())
    }

    /// `GET` with a good token.
    pub async fn get(&self, target: &str) -> Answer {
        self.ask(Method::GET, target, Some(&format!("Bearer {}", self.token().mint()))).await
    }

    /// Any method, with this `Authorization` if any.
    pub async fn ask(&self, method: Method, target: &str, authorization: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(target);
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// `GET` with a good token and these headers.
    pub async fn read(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        let bearer = format!("Bearer {}", self.token().mint());
        let request = Request::get(target).header(header::AUTHORIZATION, bearer);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Any method with a token that may write.
    pub async fn write(&self, method: Method, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token().scope("movies:write").mint());
        let request = Request::builder().method(method).uri(target).header(header::AUTHORIZATION, bearer);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// The answer whose body is still to be read.
    pub async fn open(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.open(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }
}

fn resource(issuer: &TestIssuer) -> Resource {
    let (audience, issuer) = (issuer.audience().to_owned(), issuer.issuer().to_owned());
    Resource { audience, issuer, requires_dpop: false }
}

/// The service in its own serving loop, for what only real HTTP shows.
pub struct Listening {
    app: TestApp,
    pub address: SocketAddr,
    client: reqwest::Client,
    task: JoinHandle<()>,
}

impl Listening {
    pub async fn start(app: TestApp) -> Self {
        let listener = serve::bind("127.0.0.1:0".parse().unwrap(), "BIND").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = serve::serve(listener, app.router.clone(), ServeOptions::default(), std::future::pending());
        Self { app, address, client: reqwest::Client::new(), task: tokio::spawn(serving) }
    }

    /// Status, challenge and body of a GET with these `Authorization` headers.
    pub async fn fetch(&self, target: &str, authorization: &[&str]) -> (u16, String, String) {
        let mut request = self.client.get(format!("http://{}{target}", self.address));
        for value in authorization {
            request = request.header(header::AUTHORIZATION, *value);
        }
        let answer = request.send().await.unwrap();
        let challenge = answer.headers().get(header::WWW_AUTHENTICATE).map_or("", |value| value.to_str().unwrap());
        (answer.status().as_u16(), challenge.to_owned(), answer.text().await.unwrap())
    }
}

impl Deref for Listening {
    type Target = TestApp;

    fn deref(&self) -> &TestApp {
        &self.app
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer whose `Display` is the whole of it, for snapshots.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem's stable code, where it is a problem.
    pub fn code_or_empty(&self) -> String {
        if self.header("content-type") == "application/problem+json" { self.code() } else { String::new() }
    }

    /// The problem's stable code.
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self}");
        self.json()["code"].as_str().unwrap().to_owned()
    }
}

/// Headers by name; the request id, which is another each time, is left out once it is known to be there.
impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(self.headers.contains_key("x-request-id"), "an answer without request id");
        writeln!(f, "{}", self.status)?;
        let mut headers: Vec<_> = self.headers.iter().filter(|(name, _)| *name != "x-request-id").collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in headers {
            writeln!(f, "{name}: {}", value.to_str().unwrap())?;
        }
        write!(f, "\n{}", self.body)
    }
}

/// A row of the table: key, title, year, rating.
type Row<'a> = (i32, Option<&'a str>, Option<i32>, Option<&'a str>);

/// Puts films into the table.
pub async fn insert(pool: &PgPool, movies: &[Row<'_>]) {
    for (movie_id, title, released, rating) in movies {
        sqlx::query("insert into myapi.movies (movie_id, title, released, rating) values ($1, $2, $3, $4::numeric)")
            .bind(movie_id)
            .bind(title)
            .bind(released)
            .bind(rating)
            .execute(pool)
            .await
            .unwrap();
    }
}

/// A few films that the tests of reading share.
pub async fn insert_some(pool: &PgPool) {
    insert(
        pool,
        &[
            (1, Some("The Land Girls"), Some(1998), Some("6.1")),
            (2, Some("Alien³"), Some(1992), Some("6.3")),
            (3, Some("City of God"), Some(2003), Some("8.8")),
            (4, Some("Ratatouille"), Some(2007), Some("8.0")),
            (5, Some("Up"), Some(2009), Some("8.4")),
            (6, None, None, None),
        ],
    )
    .await;
}
