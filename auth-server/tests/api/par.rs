//! `POST /par` and the requests that were pushed there (RFC 9126).

use auth_server::clients::{ClientKind, GrantType, NewClient};
use auth_server::pushed_requests::RequestUri;
use axum::body::Body;
use chrono::TimeDelta;
use http::Request;
use serde_json::json;
use shared::db::Pool;

use crate::app::{self, Answer, TestApp};
use crate::visitor::{self, Asking, NATIVE, Visitor, WEB, WEB_URI, location, parameter, redeem};

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:mpr1_";

struct Pushing {
    app: TestApp,
    secret: String,
}

impl Pushing {
    async fn with(pool: Pool, settings: &[(&str, &str)]) -> Self {
        let app = TestApp::with(pool, settings).await;
        let secret = visitor::clients(&app).await;
        Self { app, secret }
    }

    async fn new(pool: Pool) -> Self {
        Self::with(pool, &[]).await
    }

    /// By the web client, its id in the header alone.
    async fn push(&self, asking: &Asking) -> Answer {
        let asking = asking.clone().without("client_id");
        let pairs: Vec<_> = asking.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.app.post_as("/par", Some((WEB, &self.secret)), &pairs).await
    }

    async fn pushed(&self, asking: &Asking) -> String {
        let answer = self.push(asking).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()["request_uri"].as_str().unwrap().to_owned()
    }

    async fn rows(&self) -> i64 {
        sqlx::query_scalar("select count(*) from myapi.pushed_requests").fetch_one(&self.app.pool).await.unwrap()
    }
}

/// What a browser brings of it.
fn brought(client: &str, request_uri: &str) -> Asking {
    Asking(vec![("client_id", client.to_owned()), ("request_uri", request_uri.to_owned())])
}

