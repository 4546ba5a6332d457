//! The service under test and the words to talk to it.

use std::net::{IpAddr, SocketAddr};

use auth_server::app;
use auth_server::clients::{
    ApplicationType, Authentication, ClientKind, ClientSecret, GrantType, Lifetimes, NewClient,
};
use auth_server::config::AuthConfig;
use auth_server::keys::{self, NewKey};
use auth_server::passwords::{Leniency, Plain};
use auth_server::resource_servers::NewScope;
use auth_server::state::AppState;
use auth_server::users::{NewUser, User};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use shared::clock::Clock;
use shared::config::Sources;
use shared::db::Pool;
use shared::token::keys::Algorithm;
use tower::ServiceExt as _;

pub const ISSUER: &str = "http://127.0.0.1:8001";
pub const AUDIENCE: &str = "http://127.0.0.1:8000";
pub const EMAIL: &str = "ann@example.com";
pub const PASSWORD: &str = "correct horse battery staple";
/// A public client with every grant that such a one may have; the default client.
pub const PUBLIC: &str = "app";
/// A confidential client with every grant that there is.
pub const CONFIDENTIAL: &str = "backend";

/// One replica with one user and the two clients, on a database of its own, at a time that stands still.
pub struct TestApp {
    pub state: AppState,
    pub router: Router,
    pub clock: Clock,
    pub pool: Pool,
    pub user: User,
    /// The secret of [`CONFIDENTIAL`].
    pub secret: String,
}

/// A login without its client.
pub const PASSWORD_GRANT: [(&str, &str); 3] = [("grant_type", "password"), ("username", EMAIL), ("password", PASSWORD)];

/// What came back, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?.to_str().unwrap();
        assert!(values.next().is_none(), "{name} stands twice");
        Some(first)
    }

    /// E(status, error) of the checklist: the whole wire of a refusal by RFC 6749 section 5.2.
    #[track_caller]
    pub fn assert_error(&self, status: u16, error: &str) {
        assert_eq!((self.status.as_u16(), self.json()["error"].as_str()), (status, Some(error)), "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let body = self.json();
        let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["error", "error_description"]);
        let description = body["error_description"].as_str().unwrap();
        // T21: RFC 6749 section 5.2, %x20-21 / %x23-5B / %x5D-7E.
        assert!(description.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{description}");
        for inside in ["sqlx", "postgres", "select ", ".rs", "panicked"] {
            assert!(!self.body.to_ascii_lowercase().contains(inside), "{}", self.body);
        }
        let challenge = self.header("www-authenticate");
        assert_eq!(challenge, (status == 401).then_some("Basic realm=\"auth-server\""));
    }

    /// The claims of the access token that came, unchecked: the verifier has tests of its own.
    pub fn claims(&self) -> Value {
        self.segment(1)
    }

    /// The refresh token that came.
    #[track_caller]
    pub fn refresh_token(&self) -> String {
        let token = self.json()["refresh_token"].as_str().map(str::to_owned);
        token.unwrap_or_else(|| panic!("no refresh token in {}", self.body))
    }

    /// The access token that came.
    #[track_caller]
    pub fn access_token(&self) -> String {
        let token = self.json()["access_token"].as_str().map(str::to_owned);
        token.unwrap_or_else(|| panic!("no access token in {}", self.body))
    }

    pub fn segment(&self, at: usize) -> Value {
        let body = self.json();
        let token = body["access_token"].as_str().unwrap_or_else(|| panic!("no token in {body}"));
        let segment = token.split('.').nth(at).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(segment).unwrap()).unwrap()
    }
}

impl TestApp {
    pub async fn new(pool: Pool) -> Self {
        Self::with(pool, &[]).await
    }