/// A page, and no redirect (A01).
#[track_caller]
fn assert_page(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None), "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_pushed_request_signs_in_and_is_answered_once(pool: Pool) {
    let here = Pushing::new(pool).await;
    let answer = here.push(&Asking::web()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
    let body = answer.json();
    let request_uri = body["request_uri"].as_str().unwrap();
    assert_eq!(body, json!({ "request_uri": request_uri, "expires_in": 60 }));
    assert!(request_uri.starts_with(PREFIX) && request_uri.len() == PREFIX.len() + 48, "{request_uri}");
    assert!(!here.app.dump().await.contains(request_uri.strip_prefix(PREFIX).unwrap()), "R12: only a hash is kept");

    let mut visitor = Visitor::new(&here.app);
    let url = visitor.walk(&brought(WEB, request_uri)).await;
    assert!(url.as_str().starts_with(WEB_URI), "{url}");
    assert_eq!(parameter(&url, "state").as_deref(), Some("s-1"));
    assert_eq!(parameter(&url, "iss").as_deref(), Some(app::ISSUER));
    let tokens = redeem(&here.app, &here.secret, &parameter(&url, "code").unwrap()).await;
    assert_eq!((tokens.status.as_u16(), tokens.json()["id_token"].is_string()), (200, true), "{}", tokens.body);

    assert_page(&visitor.get(&brought(WEB, request_uri).path()).await);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_stands_beside_request_uri_is_ignored(pool: Pool) {
    let here = Pushing::new(pool).await;
    let request_uri = here.pushed(&Asking::web()).await;
    let beside = brought(WEB, &request_uri)
        .with("redirect_uri", "https://evil.test/")
        .with("state", "other")
        .with("scope", "movies:write")
        .with("response_type", "token")
        .with("code_challenge", "x");
    let url = Visitor::new(&here.app).walk(&beside).await;
    assert_eq!((url.host_str(), parameter(&url, "state").as_deref()), (Some("app.example.com"), Some("s-1")));
    let tokens = redeem(&here.app, &here.secret, &parameter(&url, "code").unwrap()).await;
    assert_eq!(tokens.json()["scope"], "movies:read openid profile");
}

/// A browser may reload, open a second tab and take its time; one answer leaves.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_reload_begins_again_until_one_is_answered(pool: Pool) {
    let here = Pushing::new(pool).await;
    let request_uri = here.pushed(&Asking::web()).await;
    let path = brought(WEB, &request_uri).path();
    let mut visitor = Visitor::new(&here.app);
    let first = location(&visitor.get(&path).await);
    let second = location(&visitor.get(&path).await);
    here.app.clock.advance(TimeDelta::minutes(5));
    assert_page(&visitor.get(&path).await);

    let consent = location(&visitor.sign_in(&first).await);
    let done = location(&visitor.consent(&consent, "allow").await);
    assert!(done.starts_with(&format!("{WEB_URI}?code=")), "{done}");
    // The other tab comes too late: the person is signed in and has consented, but the answer is gone.
    assert_page(&visitor.sign_in(&second).await);
    let codes: i64 =
        sqlx::query_scalar("select count(*) from myapi.authorization_codes").fetch_one(&here.app.pool).await.unwrap();
    assert_eq!(codes, 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn of_many_answers_at_once_one_is_given(pool: Pool) {
    let here = Pushing::new(pool).await;
    let request_uri = RequestUri::parse(&here.pushed(&Asking::web()).await).unwrap();
    let replica = here.app.replica().await;
    let mut answers = tokio::task::JoinSet::new();
    for number in 0..16 {
        let app = TestApp::of(if number % 2 == 0 { &here.app } else { &replica });
        let request_uri = request_uri.clone();
        answers.spawn(async move { app.state.pushed_requests.consume(&request_uri, app.clock.now()).await.unwrap() });
    }
    assert_eq!(answers.join_all().await.into_iter().filter(|first| *first).count(), 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_refusal_is_an_answer_too(pool: Pool) {
    let here = Pushing::new(pool).await;
    let mut visitor = Visitor::new(&here.app);
    let silent = here.pushed(&Asking::web().with("prompt", "none")).await;
    let path = brought(WEB, &silent).path();
    let refused = location(&visitor.get(&path).await);
    assert!(refused.contains("error=login_required"), "{refused}");
    assert_page(&visitor.get(&path).await);

    let denied = here.pushed(&Asking::web()).await;
    let path = brought(WEB, &denied).path();
    let login = location(&visitor.get(&path).await);
    let consent = location(&visitor.sign_in(&login).await);
    let refused = location(&visitor.consent(&consent, "deny").await);
    assert!(refused.contains("error=access_denied"), "{refused}");
    assert_page(&visitor.get(&path).await);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a01_unknown_foreign_and_old_names_are_a_page(pool: Pool) {
    let here = Pushing::new(pool).await;
    let mut visitor = Visitor::new(&here.app);
    let good = here.pushed(&Asking::web()).await;
    let unknown = RequestUri::generate(here.app.clock.now() + TimeDelta::seconds(30)).unwrap().text();
    let changed = format!("{}{}", &good[..good.len() - 1], if good.ends_with('A') { 'B' } else { 'A' });
    for (client, request_uri) in [
        (WEB, unknown.as_str()),
        (WEB, &changed),
        (WEB, &format!("{good}=")),
        (WEB, &good[..good.len() - 4]),
        (WEB, PREFIX),
        (NATIVE, &good),
        ("nobody", &good),
    ] {
        let answer = visitor.get(&brought(client, request_uri).path()).await;
        assert_page(&answer);
        assert!(!answer.body.contains(request_uri), "nothing of the request is shown");
    }
    assert_page(&visitor.get(&brought(WEB, &good).without("client_id").path()).await);
    // Another kind of name is none of ours: it is refused where the request is proven.
    let elsewhere = Asking::web().with("request_uri", "https://app.example.com/request.jwt").with("prompt", "none");
    assert!(location(&visitor.get(&elsewhere.path()).await).contains("error=request_uri_not_supported"));

    assert_eq!(visitor.get(&brought(WEB, &good).path()).await.status, 303, "none of that consumed it");
    here.app.clock.advance(TimeDelta::seconds(60));
    assert_page(&visitor.get(&brought(WEB, &good).path()).await);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_is_wrong_is_told_when_it_is_pushed(pool: Pool) {
    let here = Pushing::new(pool).await;
    let web = Asking::web;
    let cases = [
        (web().without("code_challenge"), "invalid_request"),
        (web().with("code_challenge_method", "plain"), "invalid_request"),
        (web().with("redirect_uri", "https://evil.test/"), "invalid_request"),
        (web().without("redirect_uri"), "invalid_request"),
        (web().with("request_uri", &format!("{PREFIX}x")), "invalid_request"),
        (web().with("prompt", "none login"), "invalid_request"),
        (web().with("response_mode", "fragment"), "invalid_request"),
        (web().without("response_type"), "invalid_request"),
        (web().with("response_type", "token"), "unsupported_response_type"),
        (web().with("scope", "no:such"), "invalid_scope"),
        (web().with("resource", "urn:nobody"), "invalid_target"),
        (web().with("request", "a.b.c"), "request_not_supported"),
        (web().with("registration", "{}"), "registration_not_supported"),
    ];
    for (asking, error) in &cases {
        here.push(asking).await.assert_error(400, error);
    }
    here.push(&web().with("state", &"s".repeat(10_240))).await.assert_error(413, "invalid_request");
    let twice = Request::post("/par")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", app::basic(WEB, &here.secret))
        .body(Body::from(format!("{}&state=other", web().query())));
    here.app.send(twice.unwrap()).await.assert_error(400, "invalid_request");

    let idle = NewClient { grants: vec![GrantType::Password], ..app::client("idle", ClientKind::Public) };
    here.app.create_client(&idle).await;
    let mine = Asking::web().with("client_id", "idle").with("redirect_uri", "https://app.example.com/cb");
    let pairs: Vec<_> = mine.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
    here.app.post_as("/par", None, &pairs).await.assert_error(400, "unauthorized_client");
    assert_eq!(here.rows().await, 0, "nothing of it was kept");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_client_is_authenticated(pool: Pool) {
    let here = Pushing::new(pool).await;
    let web = Asking::web();
    let pairs: Vec<_> = web.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
    here.app.post_as("/par", Some((WEB, "wrong")), &pairs).await.assert_error(401, "invalid_client");
    here.app.post_as("/par", None, &pairs).await.assert_error(401, "invalid_client");
    let nobody = web.clone().without("client_id");
    let nobody: Vec<_> = nobody.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
    here.app.post_as("/par", None, &nobody).await.assert_error(401, "invalid_client");
    let native = Asking::native();
    let native: Vec<_> = native.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(here.app.post_as("/par", None, &native).await.status, 201, "a public client has its id");
    let posted = [&pairs[..], &[("client_secret", here.secret.as_str())]].concat();
    assert_eq!(here.app.post_as("/par", None, &posted).await.status, 201);
    assert!(!here.app.dump().await.contains(&here.secret), "the secret is no part of the request");
    let get = here.app.get("/par").await;
    get.assert_error(405, "invalid_request");
    assert_eq!(get.header("allow"), Some("POST"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_client_can_be_required_to_push(pool: Pool) {
    let here = Pushing::new(pool).await;
    let strict = |is: NewClient| NewClient { require_pushed_authorization_requests: true, ..is };
    here.app.state.clients.update(&WEB.parse().unwrap(), strict).await.unwrap();
    let mut visitor = Visitor::new(&here.app);
    let silent = Asking::web().with("prompt", "none");
    let refused = location(&visitor.get(&silent.path()).await);
    assert!(refused.contains("error=invalid_request") && refused.contains("RFC+9126"), "{refused}");
    assert_eq!(visitor.get(&Asking::web().path()).await.status, 400, "a stranger sees a page");
    assert_eq!(visitor.get(&Asking::native().path()).await.status, 303, "others are free");
    let pushed = here.pushed(&Asking::web()).await;
    visitor.code(&brought(WEB, &pushed)).await;
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m02_the_server_can_require_it_of_all_and_says_so(pool: Pool) {
    let here = Pushing::with(
        pool,
        &[("MYAPI_AUTH__REQUIRE_PUSHED_REQUESTS", "true"), ("MYAPI_AUTH__PUSHED_REQUEST_TTL", "5")],
    )
    .await;
    let metadata = here.app.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["require_pushed_authorization_requests"], true);
    assert_eq!(metadata["pushed_authorization_request_endpoint"], "http://127.0.0.1:8001/par");
    let mut visitor = Visitor::new(&here.app);
    let refused = location(&visitor.get(&Asking::native().with("prompt", "none").path()).await);
    assert!(refused.contains("error=invalid_request"), "{refused}");
    let answer = here.push(&Asking::web()).await;
    assert_eq!(answer.json()["expires_in"], 5);
    visitor.code(&brought(WEB, answer.json()["request_uri"].as_str().unwrap())).await;
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn strangers_cannot_push_as_fast_as_they_can_ask(pool: Pool) {
    let here = Pushing::with(pool, &[("MYAPI_AUTH__LIMIT_PUSHED_REQUEST", "3:3600")]).await;
    let native = Asking::native();
    let native: Vec<_> = native.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for _ in 0..3 {
        assert_eq!(here.app.post_as("/par", None, &native).await.status, 201);
    }
    let answer = here.app.post_as("/par", None, &native).await;
    answer.assert_error(429, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    for _ in 0..5 {
        here.pushed(&Asking::web()).await;
    }
    here.app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(here.app.post_as("/par", None, &native).await.status, 201);
    assert_eq!(here.rows().await, 9, "what was refused is not kept");
}