    /// With settings of its own, by name.
    pub async fn with(pool: Pool, settings: &[(&str, &str)]) -> Self {
        let config = config(settings);
        let clock = Clock::manual(Clock::system().now());
        let keks = config.key_ring().unwrap();
        let new_key = NewKey { kid: None, activate: false };
        keys::generate(&pool, &keks, Algorithm::Es256, &new_key, clock.now()).await.unwrap();
        let state = AppState::start(config, pool.clone(), clock.clone()).await.unwrap();
        let user = populate(&state).await;
        let (_, secret) = state.clients.create(&client(CONFIDENTIAL, ClientKind::Confidential)).await.unwrap();
        let secret = secret.as_ref().map(ClientSecret::expose).unwrap().to_owned();
        Self { router: app::router(state.clone()), state, clock, pool, user, secret }
    }

    /// The same replica once more, for tasks of their own.
    pub fn of(other: &Self) -> Self {
        let Self { state, router, clock, pool, user, secret } = other;
        let (state, router, clock, pool) = (state.clone(), router.clone(), clock.clone(), pool.clone());
        Self { state, router, clock, pool, user: user.clone(), secret: secret.clone() }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        // Only pictures and compressed files are no text.
        let body = String::from_utf8_lossy(&body).into_owned();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// `POST /token` with these parameters in the body.
    pub async fn token(&self, parameters: &[(&str, &str)]) -> Answer {
        self.token_raw(&encode(parameters), &[]).await
    }

    /// `POST /token` with Basic credentials, form-encoded as RFC 6749 section 2.3.1 asks.
    pub async fn token_basic(&self, id: &str, secret: &str, parameters: &[(&str, &str)]) -> Answer {
        self.token_raw(&encode(parameters), &[(AUTHORIZATION.as_str(), &basic(id, secret))]).await
    }

    /// `POST /token` with a body as it stands, and more headers.
    pub async fn token_raw(&self, body: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(Method::POST).uri("/token");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str())) {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// A form to any endpoint, with the confidential client's credentials.
    pub async fn post(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        self.post_as(path, Some((CONFIDENTIAL, &self.secret)), parameters).await
    }

    /// A form to any endpoint, with these Basic credentials.
    pub async fn post_as(&self, path: &str, client: Option<(&str, &str)>, parameters: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some((id, secret)) = client {
            request = request.header(AUTHORIZATION, basic(id, secret));
        }
        self.send(request.body(Body::from(encode(parameters))).unwrap()).await
    }

    /// Logs the user in for the confidential client.
    pub async fn login(&self) -> Answer {
        let answer = self.token_basic(CONFIDENTIAL, &self.secret, &PASSWORD_GRANT).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer
    }

    /// Refreshes with the confidential client.
    pub async fn refresh(&self, refresh_token: &str) -> Answer {
        let parameters = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.token_basic(CONFIDENTIAL, &self.secret, &parameters).await
    }

    /// Another replica over the same database and with the same clock.
    pub async fn replica(&self) -> Self {
        self.again(self.state.config.as_ref().clone()).await
    }

    /// The same, with other settings.
    pub async fn over(other: &Self, settings: &[(&str, &str)]) -> Self {
        other.again(config(settings)).await
    }

    /// Every row of every table, as text.
    pub async fn dump(&self) -> String {
        let tables = "select table_name::text from information_schema.tables where table_schema = 'myapi'";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&self.pool).await.unwrap();
        let mut dump = String::new();
        for table in tables {
            let rows = format!("select coalesce(string_agg(row::text, chr(10)), '') from myapi.\"{table}\" row");
            let rows: String = sqlx::query_scalar(sqlx::AssertSqlSafe(rows)).fetch_one(&self.pool).await.unwrap();
            dump.push_str(&rows);
        }
        dump
    }

    async fn again(&self, config: AuthConfig) -> Self {
        let state = AppState::start(config, self.pool.clone(), self.clock.clone()).await.unwrap();
        Self {
            router: app::router(state.clone()),
            state,
            clock: self.clock.clone(),
            pool: self.pool.clone(),
            user: self.user.clone(),
            secret: self.secret.clone(),
        }
    }

    /// Refresh tokens that a client could use next: unspent, not expired, their family alive and of the user's version.
    pub async fn live_leaves(&self) -> i64 {
        let sql = "select count(*)
                   from myapi.refresh_tokens t
                   join myapi.families f using (family_id)
                   join myapi.users u on u.sub = f.sub
                   where t.rotated_at is null and t.expires_at > $1 and f.revoked_at is null and f.expires_at > $1
                     and u.disabled_at is null and u.token_version = f.user_version";
        sqlx::query_scalar(sql).bind(self.clock.now()).fetch_one(&self.pool).await.unwrap()
    }

    /// `POST /token` over a connection from this address.
    pub async fn token_from(&self, ip: impl Into<IpAddr>, parameters: &[(&str, &str)]) -> Answer {
        self.token_over(ip, parameters, &[]).await
    }

    /// `POST /token` over a connection from this address, with more headers.
    pub async fn token_over(
        &self,
        ip: impl Into<IpAddr>,
        parameters: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::post("/token").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.extension(ConnectInfo(SocketAddr::new(ip.into(), 4711)));
        self.send(request.body(Body::from(encode(parameters))).unwrap()).await
    }

    pub async fn create_user(&self, email: &str, password: &str) -> User {
        create_user(&self.state, email, password).await
    }

    pub async fn create_client(&self, new: &NewClient) -> Option<String> {
        let (_, secret) = self.state.clients.create(new).await.unwrap();
        secret.map(|secret| secret.expose().to_owned())
    }
}

/// A good password request of the public client.
pub fn login<'a>(email: &'a str, password: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("grant_type", "password"), ("client_id", PUBLIC), ("username", email), ("password", password)]
}

pub fn encode(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

pub fn basic(id: &str, secret: &str) -> String {
    let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", part(id), part(secret))))
}

pub fn config(settings: &[(&str, &str)]) -> AuthConfig {
    let key = STANDARD.encode((1..=32).collect::<Vec<u8>>());
    let mut environment = vec![
        ("MYAPI_DATABASE__DEV".to_owned(), "postgres://nobody@127.0.0.1:1/none".to_owned()),
        ("MYAPI_AUTH__KEY_ENCRYPTION_KEY".to_owned(), key),
        ("MYAPI_AUTH__DEFAULT_CLIENT".to_owned(), PUBLIC.to_owned()),
        ("MYAPI_AUTH__PASSWORD_LANES".to_owned(), "1".to_owned()),
    ];
    environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let (config, _) = AuthConfig::load(&Sources { environment, ..Sources::default() }).unwrap();
    config
}

pub fn client(id: &str, kind: ClientKind) -> NewClient {
    NewClient {
        client_id: id.parse().unwrap(),
        name: id.to_owned(),
        kind,
        grants: GrantType::ALL.into_iter().filter(|grant| may_have(kind, *grant)).collect(),
        scopes: "movies:read movies:write profile email".parse().unwrap(),
        default_scopes: "movies:read".parse().unwrap(),
        audience: AUDIENCE.to_owned(),
        audiences: Vec::new(),
        serves: None,
        application_type: ApplicationType::Web,
        redirect_uris: vec!["https://app.example.com/cb".to_owned()],
        post_logout_redirect_uris: Vec::new(),
        skips_consent: false,
        require_pushed_authorization_requests: false,
        dpop_bound_access_tokens: false,
        authentication: Authentication::of_kind(kind),
        lifetimes: Lifetimes::default(),
    }
}

/// Client credentials are for confidential clients alone.
fn may_have(kind: ClientKind, grant: GrantType) -> bool {
    kind == ClientKind::Confidential || grant != GrantType::ClientCredentials
}

async fn populate(state: &AppState) -> User {
    let scope = |name: &str| NewScope { scope: name.to_owned(), description: name.to_owned() };
    let scopes = [scope("movies:read"), scope("movies:write")];
    state.resource_servers.create(AUDIENCE, "movies", &scopes).await.unwrap();
    state.clients.create(&client(PUBLIC, ClientKind::Public)).await.unwrap();
    create_user(state, EMAIL, PASSWORD).await
}

async fn create_user(state: &AppState, email: &str, password: &str) -> User {
    let new = NewUser { email: email.parse().unwrap(), name: Some("Ann Example".parse().unwrap()), scopes: None };
    let plain = Plain::new(password.to_owned()).unwrap();
    state.users.create(&new, &plain, Leniency::AllowWeak).await.unwrap().user
}
